// A text given by a character automaton, read byte by byte: as raw UTF-8, or as the inside of a JSON
// string with its escapes and closing quote. Lengths are counted in characters. States are made when
// they are met and shared. Called by machine.ts; mask.ts knows the free string.
import { type CharSet, has, intersect } from '../automata/charset.ts'
import { ANYTHING, countTexts, type Dfa } from '../automata/dfa.ts'
import { Lengths } from '../automata/lengths.ts'
import type { Budget } from '../work.ts'
import {
  CLOSED,
  completedBy,
  ESCAPE,
  HEX,
  hexDigit,
  LOW_BACKSLASH,
  LOW_U,
  pendingOf,
  SHORT_ESCAPES,
  UTF8,
  WHOLE,
} from './encoding.ts'

export interface TerminalOptions {
  /** 'raw' UTF-8; 'json': inside of a string, any escape; 'plain': JSON with needed escapes only. */
  form: 'raw' | 'json' | 'plain'
  /** Characters. */
  min?: number
  max?: number
  /** Keeps texts of different kinds apart where they must differ, such as "1" and 1. */
  kind?: string
  /** The characters that the vocabulary writes as they are, of a JSON string; undefined for all. */
  writable?: CharSet
}

/** More texts than any answer holds. */
const FEW = 1e6

let ids = 0
/** Numbers terminal states above all nodes of rules; never used twice. */
export const TERMINAL_IDS = 1 << 24

export class TerminalState {
  readonly id = TERMINAL_IDS + ids++
  readonly terminal: Terminal
  /** State of the automaton. */
  readonly q: number
  /** Characters that must, and may, still come. */
  readonly low: number
  readonly high: number
  readonly phase: number
  /**
   * Bits read of the character, bytes or digits still to come, and the high surrogate before; in UTF-8,
   * the first character that is written in so many bytes.
   */
  readonly value: number
  readonly left: number
  readonly surrogate: number
  readonly #next: (TerminalState | null)[][] = []

  constructor(
    terminal: Terminal,
    q: number,
    low: number,
    high: number,
    phase = WHOLE,
    value = 0,
    left = 0,
    surrogate = 0,
  ) {
    this.terminal = terminal
    this.q = q
    this.low = low
    this.high = high
    this.phase = phase
    this.value = value
    this.left = left
    this.surrogate = surrogate
  }

  /** The text may end here. */
  get accepts(): boolean {
    if (this.phase === CLOSED) return true
    return (
      this.terminal.form === 'raw' &&
      this.phase === WHOLE &&
      this.low === 0 &&
      this.terminal.dfa.accept[this.q] === 1
    )
  }

  /** Nothing can follow. */
  get closed(): boolean {
    return this.phase === CLOSED
  }

  /** It reads nothing more: an end without a closing quote. */
  get stuck(): boolean {
    return this.phase === CLOSED || (this.phase === WHOLE && this.terminal.endsAt(this))
  }

  /** Between two characters. */
  get whole(): boolean {
    return this.phase === WHOLE
  }

  next(byte: number): TerminalState | null {
    this.#next[byte >> 4] ??= []
    const block = this.#next[byte >> 4]
    const known = block[byte & 15]
    if (known !== undefined) return known
    const made = this.terminal.advance(this, byte)
    block[byte & 15] = made
    return made
  }
}

export class Terminal {
  readonly dfa: Dfa
  readonly form: 'raw' | 'json' | 'plain'
  readonly min: number
  readonly max: number
  readonly kind: string
  readonly #writable: CharSet | undefined
  #lengths: Lengths | undefined
  #counts: Float64Array | undefined
  #tight: boolean | undefined
  #states = new Map<string, TerminalState>()
  #between: TerminalState[] = []

  /** @throws GrammarFault where pattern and length together are too large */
  constructor(dfa: Dfa, options: TerminalOptions, budget: Budget) {
    this.dfa = dfa
    this.form = options.form
    this.min = options.min ?? 0
    this.max = options.max ?? Number.POSITIVE_INFINITY
    this.kind = options.kind ?? ''
    this.#writable = options.form === 'raw' ? undefined : options.writable
    if (!dfa.empty && !this.free && this.bounded) this.#lengths = new Lengths(dfa, budget)
  }

  /** Any characters at all. */
  get free(): boolean {
    return this.dfa === ANYTHING
  }

  get bounded(): boolean {
    return this.min > 0 || this.max < Number.POSITIVE_INFINITY
  }

  /** It has no text. */
  get empty(): boolean {
    return this.dfa.empty || !this.alive(0, this.min, this.max)
  }

