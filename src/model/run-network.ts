// Runs a network on a backend, once for every backend: rows are (sequence, position) pairs, so prefill,
// decode and batches are the same code. The ops of a layer are in graph.ts. Called by the scheduler; knows
// nothing of requests or sampling.
import type { Backend, Drawing, Kv, Slot, StepRows } from '../backend/backend.ts'
import { KV_BLOCK, kvBlockBytes } from '../backend/backend.ts'
import { allFinite } from '../backend/finite.ts'
import { RyzError } from '../errors.ts'
import type { KvType, OpTime } from '../types/index.ts'
import { bufferWidths, Graph, type GraphOptions, type NetworkWeights } from './graph.ts'
import { KvCache } from './kv-cache.ts'
import type { ModelConfig } from './model-config.ts'
import type { Drawer, Network, StepResult, StepRow, Wanted } from './network.ts'
import { OpTimer } from './op-timer.ts'
import { ropeTables } from './rope.ts'

export interface NetworkOptions extends Omit<GraphOptions, 'kv' | 'rope'> {
  readonly kv: KvType
  readonly kvBlocks: number
  readonly contextLength: number
  /** Rows of a step that may want logits. */
  readonly wantedRows: number
  /** The book of the cache, where one goes on; a new one otherwise. */
  readonly book?: KvCache
  /** Asked when a step yields a number that is not finite; without it, the step fails. */
  readonly repair?: StepRepair
}

/**
 * Computes a step again: `rerun` runs its rows with the ops of another backend that leaves its results in
 * the memory of this one.
 * @throws RyzError BAD_WEIGHTS
 */
export type StepRepair = (
  rows: readonly StepRow[],
  rerun: (on: Backend) => StepResult | Promise<StepResult>,
) => Promise<StepResult>

const NONE = new Float32Array(0)

/** Bytes of the activation buffers; the same sum as graph and network allocate. */
export function activationBytes(c: ModelConfig, maxRows: number, wantedRows: number): number {
  const widths = bufferWidths(c)
  const perRow = Object.values(widths).reduce((sum, n) => sum + n, 0)
  return 4 * (maxRows * perRow + wantedRows * (c.hidden + c.vocab)) + 64 * 12
}

/** See Network. */
export class BackendNetwork implements Network {
  readonly config: ModelConfig
  readonly kv: KvCache
  readonly maxRows: number
  readonly maxWantedRows: number
  readonly blockBytes: number
  readonly #backend: Backend
  readonly #ops: OpTimer
  readonly #graph: Graph
  readonly #repair: StepRepair | undefined
  readonly #cache: Kv
  /** Inputs of the head: f32 [wantedRows][hidden]. */
  readonly #selected: Slot
  readonly #logits: Slot
  readonly #drawer: Drawer | undefined
  readonly #ids: Int32Array
  /** Rows of the step that want logits, and those that want their hidden state. */
  readonly #wanted: Int32Array
  /** The rows of the step that runs; one object for all steps. */
  readonly #step: StepRows & { count: number }
  /** What forward() gives; one object for all steps. */
  readonly #result: { logits: Float32Array; hidden: Float32Array } = { logits: NONE, hidden: NONE }

