// The vocabulary as one kind of text sees it: a pattern tells a few classes of characters apart, so tokens that spell
// the same classes behave alike. Their trie has some hundred nodes where the vocabulary's has hundreds of thousands,
// so a mask of a pattern is a short walk, near its greatest length too. Made in pieces when a grammar is compiled
// (prepare-masks.ts), shared by patterns with the same classes, read by mask.ts.
import type { Work } from '../work.ts'
import { BETWEEN, type Utf8Place, utf8After } from './encoding.ts'
import type { Patience } from './patience.ts'
import type { Region } from './regions.ts'
import type { Terminal, TerminalState } from './terminal.ts'
import { walkTerminal } from './terminal-walk.ts'
import type { ClassTrie, Vocabulary } from './vocabulary.ts'

/** Edges that are no class of characters: the closing quote, a backslash, and from there on halves of characters. */
const QUOTE = -1
const BACKSLASH = -2
const HALF = -3

/** At most one node for so many of the vocabulary's, where these are many: else the classes tell too much apart. */
const WORTH = 8
const FEW_NODES = 512
const MOST_NODES = 24_000
/** More classes than this are a list of words, of which few tokens are part. */
const MAX_CLASSES = 64
/** Sets of classes that halves of characters leave open. */
const MOST_HALVES = 16
/** Tokens of a node from which on they are kept as bits as well: so many are as quickly set one by one. */
const MANY = 2048
/** Nodes between two pauses. */
const PIECE = 8192

/** A trie as the states of a region use it: see Region. */
export interface RegionTrie {
  readonly trie: ClassTrie
  readonly columns: Int32Array
}

/** What two regions have in common that share a trie. */
export function classKey({ form }: Terminal, { classes: { cuts, classes }, live }: Region): string {
  return `${form === 'raw'} ${cuts.join()} ${classes.join()} ${live.join('')}`
}

/** A trie that grows: children by node and edge in a table. */
class Growing {
  readonly width: number
  count = 1
  /** [node * width + column]: the child, 0 for none. */
  table: Int32Array

  constructor(width: number) {
    this.width = width
    this.table = new Int32Array(width * 256)
  }

  child(node: number, column: number): number {
    const at = node * this.width + column
    if (this.table[at] !== 0) return this.table[at]
    const made = this.count++
    if (this.count * this.width > this.table.length) {
      const grown = new Int32Array(this.table.length * 2)
      grown.set(this.table)
      this.table = grown
    }
    this.table[at] = made
    return made
  }
}

