// What a grammar nearly leaves no choice about: from a state, the text up to the next choice, with the white space
// that was written at such places before, or that models are trained to write. For guesses of speculation, which
// change no token. Called by place.ts.
import type { LikelyText } from '../../sampling/logit-filter.ts'
import type { State } from './machine.ts'
import type { TerminalState } from './terminal.ts'

/** Bytes of one such text at most. */
const LONGEST = 96
/** Texts and white space remembered, of a grammar; beyond it all are found again. */
const KEEP = 2048

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const QUOTE = 0x22
const SIGNS = new Set([...',:{['].map(sign => sign.charCodeAt(0)))
/** Of numbers, which may go on where something else may follow. */
const NUMERIC = new Set([...'0123456789.eE+-'].map(sign => sign.charCodeAt(0)))
const CLOSERS = new Set([...',]}'].map(sign => sign.charCodeAt(0)))
const NOTHING: LikelyText = { pieces: [], ends: false, whole: true }

/** White space of JSON. */
export const isWhite = (byte: number): boolean =>
  byte === 0x20 || byte === 0x0a || byte === 0x09 || byte === 0x0d

/** White space behind signs: as models are trained to write JSON, until a text does otherwise. */
export class WhiteSpace {
  readonly #bySign = new Map<number, string>([...SIGNS].map(sign => [sign, '']))
  #byState = new Map<number, string>()
  /** Changes with what is remembered. */
  version = 0

  constructor() {
    for (const sign of ',:') this.#bySign.set(sign.charCodeAt(0), ' ')
  }

  /** What usually stands in this state, behind this byte. */
  after(state: State, byte: number): string {
    return this.#byState.get(state.id) ?? this.#bySign.get(byte) ?? ''
  }

  /** It stood there. */
  note(state: State, byte: number, white: string): void {
    if (this.after(state, byte) === white) return
    if (this.#byState.size >= KEEP) this.#byState = new Map()
    this.#byState.set(state.id, white)
    if (SIGNS.has(byte)) this.#bySign.set(byte, white)
    this.version++
  }
}

/** Likely texts of one grammar. */
export class LikelyTexts {
  readonly white = new WhiteSpace()
  #kept = new Map<string, LikelyText>()
  #version = 0

  /**
   * The text from a state up to the next choice.
   * @param last  the byte before it; -1 for none
   */
  from(state: State, last: number): LikelyText {
    return this.#find(`${state.id} ${last}`, () => walk(state, last, this.white, []))
  }

  /** The same behind a quote that closes the string in which the state is. */
  closing(state: State): LikelyText {
    return this.#find(`"${state.id}`, () => {
      const closed = state.next(QUOTE)
      return closed === null ? NOTHING : walk(closed, QUOTE, this.white, [QUOTE])
    })
  }

  #find(key: string, make: () => LikelyText): LikelyText {
    if (this.#version !== this.white.version || this.#kept.size >= KEEP) {
      this.#version = this.white.version
      this.#kept = new Map()
    }
    let found = this.#kept.get(key)
    if (found === undefined) {
      found = make()
      this.#kept.set(key, found)
    }
    return found
  }
}

const inText = new WeakMap<State, boolean>()

/** Inside a string of JSON that is not one of a few. */
export function isInText(state: State): boolean {
  let found = inText.get(state)
  if (found === undefined) {
    found = state.items.some(
      ({ terminal }) =>
        terminal !== undefined && terminal.terminal.form !== 'raw' && !terminal.terminal.few,
    )
    inText.set(state, found)
  }
  return found
}

