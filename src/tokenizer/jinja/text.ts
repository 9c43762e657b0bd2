// A string that knows which of its characters come from outside: every operation of the interpreter goes
// through here, so a message keeps its mark through trim, split, replace, upper, tojson and slices, and what
// the template itself writes stays free of it. Positions are UTF-16 units, except where it says points.
import { checkChars, spend } from './faults.ts'

/** Where characters come from. Bits, so that one stretch may be both. */
export const TYPED = 1
/** The answer that is to be continued: the prompt ends behind its last character. */
export const CONTINUED = 2

/** Units [start, end) with these marks. What no span covers is the template's own. */
export interface Span {
  readonly start: number
  readonly end: number
  readonly marks: number
}

const NONE: readonly Span[] = []

export class Text {
  readonly s: string
  /** Ascending, apart. */
  readonly spans: readonly Span[]
  /** Python's Markup, made by the filters safe and escape: adding to it escapes. */
  readonly safe: boolean
  #wide: boolean | undefined

  constructor(s: string, spans: readonly Span[] = NONE, safe = false) {
    this.s = s
    this.spans = spans
    this.safe = safe
  }

  /** A text that is marked as a whole. */
  static marked(s: string, marks: number): Text {
    return s === '' || marks === 0 ? new Text(s) : new Text(s, [{ start: 0, end: s.length, marks }])
  }

  get length(): number {
    return this.s.length
  }

  /** Whether a character takes two units. */
  get wide(): boolean {
    this.#wide ??= /[\ud800-\udfff]/.test(this.s)
    return this.#wide
  }

  /** Python's len(). */
  get points(): number {
    if (!this.wide) return this.s.length
    spend(this.s.length / 64)
    let points = this.s.length
    for (let i = 1; i < this.s.length; i++) if (isPair(this.s, i)) points--
    return points
  }

  /** Unit of a point; points beyond the end give the length. */
  unitOf(point: number): number {
    if (!this.wide) return Math.min(point, this.s.length)
    spend(point / 64)
    let unit = 0
    for (let i = 0; i < point && unit < this.s.length; i++) unit += isPair(this.s, unit + 1) ? 2 : 1
    return unit
  }

  /** Point of a unit. */
  pointOf(unit: number): number {
    return this.wide ? new Text(this.s.slice(0, unit)).points : unit
  }

  slice(start: number, end = this.s.length): Text {
    spend(1 + (end - start) / 64)
    return new Text(this.s.slice(start, end), clip(this.spans, start, end, -start), this.safe)
  }

  /** One text for each point. */
  characters(): Text[] {
    const parts: Text[] = []
    for (let at = 0; at < this.s.length; ) {
      const size = isPair(this.s, at + 1) ? 2 : 1
      parts.push(this.slice(at, at + size))
      at += size
    }
    return parts
  }

  /** Marks of one unit. */
  marksAt(unit: number): number {
    for (const { start, end, marks } of this.spans) if (unit >= start && unit < end) return marks
    return 0
  }

  /** All marks that occur. */
  get marks(): number {
    return this.spans.reduce((all, span) => all | span.marks, 0)
  }

  asSafe(safe: boolean): Text {
    return safe === this.safe ? this : new Text(this.s, this.spans, safe)
  }

  /** The same text after a mapping that keeps order, such as upper(); told where a unit goes. */
  mapped(s: string, place: (unit: number) => number): Text {
    checkChars(s.length)
    spend(1 + s.length / 64)
    const spans = this.spans.map(span => ({
      start: place(span.start),
      end: place(span.end),
      marks: span.marks,
    }))
    return new Text(s, spans)
  }

  /** One made of this in ways that no position survives: all of it gets all marks. */
  derived(s: string): Text {
    checkChars(s.length)
    spend(1 + s.length / 64)
    return Text.marked(s, this.marks)
  }
}

/** The parts one after the other. */
export function join(parts: readonly (Text | string)[]): Text {
  let length = 0
  let count = 0
  for (const part of parts) {
    length += part.length
    if (typeof part !== 'string') count += part.spans.length
  }
  checkChars(length)
  spend(1 + parts.length / 8 + count / 16)
  if (count === 0)
    return new Text(parts.map(part => (typeof part === 'string' ? part : part.s)).join(''))
  const spans: Span[] = []
  let s = ''
  for (const part of parts) {
    if (typeof part === 'string') s += part
    else {
      append(spans, part.spans, s.length)
      s += part.s
    }
  }
  return new Text(s, spans)
}

/** Adds spans moved by `shift`; one that goes on where the last ended is joined to it. */
export function append(to: Span[], spans: readonly Span[], shift: number): void {
  for (const span of spans) {
    const [start, end] = [span.start + shift, span.end + shift]
    const last = to.at(-1)
    if (last && last.end === start && last.marks === span.marks) {
      to[to.length - 1] = { start: last.start, end, marks: last.marks }
    } else to.push({ start, end, marks: span.marks })
  }
}

function clip(spans: readonly Span[], from: number, to: number, shift: number): readonly Span[] {
  if (spans.length === 0) return NONE
  const kept: Span[] = []
  for (const { start, end, marks } of spans) {
    const [first, last] = [Math.max(start, from), Math.min(end, to)]
    if (first < last) kept.push({ start: first + shift, end: last + shift, marks })
  }
  return kept
}

/** Whether units i - 1 and i are one character. */
function isPair(s: string, i: number): boolean {
  return (
    i > 0 &&
    i < s.length &&
    (s.charCodeAt(i - 1) & 0xfc00) === 0xd800 &&
    (s.charCodeAt(i) & 0xfc00) === 0xdc00
  )
}
