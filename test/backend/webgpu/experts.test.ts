// Mixtures of experts on WebGPU against the reference, on SwiftShader in Node: routing, routed linears of every
// layout, the mix, what else their architectures need, and that experts which were not chosen are not read.
import { afterAll, describe, expect, it } from 'vitest'
import { type Backend, ROUTE_VALUES } from '../../../src/backend/backend.ts'
import type { Gpu } from '../../../src/backend/webgpu/device.ts'
import { createWebGpuBackend } from '../../../src/backend/webgpu/webgpu-backend.ts'
import type { BackendNetwork } from '../../../src/model/run-network.ts'
import { adapterHere, sharedGpu } from '../../support/webgpu.ts'
import { besideReference } from '../beside-reference.ts'
import { FLOAT_SUMS, near } from '../near.ts'
import * as ops from '../ops.ts'
import { EXPERTS, expertName } from '../shapes.ts'
import { counted } from './counted.ts'
import { openCase } from './open-case.ts'

const SEED = Number(process.env.RYZ_SEED ?? 20261128)
const adapter = await adapterHere()

/** Holds gate and up of four experts of moe-qwen3, of 4 kB each; of none. */
const SMALL_BINDING = 16_384
const TINY_BINDING = 1024

async function openMixture(name: string, gpu: Gpu, fuse = true) {
  const { backend, config, run } = await openCase(name, gpu, { maxRows: 4, fuse })
  return { network: run(), backend, layers: config.layers, used: config.experts!.used }
}

/** Feeds tokens one by one. @returns the logits of each */
async function decode(network: BackendNetwork, tokens: readonly number[]): Promise<Float32Array[]> {
  const seq = network.kv.open()
  const all: Float32Array[] = []
  for (const token of tokens) {
    network.kv.reserve(seq, 1)
    const { logits } = await network.forward([{ seq, token, wants: 'logits' }])
    all.push(logits.slice())
  }
  network.kv.close(seq)
  return all
}

describe.skipIf(adapter === undefined)(`experts on ${adapter ?? 'no adapter'}`, () => {
  const pair = besideReference(async () =>
    createWebGpuBackend({ gpu: await sharedGpu(), limits: ops.LIMITS }),
  )
  const { tested, reference, ready, reset, both } = pair
  afterAll(pair.close)

  it.each(EXPERTS.map(c => [expertName(c), c] as const))('experts %s', async (_, c) => {
    // One row, a few, and so many that pairs of one expert go together.
    for (const count of [1, 3, 33]) {
      await ready()
      const got = await ops.expertRows(tested, c, count, SEED)
      const want = await ops.expertRows(reference, c, count, SEED)
      // The same experts compute the same rows, in the same order.
      const pairs = (routes: Float32Array) => routes.map((v, i) => (i % ROUTE_VALUES < 2 ? v : 0))
      expect(pairs(got.routes)).toEqual(pairs(want.routes))
      for (const part of ['routes', 'up', 'down', 'mixed'] as const) {
        near(got[part], want[part], FLOAT_SUMS)
      }
    }
  })

  it('more experts than invocations, more rows than invocations', async () => {
    const kind = { layout: 't2', scaleBlock: 0, activations: 'int8' } as const
    const some = { scores: 'softmax', normalise: true, rows: 4, cols: 64 } as const
    for (const [experts, used, count] of [
      [300, 8, 5],
      [16, 2, 128],
    ] as const) {
      await reset()
      const c: ops.ExpertCase = { ...kind, ...some, experts, used }
      const got = await ops.expertRows(tested, c, count, SEED)
      near(got.mixed, (await ops.expertRows(reference, c, count, SEED)).mixed, FLOAT_SUMS)
    }
  })

  it('sums of experts equal the CPU’s bit for bit, given the same rounded row', async () => {
    for (const count of [1, 7]) {
      await ready()
      const [got, want] = await both(on => wholeExpertRows(on, count))
      ops.sameBits(got, want)
    }
  })

  it('a logit that is not finite makes its row NaN, and no other', async () => {
    const c: ops.ExpertCase = { ...EXPERTS[0]!, experts: 4, used: 2, scores: 'sigmoid' }
    for (const poison of [Number.NaN, Number.POSITIVE_INFINITY]) {
      await ready()
      const { mixed } = await ops.expertRows(tested, c, 3, SEED, 0, poison)
      const rows = [0, 1, 2].map(r => mixed.subarray(r * c.cols, (r + 1) * c.cols))
      expect(rows.map(row => row.some(Number.isNaN))).toEqual([true, false, false])
    }
  })

  it('experts that were not chosen are not read', async () => {
    for (const count of [1, 9]) {
      await ready()
      const values = await poisonedExperts(tested.backend, count)
      expect(values.every(Number.isFinite)).toBe(true)
      expect(values.some(v => v !== 0)).toBe(true)
    }
  })

  it('a norm of columns and a bias', async () => {
    for (const count of [1, 9]) {
      await ready()
      near(...(await both(on => ops.columnRows(on, count, SEED))), FLOAT_SUMS)
    }
  })

  // Norm + rounding, qkv, rope + append, attention, rounding, o + add; norm, router, route, rounding, gate and up,
  // gate + rounding, down, mix. A bias is one more; a gated shared expert is router, route, rounding, gate and
  // up, gate + rounding, down, mix.
  it.each([
    ['moe-qwen3', 14],
    ['moe-qwen2', 14 + 1 + 7],
  ] as const)('%s takes one submit a token and creates nothing', async (name, perLayer) => {
    const gpu = await sharedGpu()
    const { gpu: wrapped, counts } = counted(gpu)
    const { network, layers, used } = await openMixture(name, wrapped)
    const { network: plain } = await openMixture(name, gpu, false)
    const first = await decode(network, [1, 2, 3]) // recorded
    const before = { ...counts }
    const uses = network.expertRows()!.flat()
    await decode(network, [4, 5, 6, 7])
    const spent = (call: keyof typeof counts) => counts[call] - before[call]
    expect([spent('submit'), spent('mapAsync'), spent('writeBuffer')]).toEqual([4, 4, 4])
    expect([spent('createBuffer'), spent('createBindGroup')]).toEqual([0, 0])
    // embed, last norm, gather, rounding, head, and the stamp.
    expect(spent('dispatchWorkgroups')).toBe(4 * (layers * perLayer + 6))
    const counted4 = network
      .expertRows()!
      .flat()
      .map((n, i) => n - uses[i]!)
    expect(counted4.reduce((a, b) => a + b)).toBe(4 * used * layers)
    // Fusing changes no bit.
    for (const [i, logits] of (await decode(plain, [1, 2, 3])).entries()) {
      ops.sameBits(first[i]!, logits)
    }
    network.close()
    plain.close()
  })

  it('cuts experts to what a binding holds, and refuses one that does not fit by name', async () => {
    const gpu = await sharedGpu()
    const small = (maxBinding: number): Gpu => ({
      ...gpu,
      pipelines: gpu.pipelines,
      limits: { ...gpu.limits, maxBinding },
    })
    const whole = await openMixture('moe-qwen3', gpu)
    const want = await decode(whole.network, [1, 2, 3])
    whole.network.close()
    const cut = await openMixture('moe-qwen3', small(SMALL_BINDING))
    for (const [i, logits] of (await decode(cut.network, [1, 2, 3])).entries()) {
      ops.sameBits(logits, want[i]!)
    }
    // One more for gate and up in each layer, and for the table as embedding and as head.
    expect(cut.backend.gpuStats().stepDispatches).toBe(2 * 15 + 6 + 2)
    cut.network.close()
    await expect(openMixture('moe-qwen3', small(TINY_BINDING))).rejects.toMatchObject({
      code: 'GPU_OOM',
    })
  })
})

