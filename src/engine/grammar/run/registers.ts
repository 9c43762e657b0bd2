// What a call of a rule remembers beside its place: a counter, the texts that must not come again
// (names of one object, items of one list), and inside such a text, what of it has been read. Values are
// immutable and shared, so that states can be compared, copied and rolled back. Used by machine.ts.
import type { Terminal, TerminalState } from './terminal.ts'

/** Texts seen, newest first. `closed`: any further text counts as seen, of `count` that are not told. */
export interface Seen {
  readonly id: number
  readonly text: string
  readonly before: Seen | undefined
  readonly closed: boolean
  readonly count: number
}

let ids = 0

function closedOf(seen: Seen | undefined): Seen {
  return { id: ids++, text: '', before: undefined, closed: true, count: seen?.count ?? 0 }
}

export class Registers {
  readonly id = ids++
  readonly counter: number
  readonly seen: Seen | undefined
  /** Inside a terminal whose text must differ. */
  readonly text: string | undefined
  /**
   * Only looked at, to see which tokens may come: a text that begins and ends in one token is not told
   * apart, so it may not end once another was seen. Any text can still be written, in smaller tokens.
   */
  readonly ahead: boolean
  readonly #next = new Map<string, Registers>()
  /** Of registers that were counted: those from which they were, so that each count is one object, however it came. */
  readonly #home: Registers | undefined

  constructor(
    counter: number,
    seen: Seen | undefined,
    text: string | undefined,
    ahead: boolean,
    home?: Registers,
  ) {
    this.counter = counter
    this.seen = seen
    this.text = text
    this.ahead = ahead
    this.#home = home
  }

  #shared(key: string, make: () => Registers): Registers {
    let next = this.#next.get(key)
    if (next === undefined) {
      next = make()
      this.#next.set(key, next)
    }
    return next
  }

  counted(counter: number): Registers {
    if (counter === this.counter) return this
    const home = this.#home ?? this
    if (counter === home.counter) return home
    // Counters of unbounded repeats stop at their minimum, so there are few.
    return home.#shared(
      `#${counter}`,
      () => new Registers(counter, this.seen, undefined, this.ahead, home),
    )
  }

  /** With one more text seen. */
  with(text: string): Registers {
    return this.#shared(`+${text}`, () => {
      const count = (this.seen?.count ?? 0) + 1
      const seen: Seen = { id: ids++, text, before: this.seen, closed: false, count }
      return new Registers(this.counter, seen, undefined, this.ahead)
    })
  }

  /** With one more, of which nothing is known. */
  closing(): Registers {
    return this.#shared(
      'closed',
      () => new Registers(this.counter, closedOf(this.seen), undefined, true),
    )
  }

  /** The same, for looking ahead. */
  lookAhead(): Registers {
    if (this.ahead || this.text !== undefined) return this
    return this.#shared('ahead', () => new Registers(this.counter, this.seen, undefined, true))
  }

  /** The start of a terminal that must differ from what was seen. */
  begin(terminal: Terminal): Registers {
    // Where texts are few each counts, ahead as well.
    if (!this.ahead || terminal.few) {
      return this.#shared('begin', () => new Registers(0, this.seen, '', false))
    }
    return this.#shared('begin ahead', () => {
      const seen = this.seen === undefined ? undefined : closedOf(this.seen)
      return new Registers(0, seen, '', true)
    })
  }

  /** Inside it, after another character. */
  append(char: number): Registers {
    if (this.ahead) return this
    const text = this.text! + String.fromCodePoint(char)
    // Not kept: a walk over the vocabulary would leave one for each token.
    return new Registers(0, this.seen, text, false)
  }
}

/** Of a call that remembers nothing. */
export const BLANK = new Registers(0, undefined, undefined, false)

/** Whether the text of this kind has been seen. */
export function wasSeen(seen: Seen | undefined, kind: string, text: string): boolean {
  const key = kind + text
  for (let at = seen; at !== undefined; at = at.before) {
    if (at.closed || at.text === key) return true
  }
  return false
}

/**
 * Whether some text that has not been seen can still come of a terminal in this state. Only asked of
 * tight terminals: others never run out.
 */
export function canDiffer(
  terminal: Terminal,
  state: TerminalState,
  text: string,
  seen: Seen | undefined,
): boolean {
  const { dfa, kind } = terminal
  if (seen === undefined) return true
  if (state.closed) return !wasSeen(seen, kind, text)
  const begun = kind + text
  const pairs = terminal.pending(state)
  const inPending = (char: number) => {
    for (let i = 0; i < pairs.length; i += 2)
      if (char >= pairs[i] && char <= pairs[i + 1]) return true
    return false
  }
  let left = 0
  if (pairs.length === 0) left = terminal.textsFrom(state.q, state.high)
  else {
    const width = dfa.classes.count
    for (let i = 0; i < pairs.length; i += 2) {
      for (const c of dfa.classes.within(pairs[i], Math.min(pairs[i + 1], 0x10ffff))) {
        const to = dfa.table[state.q * width + c]
        if (to < 0) continue
        let chars = 0
        for (let k = 0; k < dfa.classes.cuts.length; k++) {
          if (dfa.classes.classes[k] !== c) continue
          const end = (dfa.classes.cuts[k + 1] ?? 0x110000) - 1
          chars += Math.max(
            0,
            Math.min(end, pairs[i + 1]) - Math.max(dfa.classes.cuts[k], pairs[i]) + 1,
          )
        }
        left += chars * terminal.textsFrom(to, state.high - 1)
      }
    }
  }
  const used = new Set<string>()
  for (let at: Seen | undefined = seen; at !== undefined; at = at.before) {
    // Any of those not told may begin so.
    if (at.closed) return left > at.count
    if (!at.text.startsWith(begun)) continue
    const next = at.text.slice(begun.length)
    if (pairs.length > 0 && !inPending(next.codePointAt(0) ?? -1)) continue
    used.add(at.text)
  }
  return left > used.size
}