  /** @throws RyzError MEMORY_BUDGET */
  constructor(
    config: ModelConfig,
    backend: Backend,
    weights: NetworkWeights,
    options: NetworkOptions,
  ) {
    const { maxRows, wantedRows, contextLength } = options
    this.config = config
    this.maxRows = maxRows
    this.maxWantedRows = wantedRows
    this.#backend = backend
    this.#ops = new OpTimer(backend)
    this.#repair = options.repair
    const { layers, kvHeads, headDim, hidden, vocab, ropeDim } = config
    const kvSpec = { layers, kvHeads, headDim, blocks: options.kvBlocks, type: options.kv }
    this.#cache = backend.createKv(kvSpec)
    this.blockBytes = kvBlockBytes(kvSpec)
    const tables = ropeTables(contextLength, ropeDim, config.ropeTheta)
    const rope = backend.createRope(tables.cos, tables.sin, ropeDim)
    this.#graph = new Graph(config, backend, weights, { ...options, kv: this.#cache, rope })
    this.#selected = backend.alloc(4 * wantedRows * hidden, 'rows for the head')
    this.#logits = backend.alloc(4 * wantedRows * vocab, 'logits')
    const copy = (from: number, to: number) => this.copyBlock(from, to)
    this.kv = options.book ?? new KvCache(options.kvBlocks, contextLength, copy)
    if (options.book !== undefined) this.kv.copyBy(copy)
    const maxBlocks = Math.ceil(contextLength / KV_BLOCK)
    this.#ids = new Int32Array(maxRows)
    this.#wanted = new Int32Array(maxRows)
    const positions = new Int32Array(maxRows)
    const blockTables = new Int32Array(maxRows * maxBlocks)
    this.#step = { count: 0, positions, tables: blockTables, maxBlocks }
    const { draw, answer } = backend
    if (draw !== undefined && answer !== undefined) {
      this.#drawer = {
        draw: (rows, drawings) => this.#draw(rows, drawings),
        answer: () => answer.call(backend),
      }
    }
  }

  get drawer(): Drawer | undefined {
    return this.#drawer
  }

  get lost(): Promise<RyzError> {
    return this.#backend.lost
  }

  /** With a backend that need not be waited for, the step is done on return, and nothing was allocated. */
  forward(rows: readonly StepRow[]): StepResult | Promise<StepResult> {
    this.#issue(rows, this.#ops)
    return this.#finish(rows)
  }

  /**
   * forward(), and what the residual stream holds on the way, for tests of hidden states.
   * @param trace  called after the embedding, each layer and the last norm; f32 [rows][hidden]
   */
  async forwardTraced(
    rows: readonly StepRow[],
    trace: (name: string, values: Float32Array) => void,
  ): Promise<StepResult> {
    const { layers, hidden } = this.config
    const report = async (name: string) =>
      trace(name, (await this.#backend.read(this.#graph.x, 0, rows.length * hidden)).slice())
    this.#begin(rows, this.#ops)
    await report('embed')
    for (let l = 0; l < layers; l++) {
      this.#graph.layer(this.#ops, l, this.#step)
      await report(`layer${l}`)
    }
    this.#graph.lastNorm(this.#ops, rows.length)
    await report('norm')
    return this.#finish(rows)
  }

  opTimes(): OpTime[] {
    return this.#backend.opTimes?.() ?? this.#ops.times()
  }

  expertRows(): number[][] | undefined {
    return this.#graph.routers()?.map(router => this.#backend.experts!.use(router))
  }

  readBlock(block: number): Promise<Uint8Array> {
    return this.#backend.readBlock(this.#cache, block)
  }

  writeBlock(block: number, bytes: Uint8Array): void {
    this.#backend.writeBlock(this.#cache, block, bytes)
  }

  copyBlock(from: number, to: number): void {
    this.#backend.copyBlock(this.#cache, from, to)
  }

  /** Closes the backend; may be called twice. */
  close(): void {
    this.#backend.close()
  }

  #draw(rows: readonly StepRow[], drawings: readonly Drawing[]): Promise<Int32Array> {
    this.#issue(rows, this.#ops)
    const count = this.#find(rows, 'logits')
    this.#head(0, count, this.#backend, this.#ops)
    const drawn = this.#backend.draw!(this.#logits, this.config.vocab, count, drawings)
    for (let r = 0; r < rows.length; r++) this.kv.advance(rows[r].seq, 1)
    return drawn
  }

  /** Issues the ops of a step, down to the hidden states. */
  #issue(rows: readonly StepRow[], ops: OpTimer): void {
    this.#begin(rows, ops)
    for (let l = 0; l < this.config.layers; l++) this.#graph.layer(ops, l, this.#step)
    this.#graph.lastNorm(ops, rows.length)
  }

  /** Writes ids, positions and block tables of the rows, in the backend's terms, and embeds them. */
  #begin(rows: readonly StepRow[], ops: OpTimer): void {
    if (rows.length > this.maxRows) {
      throw new RangeError(`${rows.length} rows in a step of at most ${this.maxRows}`)
    }
    const { positions, tables, maxBlocks } = this.#step
    let position = 0
    for (let r = 0; r < rows.length; r++) {
      const { seq, token } = rows[r]
      position = r > 0 && rows[r - 1].seq === seq ? position + 1 : seq.length
      this.#ids[r] = token
      positions[r] = position
      tables.set(seq.blocks, r * maxBlocks)
    }
    this.#step.count = rows.length
    ops.begin(rows.length)
    this.#graph.embed(ops, this.#ids, rows.length)
  }

  /** Reads what is wanted of a step whose ops were issued, looks at its rows, and counts them. */
  #finish(rows: readonly StepRow[]): StepResult | Promise<StepResult> {
    // Both are asked for before either is waited for: one round trip.
    const finite = this.#unreadFinite(rows, 0)
    const result = this.#read(rows, this.#backend, this.#ops)
    if (finite instanceof Promise || result instanceof Promise) {
      return this.#settleLater(rows, finite, result)
    }
    return finite && resultFinite(result) ? this.#advance(rows, result) : this.#repaired(rows)
  }

  async #settleLater(
    rows: readonly StepRow[],
    finite: boolean | Promise<boolean>,
    reading: StepResult | Promise<StepResult>,
  ): Promise<StepResult> {
    const [unreadFinite, result] = await Promise.all([finite, reading])
    return unreadFinite && resultFinite(result) ? this.#advance(rows, result) : this.#repaired(rows)
  }

  async #repaired(rows: readonly StepRow[]): Promise<StepResult> {
    if (this.#repair === undefined) throw notFinite()
    const result = await this.#repair(rows, on => {
      const ops = new OpTimer(on)
      this.#issue(rows, ops)
      return this.#read(rows, on, ops)
    })
    if (!(await this.#unreadFinite(rows, 0)) || !resultFinite(result)) throw notFinite()
    return this.#advance(rows, result)
  }

  #advance(rows: readonly StepRow[], result: StepResult): StepResult {
    for (let r = 0; r < rows.length; r++) this.kv.advance(rows[r].seq, 1)
    return result
  }

  /**
   * Looks at the rows from `from` on that nobody reads. A number that is not finite stays so in the residual
   * stream, makes the whole row NaN in the last norm and every logit of it NaN: rows that are read need no
   * second look.
   */
  #unreadFinite(rows: readonly StepRow[], from: number): boolean | Promise<boolean> {
    const { hidden } = this.config
    for (let r = from; r < rows.length; r++) {
      if (rows[r].wants !== 'nothing') continue
      const first = r
      while (r + 1 < rows.length && rows[r + 1].wants === 'nothing') r++
      const finite = this.#backend.finite(this.#graph.x, first * hidden, (r + 1 - first) * hidden)
      if (finite instanceof Promise) {
        const rest = this.#unreadFinite(rows, r + 1)
        return Promise.all([finite, rest]).then(([a, b]) => a && b)
      }
      if (!finite) return false
    }
    return true
  }

  #read(
    rows: readonly StepRow[],
    backend: Backend,
    ops: OpTimer,
  ): StepResult | Promise<StepResult> {
    const { hidden } = this.config
    const logitRows = this.#find(rows, 'logits')
    if (logitRows > this.maxWantedRows) return this.#readMany(rows, logitRows, backend, ops)
    if (logitRows > 0) this.#head(0, logitRows, backend, ops)
    const hiddenRows = this.#find(rows, 'hidden')
    // Any number of rows: what the layers needed is free now, and as long.
    const found = this.#graph.inputs
    if (hiddenRows > 0) backend.gather(found, this.#graph.x, this.#wanted, hiddenRows, hidden)
    const logits = logitRows > 0 ? ops.read(this.#logits, 0, logitRows * this.config.vocab) : NONE
    const states = hiddenRows > 0 ? ops.read(found, 0, hiddenRows * hidden) : NONE
    if (logits instanceof Promise || states instanceof Promise) {
      return Promise.all([logits, states]).then(([l, h]) => this.#give(l, h))
    }
    return this.#give(logits, states)
  }

  /** More logits than are planned for, in turns; for tests, the scheduler asks for no more than one. */
  async #readMany(
    rows: readonly StepRow[],
    count: number,
    backend: Backend,
    ops: OpTimer,
  ): Promise<StepResult> {
    const { vocab } = this.config
    const all = new Float32Array(count * vocab)
    for (let first = 0; first < count; first += this.maxWantedRows) {
      this.#find(rows, 'logits')
      const turn = Math.min(this.maxWantedRows, count - first)
      this.#head(first, turn, backend, ops)
      all.set(await ops.read(this.#logits, 0, turn * vocab), first * vocab)
    }
    return { logits: all, hidden: NONE }
  }

  /** Lists the rows that want this in #wanted. @returns how many */
  #find(rows: readonly StepRow[], wanted: Wanted): number {
    let count = 0
    for (let r = 0; r < rows.length; r++) if (rows[r].wants === wanted) this.#wanted[count++] = r
    return count
  }

  /** Logits of `count` rows of #wanted from `first` on. */
  #head(first: number, count: number, backend: Backend, ops: OpTimer): void {
    const which = first === 0 ? this.#wanted : this.#wanted.subarray(first)
    backend.gather(this.#selected, this.#graph.x, which, count, this.config.hidden)
    this.#graph.head(ops, this.#logits, this.#selected, count)
  }

  #give(logits: Float32Array, hidden: Float32Array): StepResult {
    this.#result.logits = logits
    this.#result.hidden = hidden
    return this.#result
  }
}

function resultFinite({ logits, hidden }: StepResult): boolean {
  return allFinite(logits, 0, logits.length) && allFinite(hidden, 0, hidden.length)
}

function notFinite(): RyzError {
  return new RyzError(
    'BAD_WEIGHTS',
    'the network gave a number that is not finite; the weights are damaged, or the model does not fit these activations',
  )
}
