// What make bench-gpu runs in Node on npm webgpu: with a GPU, tokens a second of two shapes beside what a
// dispatch and a wait cost there; without one, the dispatches and bytes of a token and what a roofline makes
// of them, labelled as an estimate. Prints JSON. No speed is told of an adapter that computes on the CPU.
import { writeFileSync } from 'node:fs'
import { create, globals } from 'webgpu'
import { adapterName, type Gpu, openGpu } from '../../src/backend/webgpu/device.ts'
import {
  BENCH_SHAPES,
  type BenchNetwork,
  type BenchShape,
  configOf,
  openNetwork,
} from './network.ts'

Object.assign(globalThis, globals)

/** Memory bandwidth of a usual GPU of a kind, GB/s, of which 60 % are reached; a dispatch, microseconds. */
const KINDS = {
  integrated: { bandwidth: 60, dispatchUs: 5, waitMs: 1 },
  discrete: { bandwidth: 400, dispatchUs: 5, waitMs: 1 },
} as const

const shapes = Object.keys(BENCH_SHAPES) as BenchShape[]
const gpu = create([])
const found = await openGpu(gpu).catch((error: unknown) => String(error))
const report =
  typeof found === 'string'
    ? { adapter: null, why: found, estimates: await estimates() }
    : { adapter: found.info, name: adapterName(found.info), measured: await measured(found) }
const text = `${JSON.stringify(report, null, 2)}\n`
const out = process.argv[2]
if (out !== undefined && typeof found !== 'string') writeFileSync(out, text)
console.log(text)
process.exit(0)

/** Of the plans that Dawn's null backend records, which runs nothing and has little memory: of one and two layers. */
async function estimates() {
  const nothing = create(['backend=null'])
  const rows = []
  for (const shape of shapes) {
    const recorded = []
    for (const layers of [1, 2]) {
      const device = await openGpu(nothing)
      const open = openNetwork(device, shape, layers)
      await step(open, 1).catch(() => undefined) // its stamp never comes
      const { stepDispatches } = open.backend.gpuStats()
      recorded.push({ dispatches: stepDispatches, bytes: open.weightBytes })
      device.close()
    }
    const [one, two] = recorded as [(typeof recorded)[0], (typeof recorded)[0]]
    const more = configOf(shape).layers - 1
    const dispatches = one.dispatches + more * (two.dispatches - one.dispatches)
    const bytes = one.bytes + more * (two.bytes - one.bytes)
    const roofline = Object.entries(KINDS).map(([kind, k]) => {
      const ms = (dispatches * k.dispatchUs) / 1000 + bytes / (0.6e6 * k.bandwidth) + k.waitMs
      return { kind, ...k, tokensPerSecond: Math.round(1000 / ms), label: 'estimate' }
    })
    rows.push({
      shape,
      dispatchesALayer: two.dispatches - one.dispatches,
      dispatches,
      bytesAToken: bytes,
      roofline,
    })
  }
  return rows
}

async function measured(device: Gpu) {
  const rows = []
  for (const shape of shapes) {
    const open = openNetwork(device, shape)
    await open.backend.settle(true)
    const wait = await median(9, () => open.network.readBlock(0))
    const decode: Record<string, number> = {}
    for (const batch of [1, 4, 8]) decode[`batch ${batch}`] = await rate(open, batch, 0, batch)
    const at2048 = await rate(open, 1, 2048, 1)
    const prefill = await rate(open, 128, 0, 128)
    const { stepDispatches } = open.backend.gpuStats()
    rows.push({
      shape,
      waitMs: wait,
      decodeTokensPerSecond: decode,
      decodeAt2048: at2048,
      prefillTokensPerSecond: prefill,
      dispatches: stepDispatches,
      bytesAToken: open.weightBytes,
    })
    open.network.close()
  }
  return rows
}

/** Tokens a second of steps of so many rows: a batch of sequences, or a piece of one prompt. */
async function rate(open: BenchNetwork, rows: number, context: number, tokens: number) {
  const ms = await median(7, () => step(open, rows, context))
  return (1000 * tokens) / ms
}

/** One step; up to 8 rows are sequences of their own, more are a piece of one prompt. */
async function step({ network }: BenchNetwork, rows: number, context = 0): Promise<void> {
  const one = rows > 8
  const sequences = Array.from({ length: one ? 1 : rows }, () => network.kv.open())
  try {
    for (const seq of sequences) {
      network.kv.reserve(seq, context + (one ? rows : 1))
      // Positions are what costs; what stands in the cache does not matter.
      Object.assign(seq, { length: context })
    }
    await network.forward(
      Array.from({ length: rows }, (_, r) => ({
        seq: sequences[one ? 0 : r]!,
        token: 1,
        wants: one && r + 1 < rows ? ('nothing' as const) : ('logits' as const),
      })),
    )
  } finally {
    for (const seq of sequences) network.kv.close(seq)
  }
}

async function median(runs: number, work: () => Promise<unknown>): Promise<number> {
  for (let i = 0; i < 3; i++) await work()
  const ms: number[] = []
  for (let i = 0; i < runs; i++) {
    const began = performance.now()
    await work()
    ms.push(performance.now() - began)
  }
  return ms.sort((a, b) => a - b)[runs >> 1]!
}