function walk(from: State, before: number, white: WhiteSpace, bytes: number[]): LikelyText {
  const pieces: (string | { token: number })[] = []
  let state = from
  let last = before
  let ends = false
  let length = 0
  let token: number | undefined
  for (; length < LONGEST && !state.accepts; length++) {
    const found = onlyWay(state, last, length === 0, white)
    if (found === undefined) break
    ends ||= found.ends
    token = found.token
    if (token !== undefined) {
      pieces.push(...textOf(bytes.splice(0)), { token })
      state = state.afterToken(token)!
      last = -1
      continue
    }
    bytes.push(...found.bytes)
    for (const byte of found.bytes) state = state.next(byte)!
    last = bytes.at(-1)!
  }
  const rest = bytes.length > 0 && token === undefined
  // A blank goes with what follows, in most vocabularies.
  if (rest) while (bytes.length > 0 && bytes.at(-1) === 0x20) bytes.pop()
  pieces.push(...textOf(bytes))
  if (pieces.length === 0) return NOTHING
  return { pieces, ends, whole: !rest || state.accepts || !isWord(bytes.at(-1)) }
}

/** A letter, a digit, or within a character: what follows may belong to the same token. */
function isWord(byte = 0): boolean {
  return byte >= 0x80 || /[\dA-Za-z_]/.test(String.fromCharCode(byte))
}

/** No text where the bytes end within a character. */
function textOf(bytes: number[]): string[] {
  if (bytes.length === 0) return []
  try {
    return [utf8.decode(Uint8Array.from(bytes))]
  } catch {
    return []
  }
}

interface Way {
  readonly bytes: readonly number[]
  readonly token?: number
  /** A number might have gone on. */
  readonly ends: boolean
}

/** The one thing that may follow, white space and the rest of a number left aside. */
function onlyWay(state: State, last: number, first: boolean, white: WhiteSpace): Way | undefined {
  const bytes = new Set<number>()
  let numeric = false
  let token: number | undefined
  for (const { node, terminal } of state.items) {
    if (terminal !== undefined) {
      const kind = addBytes(terminal, bytes)
      if (kind === 'free') return undefined
      if (kind === 'number') numeric = true
      continue
    }
    const at = state.rules.nodes[node]
    for (let i = 0; i < at.bytes.length; i += 3) {
      if (at.bytes[i + 1] - at.bytes[i] > 9) return undefined
      for (let byte = at.bytes[i]; byte <= at.bytes[i + 1]; byte++) bytes.add(byte)
    }
    for (const edge of at.tokens) {
      if (token !== undefined && token !== edge.token) return undefined
      token = edge.token
    }
  }
  // White space that is not optional has no alternatives.
  if (bytes.size === 1 && token === undefined && !numeric) return { bytes: [...bytes], ends: false }
  let blank = false
  for (const byte of bytes) {
    if (isWhite(byte)) blank = bytes.delete(byte)
    else if (numeric && NUMERIC.has(byte)) bytes.delete(byte)
  }
  if (blank && last >= 0 && !isWhite(last)) {
    const usual = [...white.after(state, last)].map(char => char.charCodeAt(0))
    if (usual.length > 0 && fits(state, usual)) return { bytes: usual, ends: false }
  }
  if (bytes.size + (token === undefined ? 0 : 1) !== 1) return undefined
  // Behind a number, not where one may begin.
  if (numeric && !(first && [...bytes].every(byte => CLOSERS.has(byte)))) return undefined
  return token === undefined
    ? { bytes: [...bytes], ends: numeric }
    : { bytes: [], token, ends: numeric }
}

function fits(from: State, bytes: readonly number[]): boolean {
  let state: State | null = from
  for (const byte of bytes) state = state === null ? null : state.next(byte)
  return state !== null
}

/** The bytes that may follow in a terminal of few texts. */
function addBytes(at: TerminalState, bytes: Set<number>): 'few' | 'number' | 'free' {
  if (!at.terminal.few) {
    const number = at.terminal.form === 'raw' && !at.next(0x61) && !at.next(0x20)
    return number && (at.next(0x30) ?? at.next(0x31)) ? 'number' : 'free'
  }
  for (let byte = 0x20; byte < 0x100; byte++) if (at.next(byte) !== null) bytes.add(byte)
  return 'few'
}
