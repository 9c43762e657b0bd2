// A network in the shape of a real checkpoint on a WebGPU backend, with weights of zeros: the work of a step
// does not depend on what they are. Used by plans.ts and shapes.ts.

import { SHAPES } from '../../scripts/synth/shapes.ts'
import type { LayoutId, Linear, Matrix, Slot } from '../../src/backend/backend.ts'
import { layoutBytes, PIECE_ROWS } from '../../src/backend/backend.ts'
import type { Gpu } from '../../src/backend/webgpu/device.ts'
import type { Form } from '../../src/backend/webgpu/forms.ts'
import { createWebGpuBackend, type WebGpuBackend } from '../../src/backend/webgpu/webgpu-backend.ts'
import type { ModelConfig } from '../../src/model/model-config.ts'
import { BackendNetwork } from '../../src/model/run-network.ts'

export const BENCH_SHAPES = {
  '0.7B': SHAPES['bitnet-large'],
  '2B-4T': SHAPES['bitnet-2b-4t'],
  /** For quick runs. */
  tiny: SHAPES.tiny,
} as const
export type BenchShape = keyof typeof BENCH_SHAPES

export const CONTEXT = 2304
/** Tokens of a prompt in a step. */
export const MAX_PIECE = 128
export const MAX_ROWS = MAX_PIECE + 8

export interface BenchNetwork {
  readonly config: ModelConfig
  readonly backend: WebGpuBackend
  readonly network: BackendNetwork
  /** Bytes of weights that a token reads. */
  readonly weightBytes: number
}

export function configOf(name: BenchShape): ModelConfig {
  const s = BENCH_SHAPES[name]
  return {
    ...s,
    experts: undefined,
    name,
    architecture: s.arch,
    container: 'gguf',
    contextLength: s.context,
    ropeDim: s.headDim,
    ropePairing: 'neox',
    activation: s.arch === 'bitnet-b1.58' ? 'relu2' : 'silu',
    subNorms: true,
    qkNorm: false,
    tiedHead: true,
    masters: false,
    scaleTensors: 'none',
    notes: [],
  }
}

/** Products of a token: every weight of the layers and the head once. */
export function macsOf(name: BenchShape): number {
  const { layers, hidden, ffn, heads, kvHeads, headDim, vocab } = configOf(name)
  const layer = hidden * (2 * heads + 2 * kvHeads) * headDim + 3 * hidden * ffn
  return layers * layer + vocab * hidden
}

/** One step; up to 8 rows are sequences of their own, more are a piece of one prompt. */
export async function step({ network }: BenchNetwork, rows: number, context = 0): Promise<void> {
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

/** Milliseconds, after three times to warm up. */
export async function median(runs: number, work: () => Promise<unknown>): Promise<number> {
  for (let i = 0; i < 3; i++) await work()
  const ms: number[] = []
  for (let i = 0; i < runs; i++) {
    const began = performance.now()
    await work()
    ms.push(performance.now() - began)
  }
  return ms.sort((a, b) => a - b)[runs >> 1]!
}

/** @param layers  fewer, to record a step of a shape that does not fit */
export function openNetwork(
  gpu: Gpu,
  name: BenchShape,
  layers?: number,
  form?: Form,
): BenchNetwork {
  const whole = configOf(name)
  const config = { ...whole, layers: layers ?? whole.layers }
  const { hidden, ffn, heads, kvHeads, headDim, vocab } = config
  const limits = { maxRows: MAX_ROWS, maxContext: CONTEXT, maxCols: Math.max(hidden, ffn) }
  const backend = createWebGpuBackend({ gpu, limits, form })
  let weightBytes = 0
  const matrix = (layout: LayoutId, rows: number, cols: number): Matrix => {
    const bytes = layoutBytes(layout, rows, cols)
    weightBytes += bytes
    const weights = backend.alloc(bytes, 'weights', layoutBytes(layout, PIECE_ROWS, cols))
    return { layout, rows, cols, weights, scales: backend.alloc(4 * rows, 'scales'), scaleBlock: 0 }
  }
  const linear = (cols: number, ...rows: number[]): Linear =>
    backend.stack(rows.map(n => matrix('t2', n, cols)))
  const gain = (n: number): Slot => backend.alloc(4 * n, 'gains')
  const attention = heads * headDim
  const table = matrix('i8', vocab, hidden)
  const weights = {
    table,
    head: backend.stack([table]),
    outputNorm: gain(hidden),
    layers: Array.from({ length: config.layers }, () => ({
      attnNorm: gain(hidden),
      qkv: linear(hidden, attention, kvHeads * headDim, kvHeads * headDim),
      qGain: undefined,
      kGain: undefined,
      attnSubNorm: gain(attention),
      o: linear(attention, hidden),
      ffnNorm: gain(hidden),
      feedForward: {
        gateUp: linear(hidden, ffn, ffn),
        subNorm: gain(ffn),
        down: linear(ffn, hidden),
      },
    })),
  }
  const network = new BackendNetwork(config, backend, weights, {
    activations: 'int8',
    strict: false,
    kv: 'f16',
    kvBlocks: Math.ceil((CONTEXT * 2) / 32),
    contextLength: CONTEXT,
    maxRows: MAX_ROWS,
    wantedRows: 8,
  })
  return { config, backend, network, weightBytes }
}
