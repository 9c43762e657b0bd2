// Cuts text into the words that are tokenized on their own: a chain of cutters, each working on the
// pieces of the one before. Pieces come one by one and a cutter pauses when the budget is spent, so
// that neither memory nor the time to the first piece grows with the text. Built by pre-tokenizers.ts
// (GGUF) and json-pipeline.ts.
import type { Budget } from './budget.ts'
import { FOUND, PAUSED as NOT_YET, PatternMatcher } from './pattern/matcher.ts'
import { compilePattern, type Program } from './pattern/program.ts'
import { codeAt, utf8 } from './units.ts'

export const END = 0
export const PIECE = 1
export const PAUSED = 2
type Outcome = typeof END | typeof PIECE | typeof PAUSED

/** What becomes of the matches of a pattern, as Hugging Face's tokenizers name it. */
export type Behavior =
  | 'Removed'
  | 'Isolated'
  | 'MergedWithPrevious'
  | 'MergedWithNext'
  | 'Contiguous'

/** One step of cutting, with the state of one text. */
export interface Cutter {
  /** The piece that next() found: units [start, end) of `units`. */
  readonly units: Uint16Array
  readonly start: number
  readonly end: number
  /** Takes units [from, to). `atStart`: the whole text begins here. */
  begin(units: Uint16Array, from: number, to: number, atStart: boolean): void
  next(budget: Budget): Outcome
}

/** A step of cutting, of which any number of texts can be under way. */
export interface CutterKind {
  open(): Cutter
}

/** Cuts at the matches of a pattern; `invert` swaps matches and gaps. */
export function patternCutter(
  source: string,
  behavior: Behavior = 'Isolated',
  invert = false,
): CutterKind {
  const program = compilePattern(source)
  return { open: () => new PatternCutter(program, behavior, invert) }
}

/** Leaves the text whole, with a space before it where it begins with none. */
export const SPACE_PREFIX: CutterKind = { open: () => new SpacePrefix() }

/**
 * Where a mark is put before a text: before every piece, or only where the whole text begins, and not
 * where it begins with one already; 'llama' puts a second one there.
 */
export type MarkPrefix = 'always' | 'first' | 'never' | 'llama'

/** Writes `mark` for spaces, and one before the text. */
export function markSpaces(mark: number, prefix: MarkPrefix): CutterKind {
  return { open: () => new MarkSpaces(mark, prefix) }
}

/** Writes the stand-ins of a text's bytes, see byte-alphabet.ts. */
export function byteStandIns(unitOfByte: Uint16Array): CutterKind {
  return { open: () => new ByteStandIns(unitOfByte) }
}

/** All cutters of a chain, one after the other. No cutter: the text is one piece. */
export class CutterChain {
  units: Uint16Array = new Uint16Array(0)
  start = 0
  end = 0
  readonly #stages: readonly Cutter[]
  readonly #begins: number[]
  readonly #atStart: boolean[]
  /** The stage to ask next; -1 when all is done. */
  #stage = -1

  constructor(kinds: readonly CutterKind[]) {
    this.#stages = (kinds.length === 0 ? [WHOLE] : kinds).map(kind => kind.open())
    this.#begins = this.#stages.map(() => 0)
    this.#atStart = this.#stages.map(() => false)
  }

  begin(units: Uint16Array, from: number, to: number, atStart: boolean): void {
    this.#stage = from < to ? 0 : -1
    if (from < to) this.#enter(units, from, to, atStart)
  }

  next(budget: Budget): Outcome {
    while (this.#stage >= 0) {
      const stage = this.#stages[this.#stage]!
      const outcome = stage.next(budget)
      if (outcome === PAUSED) return PAUSED
      if (outcome === END) {
        this.#stage--
        continue
      }
      if (stage.start === stage.end) continue
      if (this.#stage === this.#stages.length - 1) {
        this.units = stage.units
        this.start = stage.start
        this.end = stage.end
        return PIECE
      }
      const first = this.#atStart[this.#stage]! && stage.start === this.#begins[this.#stage]
      this.#stage++
      this.#enter(stage.units, stage.start, stage.end, first)
    }
    return END
  }

