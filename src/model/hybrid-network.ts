// One network on two backends: the GPU reads prompts, the CPU writes answers. Both hold the weights and a KV cache of
// the same shape under one book. A block is computed on one side and copied to the other, in the bytes that all
// backends share, when that side needs it: so a prompt's blocks are handed over once, before its first token.
// Made by engine/load/open-hybrid.ts.
import { KV_BLOCK } from '../backend/backend.ts'
import type { RyzError } from '../errors.ts'
import type { OpTime } from '../types/index.ts'
import type { KvCache } from './kv-cache.ts'
import type { Network, Sequence, StepResult, StepRow } from './network.ts'
import type { BackendNetwork } from './run-network.ts'

/** Bytes of blocks that are on their way to the host at a time, at most; a block at least. */
export const HANDOVER_BYTES = 32 * 2 ** 20

const NONE = new Float32Array(0)
/** Who has the tokens of a block. */
const GPU = 1
const CPU = 2

/** What went from one side to the other. */
export interface HandedOver {
  readonly blocks: number
  readonly bytes: number
  readonly ms: number
}

/** Rows of a step that one side computes, and where they stand in it. */
interface Part {
  readonly network: BackendNetwork
  readonly side: typeof GPU | typeof CPU
  readonly rows: StepRow[]
}

/** See Network. Rows that answer are computed by the CPU, all others by the GPU. */
export class HybridNetwork implements Network {
  readonly kv: KvCache
  readonly maxRows: number
  readonly maxWantedRows: number
  readonly lost: Promise<RyzError>
  readonly #gpu: BackendNetwork
  readonly #cpu: BackendNetwork
  readonly #now: () => number
  /** By block: the sides that have its tokens. */
  readonly #has: Uint8Array
  /** The step that runs. */
  #running: Promise<unknown> = Promise.resolve()
  readonly #toCpu = { blocks: 0, bytes: 0, ms: 0 }
  readonly #toGpu = { blocks: 0, bytes: 0, ms: 0 }
  #logits = NONE

  /** The book is that of both; what it copies is copied on both sides from now on. */
  constructor(
    gpu: BackendNetwork,
    cpu: BackendNetwork,
    now: () => number = () => performance.now(),
  ) {
    if (gpu.kv !== cpu.kv || gpu.blockBytes !== cpu.blockBytes) {
      throw new RangeError('the networks of a hybrid have one book, and blocks of one size')
    }
    this.#gpu = gpu
    this.#cpu = cpu
    this.#now = now
    this.kv = gpu.kv
    this.maxRows = Math.min(gpu.maxRows, cpu.maxRows)
    this.maxWantedRows = Math.min(gpu.maxWantedRows, cpu.maxWantedRows)
    this.lost = Promise.race([gpu.lost, cpu.lost])
    this.#has = new Uint8Array(this.kv.blocks)
    this.kv.copyBy((from, to) => {
      const has = this.#has[from]!
      if (has & GPU) gpu.copyBlock(from, to)
      if (has & CPU) cpu.copyBlock(from, to)
      this.#has[to] = has
    })
  }

  get config() {
    return this.#gpu.config
  }

  get blockBytes(): number {
    return this.#gpu.blockBytes
  }

