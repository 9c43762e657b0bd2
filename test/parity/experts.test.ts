// Mixtures of experts beside their goldens (random-models.test.ts): the same bits on every rung, in every batch
// and in prompts cut anyhow; what a token reads of the experts, counted; what stats() and the plan tell; and
// files whose weights are damaged.
import { beforeAll, describe, expect, test } from 'vitest'
import { layoutBytes } from '../../src/backend/backend.ts'
import type { BackendFactory } from '../../src/backend/factory.ts'
import { Engine } from '../../src/engine/engine.ts'
import { forecast } from '../../src/engine/load/forecast.ts'
import { openEngineParts } from '../../src/engine/load/open-parts.ts'
import type { ModelFile } from '../../src/format/model-file.ts'
import { openModel } from '../../src/format/open.ts'
import { readConfig } from '../../src/model/config.ts'
import type { ExpertWeights, NetworkWeights } from '../../src/model/graph.ts'
import { loadWeights } from '../../src/model/load-weights.ts'
import { BackendNetwork } from '../../src/model/run-network.ts'
import type { LoadOptions } from '../../src/types/index.ts'
import { run } from '../engine/driver.ts'
import { failure } from '../format/fixtures.ts'
import { CASES, caseFiles, loadGolden } from '../golden/load.ts'
import { logitsOf, openParts, RUNGS, referenceFactory } from '../support/open.ts'
import { wasmFactory } from '../support/wasm.ts'

const MIXTURES = CASES.filter(c => c.expect.experts)
const caseOf = (name: string) => MIXTURES.find(c => c.name === name)!
const fileOf = (name: string): File => caseFiles(caseOf(name))[0]!
/** 24 tokens. */
const IDS = loadGolden(caseOf('moe-qwen2')).prompts[2]!.ids

test('there are five routings and both containers among the goldens', () => {
  const kinds = new Set(
    MIXTURES.map(({ expect: { experts: e } }) =>
      [e!.scores, e!.normalise, e!.scale, e!.bias, e!.shared !== undefined].join(),
    ),
  )
  expect(kinds.size).toBeGreaterThanOrEqual(4)
  expect(new Set(MIXTURES.map(c => c.expect.architecture)).size).toBe(4)
  expect(new Set(MIXTURES.map(c => c.expect.container)).size).toBe(2)
})

describe.each(['moe-sigmoid', 'moe-qwen2', 'moe-olmoe'])('%s', name => {
  const ids = IDS
  const truths = new Map<string, Float32Array>()
  const modes: LoadOptions[] = [{}, { strict: true }, { activations: 'float' }]
  beforeAll(async () => {
    for (const options of modes) {
      const parts = await openParts([fileOf(name)], referenceFactory, options)
      truths.set(JSON.stringify(options), await logitsOf(parts.network, ids))
      parts.close()
    }
  })

  test.each(RUNGS)('the same bits on $rung, in pieces of any size', async ({ factory }) => {
    for (const options of modes) {
      const parts = await openParts([fileOf(name)], factory, options)
      for (const piece of [1, 2, 5, 24]) {
        const got = await logitsOf(parts.network, ids, piece)
        expect(sameBits(got, truths.get(JSON.stringify(options))!), `${piece}`).toBe(true)
      }
      parts.close()
    }
  })

  test('a row does not depend on the rows beside it', async () => {
    const parts = await openParts([fileOf(name)], wasmFactory('relaxed', 2))
    const { network } = parts
    const { vocab } = network.config
    const alone = truths.get('{}')!
    // Three sequences of the same text, each a token ahead of the next.
    const sequences = [0, 1, 2].map(() => network.kv.open())
    for (let step = 0; step < ids.length + 2; step++) {
      const rows = sequences.flatMap((seq, i) => {
        const at = step - i
        if (at < 0 || at >= ids.length) return []
        network.kv.reserve(seq, 1)
        return [{ seq, token: ids[at]!, wants: 'logits' as const, at }]
      })
      const { logits } = await network.forward(rows)
      for (const [r, { at }] of rows.entries()) {
        const row = logits.slice(r * vocab, (r + 1) * vocab)
        expect(sameBits(row, alone.slice(at * vocab, (at + 1) * vocab))).toBe(true)
      }
    }
    parts.close()
  })
})

