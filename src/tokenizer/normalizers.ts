// What tokenizer.json calls normalizers: they change a text before it is cut into words. Each goes
// through the text in slices. Built by json-pipeline.ts, and by from-gguf.ts for vocabularies whose
// published tokenizer normalizes.
import { RyzError } from '../errors.ts'
import type { Budget } from './budget.ts'
import { property, WHITE_SPACE } from './pattern/char-tests.ts'
import { FOUND, PAUSED, PatternMatcher } from './pattern/matcher.ts'
import { CharSets, type Program } from './pattern/program.ts'
import { codeAt, type Region, textOf, UnitList } from './units.ts'

/** One step of normalizing. */
export interface Normalizer {
  /** Pauses whenever the budget is spent; the region it gives may be the one it got. */
  run(region: Region, budget: Budget): Generator<void, Region>
  /** Of `n` units at least n * keeps are left. */
  readonly keeps: number
}

/** The steps one after the other. */
export function inSequence(steps: readonly Normalizer[]): Normalizer | undefined {
  if (steps.length < 2) return steps[0]
  return {
    keeps: steps.reduce((product, step) => product * step.keeps, 1),
    *run(region, budget) {
      let current = region
      for (const step of steps) current = yield* step.run(current, budget)
      return current
    },
  }
}

const CHUNK = 4096
/** Nothing below is changed by the form. */
const UNCHANGED = { NFC: 0x300, NFD: 0xc0, NFKC: 0xa0, NFKD: 0xa0 } as const

/** A Unicode normalization form. */
export function unicodeForm(form: 'NFC' | 'NFD' | 'NFKC' | 'NFKD'): Normalizer {
  const limit = UNCHANGED[form]
  // At most a letter and three marks become one.
  const keeps = form === 'NFC' || form === 'NFKC' ? 0.25 : 1
  return chunked(
    keeps,
    code => code >= limit,
    startsAfresh,
    text => text.normalize(form),
  )
}

/** Every character on its own, as Rust's char::to_lowercase does: no final sigma. */
export const LOWERCASE = chunked(
  1,
  code => code >= 0x41,
  () => true,
  text => text.replaceAll('\u03a3', '\u03c3').toLowerCase(),
)

/** What joins to the character before it: marks, and the vowels and finals of Hangul and Kirat Rai. */
const JOINS = /^[\p{M}\u1160-\u11ff\ud7b0-\ud7ff\u{16d40}-\u{16d7f}]/u

function startsAfresh(code: number): boolean {
  return code < 0x300 || !JOINS.test(String.fromCodePoint(code).normalize('NFKD'))
}

/** A step that looks at a few characters at a time, from one that starts afresh to the next. */
function chunked(
  keeps: number,
  changes: (code: number) => boolean,
  mayCut: (code: number) => boolean,
  apply: (text: string) => string,
): Normalizer {
  const cuts = (units: Uint16Array, at: number, to: number) =>
    (units[at]! & 0xfc00) !== 0xdc00 && mayCut(codeAt(units, at, to))
  return {
    keeps,
    *run(region, budget) {
      const { units, from, to } = region
      let at = from
      while (at < to && !changes(units[at]!)) {
        at++
        if (--budget.left < 0) yield
      }
      if (at === to) return region
      const out = new UnitList(to - from)
      for (at = from; at < to; ) {
        let end = Math.min(to, at + CHUNK)
        // Thousands of marks on one letter are cut all the same: ordering them is quadratic.
        while (end < to && end < at + 2 * CHUNK && !cuts(units, end, to)) end++
        if (end < to && (units[end]! & 0xfc00) === 0xdc00) end++
        out.pushText(apply(textOf(units, at, end)))
        budget.left -= 4 * (end - at)
        at = end
        if (budget.left < 0) yield
      }
      return out.region()
    },
  }
}

/** Longer replacements would let a small text fill the memory. */
export const MAX_REPLACEMENT = 64

/** Writes `content` for every match. `shrinksTo`: what is left of a text of matches alone. */
export function replacing(program: Program, content: string, shrinksTo: number): Normalizer {
  if (content.length > MAX_REPLACEMENT) {
    throw new RyzError(
      'UNSUPPORTED_FEATURE',
      `a Replace of the tokenizer writes ${content.length} characters, the limit is ${MAX_REPLACEMENT}`,
    )
  }
  return {
    keeps: Math.min(1, shrinksTo),
    *run(region, budget) {
      const { units, from, to } = region
      const matcher = new PatternMatcher(program)
      matcher.begin(units, from, to)
      const out = new UnitList(to - from)
      let at = from
      for (;;) {
        const result = matcher.find(at, budget)
        if (result === PAUSED) {
          yield
          continue
        }
        if (result !== FOUND) break
        out.pushRange(units, at, matcher.start)
        out.pushText(content)
        at = matcher.end
      }
      if (at === from) return region
      out.pushRange(units, at, to)
      return out.region()
    },
  }
}

/** Puts `content` before a text that is not empty. */
export function prepending(content: string): Normalizer {
  return {
    keeps: 1,
    *run(region, budget) {
      const { units, from, to } = region
      if (from === to) return region
      const out = new UnitList(to - from + content.length)
      out.pushText(content)
      out.pushRange(units, from, to)
      if (budget.left < 0) yield
      return out.region()
    },
  }
}

const SPACE_SET = 0
const MARK_SET = 1
const SETS = new CharSets([WHITE_SPACE, property('Mn')])

/** Takes white space off the ends. */
export function stripping(left: boolean, right: boolean): Normalizer {
  return {
    keeps: 0,
    *run({ units, from, to }, budget) {
      let [start, end] = [from, to]
      while (left && start < end && SETS.has(units[start]!, SPACE_SET)) {
        start++
        if (--budget.left < 0) yield
      }
      while (right && end > start && SETS.has(units[end - 1]!, SPACE_SET)) {
        end--
        if (--budget.left < 0) yield
      }
      return { units, from: start, to: end }
    },
  }
}

/** Takes away the marks that have no width. */
export const STRIP_ACCENTS: Normalizer = {
  keeps: 0,
  *run({ units, from, to }, budget) {
    const out = new UnitList(to - from)
    for (let at = from; at < to; ) {
      const code = codeAt(units, at, to)
      const next = at + (code > 0xffff ? 2 : 1)
      if (!SETS.has(code, MARK_SET)) out.pushRange(units, at, next)
      at = next
      if (--budget.left < 0) yield
    }
    return out.region()
  },
}
