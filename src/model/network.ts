// The whole network, once, for every backend: forward() reads like the paper (BitNet b1.58, Ma et al.
// 2024; sub-norms after Wang et al. 2022). Rows are (sequence, position) pairs, so prefill, decode and
// batches are the same code. Called by the scheduler; knows nothing of requests or sampling.
import type { AttendSpec, Backend, Linear, Matrix, Slot, StepRows } from '../backend/backend.ts'
import { KV_BLOCK, kvBlockBytes } from '../backend/backend.ts'
import { RyzError } from '../errors.ts'
import type { ActivationMode, KvType, OpTime } from '../types/index.ts'
import { allFinite } from './finite.ts'
import type { KvCache, Sequence } from './kv-cache.ts'
import { KvCache as Cache } from './kv-cache.ts'
import type { ModelConfig } from './model-config.ts'
import { OpTimer } from './op-timer.ts'
import { ropeTables } from './rope.ts'

/** One token to run through the network; rows of one sequence stand together, in order. */
export interface StepRow {
  readonly seq: Sequence
  readonly token: number
  readonly wantsLogits: boolean
}

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

export interface NetworkOptions {
  readonly activations: ActivationMode
  /** f32 activations for the head. */
  readonly strict: boolean
  readonly kv: KvType
  readonly kvBlocks: number
  readonly contextLength: number
  /** Rows of one forward at most. */
  readonly maxRows: number
  /** Asked when a step yields a number that is not finite; without it, the step fails. */
  readonly repair?: StepRepair
}

/**
 * Computes a step again: `rerun` runs its rows with the ops of another backend that leaves its results in
 * the memory of this one.
 * @returns the logits
 * @throws RyzError BAD_WEIGHTS
 */
export type StepRepair = (
  rows: readonly StepRow[],
  rerun: (on: Backend) => Float32Array | Promise<Float32Array>,
) => Promise<Float32Array>

/** Rows whose logits are computed at once; more are done in turns. */
export const LOGIT_ROWS = 8
const NO_LOGITS = new Float32Array(0)

/** Bytes of the activation buffers; the same sum as the constructor allocates. */
export function activationBytes(c: ModelConfig, maxRows: number): number {
  const widths = bufferWidths(c)
  const perRow = Object.values(widths).reduce((sum, n) => sum + n, 0)
  return 4 * (maxRows * perRow + LOGIT_ROWS * (c.hidden + c.vocab)) + 64 * 8
}

/**
 * Columns of the activation buffers. A layer goes to and fro between two: no op needs what was there before
 * the one it reads, so six buffers of their own (21,504 columns in the 0.7B shape) would hold no more than
 * these (13,824).
 */
function bufferWidths({ hidden, ffn, heads, kvHeads, headDim }: ModelConfig) {
  return {
    /** The residual stream. */
    x: hidden,
    /** What linears read: rows of a norm, of attention, of the gate. */
    inputs: Math.max(hidden, heads * headDim, ffn),
    /** What linears write: q, k and v; gate and up; what is added to x. */
    outputs: Math.max(hidden, (heads + 2 * kvHeads) * headDim, 2 * ffn),
  }
}

export class Network {
  readonly config: ModelConfig
  readonly kv: KvCache
  readonly maxRows: number
  readonly maxLogitRows = LOGIT_ROWS
  /** Bytes of a KV block in all layers, as readBlock gives it. */
  readonly blockBytes: number
  readonly #backend: Backend
  readonly #ops: OpTimer
  readonly #weights: NetworkWeights
  readonly #options: NetworkOptions
  readonly #slots: Record<keyof ReturnType<typeof bufferWidths>, Slot>
  readonly #selected: Slot
  readonly #logits: Slot
  readonly #ids: Int32Array
  readonly #positions: Int32Array
  readonly #tables: Int32Array
  /** Rows of the step that want logits. */
  readonly #wanted: Int32Array
  /** The rows of the step that runs; one object for all steps. */
  readonly #step: StepRows & { count: number }
  readonly #attendSpecs: AttendSpec[]
  readonly #norm: (ops: OpTimer, out: Slot, x: Slot, gain: Slot, count: number, n: number) => void

  constructor(
    config: ModelConfig,
    backend: Backend,
    weights: NetworkWeights,
    options: NetworkOptions,
  ) {
    this.config = config
    this.maxRows = options.maxRows
    this.#backend = backend
    this.#ops = new OpTimer(backend)
    this.#weights = weights
    this.#options = options
    const widths = bufferWidths(config)
    const slot = (n: number, name: string) => backend.alloc(4 * options.maxRows * n, name)
    this.#slots = {
      x: slot(widths.x, 'residual'),
      inputs: slot(widths.inputs, 'inputs of linears'),
      outputs: slot(widths.outputs, 'outputs of linears'),
    }
    this.#selected = backend.alloc(4 * LOGIT_ROWS * config.hidden, 'rows for the head')
    this.#logits = backend.alloc(4 * LOGIT_ROWS * config.vocab, 'logits')

