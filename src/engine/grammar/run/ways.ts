// The ways in which a text can go on from a state, apart by the call in which it stands: what may follow inside a call does
// not depend on what surrounds it. Walked over the whole vocabulary by mask.ts, and with one token by look-up.ts, to
// the same end.
import { BASE, type Frame, type Item, type Machine, type State } from './machine.ts'
import { BLANK } from './registers.ts'

/** Of one call, each looked up by itself. */
const FEW_TERMINALS = 8
/** States with more calls at once than this are walked as a whole. */
const MAX_GROUPS = 48

/** Places in one call. */
export interface Way {
  readonly frame: Frame
  readonly items: readonly Item[]
}

/** @returns one way out of all calls, with the frame BASE, where there are too many */
export function waysOf(state: State): Way[] {
  const groups = new Map<Frame, Item[]>()
  for (const item of state.items) {
    const group = groups.get(item.frame)
    if (group === undefined) groups.set(item.frame, [item])
    else group.push(item)
  }
  if (groups.size > MAX_GROUPS) return [{ frame: BASE, items: state.items }]
  const ways: Way[] = []
  for (const [frame, items] of groups) {
    const apart =
      items.some(({ registers }) => registers.text !== undefined) ||
      (items.length <= FEW_TERMINALS && items.every(({ terminal }) => terminal !== undefined))
    // What each of a few terminals reads is kept, whatever stands beside it.
    if (frame !== BASE && apart) ways.push(...items.map(item => ({ frame, items: [item] })))
    else ways.push({ frame, items })
  }
  return ways
}

/** The places in the call, as if nothing surrounded it. */
export function insideCall({ items }: Way, longest: number): Item[] {
  return items.map(({ node, terminal, registers }) => ({
    node,
    terminal: terminal?.terminal.local(terminal, longest),
    registers: registers.text === undefined ? registers.lookAhead() : BLANK,
    frame: BASE,
  }))
}

/** The state of a way that stands in no call. */
export function outside({ items }: Way, machine: Machine): State {
  return machine.state(items.map(item => ({ ...item, registers: item.registers.lookAhead() })))
}