/** @returns undefined where the classes tell too many tokens apart */
export function* buildClassTrie(
  vocabulary: Vocabulary,
  terminal: Terminal,
  { classes, live }: Region,
): Work<ClassTrie | undefined> {
  if (classes.count > MAX_CLASSES) return undefined
  const { byte, depth, end, longest } = vocabulary
  const raw = terminal.form === 'raw'
  const beyond = classes.within(0x80, 0x10ffff).some(c => live[c] === 1)
  const ascii = new Int16Array(128).fill(-1)
  for (let b = 0; b < 128; b++) {
    const c = classes.of(b)
    if ((raw || b >= 0x20) && live[c] === 1 && terminal.writes(b)) ascii[b] = c
  }
  // Columns: classes, quote, backslash, halves.
  const halves: number[][] = []
  const halfIds = new Map<string, number>()
  const quote = classes.count
  const limit = Math.min(MOST_NODES, Math.max(FEW_NODES, Math.floor(byte.length / WORTH)))
  const trie = new Growing(classes.count + 2 + MOST_HALVES)
  /** By node of the vocabulary: the node here, 0 for none. */
  const nodeOf = new Int32Array(byte.length)
  /** By depth: the node here before, and what has been read of a character. */
  const at = new Int32Array(longest + 2)
  const places: Utf8Place[] = [BETWEEN]
  const values = new Int32Array(longest + 2)
  const leasts = new Int32Array(longest + 2)
  const kept = new Map<number, number>()
  const spanOf = (length: number) => (length < 64 ? 0 : length < 4096 ? 1 : 2)
  /** Of the characters that begin so: -1 where none can be read. */
  const halfOf = (first: number, last: number): number => {
    const known = kept.get(first * 4 + spanOf(last - first))
    if (known !== undefined) return known
    const list = classes.within(first, last).filter(c => live[c] === 1)
    const key = list.sort((a, b) => a - b).join()
    let id = list.length === 0 ? -1 : halfIds.get(key)
    if (id === undefined) {
      id = halves.push(list) - 1
      halfIds.set(key, id)
    }
    kept.set(first * 4 + spanOf(last - first), id)
    return id
  }
  // Not in the generator itself: engines optimise what returns.
  const scan = (begin: number): number => {
    let node = begin
    const stop = Math.min(byte.length, begin + PIECE)
    while (node < stop) {
      const d = depth[node]
      const b = byte[node]
      const before = at[d - 1]
      const place = places[d - 1]
      if (place.left === 0 && b < 0x80) {
        const special = raw ? 0 : b === 0x22 ? quote : b === 0x5c ? quote + 1 : 0
        if (special > 0) {
          nodeOf[node] = trie.child(before, special)
          node = end[node]
          continue
        }
        const c = ascii[b]
        if (c < 0) {
          node = end[node]
          continue
        }
        at[d] = nodeOf[node] = trie.child(before, c)
        places[d] = BETWEEN
        node++
        continue
      }
      const after = beyond ? utf8After(place, b) : undefined
      if (after === undefined) {
        node = end[node]
        continue
      }
      const { left } = after
      const value =
        place.left === 0
          ? b & (left === 1 ? 31 : left === 2 ? 15 : 7)
          : (values[d - 1] << 6) | (b & 63)
      if (left === 0) {
        const c = terminal.writes(value) ? classes.of(value) : -1
        if (c < 0 || live[c] === 0) {
          node = end[node]
          continue
        }
        at[d] = nodeOf[node] = trie.child(before, c)
        places[d] = BETWEEN
        node++
        continue
      }
      const least =
        place.left === 0 ? (left === 1 ? 0x80 : left === 2 ? 0x800 : 0x10000) : leasts[d - 1]
      const first = value << (6 * left)
      const half = halfOf(Math.max(first, least), Math.min(first + (1 << (6 * left)) - 1, 0x10ffff))
      if (half < 0) {
        node = end[node]
        continue
      }
      if (half >= MOST_HALVES) return -1
      // Tokens that end here; the way on begins where it did.
      if (vocabulary.first[node + 1] > vocabulary.first[node])
        nodeOf[node] = trie.child(before, quote + 2 + half)
      at[d] = before
      places[d] = after
      values[d] = value
      leasts[d] = least
      node++
    }
    return trie.count > limit ? -1 : node
  }
  for (let node = 1; node < byte.length; yield) {
    node = scan(node)
    if (node < 0) return undefined
  }
  return yield* flattened(vocabulary, trie, nodeOf, quote, halves)
}

/** The trie in the order of a walk, with the tokens and the nodes of each of its nodes. */
function* flattened(
  { end, first, order, size }: Vocabulary,
  { count, width, table }: Growing,
  nodeOf: Int32Array,
  quote: number,
  halves: readonly (readonly number[])[],
): Work<ClassTrie> {
  const flat = {
    edge: new Int16Array(count),
    depth: new Uint16Array(count),
    end: new Int32Array(count),
    first: new Int32Array(count + 1),
    from: new Int32Array(count + 1),
  }
  const index = new Int32Array(count)
  let made = 1
  const path = [0]
  const columns = [0]
  while (path.length > 0) {
    const top = path.length - 1
    const column = columns[top]++
    if (column === width) {
      flat.end[index[path[top]]] = made
      path.pop()
      columns.pop()
      continue
    }
    const child = table[path[top] * width + column]
    if (child === 0) continue
    if ((made & 1023) === 1023) yield
    index[child] = made
    flat.edge[made] =
      column < quote
        ? column
        : column === quote
          ? QUOTE
          : column === quote + 1
            ? BACKSLASH
            : HALF - (column - quote - 2)
    flat.depth[made] = path.length
    made++
    path.push(child)
    columns.push(0)
  }
  /** Nothing can follow it, or it is not asked for. */
  const isLeaf = (node: number, here: number) =>
    flat.edge[here] <= HALF || (flat.edge[here] >= 0 && end[node] === node + 1)
  const countFrom = (begin: number) => {
    for (let node = begin; node < nodeOf.length && node < begin + PIECE; node++) {
      if (nodeOf[node] === 0) continue
      const here = index[nodeOf[node]]
      flat.first[here + 1] += first[node + 1] - first[node]
      if (!isLeaf(node, here)) flat.from[here + 1]++
    }
  }
  for (let node = 1; node < nodeOf.length; node += PIECE) {
    countFrom(node)
    yield
  }
  for (let i = 0; i < count; i++) {
    flat.first[i + 1] += flat.first[i]
    flat.from[i + 1] += flat.from[i]
  }
  const tokens = new Int32Array(flat.first[count])
  const nodes = new Int32Array(flat.from[count])
  const nextToken = flat.first.slice()
  const nextNode = flat.from.slice()
  const fillFrom = (begin: number) => {
    for (let node = begin; node < nodeOf.length && node < begin + PIECE; node++) {
      if (nodeOf[node] === 0) continue
      const here = index[nodeOf[node]]
      for (let t = first[node]; t < first[node + 1]; t++) tokens[nextToken[here]++] = order[t]
      if (!isLeaf(node, here)) nodes[nextNode[here]++] = node
    }
  }
  for (let node = 1; node < nodeOf.length; node += PIECE) {
    fillFrom(node)
    yield
  }
  const bits: (Uint32Array | undefined)[] = []
  for (let i = 0; i < count; i++) {
    if (flat.first[i + 1] - flat.first[i] < MANY) continue
    const own = new Uint32Array((size + 31) >> 5)
    for (let t = flat.first[i]; t < flat.first[i + 1]; t++)
      own[tokens[t] >> 5] |= 1 << (tokens[t] & 31)
    bits[i] = own
    yield
  }
  return { ...flat, order: tokens, nodes, bits, halves }
}

