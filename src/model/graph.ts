// The network as a list of ops; reads like the paper (BitNet b1.58, Ma et al. 2024; sub-norms after Wang et
// al. 2022). Knows layers and buffers; which rows run, and what is read of them, is run-network.ts's.
import type {
  AttendSpec,
  Backend,
  Kv,
  Linear,
  Matrix,
  Rope,
  Slot,
  StepRows,
} from '../backend/backend.ts'
import type { ActivationMode } from '../types/index.ts'
import type { ModelConfig } from './model-config.ts'
import type { OpTimer } from './op-timer.ts'

export interface LayerWeights {
  readonly attnNorm: Slot
  readonly qkv: Linear
  readonly qGain: Slot | undefined
  readonly kGain: Slot | undefined
  readonly attnSubNorm: Slot | undefined
  readonly o: Linear
  readonly ffnNorm: Slot
  readonly gateUp: Linear
  readonly ffnSubNorm: Slot | undefined
  readonly down: Linear
}

export interface NetworkWeights {
  readonly table: Matrix
  readonly layers: readonly LayerWeights[]
  readonly outputNorm: Slot
  readonly head: Linear
}

export interface GraphOptions {
  readonly activations: ActivationMode
  /** f32 activations for the head. */
  readonly strict: boolean
  /** Rows of one step at most. */
  readonly maxRows: number
  readonly kv: Kv
  readonly rope: Rope
}

/**
 * Columns of the activation buffers. A layer goes to and fro between two: no op needs what was there before
 * the one it reads, so six buffers of their own (21,504 columns in the 0.7B shape) would hold no more than
 * these (13,824).
 */
export function bufferWidths({ hidden, ffn, heads, kvHeads, headDim }: ModelConfig) {
  return {
    /** The residual stream. */
    x: hidden,
    /** What linears read: rows of a norm, of attention, of the gate. */
    inputs: Math.max(hidden, heads * headDim, ffn),
    /** What linears write: q, k and v; gate and up; what is added to x. */
    outputs: Math.max(hidden, (heads + 2 * kvHeads) * headDim, 2 * ffn),
  }
}

export class Graph {
  /** The residual stream, f32 [maxRows][hidden]; after lastNorm() the hidden states. */
  readonly x: Slot
  /** What linears read, f32 [maxRows][at least hidden]; free after lastNorm(). */
  readonly inputs: Slot
  readonly #outputs: Slot
  readonly #config: ModelConfig
  readonly #weights: NetworkWeights
  readonly #options: GraphOptions
  readonly #attendSpecs: readonly AttendSpec[]
  readonly #norm: (ops: OpTimer, out: Slot, x: Slot, gain: Slot, count: number, n: number) => void

  /** @throws RyzError MEMORY_BUDGET */
  constructor(c: ModelConfig, backend: Backend, weights: NetworkWeights, options: GraphOptions) {
    this.#config = c
    this.#weights = weights
    this.#options = options
    const widths = bufferWidths(c)
    const slot = (n: number, name: string) => backend.alloc(4 * options.maxRows * n, name)
    this.x = slot(widths.x, 'residual')
    this.inputs = slot(widths.inputs, 'inputs of linears')
    this.#outputs = slot(widths.outputs, 'outputs of linears')
    this.#attendSpecs = weights.layers.map((w, layer) => ({
      kv: options.kv,
      rope: options.rope,
      layer,
      heads: c.heads,
      kvHeads: c.kvHeads,
      headDim: c.headDim,
      ropePairing: c.ropePairing,
      eps: c.normEps,
      qGain: w.qGain,
      kGain: w.kGain,
    }))
    // A fraction that a closure holds is boxed once; read from a field, at each use: 1.5 kB a token.
    const eps = c.normEps
    this.#norm = (ops, out, x, gain, count, n) => ops.norm(out, x, gain, eps, count, n)
  }

  embed(ops: OpTimer, ids: Int32Array, rows: number): void {
    ops.embed(this.x, this.#weights.table, ids, rows)
  }

  layer(ops: OpTimer, l: number, step: StepRows): void {
    const c = this.#config
    const layer = this.#weights.layers[l]
    const x = this.x
    const inputs = this.inputs
    const outputs = this.#outputs
    const { activations } = this.#options
    const n = step.count

    this.#norm(ops, inputs, x, layer.attnNorm, n, c.hidden)
    ops.linear('qkv', outputs, inputs, layer.qkv, n, activations)
    ops.attend(inputs, outputs, step, this.#attendSpecs[l])
    if (layer.attnSubNorm) {
      this.#norm(ops, inputs, inputs, layer.attnSubNorm, n, c.heads * c.headDim)
    }
    ops.linear('o', outputs, inputs, layer.o, n, activations)
    ops.add(x, outputs, n * c.hidden)

    this.#norm(ops, inputs, x, layer.ffnNorm, n, c.hidden)
    ops.linear('gate_up', outputs, inputs, layer.gateUp, n, activations)
    ops.gate(inputs, outputs, c.activation, n, c.ffn)
    if (layer.ffnSubNorm) this.#norm(ops, inputs, inputs, layer.ffnSubNorm, n, c.ffn)
    ops.linear('down', outputs, inputs, layer.down, n, activations)
    ops.add(x, outputs, n * c.hidden)
  }

  lastNorm(ops: OpTimer, rows: number): void {
    this.#norm(ops, this.x, this.x, this.#weights.outputNorm, rows, this.#config.hidden)
  }

  /** out f32 [rows][vocab] = hidden f32 [rows][hidden] times the head. */
  head(ops: OpTimer, out: Slot, hidden: Slot, rows: number): void {
    const activations = this.#options.strict ? 'float' : 'int8'
    ops.linear('logits', out, hidden, this.#weights.head, rows, activations)
  }
}
