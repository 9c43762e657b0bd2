// Tokenizes words by merging, long ones a window at a time with the result of the whole. Two facts make
// that exact. What stands between two token borders is merged as if it stood alone; and tokens that
// each stay whole alone, and side by side in pairs, are the result for all of them together (the first
// merge across a border would happen in that pair alone, too). So a window's tokens up to some border
// hold if the pair across the border does; should a later window begin with another token than it
// seemed, all from the last border on is done again with longer windows. Used by byte-pair.ts and sentence-piece.ts.
import type { Budget } from './budget.ts'
import { PairMerger, type PairRule } from './pair-merger.ts'

/** Where ids go: a list, or a mere count. */
export interface IdSink {
  readonly length: number
  push(id: number): unknown
}

/** Tokenizes words, one at a time. */
export interface WordEncoder {
  /** Appends the ids of units [from, to); false when the word is too long for that: see long(). */
  word(units: Uint16Array, from: number, to: number, out: IdSink): boolean
  /** The same for any word; pauses whenever the budget is spent, until someone renews it. */
  long(
    units: Uint16Array,
    from: number,
    to: number,
    out: IdSink,
    budget: Budget,
  ): Generator<void, void>
}

/** The symbols of a stretch of text, and what merging makes of them. */
export interface Merging extends PairRule {
  /** Unit at which each symbol begins; -1 for one that begins within a character. */
  readonly starts: Int32Array
  /** Unit behind the last symbol. */
  readonly loadedTo: number
  /** Takes symbols from units [at, to), about `most` of them; returns how many. */
  load(units: Uint16Array, at: number, to: number, most: number): number
  /** Appends the ids of a live symbol; `next` is the one behind it, -1 for none. */
  emit(symbol: number, next: number, out: IdSink): void
}

/** Symbols of a window: some 10^5 steps of merging. */
const WINDOW = 8192
/** Borders this close to a window's end are likely to be moved by what follows. */
const MARGIN = 64
/** Borders to try before the window is made longer. */
const TRIES = 8

export class WordMerger implements WordEncoder {
  readonly #merging: Merging
  readonly #merger = new PairMerger()
  readonly #windowSize: number

  /** @param windowSize  symbols; smaller only in tests */
  constructor(merging: Merging, windowSize = WINDOW) {
    this.#merging = merging
    this.#windowSize = windowSize
  }

  word(units: Uint16Array, from: number, to: number, out: IdSink): boolean {
    if (to - from > this.#windowSize) return false
    const merging = this.#merging
    const count = merging.load(units, from, to, Number.POSITIVE_INFINITY)
    if (count === 0) return true
    this.#merger.run(count, merging)
    const { next } = this.#merger
    for (let i = 0; i >= 0; i = next[i]!) merging.emit(i, next[i]!, out)
    return true
  }

  *long(
    units: Uint16Array,
    from: number,
    to: number,
    out: IdSink,
    budget: Budget,
  ): Generator<void, void> {
    const done: Done[] = []
    let [current, previous] = [new Window(), new Window()]
    const pair = new Window()
    // Longer from every failure on, so that failures are few: the whole word has no border to fail at.
    let size = this.#windowSize
    yield* this.#merge(current, units, from, to, size, budget)
    for (;;) {
      const last = done.at(-1)
      if (last && !(yield* this.#isJoint(last, current, pair, units, budget))) {
        const other = previous.nextBorder()
        done.pop()
        if (other < 0) size *= 2
        else done.push(previous.upTo(other))
        yield* this.#merge(current, units, done.at(-1)?.end ?? from, to, size, budget)
        continue
      }
      if (current.end >= to) break
      const border = current.firstBorder(Math.min(MARGIN, size >> 3))
      if (border < 0) {
        size *= 2
        yield* this.#merge(current, units, current.start, to, size, budget)
        continue
      }
      done.push(current.upTo(border))
      ;[current, previous] = [previous, current]
      yield* this.#merge(current, units, done.at(-1)!.end, to, size, budget)
    }
    for (const { ids } of done) {
      for (let i = 0; i < ids.length; i++) out.push(ids[i]!)
      budget.left -= ids.length
      if (budget.left < 0) yield
    }
    for (const id of current.ids) out.push(id)
  }

  /** Whether the last token of what is done and the first ones of a window are the same side by side. */
  *#isJoint(
    done: Done,
    window: Window,
    pair: Window,
    units: Uint16Array,
    budget: Budget,
  ): Generator<void, boolean> {
    const first = window.ends.findIndex(end => end >= 0)
    if (first < 0) return true // no symbols at all up to the end
    yield* this.#merge(
      pair,
      units,
      done.lastStart,
      window.ends[first]!,
      Number.POSITIVE_INFINITY,
      budget,
    )
    const ids = [...done.ids.subarray(done.lastIds), ...window.ids.slice(0, window.idEnds[first])]
    return pair.ids.length === ids.length && ids.every((id, i) => id === pair.ids[i])
  }

  *#merge(
    window: Window,
    units: Uint16Array,
    from: number,
    to: number,
    most: number,
    budget: Budget,
  ): Generator<void, void> {
    const merging = this.#merging
    const count = merging.load(units, from, to, most)
    budget.left -= count
    window.clear(from, merging.loadedTo)
    if (count === 0) return
    this.#merger.begin(count, merging)
    while (!this.#merger.step(budget)) yield
    const { next } = this.#merger
    const { ids, idEnds, ends } = window
    for (let i = 0; i >= 0; i = next[i]!) {
      merging.emit(i, next[i]!, ids)
      idEnds.push(ids.length)
      ends.push(next[i]! < 0 ? merging.loadedTo : merging.starts[next[i]!]!)
    }
  }
}

/** Tokens of a word's beginning, up to a border that holds as far as is known. */
interface Done {
  readonly ids: Int32Array
  /** Where the last token begins, among the ids and in the text; and where it ends. */
  readonly lastIds: number
  readonly lastStart: number
  readonly end: number
}

/** The tokens of a stretch of text. */
class Window {
  start = 0
  end = 0
  ids: number[] = []
  /** Per token: how many ids there are up to it, and the unit where it ends (-1 within a character). */
  idEnds: number[] = []
  ends: number[] = []
  #border = -1
  #tries = 0

  clear(start: number, end: number): void {
    this.start = start
    this.end = end
    this.ids = []
    this.idEnds = []
    this.ends = []
  }

  /** A token to cut behind, the last that ends `margin` before the window does; -1 for none. */
  firstBorder(margin: number): number {
    this.#border = this.ends.length
    this.#tries = TRIES
    return this.#borderBefore(this.end - margin)
  }

  /** The one before; -1 when enough have been tried. */
  nextBorder(): number {
    return this.#borderBefore(this.end)
  }

  upTo(token: number): Done {
    const lastIds = token === 0 ? 0 : this.idEnds[token - 1]!
    return {
      ids: Int32Array.from(this.ids.slice(0, this.idEnds[token])),
      lastIds,
      lastStart: this.#startOf(token),
      end: this.ends[token]!,
    }
  }

  #borderBefore(most: number): number {
    while (--this.#border >= 0 && this.#tries > 0) {
      const end = this.ends[this.#border]!
      if (end < 0 || end > most || this.#startOf(this.#border) < 0) continue
      if (end <= (this.start + this.end) / 2) break
      this.#tries--
      return this.#border
    }
    this.#tries = 0
    return -1
  }

  #startOf(token: number): number {
    return token === 0 ? this.start : this.ends[token - 1]!
  }
}
