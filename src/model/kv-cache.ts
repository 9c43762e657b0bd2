// The book of the paged KV cache: which sequence holds which blocks of KV_BLOCK tokens, and which full
// blocks are kept for reuse after their sequences ended. Knows nothing of bytes (the backend holds
// them), tokens or requests. Blocks may be shared; a shared block is copied before it is written (copy
// on write). Used by network.ts, the scheduler and the prefix index.
import { KV_BLOCK } from '../backend/backend.ts'
import { RyzError } from '../errors.ts'
import type { KvBook, Sequence } from './network.ts'

interface OpenSequence extends Sequence {
  length: number
  blocks: number[]
}

export class KvCache implements KvBook {
  /** Blocks in all. */
  readonly blocks: number
  /** Tokens a sequence may hold. */
  readonly contextLength: number
  #free: number
  /** Sequences that hold each block. */
  readonly #holders: Uint16Array
  /** 1 for blocks kept for reuse, whoever holds them. */
  readonly #kept: Uint8Array
  readonly #open = new Set<OpenSequence>()
  #copyBlock: (from: number, to: number) => void
  #cached = 0
  #nextId = 1
  #lastTaken = -1
  #evict: (blocks: number) => void = () => undefined

  constructor(
    blocks: number,
    contextLength: number,
    copyBlock: (from: number, to: number) => void,
  ) {
    this.blocks = blocks
    this.contextLength = contextLength
    this.#copyBlock = copyBlock
    this.#holders = new Uint16Array(blocks)
    this.#kept = new Uint8Array(blocks)
    this.#free = blocks
  }

  /** Blocks are copied by another backend from now on. */
  copyBy(copyBlock: (from: number, to: number) => void): void {
    this.#copyBlock = copyBlock
  }

  /** Blocks that open sequences hold. */
  get usedBlocks(): number {
    return this.blocks - this.#free - this.#cached
  }

  /** Blocks that nobody holds and that are kept for reuse; they are given up when blocks are short. */
  get cachedBlocks(): number {
    return this.#cached
  }

  blocksFor(tokens: number): number {
    return Math.ceil(tokens / KV_BLOCK)
  }

  /** @param evict  called when `blocks` free ones are missing: drop() kept ones that nobody holds */
  onShort(evict: (blocks: number) => void): void {
    this.#evict = evict
  }

  open(): Sequence {
    return this.#opened([], 0)
  }

  /** A new sequence that begins with these full blocks, which others may hold too. */
  openShared(blocks: readonly number[]): Sequence {
    for (const block of blocks) this.#hold(block)
    return this.#opened([...blocks], blocks.length * KV_BLOCK)
  }