describe.each([
  ['reference', referenceFactory],
  ['relaxed, 2 threads', wasmFactory('relaxed', 2)],
] as const)('what %s reads', (_, factory) => {
  test('a token reads its experts and the shared one, and no other', async () => {
    const { network, read, config } = await counted('moe-qwen2', factory)
    const { hidden, ffn, layers, experts } = config
    const matrix = (rows: number, cols: number) => layoutBytes('t2', rows, cols)
    const one = 2 * matrix(ffn, hidden) + matrix(hidden, ffn)
    const seq = network.kv.open()
    network.kv.reserve(seq, 12)
    for (let i = 0; i < 4; i++) {
      read.bytes = 0
      await network.forward([{ seq, token: IDS[i]!, wants: 'logits' }])
      expect(read.bytes).toBe(layers * experts!.used * one)
    }
    // Of a prompt, each expert once, however many rows it computes.
    read.bytes = 0
    const before = network.expertRows()!
    const rows = IDS.slice(4, 12).map(token => ({ seq, token, wants: 'nothing' as const }))
    await network.forward(rows)
    const after = network.expertRows()!
    const busy = after.flatMap((layer, l) => layer.filter((n, e) => n > before[l]![e]!))
    expect(read.bytes).toBe(busy.length * one)
    const used = after.flat().reduce((a, b) => a + b) - before.flat().reduce((a, b) => a + b)
    expect(used).toBe(8 * experts!.used * layers)
    expect(busy.length).toBeLessThan(used)
    network.close()
  })
})

describe('what is told of them', () => {
  test('stats() names the experts and counts their tokens', async () => {
    const engine = new Engine(await openParts([fileOf('moe-qwen3')], wasmFactory('relaxed', 1)))
    const before = engine.stats()
    expect(before.model.experts).toEqual({ count: 8, used: 3 })
    // The warm-up is one token: three experts in each of two layers.
    expect(before.experts!.tokens.map(layer => layer.reduce((a, b) => a + b))).toEqual([3, 3])
    const { result } = await run(engine, 'hello there', { maxTokens: 4, seed: 1 }).ended
    expect(result?.tokens).toHaveLength(4)
    const { experts, prefill, decode } = engine.stats()
    const rows = 3 * (prefill.tokens + decode.tokens)
    for (const layer of experts!.tokens) {
      expect(layer).toHaveLength(8)
      const counted = layer.reduce((a, b) => a + b) - 3
      // The last token is given and not computed any more.
      expect([rows, rows - 3]).toContain(counted)
    }
    await engine.close()
  })

  test('a dense model has none', async () => {
    const dense = CASES.find(c => c.name === 'qwen3-q2')!
    const engine = new Engine(await openParts(caseFiles(dense), referenceFactory))
    expect([engine.stats().experts, engine.stats().model.experts]).toEqual([undefined, undefined])
    await engine.close()
  })

  test.each(MIXTURES.map(c => c.name))('%s fits into what was planned', async name => {
    const files = caseFiles(caseOf(name))
    const parts = await openParts(files, wasmFactory('simd128', 2))
    const signal = new AbortController().signal
    const factories = [wasmFactory('simd128', 2)]
    const asTheyAre = async (f: readonly BackendFactory[]) => ({ factories: f })
    const source = files.length === 1 ? files[0]! : files
    const told = await forecast(source, {}, signal, factories, f => asTheyAre(f))
    expect(told.refusal).toBeUndefined()
    expect(told.peakBytes.weights).toBeGreaterThanOrEqual(parts.memory.weights)
    expect(told.peakBytes.scratch).toBe(parts.memory.scratch)
    parts.close()
  })

  test('a path without experts is passed over by name, in a load and in a forecast', async () => {
    const gpu: BackendFactory = {
      ...referenceFactory,
      path: { backend: 'webgpu', adapter: '' },
      traits: { ...referenceFactory.traits, experts: false },
      create: () => Promise.reject(new Error('not to be asked')),
    }
    const signal = new AbortController().signal
    const factories = [gpu, wasmFactory('simd128', 1)]
    const told = await forecast(fileOf('moe-qwen3'), {}, signal, factories, async f => ({
      factories: f,
    }))
    const from = 'WebGPU'
    const reason = 'it does not compute mixtures of experts'
    expect(told.path.fallbacks).toEqual([{ from, to: 'simd128 with 1 thread', reason }])
    const hooks = { progress: () => undefined, signal }
    const parts = await openEngineParts(fileOf('moe-qwen3'), {}, hooks, factories)
    expect(parts.fallbacks).toContainEqual({ from, to: 'simd128 with 1 thread', reason })
    parts.close()
  })
})

