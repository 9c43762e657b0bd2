// The network on the GPU path: every golden case and the embedded model, through the whole load sequence on
// SwiftShader in Node. Tokens go in as prompts, in few steps, as a dispatch takes half a millisecond there.
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Backend } from '../../src/backend/backend.ts'
import { webGpuFactory } from '../../src/backend/webgpu/webgpu-factory.ts'
import {
  CASES,
  caseFiles,
  loadGolden,
  loadRyzTales,
  maxDifference,
  nrmse,
  ryzTalesFiles,
  TOLERANCES,
} from '../golden/load.ts'
import {
  argMax,
  EMBEDDED,
  fileOf,
  greedyMisses,
  logitsOf,
  type OpenParts,
  openParts,
} from '../support/open.ts'
import { adapterHere, nodeGpu } from '../support/webgpu.ts'

/** Sums in another order than the CPU's: twice what the CPU may differ from the float64 golden. */
const PROBE = 2e-3
/** Rms over the golden's standard deviation: one activation that rounds the other way moves that much. */
const LOGITS = 0.03

const CHAT = 'demo/public/models/ryz-chat-tq2_0-embq8_0.gguf'
const CHAT_GOLDEN = JSON.parse(
  readFileSync(new URL('../golden/ryz-chat/golden.json', import.meta.url), 'utf8'),
) as { generation: { name: string; ids: number[]; int8: { greedy: number[]; gaps: number[] } }[] }

const named = CASES.map(c => [`${c.name} (${c.what})`, c] as const)
const MIXTURES = named.filter(([name]) => name.startsWith('moe-'))

const adapter = await adapterHere()
const factory = webGpuFactory(() => nodeGpu(), { allowSoftwareAdapter: true })

describe.skipIf(adapter === undefined)(`WebGPU on ${adapter ?? 'no adapter'}`, () => {
  /** Keeps the device, and with it what was compiled, from one model to the next. */
  let keeper: Backend
  let parts: OpenParts | undefined

  beforeAll(async () => {
    const needs = { tables: [], linears: [], gates: [], headDim: 64, kv: 'f32' } as const
    keeper = await factory.create(1e6, { maxRows: 1, maxContext: 32, maxCols: 64 }, needs)
  }, 120_000)
  afterAll(() => {
    parts?.close()
    keeper?.close()
  })

  async function open(...given: Parameters<typeof openParts>): Promise<OpenParts> {
    parts?.close()
    parts = await openParts(...given)
    expect(parts.path.backend).toBe('webgpu')
    return parts
  }

  // Where a choice of experts is close, one activation that rounds the other way changes it: float mode has every row.
  test.each(MIXTURES)('%s, float activations', async (_, c) => {
    const golden = loadGolden(c)
    const options = { ...c.options, strict: true, activations: 'float' } as const
    const { network } = await open(caseFiles(c), factory, options)
    for (const { ids, positions, float } of golden.prompts.slice(0, 1)) {
      const rows = pick(await logitsOf(network, ids), positions, float.logits.vocab)
      expect(maxDifference(rows, float.logits.data)).toBeLessThan(TOLERANCES.float)
    }
  })

  test.each(named)('%s', async (_, c) => {
    const golden = loadGolden(c)
    const strict = { ...c.options, strict: true } as const
    const { network } = await open(caseFiles(c), factory, strict)
    for (const { ids, logits } of golden.probes) {
      expect(maxDifference(await logitsOf(network, ids), logits.data)).toBeLessThan(PROBE)
    }
    for (const { ids, positions, int8 } of golden.prompts.slice(0, 1)) {
      const rows = pick(await logitsOf(network, ids), positions, int8.logits.vocab)
      expect(nrmse(rows, int8.logits.data)).toBeLessThan(LOGITS)
      expect(await greedyMisses(network, ids, int8, TOLERANCES.greedyMargin)).toEqual([])
    }
  })

  test('float activations', async () => {
    const c = CASES.find(one => one.name.startsWith('llama')) ?? CASES[0]!
    const golden = loadGolden(c)
    const options = { ...c.options, strict: true, activations: 'float' } as const
    const { network } = await open(caseFiles(c), factory, options)
    const { ids, positions, float } = golden.prompts[0]!
    const rows = pick(await logitsOf(network, ids), positions, float.logits.vocab)
    expect(maxDifference(rows, float.logits.data)).toBeLessThan(TOLERANCES.float)
  })

  test('the embedded model, strict', async () => {
    const golden = loadRyzTales()
    const { network } = await open(ryzTalesFiles('ryz-tales-tq2_0-embq8_0.gguf'), factory, {
      strict: true,
    })
    for (const { ids, logits } of golden.probesQ8) {
      expect(maxDifference(await logitsOf(network, ids), logits.data)).toBeLessThan(PROBE)
    }
    const first = golden.prompts[0]!
    expect(await greedyMisses(network, first.ids, first, golden.greedyMargin)).toEqual([])
  })

  test('ryz-chat', async () => {
    const { network } = await open([fileOf(CHAT)], factory, { contextLength: 128 })
    const { ids, int8 } = CHAT_GOLDEN.generation.find(g => g.name === 'who')!
    const count = int8.gaps.slice(0, 4).findIndex(gap => gap < TOLERANCES.greedyMargin)
    const greedy = int8.greedy.slice(0, count < 0 ? 4 : count)
    const tokens = [...ids, ...greedy.slice(0, -1)]
    const seq = network.kv.open()
    network.kv.reserve(seq, tokens.length)
    // One step, and the head for the rows alone that are looked at.
    const rows = tokens.map((token, i) => ({
      seq,
      token,
      wants: i < ids.length - 1 ? ('nothing' as const) : ('logits' as const),
    }))
    const { logits } = await network.forward(rows)
    const { vocab } = network.config
    const got = greedy.map((_, i) => argMax(logits.subarray(i * vocab, (i + 1) * vocab)))
    expect(greedy.length).toBeGreaterThan(1)
    expect(got).toEqual(greedy)
  }, 300_000)

  test.each(['f16', 'int8', 'int4'] as const)(
    'the embedded model as it is loaded, %s KV',
    async kv => {
      const { network } = await open([fileOf(EMBEDDED)], factory, { kv, contextLength: 256 })
      const ids = Array.from({ length: 12 }, (_, i) => 300 + 13 * i)
      const whole = await logitsOf(network, ids)
      // Cut into pieces, its bits are the same where the same kernels run.
      const pieces = await logitsOf(network, ids, 6)
      expect(maxDifference(pieces, whole)).toBe(0)
      // One by one: other kernels, the same sums.
      expect(nrmse(await logitsOf(network, ids, 1), whole)).toBeLessThan(LOGITS)
    },
  )
})

/** The rows at these positions. */
function pick(logits: Float32Array, positions: readonly number[], vocab: number): Float32Array {
  const rows = new Float32Array(positions.length * vocab)
  for (const [i, p] of positions.entries()) {
    rows.set(logits.subarray(p * vocab, (p + 1) * vocab), i * vocab)
  }
  return rows
}
