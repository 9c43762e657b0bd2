// Unigram vocabularies (SentencePiece's other kind): of all ways to write a word in tokens, the one with
// the highest sum of scores. Long words go through a window that moves on as soon as all ways agree.
// Takes text with its spaces marked (cutters.ts). Called by json-pipeline.ts.
import type { TextList } from '../text-list.ts'
import type { Budget } from './budget.ts'
import { grown } from './byte-pair.ts'
import { TextPrefixes } from './text-prefixes.ts'
import { codeAt, utf8 } from './units.ts'
import type { IdSink, WordEncoder } from './word-merger.ts'

export interface UnigramOptions {
  readonly texts: TextList
  /** Tokens that text may become: no control, unknown or byte token. */
  readonly ordinary: readonly number[]
  readonly scores: Float64Array
  readonly unknown: number | undefined
  /** Byte token of each byte for characters that have no token, -1 for none. */
  readonly idOfByte?: ArrayLike<number>
}

/** What an unknown character costs beyond the rarest token, as in SentencePiece. */
const UNKNOWN_PENALTY = 10
const WINDOW = 8192
const UNKNOWN = -1
const NEVER = -2

/** Makes encoders, one for each text that is under way. */
export function unigramEncoders(options: UnigramOptions, window = WINDOW): () => WordEncoder {
  const prefixes = () => new TextPrefixes(options.texts, options.ordinary)
  const shared = prefixes()
  const penalty = options.scores.reduce((a, b) => Math.min(a, b), 0) - UNKNOWN_PENALTY
  return () => new Unigram(options, shared, penalty, window)
}

class Unigram implements WordEncoder {
  readonly #options: UnigramOptions
  readonly #prefixes: TextPrefixes
  readonly #penalty: number
  readonly #window: number
  readonly #bytes = new Uint8Array(4)
  /** By place from #base: the best sum up to there, the last token of that way and its length. */
  #sums = new Float64Array(256)
  #tokens = new Int32Array(256)
  #lengths = new Int32Array(256)
  #units: Uint16Array = new Uint16Array(0)
  #base = 0
  #to = 0
  /** The next place to go on from, and the last that a token reaches. */
  #at = 0
  #reached = 0
  /** Unknown characters in a row are one: their places, -1 for none. */
  #openFrom = -1
  #openTo = -1

  constructor(options: UnigramOptions, prefixes: TextPrefixes, penalty: number, window: number) {
    this.#options = options
    this.#prefixes = prefixes
    this.#penalty = penalty
    this.#window = window
  }