  /**
   * Makes room for `tokens` more, copying a shared last block first.
   * @returns false when blocks are short; no sequence has changed then
   * @throws RyzError CONTEXT_FULL past the context length
   */
  reserve(sequence: Sequence, tokens: number): boolean {
    const s = this.#own(sequence)
    if (s.length + tokens > this.contextLength) {
      throw new RyzError(
        'CONTEXT_FULL',
        `${s.length} tokens and ${tokens} more exceed the context of ${this.contextLength}; shorten the prompt or load with a larger contextLength`,
        { held: s.length, wanted: tokens, contextLength: this.contextLength },
      )
    }
    const last = Math.floor(s.length / KV_BLOCK)
    const copies = last < s.blocks.length && this.#shared(s.blocks[last]) ? 1 : 0
    const grow = Math.max(0, this.blocksFor(s.length + tokens) - s.blocks.length)
    if (!this.#findFree(grow + copies)) return false
    if (copies) {
      const fresh = this.#take(s.blocks[last])
      this.#copyBlock(s.blocks[last], fresh)
      this.#release(s.blocks[last])
      s.blocks[last] = fresh
    }
    for (let i = 0; i < grow; i++) s.blocks.push(this.#take(s.blocks.at(-1) ?? this.#beforeRoom()))
    return true
  }

  /** Counts `tokens` as written; they must have been reserved. Called by the network's forward. */
  advance(sequence: Sequence, tokens: number): void {
    const s = this.#own(sequence)
    if (this.blocksFor(s.length + tokens) > s.blocks.length) {
      throw new RangeError(`sequence ${s.id}: ${tokens} tokens written past its reserved blocks`)
    }
    s.length += tokens
  }

  /** Forgets all tokens from `length` on. */
  truncate(sequence: Sequence, length: number): void {
    const s = this.#own(sequence)
    s.length = Math.min(s.length, length)
    while (s.blocks.length > this.blocksFor(s.length)) this.#release(s.blocks.pop()!)
  }

  /** A new sequence that shares the first `length` tokens with this one. */
  fork(sequence: Sequence, length: number): Sequence {
    const s = this.#own(sequence)
    const held = Math.min(length, s.length)
    const blocks = s.blocks.slice(0, this.blocksFor(held))
    for (const block of blocks) this.#hold(block)
    return this.#opened(blocks, held)
  }

  /** Gives the blocks back; may be called twice. */
  close(sequence: Sequence): void {
    const s = sequence as OpenSequence
    if (!this.#open.delete(s)) return
    for (const block of s.blocks) this.#release(block)
    s.blocks.length = 0
    s.length = 0
  }

  /** Keeps a full block for reuse when its sequences end; once per block until drop(). */
  keep(block: number): void {
    this.#kept[block] = 1
  }

  /** A block for contents from elsewhere, kept and held by nobody; undefined when none is free. */
  takeKept(): number | undefined {
    if (!this.#findFree(1)) return undefined
    const block = this.#take(this.#lastTaken)
    this.#kept[block] = 1
    this.#release(block)
    return block
  }

  /** Keeps a block no longer; it is free at once if nobody holds it. */
  drop(block: number): void {
    if (this.#kept[block] === 0) return
    this.#kept[block] = 0
    if (this.#holders[block] > 0) return
    this.#cached--
    this.#free++
  }

  /** Whether an open sequence holds the block. */
  held(block: number): boolean {
    return this.#holders[block] > 0
  }

  /** Exchanges full block `index` of a sequence for one with the same contents. */
  substitute(sequence: Sequence, index: number, block: number): void {
    const s = this.#own(sequence)
    this.#hold(block)
    this.#release(s.blocks[index])
    s.blocks[index] = block
  }

  #opened(blocks: number[], length: number): OpenSequence {
    const sequence: OpenSequence = { id: this.#nextId++, length, blocks }
    this.#open.add(sequence)
    return sequence
  }

  #own(sequence: Sequence): OpenSequence {
    const s = sequence as OpenSequence
    if (!this.#open.has(s)) throw new RangeError(`sequence ${s.id} is not open in this cache`)
    return s
  }

  #shared(block: number): boolean {
    return this.#holders[block] > 1 || this.#kept[block] === 1
  }

  /** Whether `blocks` are free, after kept ones were given up if need be. */
  #findFree(blocks: number): boolean {
    const missing = blocks - this.#free
    if (missing > 0 && missing <= this.#cached) this.#evict(missing)
    return blocks <= this.#free
  }

  #isFree(block: number): boolean {
    return this.#holders[block] === 0 && this.#kept[block] === 0
  }

  /**
   * The next free block behind `after`, from the first one on at the end. Blocks of a sequence that
   * follow each other are read as one stream: attention at 2048 tokens takes 9 ms, and 22 without.
   */
  #take(after: number): number {
    let block = after
    do block = (block + 1) % this.blocks
    while (!this.#isFree(block))
    this.#holders[block] = 1
    this.#free--
    this.#lastTaken = block
    return block
  }

  /** The block before the place of a new sequence: in the longest free run, half way behind another's. */
  #beforeRoom(): number {
    let [longest, before, first] = [0, -1, 0]
    for (let block = 0; block <= this.blocks; block++) {
      if (block < this.blocks && this.#isFree(block)) continue
      const length = block - first
      if (length > longest) {
        longest = length
        const grows = first > 0 && this.#holders[first - 1] > 0
        before = first - 1 + (grows ? length >> 1 : 0)
      }
      first = block + 1
    }
    return before
  }

  #hold(block: number): void {
    if (this.#holders[block]++ === 0) this.#cached-- // only kept blocks have no holder
  }

  #release(block: number): void {
    if (--this.#holders[block] > 0) return
    if (this.#kept[block]) this.#cached++
    else this.#free++
  }
}