  get start(): TerminalState {
    return this.#state(0, this.min, this.max, WHOLE)
  }

  /**
   * How many texts there are from a state of the automaton with so many characters left; Infinity where they
   * never end. With bounds, terminals whose texts must differ are free strings.
   */
  textsFrom(q: number, high: number): number {
    if (high !== Number.POSITIVE_INFINITY) return high > 0 ? Number.POSITIVE_INFINITY : 1
    this.#counts ??= countTexts(this.dfa)
    return this.#counts[q] ?? 0
  }

  /** How many texts it has. */
  get texts(): number {
    return this.empty ? 0 : this.textsFrom(0, this.max)
  }

  /** Some state has only so many texts: those that must differ need a look ahead. */
  get tight(): boolean {
    if (this.max !== Number.POSITIVE_INFINITY) return true
    this.#counts ??= countTexts(this.dfa)
    this.#tight ??= this.#counts.some(count => count !== Number.POSITIVE_INFINITY)
    return this.#tight
  }

  /** No character can follow. */
  endsAt({ q, high }: TerminalState): boolean {
    if (this.form !== 'raw') return false
    const width = this.dfa.classes.count
    const { table } = this.dfa
    for (let c = 0; c < width; c++) if (table[q * width + c] >= 0) return high === 0
    return true
  }

  /** Whether the vocabulary writes the character as it is. */
  writes(char: number): boolean {
    return this.#writable === undefined || has(this.#writable, char)
  }

  /** It writes every character as it is. */
  get writesAll(): boolean {
    return this.#writable === undefined
  }

  /** It has so few texts that each counts. */
  get few(): boolean {
    return this.texts < FEW
  }

  /** The state between two characters; so many must, and may, still come. */
  between(q: number, low: number, high: number): TerminalState {
    if (low > 0 || high < Number.POSITIVE_INFINITY) return this.#state(q, low, high, WHOLE)
    this.#between[q] ??= this.#state(q, 0, Number.POSITIVE_INFINITY, WHOLE)
    return this.#between[q]
  }

  /** Forgets the states made so far; those in use go on. */
  forget(): void {
    this.#states = new Map()
    this.#between = []
  }

  get kept(): number {
    return this.#states.size
  }

