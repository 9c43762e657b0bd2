// The walk of the vocabulary through one terminal: the same as mask.ts does for any state, with the
// states of the automaton as plain numbers where a byte is a character. Patterns need it: each character
// of a text may lead to a new state, and so to a new walk (200,000 nodes, 2 ms).
import { BETWEEN, type Utf8Place, utf8After } from './encoding.ts'
import type { Patience } from './patience.ts'
import { BEYOND } from './reads.ts'
import { canDiffer, type Seen } from './registers.ts'
import type { Terminal, TerminalState } from './terminal.ts'
import { BYTE_CLASS, type Vocabulary } from './vocabulary.ts'

/** A byte that no table answers: a quote, an escape, a character that is told apart from others beyond ASCII. */
const SLOW = -2
/** Within a character beyond ASCII, all of which lead to the same state. */
const FOREIGN = -3
/** Of a class, before its first byte. */
const NOT_MET = -4
/** The first class of bytes beyond ASCII; all of them lead to the same state. */
const FIRST_BEYOND = 28
/** Characters that may still come where one byte is missing. */
const PENDING = 64

interface Rows {
  /** Next state of the automaton by ASCII byte, -1 for none. */
  readonly next: (Int32Array | undefined)[]
  /** The state to which all characters beyond ASCII lead, -1 for none, or SLOW. */
  readonly beyond: number[]
  /** Classes of bytes that all lead back to the state. */
  readonly loops: number[]
  /** By class of bytes: the one state to which they all lead, -1 for none, or SLOW; see towards(). */
  readonly towards: (Int32Array | undefined)[]
  /** Classes of the characters beyond ASCII; none where only some of them can be written. */
  readonly foreign: readonly number[]
}

const rowsOf = new WeakMap<Terminal, Rows>()

function newRows({ dfa: { classes }, writesAll }: Terminal): Rows {
  const foreign = new Set<number>()
  for (const [i, c] of classes.classes.entries()) {
    const from = classes.cuts[i]
    const to = (classes.cuts[i + 1] ?? 0x110000) - 1
    // Halves of pairs are no characters.
    if (to >= 0x80 && !(from >= 0xd800 && to <= 0xdfff)) foreign.add(c)
  }
  return { next: [], beyond: [], loops: [], towards: [], foreign: writesAll ? [...foreign] : [] }
}

function rowOf(terminal: Terminal, rows: Rows, q: number): Int32Array {
  const { dfa, form } = terminal
  const row = new Int32Array(128).fill(-1)
  let beyond = SLOW
  for (const [i, c] of rows.foreign.entries()) {
    const to = c < 0 ? -1 : dfa.table[q * dfa.classes.count + c]
    if (i > 0 && to !== beyond) {
      beyond = SLOW
      break
    }
    beyond = to
  }
  let away = beyond === q ? 0 : BEYOND
  for (let byte = 0; byte < 128; byte++) {
    if (form !== 'raw' && (byte === 0x22 || byte === 0x5c)) row[byte] = SLOW
    else if (form === 'raw' || (byte >= 0x20 && terminal.writes(byte)))
      row[byte] = dfa.next(q, byte)
    if (row[byte] !== q) away |= 1 << BYTE_CLASS[byte]
  }
  rows.next[q] = row
  rows.beyond[q] = beyond
  rows.loops[q] = ~away
  return row
}

/** By class of bytes: see Rows. */
function towards(terminal: Terminal, rows: Rows, q: number): Int32Array {
  const known = rows.towards[q]
  if (known !== undefined) return known
  const row = rows.next[q] ?? rowOf(terminal, rows, q)
  const to = new Int32Array(32).fill(NOT_MET)
  for (let byte = 0; byte < 128; byte++) {
    const c = BYTE_CLASS[byte]
    if (to[c] === NOT_MET) to[c] = row[byte]
    else if (to[c] !== row[byte]) to[c] = SLOW
  }
  to.fill(rows.beyond[q]!, FIRST_BEYOND)
  rows.towards[q] = to
  return to
}