/** Where a terminal may end: nodes of the vocabulary, and of a trie's `nodes` ranges [from, to, ...] whose tokens all stay inside. */
export interface Ends {
  readonly exits: readonly number[]
  readonly nodes: Int32Array
  readonly ranges: readonly number[]
}

/**
 * Marks the tokens that stay inside the terminal from a state between two characters on.
 * @returns where it may end, but for tokens that end there
 */
export function walkClasses(
  vocabulary: Vocabulary,
  { trie, columns }: RegionTrie,
  start: TerminalState,
  bits: Uint32Array,
  patience: Patience,
): Ends {
  const { edge, depth, end, first, order, from, nodes, halves } = trie
  const { terminal, low, high } = start
  const { dfa } = terminal
  const { table, accept } = dfa
  const width = dfa.classes.count
  const raw = terminal.form === 'raw'
  const bounded = low > 0 || high < Number.POSITIVE_INFINITY
  /** By depth, which is characters read. */
  const states = new Int32Array(vocabulary.longest + 2)
  states[0] = start.q
  const exits: number[] = []
  const ranges: number[] = []
  const length = edge.length
  for (let i = 1; i < length; ) {
    const d = depth[i]
    const e = edge[i]
    const q = states[d - 1]
    if (e >= 0) {
      const to = table[q * width + columns[e]]
      if (to < 0 || (bounded && !terminal.alive(to, Math.max(0, low - d), high - d))) {
        i = end[i]
        continue
      }
      markAll(trie, i, bits)
      if (raw && accept[to] === 1 && d >= low && from[i + 1] > from[i]) {
        ranges.push(from[i], from[i + 1])
      }
      states[d] = to
      i++
      continue
    }
    if (e === QUOTE) {
      if (accept[q] === 1 && d - 1 >= low) {
        for (let n = from[i]; n < from[i + 1]; n++) exits.push(nodes[n])
      }
    } else if (e === BACKSLASH) {
      const left = high - (d - 1)
      const state = terminal.between(q, Math.max(0, low - (d - 1)), left).next(0x5c)
      if (state !== null) {
        for (let n = from[i]; n < from[i + 1]; n++) {
          const node = nodes[n]
          for (let t = vocabulary.first[node]; t < vocabulary.first[node + 1]; t++) {
            const id = vocabulary.order[t]
            bits[id >> 5] |= 1 << (id & 31)
          }
          if (vocabulary.end[node] > node + 1)
            exits.push(...walkTerminal(vocabulary, state, bits, patience, node))
        }
      }
    } else {
      const some = halves[HALF - e].some(c => {
        const to = table[q * width + columns[c]]
        return to >= 0 && (!bounded || terminal.alive(to, Math.max(0, low - d), high - d))
      })
      if (some)
        for (let t = first[i]; t < first[i + 1]; t++) bits[order[t] >> 5] |= 1 << (order[t] & 31)
    }
    i = end[i]
  }
  return { exits, nodes, ranges }
}

function markAll({ first, order, bits: many }: ClassTrie, node: number, bits: Uint32Array): void {
  const own = many[node]
  if (own !== undefined) {
    for (let w = 0; w < own.length; w++) bits[w] |= own[w]
    return
  }
  for (let t = first[node], stop = first[node + 1]; t < stop; t++) {
    const id = order[t]
    bits[id >> 5] |= 1 << (id & 31)
  }
}

/** Bytes that a trie keeps. */
export function classTrieBytes({ edge, order, nodes, bits }: ClassTrie): number {
  const many = bits.reduce((sum, own) => sum + (own?.byteLength ?? 0), 0)
  return edge.length * 16 + order.byteLength + nodes.byteLength + many
}