  word(units: Uint16Array, from: number, to: number, out: IdSink): boolean {
    if (to - from > this.#window) return false
    this.#begin(units, from, to)
    this.#advance(to)
    this.#give(to, out)
    this.#close(out)
    return true
  }

  *long(
    units: Uint16Array,
    from: number,
    to: number,
    out: IdSink,
    budget: Budget,
  ): Generator<void, void> {
    this.#begin(units, from, to)
    let wanted = this.#window
    while (this.#at < to) {
      const began = this.#at
      this.#advance(Math.min(to, this.#base + wanted, this.#at + this.#window))
      budget.left -= 4 * (this.#at - began)
      if (budget.left < 0) yield
      if (this.#at < this.#base + wanted || this.#at >= to) continue
      const joint = this.#joint()
      wanted = joint > this.#base ? this.#window : 2 * wanted
      this.#give(joint, out)
      this.#shift(joint)
    }
    this.#give(to, out)
    this.#close(out)
  }

  #begin(units: Uint16Array, from: number, to: number): void {
    this.#units = units
    this.#base = from
    this.#to = to
    this.#at = from
    this.#reached = from
    this.#openFrom = -1
    if (this.#sums.length > 1 << 16) this.#reserve(256, true)
    this.#sums[0] = 0
  }

  /** Adds the tokens that begin before `stop`. */
  #advance(stop: number): void {
    const { scores } = this.#options
    const units = this.#units
    while (this.#at < stop) {
      const at = this.#at
      const width = codeAt(units, at, this.#to) > 0xffff ? 2 : 1
      const sum = this.#sums[at - this.#base]!
      const found = this.#prefixes.find(units, at, this.#to)
      let single = false
      for (let i = 0; i < found; i++) {
        const end = this.#prefixes.ends[i]!
        const id = this.#prefixes.ids[i]!
        if (end - at < width || (units[end]! & 0xfc00) === 0xdc00) continue
        if (end - at === width) single = true
        this.#reach(end, sum + scores[id]!, id, end - at)
      }
      if (!single) this.#reach(at + width, sum + this.#penalty, UNKNOWN, width)
      this.#at += width
    }
  }

  #reach(end: number, sum: number, id: number, length: number): void {
    const place = end - this.#base
    if (place >= this.#sums.length) this.#reserve(2 * place)
    while (this.#reached < end) this.#tokens[++this.#reached - this.#base] = NEVER
    if (this.#tokens[place] !== NEVER && this.#sums[place]! >= sum) return
    this.#sums[place] = sum
    this.#tokens[place] = id
    this.#lengths[place] = length
  }

  /** The last place that the best ways to all open places have in common. */
  #joint(): number {
    const open = new Set<number>()
    for (let at = this.#at; at <= this.#reached; at++) {
      if (at === this.#at || this.#tokens[at - this.#base] !== NEVER) open.add(at)
    }
    while (open.size > 1) {
      let last = -1
      for (const at of open) last = Math.max(last, at)
      open.delete(last)
      open.add(last - this.#lengths[last - this.#base]!)
    }
    const [joint] = open
    return joint!
  }

  /** Appends the tokens of the best way from #base to a place. */
  #give(to: number, out: IdSink): void {
    const way: number[] = []
    for (let at = to; at > this.#base; at -= this.#lengths[at - this.#base]!) way.push(at)
    for (const end of way.reverse()) {
      const id = this.#tokens[end - this.#base]!
      if (id !== UNKNOWN) {
        this.#close(out)
        out.push(id)
        continue
      }
      if (this.#openFrom < 0) this.#openFrom = end - this.#lengths[end - this.#base]!
      this.#openTo = end
    }
  }

  /** Ends a row of unknown characters. */
  #close(out: IdSink): void {
    if (this.#openFrom < 0) return
    const { idOfByte, unknown } = this.#options
    if (!idOfByte || !this.#spell(idOfByte, out)) {
      if (unknown !== undefined) out.push(unknown)
    }
    this.#openFrom = -1
  }

  #spell(idOfByte: ArrayLike<number>, out: IdSink): boolean {
    const ids: number[] = []
    for (let at = this.#openFrom; at < this.#openTo; ) {
      const code = codeAt(this.#units, at, this.#openTo)
      at += code > 0xffff ? 2 : 1
      const count = utf8(code, this.#bytes)
      for (let i = 0; i < count; i++) {
        const id = idOfByte[this.#bytes[i]!]!
        if (id < 0) return false
        ids.push(id)
      }
    }
    for (const id of ids) out.push(id)
    return true
  }

  /** Forgets what lies before a place. */
  #shift(base: number): void {
    const by = base - this.#base
    if (by === 0) return
    for (const list of [this.#sums, this.#tokens, this.#lengths]) list.copyWithin(0, by)
    this.#base = base
  }

  #reserve(places: number, forget = false): void {
    if (forget) {
      this.#sums = new Float64Array(places)
      this.#tokens = new Int32Array(places)
      this.#lengths = new Int32Array(places)
      return
    }
    while (this.#tokens.length <= places) {
      const sums = new Float64Array(2 * this.#sums.length)
      sums.set(this.#sums)
      this.#sums = sums
      this.#tokens = grown(this.#tokens)
      this.#lengths = grown(this.#lengths)
    }
  }
}
