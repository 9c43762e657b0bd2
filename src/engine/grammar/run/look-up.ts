// Whether one token may come next, by its own bytes: what its bit in the mask says (mask.ts), without the walk of the
// vocabulary. For the few tokens that could be drawn. Called by filter.ts.
import { BASE, type Item, type Machine, type State } from './machine.ts'
import { stateAfter } from './reads.ts'
import { canDiffer, wasSeen } from './registers.ts'
import type { TerminalState } from './terminal.ts'
import type { Vocabulary } from './vocabulary.ts'
import { insideCall, outside, waysOf } from './ways.ts'

interface Path {
  readonly from: State
  /** Where the call returns to; undefined outside calls. */
  readonly after: State | undefined
  /** Inside a text that must differ from others. */
  readonly differs: Item | undefined
}

export class LookUp {
  readonly #machine: Machine
  readonly #vocabulary: Vocabulary
  /** Of the state that was asked last: many tokens are asked of one. */
  #state: State | undefined
  #paths: Path[] = []

  constructor(machine: Machine, vocabulary: Vocabulary) {
    this.#machine = machine
    this.#vocabulary = vocabulary
  }

  allows(state: State, token: number): boolean {
    const { endTokens, isText, bytesOf } = this.#vocabulary
    if (endTokens.has(token) && state.accepts) return true
    if (state.afterToken(token) !== null) return true
    if (!isText(token)) return false
    if (state !== this.#state) {
      this.#paths = this.#pathsOf(state)
      this.#state = state
    }
    const bytes = bytesOf(token)
    return this.#paths.some(path => follows(path, bytes))
  }

  #pathsOf(state: State): Path[] {
    const machine = this.#machine
    return waysOf(state).map(way => {
      const { frame, items } = way
      if (frame === BASE) {
        return { from: outside(way, machine), after: undefined, differs: undefined }
      }
      const [first] = items
      return {
        from: machine.state(insideCall(way, this.#vocabulary.longest)),
        after: machine.returned(frame),
        differs: first.registers.text === undefined ? undefined : first,
      }
    })
  }
}

function follows({ from, after, differs }: Path, bytes: Uint8Array): boolean {
  if (after === undefined) return stateAfter(from, bytes) !== null
  let state: State | null = from
  const end = differs === undefined ? bytes.length : differsUntil(differs, bytes)
  for (let i = 0; i < end; i++) {
    state = state.next(bytes[i])
    if (state === null) return false
    if (state.accepts && stateAfter(after, bytes, i + 1) !== null) return true
  }
  return end === bytes.length && state.items.length > 0
}

/** How many bytes come before the one at which the text repeats another, or can do nothing else. */
function differsUntil({ terminal: start, registers }: Item, bytes: Uint8Array): number {
  const { terminal } = start!
  const { kind } = terminal
  let text = registers.text!
  let from: TerminalState = start!
  for (let i = 0; i < bytes.length; i++) {
    const next = from.next(bytes[i])
    if (next === null) break
    const char = terminal.completed(from, bytes[i])
    if (char >= 0) text += String.fromCodePoint(char)
    const repeats = next.closed
      ? wasSeen(registers.seen, kind, text)
      : terminal.tight && !canDiffer(terminal, next, text, registers.seen)
    if (repeats) return i
    if (next.closed) break
    from = next
  }
  return bytes.length
}