  /** From the GPU to the CPU, and back: what a later prompt begins with. */
  get handedOver(): { toCpu: HandedOver; toGpu: HandedOver } {
    return { toCpu: { ...this.#toCpu }, toGpu: { ...this.#toGpu } }
  }

  forward(rows: readonly StepRow[]): StepResult | Promise<StepResult> {
    const [reading, answering] = this.#split(rows)
    // Without a promise between two tokens where nothing is read and nothing is to be handed over.
    if (reading.rows.length === 0 && this.#lacking(answering).length === 0) {
      const result = this.#cpu.forward(rows)
      this.#wrote(answering)
      return result
    }
    const step = this.#both(rows, reading, answering)
    this.#running = step.catch(() => undefined)
    return step
  }

  /** Of the CPU: what the GPU's ops take is not seen from here. */
  opTimes(): OpTime[] {
    return this.#cpu.opTimes()
  }

  expertRows(): number[][] | undefined {
    const [read, written] = [this.#gpu.expertRows(), this.#cpu.expertRows()]
    return written?.map((layer, l) => layer.map((rows, e) => rows + (read?.[l]?.[e] ?? 0)))
  }

  readBlock(block: number): Promise<Uint8Array> {
    return (this.#has[block]! & CPU ? this.#cpu : this.#gpu).readBlock(block)
  }

  writeBlock(block: number, bytes: Uint8Array): void {
    this.#cpu.writeBlock(block, bytes)
    this.#has[block] = CPU
  }

  /**
   * Ends the GPU's half; the book goes on with the CPU's cache.
   * @returns when no step runs on the GPU any more
   */
  async leaveGpu(): Promise<void> {
    this.#gpu.close()
    const cpu = this.#cpu
    this.kv.copyBy((from, to) => cpu.copyBlock(from, to))
    await this.#running
  }

  /** Closes both backends; may be called twice. */
  close(): void {
    this.#gpu.close()
    this.#cpu.close()
  }

  #split(rows: readonly StepRow[]): [reading: Part, answering: Part] {
    const reading: Part = { network: this.#gpu, side: GPU, rows: [] }
    const answering: Part = { network: this.#cpu, side: CPU, rows: [] }
    for (const row of rows) (row.answers ? answering : reading).rows.push(row)
    return [reading, answering]
  }

  async #both(rows: readonly StepRow[], reading: Part, answering: Part): Promise<StepResult> {
    // Before anything is written: a block that one side goes on with is the other's no more.
    await this.#handOver(reading)
    await this.#handOver(answering)
    // The GPU is asked first, and computes while the CPU does.
    const read = reading.rows.length > 0 ? this.#gpu.forward(reading.rows) : undefined
    let answered: StepResult | Promise<StepResult> | undefined
    try {
      answered = answering.rows.length > 0 ? this.#cpu.forward(answering.rows) : undefined
    } catch (caught) {
      await Promise.resolve(read).catch(() => undefined)
      throw caught
    }
    const [r, a] = await Promise.all([read, answered])
    this.#wrote(reading)
    this.#wrote(answering)
    if (r === undefined || a === undefined) return (r ?? a)!
    return { logits: this.#inOrder(rows, r.logits, a.logits), hidden: r.hidden }
  }

  /** Logits of both, as the rows of the step stand. */
  #inOrder(rows: readonly StepRow[], read: Float32Array, answered: Float32Array): Float32Array {
    if (read.length === 0) return answered
    if (answered.length === 0) return read
    const { vocab } = this.config
    const values = read.length + answered.length
    if (this.#logits.length < values) this.#logits = new Float32Array(values)
    let [at, readAt, answeredAt] = [0, 0, 0]
    for (const { wants, answers } of rows) {
      if (wants !== 'logits') continue
      const from = answers ? answered : read
      const first = answers ? answeredAt : readAt
      this.#logits.set(from.subarray(first, first + vocab), at)
      if (answers) answeredAt += vocab
      else readAt += vocab
      at += vocab
    }
    return this.#logits.subarray(0, values)
  }

  /** Blocks with tokens that these rows look back at and their side has not. */
  #lacking({ rows, side }: Part): number[] {
    const lacking: number[] = []
    let before: Sequence | undefined
    for (const { seq } of rows) {
      if (seq === before) continue
      before = seq
      const held = Math.ceil(seq.length / KV_BLOCK)
      for (let i = 0; i < held; i++) {
        const block = seq.blocks[i]!
        if ((this.#has[block]! & side) === 0 && !lacking.includes(block)) lacking.push(block)
      }
    }
    return lacking
  }

  async #handOver(part: Part): Promise<void> {
    const blocks = this.#lacking(part)
    if (blocks.length === 0) return
    const { side, network } = part
    const from = side === CPU ? this.#gpu : this.#cpu
    const told = side === CPU ? this.#toCpu : this.#toGpu
    const began = this.#now()
    const most = Math.max(1, Math.floor(HANDOVER_BYTES / this.blockBytes))
    for (let first = 0; first < blocks.length; first += most) {
      // Asked for together: one wait costs as much as several at once.
      const some = blocks.slice(first, first + most)
      const bytes = await Promise.all(some.map(block => from.readBlock(block)))
      for (const [i, block] of some.entries()) {
        network.writeBlock(block, bytes[i]!)
        this.#has[block] = this.#has[block]! | side
      }
    }
    told.blocks += blocks.length
    told.bytes += blocks.length * this.blockBytes
    told.ms += this.#now() - began
  }

  /** The blocks that these rows stand in are their side's alone; they have been counted. */
  #wrote({ rows, side }: Part): void {
    let before: Sequence | undefined
    for (let r = 0; r < rows.length; r++) {
      const { seq } = rows[r]!
      if (seq === before) continue
      before = seq
      let count = 1
      while (rows[r + count]?.seq === seq) count++
      const last = Math.floor((seq.length - 1) / KV_BLOCK)
      for (let i = Math.floor((seq.length - count) / KV_BLOCK); i <= last; i++) {
        this.#has[seq.blocks[i]!] = side
      }
    }
  }
}