  /**
   * A state that behaves as this one for the next `chars` characters, the same for all that do.
   * @param chars  more than any token holds
   */
  local(state: TerminalState, chars: number): TerminalState {
    if (!this.bounded || state.closed) return state
    const settled = this.#lengths?.settled ?? 0
    if ((this.#lengths?.period ?? 1) !== 1) return state
    const far = chars + settled + 1
    const high = state.high > far && state.low <= state.high ? Number.POSITIVE_INFINITY : state.high
    const low = high === Number.POSITIVE_INFINITY ? Math.min(state.low, far) : state.low
    const { q, phase, value, left, surrogate } = state
    return this.#state(q, low, high, phase, value, left, surrogate)
  }

  /** The character that the byte completes, or -1. */
  completed(state: TerminalState, byte: number): number {
    return completedBy(state, byte, this.form === 'raw')
  }

  /** The characters that may be under way: [first, last] pairs; empty between two characters. */
  pending(state: TerminalState): number[] {
    return pendingOf(state)
  }

  /** Where a byte leads; null where nothing can follow it. Called through TerminalState.next. */
  advance(state: TerminalState, byte: number): TerminalState | null {
    const { phase, left, surrogate } = state
    switch (phase) {
      case WHOLE:
        if (byte < 0x80) {
          if (this.form === 'raw') return this.#complete(state, byte)
          if (byte === 0x22) {
            const ends = this.dfa.accept[state.q] === 1 && state.low === 0
            return ends ? this.#state(state.q, 0, 0, CLOSED) : null
          }
          if (byte === 0x5c) return this.#begin(state, ESCAPE, 0, 0, 0)
          return byte < 0x20 || !this.writes(byte) ? null : this.#complete(state, byte)
        }
        if (byte >= 0xc2 && byte < 0xe0) return this.#begin(state, UTF8, byte & 31, 1, 0x80)
        if (byte >= 0xe0 && byte < 0xf0) return this.#begin(state, UTF8, byte & 15, 2, 0x800)
        if (byte >= 0xf0 && byte < 0xf5) return this.#begin(state, UTF8, byte & 7, 3, 0x10000)
        return null
      case UTF8: {
        if ((byte & 0xc0) !== 0x80) return null
        const value = (state.value << 6) | (byte & 63)
        if (left === 1 && !this.writes(value)) return null
        return left === 1
          ? this.#complete(state, value)
          : this.#begin(state, UTF8, value, left - 1, surrogate)
      }
      case ESCAPE: {
        const char = SHORT_ESCAPES.get(byte)
        if (char !== undefined) {
          return this.form === 'plain' && char === 0x2f ? null : this.#complete(state, char)
        }
        return byte === 0x75 ? this.#begin(state, HEX, 0, 4, 0) : null
      }
      case HEX: {
        const digit = hexDigit(byte)
        if (digit < 0 || (this.form === 'plain' && byte >= 0x41 && byte <= 0x46)) return null
        const value = (state.value << 4) | digit
        if (left > 1) return this.#begin(state, HEX, value, left - 1, surrogate)
        if (surrogate > 0) {
          if (value < 0xdc00 || value > 0xdfff) return null
          return this.#complete(state, 0x10000 + ((surrogate - 0xd800) << 10) + (value - 0xdc00))
        }
        if (value >= 0xdc00 && value < 0xe000) return null
        if (value < 0xd800 || value >= 0xe000) {
          const needed = value < 0x20 && ![8, 9, 10, 12, 13].includes(value)
          return this.form === 'plain' && !needed ? null : this.#complete(state, value)
        }
        return this.#begin(state, LOW_BACKSLASH, 0, 0, value)
      }
      case LOW_BACKSLASH:
        return byte === 0x5c ? this.#begin(state, LOW_U, 0, 0, surrogate) : null
      case LOW_U:
        return byte === 0x75 ? this.#begin(state, HEX, 0, 4, surrogate) : null
      default:
        return null
    }
  }

  #state(
    q: number,
    low: number,
    high: number,
    phase: number,
    value = 0,
    left = 0,
    surrogate = 0,
  ): TerminalState {
    const key = `${q},${low},${high},${phase},${value},${left},${surrogate}`
    let state = this.#states.get(key)
    if (state === undefined) {
      state = new TerminalState(this, q, low, high, phase, value, left, surrogate)
      this.#states.set(key, state)
    }
    return state
  }

  /** The next state within a character, if some character that begins so can be read. */
  #begin(
    from: TerminalState,
    phase: number,
    value: number,
    left: number,
    surrogate: number,
  ): TerminalState | null {
    const state = this.#state(from.q, from.low, from.high, phase, value, left, surrogate)
    const pairs = this.pending(state)
    for (let i = 0; i < pairs.length; i += 2) {
      const first = phase === UTF8 ? Math.max(pairs[i], surrogate) : pairs[i]
      const last = Math.min(pairs[i + 1], 0x10ffff)
      if (first >= 0xd800 && last <= 0xdfff) continue
      if (this.#reads(from, first, last, phase)) return state
    }
    return null
  }

  /** Whether some character of [first, last] can be read next. */
  #reads(from: TerminalState, first: number, last: number, phase: number): boolean {
    if (first > last) return false
    if (phase === UTF8 && this.#writable !== undefined) {
      if (intersect([first, last], this.#writable).length === 0) return false
    }
    const { q, low, high } = from
    if (high < 1) return false
    if (this.form === 'plain' && phase !== UTF8) {
      // Only characters that have to be escaped.
      return [...SHORT_ESCAPES.values(), ...Array.from({ length: 0x20 }, (_, c) => c)].some(
        char => {
          if (char === 0x2f || char < first || char > last) return false
          if (phase === HEX && (char >= 0x20 || [8, 9, 10, 12, 13].includes(char))) return false
          const to = this.dfa.next(q, char)
          return to >= 0 && this.alive(to, Math.max(0, low - 1), high - 1)
        },
      )
    }
    if (this.free) return this.alive(q, Math.max(0, low - 1), high - 1)
    const width = this.dfa.classes.count
    for (const c of this.dfa.classes.within(first, last)) {
      const to = this.dfa.table[q * width + c]
      if (to >= 0 && this.alive(to, Math.max(0, low - 1), high - 1)) return true
    }
    return false
  }

  #complete(from: TerminalState, char: number): TerminalState | null {
    if (from.high < 1 || char > 0x10ffff) return null
    const q = this.dfa.next(from.q, char)
    if (q < 0) return null
    const low = Math.max(0, from.low - 1)
    const high = from.high - 1
    return this.alive(q, low, high) ? this.#state(q, low, high, WHOLE) : null
  }

  /** Whether a text of between `low` and `high` characters leads from the automaton's state to an end. */
  alive(q: number, low: number, high: number): boolean {
    if (low > high) return false
    if (this.free || (low === 0 && high === Number.POSITIVE_INFINITY)) return true
    return this.#lengths!.within(q, low, high)
  }
}
