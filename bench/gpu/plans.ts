// The plan of a token for two shapes, as Dawn's null backend records it, which runs nothing and has little memory: one
// and two layers of each, from which the rest follows. And what a roofline makes of it: an estimate. Used by measure.ts.
import { kvHeadBytes } from '../../src/backend/backend.ts'
import { openGpu } from '../../src/backend/webgpu/device.ts'
import { BENCH_SHAPES, type BenchShape, configOf, macsOf, openNetwork, step } from './network.ts'
import type { PlanFigures } from './report.ts'

/** Memory bandwidth of a usual GPU of a kind, GB/s, of which 60 % are reached; what a dispatch and a wait cost. */
const KINDS = {
  integrated: { bandwidth_gb_s: 60, dispatch_us: 5, wait_ms: 1 },
  discrete: { bandwidth_gb_s: 400, dispatch_us: 5, wait_ms: 1 },
} as const
const REACHED = 0.6

/** @param nothing  Dawn with `backend=null` */
export async function plans(nothing: GPU): Promise<PlanFigures[]> {
  const shapes = (Object.keys(BENCH_SHAPES) as BenchShape[]).filter(name => name !== 'tiny')
  return Promise.all(shapes.map(shape => planOf(nothing, shape)))
}

async function planOf(nothing: GPU, shape: BenchShape): Promise<PlanFigures> {
  const { layers, kvHeads, headDim } = configOf(shape)
  const [one, two] = [await recorded(nothing, shape, 1), await recorded(nothing, shape, 2)]
  const whole = (of: keyof typeof one) => one[of] + (layers - 1) * (two[of] - one[of])
  const {
    bytes: weight_bytes,
    once,
    fused,
    prefill,
  } = {
    bytes: whole('bytes'),
    once: whole('once'),
    fused: whole('fused'),
    prefill: whole('prefill'),
  }
  const kv_bytes_2048 = (2048 / 32) * layers * kvHeads * kvHeadBytes('f16', headDim)
  const rate = (kind: (typeof KINDS)[keyof typeof KINDS], bytes: number) => {
    const ms = (once * kind.dispatch_us) / 1000 + kind.wait_ms
    return Math.round(1000 / (ms + bytes / (REACHED * 1e6 * kind.bandwidth_gb_s)))
  }
  return {
    shape,
    layers,
    dispatches_a_layer: { once: two.once - one.once, fused: two.fused - one.fused },
    dispatches: { once, fused },
    prefill_dispatches: prefill,
    weight_bytes,
    kv_bytes_2048,
    macs: macsOf(shape),
    roofline: Object.entries(KINDS).map(([kind, k]) => ({
      kind,
      ...k,
      decode_tok_s: rate(k, weight_bytes),
      decode_2048_tok_s: rate(k, weight_bytes + kv_bytes_2048),
      label: 'estimate',
    })),
  }
}

/** Dispatches of a token and of a piece of 128, and the bytes of weights that a token reads. */
async function recorded(nothing: GPU, shape: BenchShape, layers: number) {
  const counts = { once: 0, fused: 0, prefill: 0, bytes: 0 }
  for (const [of, rows, form] of [
    ['once', 1, 'once'],
    ['fused', 1, 'fused'],
    ['prefill', 128, 'once'],
  ] as const) {
    const device = await openGpu(nothing)
    const open = openNetwork(device, shape, layers, form)
    counts.bytes = open.weightBytes
    await step(open, rows).catch(() => undefined) // its stamp never comes
    counts[of] = open.backend.gpuStats().stepDispatches
    // Commands are checked as on any device.
    if (device.failure) throw device.failure
    device.close()
  }
  return counts
}
