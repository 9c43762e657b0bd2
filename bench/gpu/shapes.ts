// Speeds of a shape on a device: decode of 1, 4 and 8 sequences from empty, one at 2,048 tokens, a prompt of 512, and
// the milliseconds of a token by shader on a second device, which times its dispatches. Used by measure.ts.
import { type GpuOptions, openGpu } from '../../src/backend/webgpu/device.ts'
import {
  type BenchNetwork,
  type BenchShape,
  MAX_PIECE,
  median,
  openNetwork,
  step,
} from './network.ts'
import type { ShapeFigures } from './report.ts'

export async function shapeFigures(
  gpu: GPU,
  options: GpuOptions,
  shape: BenchShape,
  quick: boolean,
): Promise<ShapeFigures> {
  const device = await openGpu(gpu, options)
  const open = openNetwork(device, shape)
  await open.backend.settle(true)
  const runs = quick ? 1 : 7
  const decode_tok_s: Record<string, number> = {}
  for (const batch of [1, 4, 8]) decode_tok_s[`batch ${batch}`] = await rate(open, batch, 0, runs)
  const figures = {
    shape,
    decode_tok_s,
    decode_2048_tok_s: await rate(open, 1, quick ? 128 : 2048, runs),
    prefill_512_tok_s: await prefill(open, quick ? 128 : 512, runs),
  }
  open.network.close()
  device.close()
  return { ...figures, ...(await opsOf(gpu, options, shape, quick ? 2 : 32)) }
}

async function rate(open: BenchNetwork, rows: number, context: number, runs: number) {
  return (1000 * rows) / (await median(runs, () => step(open, rows, context)))
}

async function prefill(open: BenchNetwork, tokens: number, runs: number): Promise<number> {
  const ms = await median(runs, async () => {
    for (let at = 0; at < tokens; at += MAX_PIECE) await step(open, MAX_PIECE, at)
  })
  return (1000 * tokens) / ms
}

async function opsOf(gpu: GPU, options: GpuOptions, shape: BenchShape, steps: number) {
  const device = await openGpu(gpu, { ...options, profile: true })
  const open = openNetwork(device, shape)
  await open.backend.settle(true)
  for (let i = 0; i < steps; i++) await step(open, 1)
  await open.backend.answer() // times come behind the results
  await new Promise(resolve => setTimeout(resolve, 50))
  const ops_ms = Object.fromEntries(open.backend.opTimes()!.map(({ op, ms }) => [op, ms / steps]))
  const profile = open.backend.gpuStats().profile!
  open.network.close()
  device.close()
  return { ops_ms, profile }
}