    const { layers, heads, kvHeads, headDim, ropeDim, ropePairing } = config
    backend.createKv({ layers, kvHeads, headDim, blocks: options.kvBlocks, type: options.kv })
    this.blockBytes = kvBlockBytes({ layers, kvHeads, headDim, type: options.kv })
    const tables = ropeTables(options.contextLength, ropeDim, config.ropeTheta)
    backend.setRope(tables.cos, tables.sin, ropeDim)
    this.kv = new Cache(options.kvBlocks, options.contextLength, (from, to) =>
      backend.copyBlock(from, to),
    )
    this.#attendSpecs = weights.layers.map((w, layer) => ({
      layer,
      heads,
      kvHeads,
      headDim,
      ropeDim,
      ropePairing,
      eps: config.normEps,
      qGain: w.qGain,
      kGain: w.kGain,
    }))

    // A fraction that a closure holds is boxed once; read from a field, at each use: 1.5 kB a token.
    const eps = config.normEps
    this.#norm = (ops, out, x, gain, count, n) => ops.norm(out, x, gain, eps, count, n)

    const maxBlocks = Math.ceil(options.contextLength / KV_BLOCK)
    this.#ids = new Int32Array(options.maxRows)
    this.#positions = new Int32Array(options.maxRows)
    this.#tables = new Int32Array(options.maxRows * maxBlocks)
    this.#wanted = new Int32Array(options.maxRows)
    this.#step = { count: 0, positions: this.#positions, tables: this.#tables, maxBlocks }
  }

  /**
   * Runs rows through the network and appends them to their sequences, whose blocks must be reserved.
   * With a backend that need not be waited for, the step is done on return, and nothing was allocated.
   * @returns logits f32 [k][vocab] of the k rows that want them, in order; valid until the next call
   * @throws RyzError BAD_WEIGHTS when a row is not finite and nothing can repair it
   */
  forward(rows: readonly StepRow[]): Float32Array | Promise<Float32Array> {
    const logits = this.#run(rows, this.#backend, this.#ops)
    if (logits instanceof Promise) return this.#settleLater(rows, logits)
    return this.#settle(rows, logits)
  }

  /**
   * forward(), and what the residual stream holds on the way, for tests of hidden states.
   * @param trace  called after the embedding, each layer and the last norm; f32 [rows][hidden]
   */
  async forwardTraced(
    rows: readonly StepRow[],
    trace: (name: string, values: Float32Array) => void,
  ): Promise<Float32Array> {
    const { layers, hidden } = this.config
    const report = async (name: string) =>
      trace(name, (await this.#backend.read(this.#slots.x, 0, rows.length * hidden)).slice())
    this.#begin(rows, this.#ops)
    await report('embed')
    for (let l = 0; l < layers; l++) {
      this.#layer(l, rows.length, this.#ops)
      await report(`layer${l}`)
    }
    this.#lastNorm(rows.length, this.#ops)
    await report('norm')
    const logits = this.#readLogits(rows, this.#backend, this.#ops)
    return this.#settleLater(rows, logits)
  }

  /** The network as a list of ops. */
  #run(
    rows: readonly StepRow[],
    backend: Backend,
    ops: OpTimer,
  ): Float32Array | Promise<Float32Array> {
    this.#begin(rows, ops)
    for (let l = 0; l < this.config.layers; l++) this.#layer(l, rows.length, ops)
    this.#lastNorm(rows.length, ops)
    return this.#readLogits(rows, backend, ops)
  }

  #begin(rows: readonly StepRow[], ops: OpTimer): void {
    this.#place(rows)
    ops.begin(rows.length)
    ops.embed(this.#slots.x, this.#weights.table, this.#ids, rows.length)
  }

  #layer(l: number, n: number, ops: OpTimer): void {
    const c = this.config
    const layer = this.#weights.layers[l]
    const { x, inputs, outputs } = this.#slots
    const { activations } = this.#options

    this.#norm(ops, inputs, x, layer.attnNorm, n, c.hidden)
    ops.linear('qkv', outputs, inputs, layer.qkv, n, activations)
    ops.attend(inputs, outputs, this.#step, this.#attendSpecs[l])
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

  #lastNorm(n: number, ops: OpTimer): void {
    const { x } = this.#slots
    this.#norm(ops, x, x, this.#weights.outputNorm, n, this.config.hidden)
  }

  /** Looks at the rows of a step, has it repaired if need be, and counts them. */
  #settle(rows: readonly StepRow[], logits: Float32Array): Float32Array | Promise<Float32Array> {
    const finite = this.#finite(rows, logits)
    return finite === true ? this.#advance(rows, logits) : this.#repaired(rows, logits, finite)
  }

  async #settleLater(
    rows: readonly StepRow[],
    reading: Float32Array | Promise<Float32Array>,
  ): Promise<Float32Array> {
    return this.#settle(rows, await reading)
  }

  async #repaired(
    rows: readonly StepRow[],
    logits: Float32Array,
    finite: boolean | Promise<boolean>,
  ): Promise<Float32Array> {
    if (await finite) return this.#advance(rows, logits)
    const { repair } = this.#options
    if (repair === undefined) throw notFinite()
    const again = await repair(rows, on => this.#run(rows, on, new OpTimer(on)))
    if (!(await this.#finite(rows, again))) throw notFinite()
    return this.#advance(rows, again)
  }

  #advance(rows: readonly StepRow[], logits: Float32Array): Float32Array {
    for (let r = 0; r < rows.length; r++) this.kv.advance(rows[r].seq, 1)
    return logits
  }

  /**
   * A number that is not finite stays so in the residual stream, makes the whole row NaN in the last norm
   * and every logit of it NaN: rows with logits need no second look.
   */
  #finite(rows: readonly StepRow[], logits: Float32Array): boolean | Promise<boolean> {
    return allFinite(logits, 0, logits.length) && this.#residualFinite(rows, 0)
  }

  /** Looks at the rows without logits from `from` on. */
  #residualFinite(rows: readonly StepRow[], from: number): boolean | Promise<boolean> {
    const { hidden } = this.config
    for (let r = from; r < rows.length; r++) {
      if (rows[r].wantsLogits) continue
      const first = r
      while (r + 1 < rows.length && !rows[r + 1].wantsLogits) r++
      const x = this.#backend.read(this.#slots.x, first * hidden, (r + 1 - first) * hidden)
      if (x instanceof Promise) return this.#residualFiniteLater(x, rows, r + 1)
      if (!allFinite(x, 0, x.length)) return false
    }
    return true
  }

  async #residualFiniteLater(
    reading: Promise<Float32Array>,
    rows: readonly StepRow[],
    next: number,
  ): Promise<boolean> {
    const x = await reading
    return allFinite(x, 0, x.length) && this.#residualFinite(rows, next)
  }

  /** Milliseconds by op since the start, estimated where steps are short; see op-timer.ts. */
  opTimes(): OpTime[] {
    return this.#ops.times()
  }

  /** The contents of a KV block, in the one order of all backends. */
  readBlock(block: number): Promise<Uint8Array> {
    return this.#backend.readBlock(block)
  }

  /** Fills a KV block with what readBlock gave. */
  writeBlock(block: number, bytes: Uint8Array): void {
    this.#backend.writeBlock(block, bytes)
  }

  /** Closes the backend; may be called twice. */
  close(): void {
    this.#backend.close()
  }

  /** Writes ids, positions and block tables of the rows, in the backend's terms. */
  #place(rows: readonly StepRow[]): void {
    if (rows.length > this.maxRows) {
      throw new RangeError(`${rows.length} rows in a step of at most ${this.maxRows}`)
    }
    let position = 0
    for (let r = 0; r < rows.length; r++) {
      const { seq, token } = rows[r]
      position = r > 0 && rows[r - 1].seq === seq ? position + 1 : seq.length
      this.#ids[r] = token
      this.#positions[r] = position
      this.#tables.set(seq.blocks, r * this.#step.maxBlocks)
    }
    this.#step.count = rows.length
  }

  #readLogits(
    rows: readonly StepRow[],
    backend: Backend,
    ops: OpTimer,
  ): Float32Array | Promise<Float32Array> {
    let wanted = 0
    for (let r = 0; r < rows.length; r++) if (rows[r].wantsLogits) this.#wanted[wanted++] = r
    if (wanted > LOGIT_ROWS) return this.#readManyLogits(wanted, backend, ops)
    return wanted > 0 ? this.#readSomeLogits(this.#wanted, wanted, backend, ops) : NO_LOGITS
  }

  /** In turns of LOGIT_ROWS; the scheduler asks for no more than one. */
  async #readManyLogits(wanted: number, backend: Backend, ops: OpTimer): Promise<Float32Array> {
    const { vocab } = this.config
    const all = new Float32Array(wanted * vocab)
    for (let first = 0; first < wanted; first += LOGIT_ROWS) {
      const turn = this.#wanted.subarray(first, Math.min(first + LOGIT_ROWS, wanted))
      all.set(await this.#readSomeLogits(turn, turn.length, backend, ops), first * vocab)
    }
    return all
  }

  #readSomeLogits(
    which: Int32Array,
    count: number,
    backend: Backend,
    ops: OpTimer,
  ): Float32Array | Promise<Float32Array> {
    const { vocab, hidden } = this.config
    const head = this.#options.strict ? 'float' : 'int8'
    backend.gather(this.#selected, this.#slots.x, which, count, hidden)
    ops.linear('logits', this.#logits, this.#selected, this.#weights.head, count, head)
    return ops.read(this.#logits, 0, count * vocab)
  }
}

function notFinite(): RyzError {
  return new RyzError(
    'BAD_WEIGHTS',
    'the network gave a number that is not finite; the weights are damaged, or the model does not fit these activations',
  )
}
