// Property tests: real headers with random damage either open or end in a RyzError, never in another
// exception, a hang or a large allocation; and no bytes whatever break a transcoder. fast-check prints
// seed and counterexample of a failure.
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { RyzError } from '../../src/errors.ts'
import { typeBytes } from '../../src/format/gguf/types.ts'
import type { TensorType } from '../../src/format/model-file.ts'
import { openModel } from '../../src/format/open.ts'

import { readConfig } from '../../src/model/config.ts'
import type { ModelSource } from '../../src/types/index.ts'
import { seeded, tensor, transcode } from './fixtures.ts'
import { smallGguf, smallHf } from './small-models.ts'

const MODEL = new URL('../../demo/public/models/ryz-tales-tq2_0-embq8_0.gguf', import.meta.url)
const HOSTILE_MS = 2000

/** One act of damage, at a place given as a share of the window. */
type Damage =
  | { kind: 'byte'; at: number; value: number }
  | { kind: 'u64'; at: number; value: bigint }
  | { kind: 'cut'; at: number }
  | { kind: 'move'; at: number; to: number; length: number }

// Not fc.double, whose values crowd around 0.
const place = fc.noBias(fc.nat(9999)).map(n => n / 10_000)
const damage: fc.Arbitrary<Damage> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('byte' as const), at: place, value: fc.nat(255) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('u64' as const),
      at: place,
      value: fc.oneof(
        fc.constantFrom(
          0n,
          1n,
          255n,
          2n ** 24n,
          2n ** 31n,
          2n ** 32n,
          2n ** 53n,
          2n ** 63n,
          2n ** 64n - 1n,
        ),
        fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      ),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('cut' as const), at: place }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('move' as const),
      at: place,
      to: place,
      length: fc.integer({ min: 1, max: 64 }),
    }),
  },
)

/** Damages bytes within [first, last) of a copy. */
function damaged(
  bytes: Uint8Array,
  first: number,
  last: number,
  acts: readonly Damage[],
): Uint8Array<ArrayBuffer> {
  let copy = new Uint8Array(bytes)
  for (const act of acts) {
    const at = Math.min(first + Math.floor(act.at * (last - first)), copy.length - 8)
    if (at < 0) break
    if (act.kind === 'byte') copy[at] = act.value
    else if (act.kind === 'u64') new DataView(copy.buffer).setBigUint64(at, act.value, true)
    else if (act.kind === 'cut') copy = copy.slice(0, at)
    else copy.copyWithin(first + Math.floor(act.to * (last - first)), at, at + act.length)
  }
  return copy
}

/** Opens and reads the config; counts what became of it. */
async function survives(source: ModelSource, seen: Map<string, number>): Promise<void> {
  const started = performance.now()
  let result = 'opened'
  try {
    readConfig(await openModel(source))
  } catch (error) {
    if (!(error instanceof RyzError)) throw error
    result = error.code
  }
  seen.set(result, (seen.get(result) ?? 0) + 1)
  expect(performance.now() - started).toBeLessThan(HOSTILE_MS)
}

describe('damaged headers only ever end in a RyzError', () => {
  const acts = fc.array(damage, { minLength: 1, maxLength: 6 })

  test('of the embedded model', async () => {
    const bytes = new Uint8Array(readFileSync(MODEL))
    const text = new TextDecoder('latin1').decode(bytes.subarray(0, 400_000))
    const table = text.indexOf('token_embd.weight') - 8
    expect(table).toBeGreaterThan(0)
    const header = bytes.slice(0, table + 4000)
    const rest = new Blob([bytes.subarray(header.length)])
    const seen = new Map<string, number>()
    await fc.assert(
      fc.asyncProperty(acts, fc.boolean(), async (list, inTable) => {
        const window = inTable ? [table, header.length] : [0, 1500]
        await survives(new Blob([damaged(header, window[0], window[1], list), rest]), seen)
      }),
      { numRuns: 250 },
    )
    expect(seen.size, [...seen].join(' ')).toBeGreaterThan(4)
  })

  test.each(['llama', 'qwen3', 'bitnet-b1.58'] as const)('of a small %s', async arch => {
    const bytes = smallGguf(arch)
    const seen = new Map<string, number>()
    await fc.assert(
      fc.asyncProperty(acts, list => survives(new Blob([damaged(bytes, 0, 3500, list)]), seen)),
      { numRuns: 250 },
    )
    expect(seen.size, [...seen].join(' ')).toBeGreaterThan(4)
  })

  test('of safetensors and config.json', async () => {
    const { weights, files } = smallHf('BitNetForCausalLM', {
      packed: true,
      config: { quantization_config: { quant_method: 'bitnet', linear_class: 'autobitlinear' } },
    })
    const config = new Uint8Array(await files[0].arrayBuffer())
    const header = Number(new DataView(weights.buffer).getBigUint64(0, true)) + 8
    const seen = new Map<string, number>()
    await fc.assert(
      fc.asyncProperty(acts, fc.boolean(), (list, inConfig) =>
        survives(
          [
            new File([inConfig ? damaged(config, 0, config.length, list) : config], 'config.json'),
            new File([inConfig ? weights : damaged(weights, 0, header, list)], 'model.safetensors'),
          ],
          seen,
        ),
      ),
      { numRuns: 400 },
    )
    expect(seen.size, [...seen].join(' ')).toBeGreaterThan(3)
  })

  test('of JSON whose values are replaced by anything', async () => {
    const { config, weights } = smallHf('LlamaForCausalLM')
    const seen = new Map<string, number>()
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...Object.keys(config)), fc.jsonValue(), (key, value) =>
        survives(
          [
            new File([JSON.stringify({ ...config, [key]: value })], 'config.json'),
            new File([weights], 'model.safetensors'),
          ],
          seen,
        ),
      ),
      { numRuns: 300 },
    )
    expect(seen.size, [...seen].join(' ')).toBeGreaterThan(2)
  })
})

test('no bytes whatever break a transcoder', () => {
  const types: TensorType[] = [
    'F32',
    'F16',
    'BF16',
    'Q4_0',
    'Q4_K',
    'Q6_K',
    'Q8_0',
    'I2_S',
    'TQ1_0',
    'TQ2_0',
    'Q2_0_64',
    'Q2_0_128',
    'HF_T2',
  ]
  const [rows, cols] = [4, 256]
  fc.assert(
    fc.property(
      fc.constantFrom(...types),
      fc.constantFrom('linear', 'table', 'vector' as const),
      fc.constantFrom('x86', 'arm', 'rows4', 'sequential' as const),
      fc.boolean(),
      fc.boolean(),
      fc.integer(),
      (type, role, i2sLayout, masters, strict, seed) => {
        const random = seeded(seed)
        const size = typeBytes(type, rows * cols)!
        const raw = Uint8Array.from({ length: size }, () => Math.floor(random() * 256))
        try {
          const policy = { role, i2sLayout, masters, strict } as const
          const run = transcode(tensor(type, rows, cols, size), raw, policy, random)
          expect(run.scales?.every(Number.isFinite) ?? true).toBe(true)
        } catch (error) {
          if (!(error instanceof RyzError)) throw error
        }
      },
    ),
    { numRuns: 1000 },
  )
})
