// The book of the paged KV cache: which sequence holds which blocks of KV_BLOCK tokens. Knows nothing
// of bytes (the backend holds them) and nothing of requests. Blocks may be shared by forks; a shared
// block is copied before it is written (copy on write). Used by bitnet.ts and the scheduler.
import type { Backend } from '../backend/backend.ts'
import { KV_BLOCK } from '../backend/backend.ts'
import { RyzError } from '../errors.ts'

/** One sequence of tokens in the cache. */
export interface Sequence {
  readonly id: number
  /** Tokens held. */
  readonly length: number
  /** Ids of the blocks that hold them, in order. */
  readonly blocks: readonly number[]
}

interface OpenSequence extends Sequence {
  length: number
  blocks: number[]
}

export class KvCache {
  /** Blocks in all. */
  readonly blocks: number
  /** Tokens a sequence may hold. */
  readonly contextLength: number
  readonly #free: number[] = []
  readonly #holders: Uint16Array
  readonly #open = new Set<OpenSequence>()
  readonly #copyBlock: Backend['copyBlock']
  #nextId = 1

  constructor(blocks: number, contextLength: number, copyBlock: Backend['copyBlock']) {
    this.blocks = blocks
    this.contextLength = contextLength
    this.#copyBlock = copyBlock
    this.#holders = new Uint16Array(blocks)
    for (let b = blocks - 1; b >= 0; b--) this.#free.push(b)
  }

  get usedBlocks(): number {
    return this.blocks - this.#free.length
  }

  blocksFor(tokens: number): number {
    return Math.ceil(tokens / KV_BLOCK)
  }

  open(): Sequence {
    const sequence: OpenSequence = { id: this.#nextId++, length: 0, blocks: [] }
    this.#open.add(sequence)
    return sequence
  }

  /**
   * Makes room for `tokens` more, copying a shared last block first.
   * @returns false when blocks are short; nothing has changed then
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
    const copies = last < s.blocks.length && this.#holders[s.blocks[last]] > 1 ? 1 : 0
    const grow = this.blocksFor(s.length + tokens) - s.blocks.length
    if (Math.max(0, grow) + copies > this.#free.length) return false
    if (copies) {
      const fresh = this.#take()
      this.#copyBlock(s.blocks[last], fresh)
      this.#release(s.blocks[last])
      s.blocks[last] = fresh
    }
    for (let i = 0; i < grow; i++) s.blocks.push(this.#take())
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
    const copy: OpenSequence = {
      id: this.#nextId++,
      length: Math.min(length, s.length),
      blocks: s.blocks.slice(0, this.blocksFor(Math.min(length, s.length))),
    }
    for (const block of copy.blocks) this.#holders[block]++
    this.#open.add(copy)
    return copy
  }

  /** Gives the blocks back; may be called twice. */
  close(sequence: Sequence): void {
    const s = sequence as OpenSequence
    if (!this.#open.delete(s)) return
    for (const block of s.blocks) this.#release(block)
    s.blocks.length = 0
    s.length = 0
  }

  #own(sequence: Sequence): OpenSequence {
    const s = sequence as OpenSequence
    if (!this.#open.has(s)) throw new RangeError(`sequence ${s.id} is not open in this cache`)
    return s
  }

  #take(): number {
    const block = this.#free.pop()!
    this.#holders[block] = 1
    return block
  }

  #release(block: number): void {
    if (--this.#holders[block] === 0) this.#free.push(block)
  }
}
