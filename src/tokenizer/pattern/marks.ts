// What a matcher has tried already: one bit for each marked instruction and place. Moves along with the
// text, so that memory follows what is looked at and not the text. Used by matcher.ts.
import { RyzError } from '../../errors.ts'

/** 256 MB of marks: 100 million characters under 20 marks. */
const MOST_BITS = 2 ** 31 - 1
/** Marks this far behind a match are moved out. */
const KEEP_BEHIND = 1 << 16

/** One bit for each marked instruction and place: tried; for looks also: succeeded. */
export class Marks {
  readonly #width: number
  #tried: Uint32Array = new Uint32Array(16)
  #won: Uint32Array = new Uint32Array(0)
  #base = 0
  /** The last place that has a mark; below #base when none has. */
  #last = -1

  constructor(width: number) {
    this.#width = width
  }

  clear(base: number): void {
    if (this.#last >= this.#base) this.#wipe(0, this.#bitOf(this.#last + 1))
    // What an enormous text took is given back.
    if (this.#tried.length > 1 << 16) this.#tried = new Uint32Array(16)
    if (this.#won.length > 1 << 16) this.#won = new Uint32Array(0)
    this.#base = base
    this.#last = base - 1
  }

  /** An attempt begins: marks before it are of no use any more. */
  startAt(at: number): void {
    if (this.#last < at && at > this.#base) this.#restart(at)
  }

  /** A match ended: what succeeded stands before its end or at it, what lies beyond has failed. */
  matched(end: number): void {
    if (this.#last <= end) {
      this.#restart(end)
      return
    }
    this.#wipe(this.#bitOf(end), this.#bitOf(end + 1))
    if (end - this.#base > KEEP_BEHIND) this.#shift(end)
  }

  /** False when it was there before. */
  visit(mark: number, at: number): boolean {
    const bit = this.#bitOf(at) + mark
    if (bit > MOST_BITS) throw tooLong(at - this.#base)
    const word = bit >>> 5
    if (word >= this.#tried.length) this.#tried = grown(this.#tried, word)
    const value = this.#tried[word]!
    const mask = 1 << (bit & 31)
    if ((value & mask) !== 0) return false
    this.#tried[word] = value | mask
    if (at > this.#last) this.#last = at
    return true
  }

  win(mark: number, at: number): void {
    const bit = this.#bitOf(at) + mark
    if (bit >>> 5 >= this.#won.length) this.#won = grown(this.#won, bit >>> 5)
    this.#won[bit >>> 5]! |= 1 << (bit & 31)
  }

  won(mark: number, at: number): boolean {
    const bit = this.#bitOf(at) + mark
    return bit >>> 5 < this.#won.length && (this.#won[bit >>> 5]! & (1 << (bit & 31))) !== 0
  }

  #bitOf(at: number): number {
    return (at - this.#base) * this.#width
  }

  #restart(base: number): void {
    if (this.#last >= this.#base) this.#wipe(0, this.#bitOf(this.#last + 1))
    this.#base = base
    this.#last = base - 1
  }

  #wipe(from: number, to: number): void {
    for (const words of [this.#tried, this.#won]) {
      const end = Math.min(to, words.length * 32)
      let bit = from
      for (; bit < end && (bit & 31) !== 0; bit++) words[bit >>> 5]! &= ~(1 << (bit & 31))
      if (end - bit >= 32) words.fill(0, bit >>> 5, end >>> 5)
      if (end > bit) bit = Math.max(bit, end & ~31)
      for (; bit < end; bit++) words[bit >>> 5]! &= ~(1 << (bit & 31))
    }
  }

  /** Moves the base up by whole words, so that memory follows the text. */
  #shift(end: number): void {
    const places = Math.floor((end - this.#base) / 32) * 32
    const wordsOut = (places * this.#width) / 32
    for (const words of [this.#tried, this.#won]) {
      if (wordsOut >= words.length) words.fill(0)
      else {
        words.copyWithin(0, wordsOut)
        words.fill(0, words.length - wordsOut)
      }
    }
    this.#base += places
  }
}

function tooLong(length: number): RyzError {
  return new RyzError(
    'BAD_OPTION',
    `the text has a stretch of ${length} characters that a pattern of the tokenizer has to look at as a whole; split it`,
    { length },
  )
}

function grown(words: Uint32Array, word: number): Uint32Array {
  const larger = new Uint32Array(Math.max(2 * words.length, word + 1, 64))
  larger.set(words)
  return larger
}