/** Up of experts with scales of 1, on rows that round to themselves: whole numbers. */
async function wholeExpertRows(on: ops.Resetable, count: number): Promise<Float32Array> {
  const { backend } = on
  const [experts, used, rows, cols] = [6, 2, 24, 192]
  const next = ops.random(SEED)
  const matrix = () => ops.matrixOf(backend, 't2', rows, cols, 0, next)
  const w = backend.experts!.stackExperts(Array.from({ length: experts }, () => [matrix()]))
  const router = backend.experts!.createRouter({
    experts,
    used,
    scores: 'softmax',
    normalise: false,
    scale: 1,
  })
  const logits = ops.slotOf(backend, ops.values(count * experts, next))
  // Whole numbers with 127 among them: the scale of the rounding is 1.
  const x = Float32Array.from({ length: count * cols }, (_, i) =>
    i % cols === 0 ? 127 : ((i * 37) % 255) - 127,
  )
  const routes = backend.alloc(4 * ROUTE_VALUES * count * used, 'routes')
  const out = backend.alloc(4 * count * used * rows, 'out')
  backend.experts!.route(routes, logits, router, count)
  const shape = { input: 'rows', count, used } as const
  backend.experts!.routedLinear(out, ops.slotOf(backend, x), w, routes, shape, 'int8')
  return (await backend.read(out, 0, count * used * rows)).slice()
}

/** Experts 1 and 3 are chosen by all rows; the scales of the others are NaN. */
async function poisonedExperts(backend: Backend, count: number): Promise<Float32Array> {
  const [experts, used, rows, cols] = [5, 2, 24, 192]
  const next = ops.random(SEED)
  const matrices = Array.from({ length: experts }, (_, e) => {
    const matrix = ops.matrixOf(backend, 't2', rows, cols, 0, next)
    if (e !== 1 && e !== 3) {
      const nan = new Uint8Array(new Float32Array(rows).fill(Number.NaN).buffer)
      backend.writer(matrix.scales!).write(0, nan)
    }
    return [matrix]
  })
  const w = backend.experts!.stackExperts(matrices)
  const router = backend.experts!.createRouter({
    experts,
    used,
    scores: 'softmax',
    normalise: true,
    scale: 1,
  })
  const logits = Float32Array.from({ length: count * experts }, (_, i) =>
    [1, 3].includes(i % experts) ? 4 : -4,
  )
  const routes = backend.alloc(4 * ROUTE_VALUES * count * used, 'routes')
  const out = ops.slotOf(backend, new Float32Array(count * rows))
  const y = backend.alloc(4 * count * used * rows, 'y')
  const x = ops.slotOf(backend, ops.values(count * cols, next))
  backend.experts!.route(routes, ops.slotOf(backend, logits), router, count)
  backend.experts!.routedLinear(y, x, w, routes, { input: 'rows', count, used }, 'int8')
  backend.experts!.mix(out, y, routes, count * used, rows)
  const mixed = (await backend.read(out, 0, count * rows)).slice()
  expect(backend.experts!.use(router)).toEqual([0, count, 0, count, 0])
  return mixed
}