  #enter(units: Uint16Array, from: number, to: number, atStart: boolean): void {
    this.#begins[this.#stage] = from
    this.#atStart[this.#stage] = atStart
    this.#stages[this.#stage]!.begin(units, from, to, atStart)
  }
}

class PatternCutter implements Cutter {
  units: Uint16Array = new Uint16Array(0)
  start = 0
  end = 0
  readonly #matcher: PatternMatcher
  readonly #behavior: Behavior
  readonly #invert: boolean
  #to = 0
  /** Everything before is in a segment that was given. */
  #done = 0
  /** Where the next match is looked for. */
  #from = 0
  /** End of the last match, -1 before the first: an empty match right behind one is none. */
  #matched = -1
  /** A match that was found with a gap before it. */
  #pending = false
  #exhausted = false
  /** The segment that #segment() found. */
  #low = 0
  #high = 0
  #isMatch = false
  /** A piece that may still grow, where #holds. */
  #holds = false
  #heldLow = 0
  #heldHigh = 0
  #heldMatch = false

  constructor(program: Program, behavior: Behavior, invert: boolean) {
    this.#matcher = new PatternMatcher(program)
    this.#behavior = behavior
    this.#invert = invert
  }

  begin(units: Uint16Array, from: number, to: number): void {
    this.units = units
    this.#matcher.begin(units, from, to)
    this.#done = from
    this.#from = from
    this.#to = to
    this.#matched = -1
    this.#pending = false
    this.#exhausted = false
    this.#holds = false
  }

