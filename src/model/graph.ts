// The network as a list of ops; reads like the paper (BitNet b1.58, Ma et al. 2024; sub-norms after Wang et
// al. 2022). Knows layers and buffers; which rows run, and what is read of them, is run-network.ts's.
import type {
  AttendSpec,
  Backend,
  Columns,
  Experts,
  Kv,
  Linear,
  Matrix,
  Rope,
  RoutedShape,
  Router,
  Slot,
  StepRows,
} from '../backend/backend.ts'
import { ROUTE_VALUES } from '../backend/backend.ts'
import type { ActivationMode } from '../types/index.ts'
import type { ModelConfig } from './model-config.ts'
import type { OpTimer } from './op-timer.ts'

/** A linear with a norm of its own before it; its outputs are a part of a row (Linear.columns). */
export interface InnerLinear {
  readonly norm: Slot
  readonly linear: Linear
}

export interface LayerWeights {
  readonly attnNorm: Slot
  /** q, k and v in one; or each by itself, where each has a norm before it. */
  readonly qkv: Linear | readonly InnerLinear[]
  readonly qkvBias?: Slot
  readonly qGain: Slot | undefined
  readonly kGain: Slot | undefined
  readonly attnSubNorm: Slot | undefined
  readonly o: Linear
  readonly ffnNorm: Slot
  readonly feedForward: DenseWeights | ExpertWeights
}

export interface DenseWeights {
  /** As `qkv`. */
  readonly gateUp: Linear | readonly InnerLinear[]
  readonly subNorm: Slot | undefined
  readonly down: Linear
}