/**
 * Whether every text of so many bytes of these classes can be read from the state on, where counted classes lead from one
 * state to the next: see holds() in reads.ts. In raw text it may end at each of its characters or at none.
 */
function holds(terminal: Terminal, rows: Rows, from: number, classes: number, bytes: number) {
  const { accept } = terminal.dfa
  const raw = terminal.form === 'raw'
  let q = from
  for (let i = 0; i < bytes; i++) {
    const next = towards(terminal, rows, q)
    let to = NOT_MET
    for (let open = classes; open !== 0; open &= open - 1) {
      const goal = next[31 - Math.clz32(open & -open)]
      if (goal < 0 || (to !== NOT_MET && goal !== to)) return false
      to = goal
    }
    if (to === q || to === NOT_MET) return true
    if (raw && accept[to] !== accept[from]) return false
    q = to
  }
  return true
}

/**
 * Marks the tokens that stay inside the terminal.
 * @param start  a state between or within characters
 * @param patience  may end it: see Patience.step()
 * @param root  the trie node at which it begins; only what is below is looked at
 * @param unlike  texts that must not come again, of which none is told: some other text must stay possible
 * @returns the trie nodes at whose byte the terminal may end
 */
export function walkTerminal(
  vocabulary: Vocabulary,
  start: TerminalState,
  bits: Uint32Array,
  patience: Patience,
  root = 0,
  unlike?: Seen,
): number[] {
  const { terminal } = start
  const { byte, depth, end, first, order, below, height, broken, rare, signs } = vocabulary
  const raw = terminal.form === 'raw'
  const { accept } = terminal.dfa
  let rows = rowsOf.get(terminal)
  if (rows === undefined) {
    rows = newRows(terminal)
    rowsOf.set(terminal, rows)
  }
  const { low, high } = start
  const bounded = low > 0 || high < Number.POSITIVE_INFINITY
  const exits: number[] = []
  /** By depth: characters so far. */
  const chars = new Int32Array(vocabulary.longest + 2)
  /** By depth: the automaton's state between characters, or -1 and the state within one. */
  const between = new Int32Array(vocabulary.longest + 2)
  const within: (TerminalState | undefined)[] = []
  const base = depth[root]
  between[base] = start.whole ? start.q : -1
  within[base] = start
  const tight = unlike !== undefined && terminal.tight
  const nodes = end[root]
  /** By depth, within a character beyond ASCII: how far, and where it leads. */
  const places: Utf8Place[] = []
  const goals = new Int32Array(vocabulary.longest + 2)
  /** A subtree that is marked but for the signs in it: where it ends, its state, what was read before, at which depth. */
  let marked = 0
  let ground = 0
  let groundRead = 0
  let groundDepth = 0
  /** The first of its tokens that is not marked yet, and where the subtree of the sign at hand ends. */
  let open = 0
  let signEnd = 0
  /** Signs that lead away from the state; bytes beyond ASCII are never among them. */
  let leaving = 0
  const apart = rare & ~BEYOND
  let node = root + 1
  while (node < nodes) {
    patience.step()
    if (node < marked && node >= signEnd) {
      let at = atLeast(signs, node)
      let sign = at < signs.length ? signs[at] : marked
      while (sign < marked && (leaving & (1 << BYTE_CLASS[byte[sign]])) === 0) {
        sign = ++at < signs.length ? signs[at] : marked
      }
      sign = Math.min(sign, marked)
      for (; open < first[sign]; open++) mark(bits, order[open])
      node = sign
      if (sign === marked) continue
      signEnd = end[sign]
      open = first[signEnd]
      let read = groundRead
      if (bounded) {
        const bytes = vocabulary.bytesOf(order[first[sign]])
        for (let i = groundDepth; i < depth[sign] - 1; i++) if ((bytes[i] & 0xc0) !== 0x80) read++
      }
      between[depth[sign] - 1] = ground
      chars[depth[sign] - 1] = read
    }
    const d = depth[node]
    const b = byte[node]
    const q = between[d - 1]
    const read = chars[d - 1]
    let to = SLOW
    let goal = SLOW
    if (q >= 0) {
      const row = rows.next[q] ?? rowOf(terminal, rows, q)
      if (b < 128) to = row[b]
      else goal = rows.beyond[q]
    } else if (q === FOREIGN) goal = goals[d - 1]
    if (goal !== SLOW) {
      const place = goal < 0 ? undefined : utf8After(q < 0 ? places[d - 1]! : BETWEEN, b)
      if (place === undefined) to = -1
      else if (place.left === 0) to = goal
      else {
        const more = high - read - 1
        if (
          (bounded && !terminal.alive(goal, Math.max(0, low - read - 1), more)) ||
          (tight && PENDING * terminal.textsFrom(goal, more) <= unlike.count)
        ) {
          node = end[node]
          continue
        }
        for (let t = first[node]; t < first[node + 1]; t++) mark(bits, order[t])
        between[d] = FOREIGN
        places[d] = place
        goals[d] = goal
        chars[d] = read
        node++
        continue
      }
    }
    if (to === SLOW) {
      const from =
        q < 0 ? within[d - 1]! : terminal.between(q, Math.max(0, low - read), high - read)
      const state = from.next(b)
      if (state === null) to = -1
      else if (state.closed) {
        exits.push(node)
        to = -1
      } else if (state.whole) to = state.q
      else {
        if (tight && !canDiffer(terminal, state, '', unlike)) {
          node = end[node]
          continue
        }
        for (let t = first[node]; t < first[node + 1]; t++) mark(bits, order[t])
        between[d] = -1
        within[d] = state
        chars[d] = read
        node++
        continue
      }
    }
    if (bounded && to >= 0) {
      if (!terminal.alive(to, Math.max(0, low - read - 1), high - read - 1)) to = -1
    }
    if (tight && to >= 0 && terminal.textsFrom(to, high - read - 1) <= unlike.count) to = -1
    if (to < 0) {
      node = end[node]
      continue
    }
    const ends = raw && accept[to] === 1 && read + 1 >= low
    if (ends) exits.push(node)
    const after = end[node]
    let whole = false
    let away = 0
    if (after > node + 1) {
      if (rows.next[to] === undefined) rowOf(terminal, rows, to)
      away = below[node] & ~rows.loops[to]
      // Among signs there are few tokens.
      const within = node < marked || (raw && accept[to] === 1)
      whole = (within ? away : away & ~apart) === 0 && broken[node] === 0
      if (whole && high !== Number.POSITIVE_INFINITY) {
        // Near its greatest length a text may go on with one character and not with two.
        const left = high - read - 1 - height[node]
        whole = left >= 0 && (terminal.free || (low <= read + 1 && terminal.alive(to, 0, left)))
        if (tight) whole &&= terminal.textsFrom(to, left) > unlike.count
      }
      if (!whole && !bounded && unlike === undefined && broken[node] === 0) {
        whole = holds(terminal, rows, to, below[node], height[node])
        if (whole) away = 0
      }
    }
    if (whole && away !== 0) {
      marked = after
      ground = to
      leaving = away
      groundRead = read + 1
      groundDepth = d
      open = first[node]
      signEnd = 0
      node++
      continue
    }
    const last = whole ? after : node + 1
    for (let t = first[node], stop = first[last]; t < stop; t++) mark(bits, order[t])
    if (whole && !(raw && accept[to] === 1)) {
      node = after
      continue
    }
    between[d] = to
    chars[d] = read + 1
    node++
  }
  return exits
}

/** Of ascending numbers, the index of the first that is so large. */
function atLeast(list: Int32Array, least: number): number {
  let low = 0
  let high = list.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (list[middle] < least) low = middle + 1
    else high = middle
  }
  return low
}

function mark(bits: Uint32Array, id: number): void {
  bits[id >> 5] |= 1 << (id & 31)
}