describe('damaged weights', () => {
  const rungs = [referenceFactory, wasmFactory('relaxed', 2)]

  /** The file with one tensor changed, refused on every rung; what is whole still loads afterwards. */
  async function refusedWith(
    name: string,
    tensor: string,
    damage: (bytes: Uint8Array) => void,
  ): Promise<string> {
    const bytes = new Uint8Array(await fileOf(name).arrayBuffer())
    const info = (await openModel(fileOf(name))).tensors.get(tensor)!
    damage(bytes.subarray(info.offset, info.offset + info.bytes))
    const file = new File([bytes], 'damaged.gguf')
    let message = ''
    for (const factory of rungs) {
      message = (await failure('BAD_WEIGHTS', () => openParts([file], factory))).message
      const whole = await openParts([fileOf(name)], factory)
      whole.close()
    }
    return message
  }
  const f32 = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.length)

  test('a code 3 in the last expert names that expert', async () => {
    const told = await refusedWith('moe-qwen3', 'blk.1.ffn_down_exps.weight', bytes => {
      bytes[bytes.length - 1] = 0xff
      bytes[bytes.length - 18] = 0x00 // a scale that is not 0
      bytes[bytes.length - 17] = 0x3c
    })
    expect(told).toContain('blk.1.ffn_down_exps.weight (expert 7)')
    expect(told).toContain('code 3')
  })

  test('a scale that is not finite in the last expert, in TQ1_0 and TQ2_0', async () => {
    for (const [name, last] of [
      ['moe-mixtral', 3],
      ['moe-sigmoid', 4],
    ] as const) {
      const told = await refusedWith(name, 'blk.0.ffn_up_exps.weight', bytes => {
        f32(bytes).setUint16(bytes.length - 2, 0x7c00, true)
      })
      expect(told).toContain(`(expert ${last})`)
    }
  })

  test('NaN or infinity in the router', async () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const told = await refusedWith('moe-qwen3', 'blk.1.ffn_gate_inp.weight', bytes =>
        f32(bytes).setFloat32(bytes.length - 4, bad, true),
      )
      expect(told).toContain('blk.1.ffn_gate_inp.weight')
    }
  })

  test('NaN in the gate of the shared expert, the selection bias, a bias of q', async () => {
    for (const [name, tensor] of [
      ['moe-qwen2', 'blk.0.ffn_gate_inp_shexp.weight'],
      ['moe-sigmoid', 'blk.0.exp_probs_b.bias'],
      ['moe-qwen2', 'blk.1.attn_q.bias'],
    ] as const) {
      const told = await refusedWith(name, tensor, bytes =>
        f32(bytes).setFloat32(4, Number.NaN, true),
      )
      expect(told).toContain(tensor)
    }
  })

  test('a file that ends inside the last expert is TRUNCATED', async () => {
    const bytes = new Uint8Array(await fileOf('moe-qwen3').arrayBuffer())
    const file = new File([bytes.subarray(0, bytes.length - 64)], 'cut.gguf')
    for (const factory of rungs) await failure('TRUNCATED', () => openParts([file], factory))
  })
})

/** A network whose reads of experts' matrices are counted in bytes. */
async function counted(name: string, factory: BackendFactory) {
  const file: ModelFile = await openModel(fileOf(name))
  const config = readConfig(file)
  const limits = {
    maxRows: 16,
    maxContext: 64,
    maxCols: Math.max(config.hidden, config.ffn, config.experts!.shared?.ffn ?? 0),
    routed: config.experts!.used,
  }
  const backend = await factory.create(16 * 2 ** 20, limits)
  const poured = await loadWeights(file, config, backend, { head: 'file', i2sLayout: 'x86' })
  const read = { bytes: 0 }
  /** Counts what is asked of a list by expert. */
  const watch = <T>(list: readonly T[], experts: ExpertWeights['gateUp']): readonly T[] =>
    new Proxy(list, {
      get(target, key) {
        const parts = typeof key === 'string' ? experts.experts[Number(key)] : undefined
        for (const m of parts ?? []) read.bytes += layoutBytes(m.layout, m.rows, m.cols)
        return Reflect.get(target, key)
      },
    })
  const watched = (w: ExpertWeights['gateUp']): ExpertWeights['gateUp'] =>
    // The kernels go by the words of an expert's matrices, the reference by the matrices.
    'words' in w
      ? ({ ...w, words: watch(w.words as readonly unknown[], w) } as typeof w)
      : { ...w, experts: watch(w.experts, w) }
  const weights: NetworkWeights = {
    ...poured.weights,
    layers: poured.weights.layers.map(layer => {
      const { feedForward: f } = layer
      if (!('router' in f)) throw new Error(`${name} is dense`)
      return { ...layer, feedForward: { ...f, gateUp: watched(f.gateUp), down: watched(f.down) } }
    }),
  }
  const network = new BackendNetwork(config, backend, weights, {
    activations: 'int8',
    strict: true,
    kv: 'f32',
    kvBlocks: 2,
    contextLength: 64,
    maxRows: 16,
    wantedRows: 1,
  })
  return { network, read, config }
}

/** Bit equality: -0 and +0 differ, NaN never passes. */
function sameBits(a: Float32Array, b: Float32Array): boolean {
  if (a.length !== b.length) return false
  const [x, y] = [a.slice(), b.slice()].map(v => new Uint32Array(v.buffer))
  return x!.every((bits, i) => bits === y![i] && !Number.isNaN(a[i]!))
}