/** A mixture of experts. */
export interface ExpertWeights {
  /** Multiplies the normed row itself, whatever the activations are. */
  readonly router: Linear
  readonly routing: Router
  readonly gateUp: Experts
  readonly down: Experts
  /** The expert of every row. */
  readonly shared:
    | {
        readonly ffn: number
        readonly gateUp: Linear
        readonly down: Linear
        readonly gate: { readonly router: Linear; readonly routing: Router } | undefined
      }
    | undefined
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
export function bufferWidths(c: ModelConfig) {
  const { hidden, ffn, heads, kvHeads, headDim, experts, innerNorms } = c
  const shared = experts?.shared?.ffn ?? 0
  const used = experts?.used ?? 0
  const feed = experts ? Math.max(used * Math.max(2 * ffn, hidden), 2 * shared) : 2 * ffn
  return {
    /** The residual stream. */
    x: hidden,
    /** What linears read: rows of a norm, of attention, of the gate. */
    inputs: Math.max(hidden, heads * headDim, experts ? shared : ffn),
    /** What linears write: q, k and v; gate and up; what is added to x. */
    outputs: Math.max(hidden, (heads + 2 * kvHeads) * headDim, feed),
    /** What a linear reads behind a norm of its own, beside what others of the same input read. */
    inner: innerNorms ? hidden : 0,
    /** Of experts: their logits, which of them compute a row, and what the chosen ones read. */
    logits: experts?.count ?? 0,
    routes: ROUTE_VALUES * used,
    pairs: used * ffn,
  }
}

export class Graph {
  /** The residual stream, f32 [maxRows][hidden]; after lastNorm() the hidden states. */
  readonly x: Slot
  /** What linears read, f32 [maxRows][at least hidden]; free after lastNorm(). */
  readonly inputs: Slot
  readonly #outputs: Slot
  readonly #inner: Slot | undefined
  readonly #experts: Record<'logits' | 'routes' | 'pairs', Slot> | undefined
  readonly #config: ModelConfig
  readonly #weights: NetworkWeights
  readonly #options: GraphOptions
  readonly #attendSpecs: readonly AttendSpec[]
  /** Of q and k in a row of qkv. */
  readonly #qColumns: Columns
  readonly #kColumns: Columns
  /** One object each for all steps. */
  readonly #rows: RoutedShape & { count: number }
  readonly #pairs: RoutedShape & { count: number }
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
    this.#inner = c.innerNorms ? slot(widths.inner, 'inputs behind inner norms') : undefined
    this.#experts = c.experts && {
      logits: slot(widths.logits, 'logits of experts'),
      routes: slot(widths.routes, 'routes'),
      pairs: slot(widths.pairs, 'inputs of experts'),
    }
    const { used = 0 } = c.experts ?? {}
    this.#rows = { input: 'rows', count: 0, used }
    this.#pairs = { input: 'pairs', count: 0, used }
    const width = (c.heads + 2 * c.kvHeads) * c.headDim
    this.#qColumns = { stride: width, first: 0, n: c.heads * c.headDim }
    this.#kColumns = { stride: width, first: c.heads * c.headDim, n: c.kvHeads * c.headDim }
    this.#attendSpecs = weights.layers.map((w, layer) => ({
      kv: options.kv,
      rope: options.rope,
      layer,
      heads: c.heads,
      kvHeads: c.kvHeads,
      headDim: c.headDim,
      ropePairing: c.ropePairing,
      eps: c.normEps,
      qGain: c.wideQkNorm ? undefined : w.qGain,
      kGain: c.wideQkNorm ? undefined : w.kGain,
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
    this.#together(ops, 'qkv', layer.qkv, n)
    if (layer.qkvBias) ops.bias(outputs, layer.qkvBias, n, this.#qColumns.stride)
    if (c.wideQkNorm) {
      ops.normColumns(outputs, layer.qGain!, c.normEps, n, this.#qColumns)
      ops.normColumns(outputs, layer.kGain!, c.normEps, n, this.#kColumns)
    }
    ops.attend(inputs, outputs, step, this.#attendSpecs[l])
    if (layer.attnSubNorm) {
      this.#norm(ops, inputs, inputs, layer.attnSubNorm, n, c.heads * c.headDim)
    }
    ops.linear('o', outputs, inputs, layer.o, n, activations)
    ops.add(x, outputs, n * c.hidden)

    this.#norm(ops, inputs, x, layer.ffnNorm, n, c.hidden)
    if ('router' in layer.feedForward) this.#mixture(ops, layer.feedForward, n)
    else this.#dense(ops, layer.feedForward, n)
  }

  /** Linears of the rows in #inputs, side by side into #outputs. */
  #together(
    ops: OpTimer,
    op: 'qkv' | 'gate_up',
    w: Linear | readonly InnerLinear[],
    n: number,
  ): void {
    const { activations } = this.#options
    if ('parts' in w) {
      ops.linear(op, this.#outputs, this.inputs, w, n, activations)
      return
    }
    for (const { norm, linear } of w) {
      this.#norm(ops, this.#inner!, this.inputs, norm, n, this.#config.hidden)
      ops.linear(op, this.#outputs, this.#inner!, linear, n, activations)
    }
  }

  /** Gate and up, activation, down, on the normed rows in #inputs. */
  #dense(ops: OpTimer, { gateUp, subNorm, down }: DenseWeights, n: number): void {
    const c = this.#config
    const x = this.x
    const inputs = this.inputs
    const outputs = this.#outputs
    const { activations } = this.#options
    this.#together(ops, 'gate_up', gateUp, n)
    ops.gate(inputs, outputs, c.activation, n, c.ffn)
    if (subNorm) this.#norm(ops, inputs, inputs, subNorm, n, c.ffn)
    ops.linear('down', outputs, inputs, down, n, activations)
    ops.add(x, outputs, n * c.hidden)
  }

  /** The same of a mixture of experts (Shazeer et al. 2017). */
  #mixture(ops: OpTimer, w: ExpertWeights, n: number): void {
    const { hidden, ffn, activation } = this.#config
    const { logits, routes, pairs } = this.#experts!
    const x = this.x
    const inputs = this.inputs
    const outputs = this.#outputs
    const { activations } = this.#options
    const count = n * w.routing.used
    this.#rows.count = n
    this.#pairs.count = n

    ops.linear('router', logits, inputs, w.router, n, 'float')
    ops.route(routes, logits, w.routing, n)
    ops.routedLinear('expert_gate_up', outputs, inputs, w.gateUp, routes, this.#rows, activations)
    ops.gate(pairs, outputs, activation, count, ffn)
    ops.routedLinear('expert_down', outputs, pairs, w.down, routes, this.#pairs, activations)
    ops.mix(x, outputs, routes, count, hidden)

    if (!w.shared) return
    const { gate, gateUp, down } = w.shared
    if (gate) {
      ops.linear('router', logits, inputs, gate.router, n, 'float')
      ops.route(routes, logits, gate.routing, n)
    }
    ops.linear('gate_up', outputs, inputs, gateUp, n, activations)
    ops.gate(inputs, outputs, activation, n, w.shared.ffn)
    ops.linear('down', outputs, inputs, down, n, activations)
    if (gate) ops.mix(x, outputs, routes, n, hidden)
    else ops.add(x, outputs, n * hidden)
  }

  /** Of a mixture of experts, by layer. */
  routers(): Router[] | undefined {
    const found: Router[] = []
    for (const { feedForward } of this.#weights.layers) {
      if ('router' in feedForward) found.push(feedForward.routing)
    }
    return found.length > 0 ? found : undefined
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