  next(budget: Budget): Outcome {
    for (;;) {
      const outcome = this.#segment(budget)
      if (outcome === PAUSED) return PAUSED
      if (outcome === END) {
        if (!this.#holds) return END
        this.#holds = false
        return this.#give(this.#heldLow, this.#heldHigh)
      }
      const isMatch = this.#isMatch !== this.#invert
      if (this.#behavior === 'Isolated') return this.#give(this.#low, this.#high)
      if (this.#behavior === 'Removed') {
        if (isMatch) continue
        return this.#give(this.#low, this.#high)
      }
      if (this.#holds && this.#joins(isMatch)) {
        this.#heldHigh = this.#high
        this.#heldMatch = isMatch
        continue
      }
      const [low, high, gives] = [this.#heldLow, this.#heldHigh, this.#holds]
      this.#holds = true
      this.#heldLow = this.#low
      this.#heldHigh = this.#high
      this.#heldMatch = isMatch
      if (gives) return this.#give(low, high)
    }
  }

  /** Whether the next segment belongs to the piece that is held. */
  #joins(isMatch: boolean): boolean {
    if (this.#behavior === 'Contiguous') return isMatch === this.#heldMatch
    if (this.#behavior === 'MergedWithPrevious') return isMatch && !this.#heldMatch
    return !isMatch && this.#heldMatch
  }

  #give(low: number, high: number): Outcome {
    this.start = low
    this.end = high
    return PIECE
  }

  /** The next match or gap; together they are the text. */
  #segment(budget: Budget): Outcome {
    const matcher = this.#matcher
    if (this.#pending) {
      this.#pending = false
      return this.#found(matcher.start, matcher.end, true)
    }
    while (!this.#exhausted) {
      const result = matcher.find(this.#from, budget)
      if (result === NOT_YET) return PAUSED
      if (result !== FOUND) {
        this.#exhausted = true
        break
      }
      const { start, end } = matcher
      const empty = start === end
      this.#from = empty ? end + (wideAt(this.units, end) ? 2 : 1) : end
      if (empty && start === this.#matched) continue
      this.#matched = end
      if (start === this.#done) return this.#found(start, end, true)
      this.#pending = true
      return this.#found(this.#done, start, false)
    }
    return this.#done < this.#to ? this.#found(this.#done, this.#to, false) : END
  }

  #found(low: number, high: number, isMatch: boolean): Outcome {
    this.#low = low
    this.#high = high
    this.#isMatch = isMatch
    this.#done = high
    return PIECE
  }
}

function wideAt(units: Uint16Array, at: number): boolean {
  return at < units.length && (units[at]! & 0xfc00) === 0xd800
}

/** Gives the whole text as one piece. */
class Whole implements Cutter {
  units: Uint16Array = new Uint16Array(0)
  start = 0
  end = 0
  #given = false

  begin(units: Uint16Array, from: number, to: number): void {
    this.units = units
    this.start = from
    this.end = to
    this.#given = false
  }

  next(): Outcome {
    if (this.#given) return END
    this.#given = true
    return PIECE
  }
}

const WHOLE: CutterKind = { open: () => new Whole() }
const SPACE = 0x20

class SpacePrefix extends Whole {
  override begin(units: Uint16Array, from: number, to: number): void {
    if (units[from] === SPACE) {
      super.begin(units, from, to)
      return
    }
    const text = new Uint16Array(to - from + 1)
    text[0] = SPACE
    text.set(units.subarray(from, to), 1)
    super.begin(text, 0, text.length)
  }
}

class MarkSpaces implements Cutter {
  units: Uint16Array = new Uint16Array(0)
  start = 0
  end = 0
  readonly #mark: number
  readonly #prefix: MarkPrefix
  #source: Uint16Array = new Uint16Array(0)
  #from = 0
  #to = 0
  #given = true

  constructor(mark: number, prefix: MarkPrefix) {
    this.#mark = mark
    this.#prefix = prefix
  }

  begin(units: Uint16Array, from: number, to: number, atStart: boolean): void {
    const wants = this.#prefix === 'always' || (this.#prefix !== 'never' && atStart)
    const has = units[from] === SPACE || units[from] === this.#mark
    const adds = wants && (this.#prefix === 'llama' || !has)
    this.#source = units
    this.#from = from
    this.#to = to
    this.#given = false
    const length = to - from + (adds ? 1 : 0)
    if (this.units.length < length || this.units.length > 4 * length + 65536) {
      this.units = new Uint16Array(Math.max(64, length))
    }
    this.start = 0
    this.end = 0
    if (adds) this.units[this.end++] = this.#mark
  }

  next(budget: Budget): Outcome {
    const stop = Math.min(this.#to, this.#from + Math.max(1, budget.left))
    budget.left -= stop - this.#from
    for (; this.#from < stop; this.#from++) {
      const unit = this.#source[this.#from]!
      this.units[this.end++] = unit === SPACE ? this.#mark : unit
    }
    if (this.#from < this.#to) return PAUSED
    if (this.#given) return END
    this.#given = true
    return PIECE
  }
}

class ByteStandIns implements Cutter {
  units: Uint16Array = new Uint16Array(0)
  start = 0
  end = 0
  readonly #unitOfByte: Uint16Array
  readonly #bytes = new Uint8Array(4)
  #source: Uint16Array = new Uint16Array(0)
  #at = 0
  #to = 0
  #given = true

  constructor(unitOfByte: Uint16Array) {
    this.#unitOfByte = unitOfByte
  }

  begin(units: Uint16Array, from: number, to: number): void {
    this.#source = units
    this.#at = from
    this.#to = to
    this.#given = false
    const most = 3 * (to - from)
    if (this.units.length < most || this.units.length > 4 * most + 65536) {
      this.units = new Uint16Array(Math.max(64, most))
    }
    this.end = 0
  }

  next(budget: Budget): Outcome {
    while (this.#at < this.#to) {
      if (--budget.left < 0) return PAUSED
      const code = codeAt(this.#source, this.#at, this.#to)
      this.#at += code > 0xffff ? 2 : 1
      const count = utf8(code, this.#bytes)
      for (let i = 0; i < count; i++) this.units[this.end++] = this.#unitOfByte[this.#bytes[i]!]!
    }
    if (this.#given) return END
    this.#given = true
    return PIECE
  }
}
