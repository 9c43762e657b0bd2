// What a state of the machine reads: bytes in a row, and by classes of bytes instead of bytes whether it can hold a whole
// subtree of the vocabulary's trie, so that mask.ts need not walk it.
import { BETWEEN, type Utf8Place, utf8After } from './encoding.ts'
import type { State } from './machine.ts'
import { BYTE_CLASS } from './vocabulary.ts'

/** The classes of bytes beyond ASCII. */
export const BEYOND = 0xf << 28
/** Stands for all of them. */
const FIRST_BEYOND = 28

const BYTES_OF: readonly (readonly number[])[] = Array.from({ length: 32 }, (_, c) =>
  Array.from(BYTE_CLASS.keys()).filter(byte => BYTE_CLASS[byte] === c),
)

/** The state after bytes from..to; null where they cannot be read. */
export function stateAfter(
  start: State,
  bytes: Uint8Array,
  from = 0,
  to = bytes.length,
): State | null {
  let state: State | null = start
  for (let i = from; i < to && state !== null; i++) state = state.next(bytes[i])
  return state
}

/** The classes of the bytes that the state can read: where texts may end at every node, most go no further. */
export function readsOf(state: State): number {
  if (state.reads !== undefined) return state.reads
  let reads = 0
  for (const [c, bytes] of BYTES_OF.entries())
    if (bytes.some(byte => state.next(byte) !== null)) reads |= 1 << c
  state.reads = reads
  return reads
}

/**
 * Whether every text of so many bytes of these classes can be read from the state on: each class leads to one state, and
 * so on from there, most often back to where it came from.
 * @param alike  the text may end at each of its characters, or at none
 */
export function holds(from: State, classes: number, bytes: number, alike: boolean): boolean {
  let state = from
  for (let i = 0; i < bytes; i++) {
    let to: State | null = null
    for (let open = classes; open !== 0; ) {
      const bit = open & -open
      const beyond = (bit & BEYOND) !== 0
      const next = towards(state, beyond ? FIRST_BEYOND : 31 - Math.clz32(bit))
      if (next === null || (to !== null && next !== to)) return false
      to = next
      open = beyond ? open & ~BEYOND : open ^ bit
    }
    if (to === null || to === state) return true
    if (to.items.length === 0 || (alike && to.accepts !== from.accepts)) return false
    state = to
  }
  return true
}

/** The one state to which all bytes of a class lead, or all characters beyond ASCII; null where there are several. */
function towards(state: State, c: number): State | null {
  const known = state.towards[c]
  if (known !== undefined) return known
  let to: State | null = null
  // Inside a text that is remembered every byte makes another state.
  if (!state.items.some(({ registers }) => registers.text !== undefined)) {
    if (c === FIRST_BEYOND) {
      // Within a character, terminals have a state for each of its values: a million.
      const plain = state.items.every(({ terminal }) => terminal === undefined)
      if (plain) to = beyondAscii(state, BETWEEN, new Map())
    } else {
      const [first, ...others] = BYTES_OF[c]
      to = state.next(first)
      if (to !== null && others.some(byte => state.next(byte) !== to)) to = null
    }
  }
  state.towards[c] = to
  return to
}

/** The one state to which every character beyond ASCII leads of which `place` has been read, or null. */
function beyondAscii(
  from: State,
  place: Utf8Place,
  known: Map<string, State | null>,
): State | null {
  const key = `${from.id} ${place.left} ${place.first} ${place.last}`
  const before = known.get(key)
  if (before !== undefined) return before
  let to: State | null | undefined
  for (let byte = 0x80; byte < 0x100 && to !== null; byte++) {
    const after = utf8After(place, byte)
    if (after === undefined) continue
    const next = from.next(byte)
    const end = next === null || after.left === 0 ? next : beyondAscii(next, after, known)
    if (end === null || (to !== undefined && end !== to)) to = null
    else to = end
  }
  known.set(key, to ?? null)
  return to ?? null
}
