// From a token's text to its id, over texts that stand in one buffer: a hash table of ids alone, and look-ups
// in stretches of UTF-16 units that need no string of their own. Used by the encoders of GGUF vocabularies.
import type { TextList } from '../text-list.ts'

export class TokenIndex {
  readonly #texts: TextList
  /** Ids, -1 where there is none; at most two thirds are taken. */
  readonly #slots: Int32Array
  readonly #mask: number
  #scratch = new Uint16Array(64)

  /** An index of nothing; add() takes tokens in. */
  constructor(texts: TextList) {
    const capacity = 2 ** Math.ceil(Math.log2(texts.length * 1.5 + 1))
    this.#texts = texts
    this.#slots = new Int32Array(capacity).fill(-1)
    this.#mask = capacity - 1
  }

  /** @returns the token that has this text already, which then stays the only one; else -1 */
  add(id: number): number {
    const { units, starts } = this.#texts
    const slot = this.#slotOf(units, starts[id], starts[id + 1])
    const twin = this.#slots[slot]
    if (twin < 0) this.#slots[slot] = id
    return twin
  }

  /** The token whose text is units [from, to), or -1. */
  find(units: Uint16Array, from: number, to: number): number {
    return this.#slots[this.#slotOf(units, from, to)]
  }

  idOf(text: string): number | undefined {
    if (this.#scratch.length < text.length) this.#scratch = new Uint16Array(2 * text.length)
    for (let i = 0; i < text.length; i++) this.#scratch[i] = text.charCodeAt(i)
    const id = this.find(this.#scratch, 0, text.length)
    return id < 0 ? undefined : id
  }

  /** Where the text is, or the free slot where it belongs. */
  #slotOf(units: Uint16Array, from: number, to: number): number {
    let hash = 0x811c9dc5
    for (let i = from; i < to; i++) hash = Math.imul(hash ^ units[i], 0x01000193)
    hash ^= hash >>> 15
    for (let slot = hash & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const id = this.#slots[slot]
      if (id < 0 || this.#isText(id, units, from, to)) return slot
    }
  }

  #isText(id: number, units: Uint16Array, from: number, to: number): boolean {
    const { units: own, starts } = this.#texts
    const start = starts[id]
    if (starts[id + 1] - start !== to - from) return false
    for (let i = from; i < to; i++) if (own[start + i - from] !== units[i]) return false
    return true
  }
}
