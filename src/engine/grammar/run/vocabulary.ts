// The tokens of a vocabulary that may stand in constrained text, as a trie over their bytes, laid out
// in the order of a depth-first walk: a subtree is a range of nodes, and its tokens are a range of
// `order`. Control, added and padding tokens are left out. Made once per tokenizer; read by mask.ts.
import { type CharSet, charSet } from '../automata/charset.ts'
import type { Work } from '../work.ts'
import { BETWEEN, type Utf8Place, utf8After } from './encoding.ts'

/** What is needed of a tokenizer. */
export interface VocabularySource {
  /** Ids 0 .. size - 1 are tokens; logits beyond are padding. */
  readonly size: number
  /** Every token that ends an answer. */
  readonly endTokens: ReadonlySet<number>
  /** The token's bytes in running text; empty for control tokens. */
  bytes(id: number): Uint8Array
  /** An ordinary token: none of control, unknown, added, unused. */
  isText(id: number): boolean
}

/** Bytes that often stand together in a token, in 32 classes: which of them a subtree holds is one word. */
export const BYTE_CLASS = Uint8Array.from({ length: 256 }, (_, byte) => {
  if (byte >= 0x80) return byte < 0xc0 ? 28 : byte < 0xe0 ? 29 : byte < 0xf0 ? 30 : 31
  if (byte >= 0x61 && byte <= 0x7a) return 0
  if (byte >= 0x41 && byte <= 0x5a) return 1
  if (byte === 0x30) return 2
  if (byte >= 0x31 && byte <= 0x39) return 3
  const special = ' "\\/,:{}[]-_.\n\t<>()=;'.indexOf(String.fromCharCode(byte))
  if (special >= 0) return 4 + special
  return byte < 0x20 || byte === 0x7f ? 26 : 27
})

/** One node of so many at most is a sign. */
const SIGN_OF = 32

export class Vocabulary {
  readonly size: number
  readonly endTokens: ReadonlySet<number>
  /** Node 0 is the root; node i is reached by byte[i] and its subtree ends before end[i]. */
  readonly byte: Uint8Array
  readonly depth: Uint16Array
  readonly end: Int32Array
  /** Tokens that end at node i: order[first[i]] .. before order[first[i + 1]]. */
  readonly first: Int32Array
  readonly order: Int32Array
  /** The byte classes below node i, its own byte left out. */
  readonly below: Uint32Array
  /** The classes of bytes that few nodes have, most often signs, and these nodes. */
  readonly rare: number
  readonly signs: Int32Array
  /** The most bytes of a path below node i. */
  readonly height: Uint16Array
  /** 1 where the bytes below node i, read from a whole character on, are no UTF-8; a token may end within a character. */
  readonly broken: Uint8Array
  /** The most characters that a token holds, halves counted. */
  readonly longest: number
  /**
   * Where some byte has no token of its own, the characters that have one: only these are written, and
   * only tokens of whole characters are used, so that no text stops in the middle. Undefined for all.
   */
  readonly writable: CharSet | undefined
  readonly bytesOf: (id: number) => Uint8Array
  /** Whether the token stands in the trie. */
  readonly isText: (id: number) => boolean
  /** Kept by free-string.ts. */
  freeString: FreeString | undefined
  /** Kept by prepare-masks.ts: see class-trie.ts; undefined where there is none. */
  readonly classTries = new Map<string, ClassTrie | undefined>()

  constructor(parts: Omit<Vocabulary, 'freeString' | 'classTries'>) {
    this.size = parts.size
    this.endTokens = parts.endTokens
    this.byte = parts.byte
    this.depth = parts.depth
    this.end = parts.end
    this.first = parts.first
    this.order = parts.order
    this.below = parts.below
    this.rare = parts.rare
    this.signs = parts.signs
    this.height = parts.height
    this.broken = parts.broken
    this.longest = parts.longest
    this.writable = parts.writable
    this.bytesOf = parts.bytesOf
    this.isText = parts.isText
  }
}

/** What tokens do inside a JSON string without a pattern; see free-string.ts. */
export interface FreeString {
  /** A bit for each token that can stay inside. */
  all: Uint32Array
  /** These tokens, in the order of the characters that they need. */
  byNeed: Int32Array
  /** How many of them need at most so many characters. */
  upTo: Int32Array
  /** Trie nodes at whose byte the string closes, and the characters before. */
  exits: Int32Array
  exitChars: Uint16Array
}

/** The vocabulary as a few classes of characters spell it; see class-trie.ts. */
export interface ClassTrie {
  /** The edge to node i: a class, -1 a closing quote, -2 a backslash, -3 - k the k-th of `halves`. */
  readonly edge: Int16Array
  readonly depth: Uint16Array
  readonly end: Int32Array
  /** Tokens that end at node i: order[first[i]] .. before order[first[i + 1]]; as bits where they are many. */
  readonly first: Int32Array
  readonly order: Int32Array
  readonly bits: readonly (Uint32Array | undefined)[]
  /** The vocabulary's nodes that node i stands for, but leaves: nodes[from[i]] .. before nodes[from[i + 1]]. */
  readonly from: Int32Array
  readonly nodes: Int32Array
  /** Of tokens that end within a character: the classes of the characters that begin so. */
  readonly halves: readonly (readonly number[])[]
}

/** Builds the trie: linked children first, then flat. */
export function* buildVocabulary(source: VocabularySource): Work<Vocabulary> {
  let room = 1 << 16
  let nodes = 1
  let child = new Int32Array(room)
  let sibling = new Int32Array(room)
  let value = new Uint8Array(room)
  /** The tokens of a node are a list: the last one, and before each the one before. */
  let token = new Int32Array(room).fill(-1)
  const sameBytes = new Int32Array(source.size).fill(-1)
  const children = new Children()
  let texts = 0
  let longest = 1
  const writable = yield* writableChars(source)

  for (let id = 0; id < source.size; id++) {
    if ((id & 1023) === 1023) yield
    if (!source.isText(id) || source.endTokens.has(id)) continue
    const bytes = source.bytes(id)
    if (bytes.length === 0 || bytes.length > 0xffff) continue
    if (writable !== undefined && charsOf(bytes) === undefined) continue
    texts++
    longest = Math.max(longest, bytes.length)
    let at = 0
    for (const byte of bytes) {
      const next = children.of(at, byte, nodes)
      if (next === nodes) {
        if (nodes === room) {
          room *= 2
          child = grown(child, room)
          sibling = grown(sibling, room)
          token = grown(token, room).fill(-1, nodes)
          const more = new Uint8Array(room)
          more.set(value)
          value = more
        }
        nodes++
        value[next] = byte
        sibling[next] = child[at]
        child[at] = next
      }
      at = next
    }
    sameBytes[id] = token[at]
    token[at] = id
  }

  const flat = {
    byte: new Uint8Array(nodes),
    depth: new Uint16Array(nodes),
    end: new Int32Array(nodes),
    first: new Int32Array(nodes + 1),
    order: new Int32Array(texts),
    below: new Uint32Array(nodes),
  }
  let made = 0
  let ordered = 0
  const path: number[] = []
  const open = (from: number, depth: number) => {
    const index = made++
    flat.byte[index] = value[from]
    flat.depth[index] = depth
    flat.first[index] = ordered
    for (let id = token[from]; id >= 0; id = sameBytes[id]) flat.order[ordered++] = id
    path.push(index)
  }
  const close = () => {
    const index = path.pop()!
    flat.end[index] = made
    const parent = path[path.length - 1]
    if (parent !== undefined) {
      flat.below[parent] |= flat.below[index] | (1 << BYTE_CLASS[flat.byte[index]])
    }
  }
  open(0, 0)
  // The node to open next at each depth; 0 closes the one above.
  const next = [child[0]]
  while (next.length > 0) {
    const from = next[next.length - 1]
    if (from !== 0) {
      open(from, next.length)
      next.push(child[from])
      if ((made & 4095) === 4095) yield
      continue
    }
    next.pop()
    if (next.length === 0) break
    close()
    next[next.length - 1] = sibling[next[next.length - 1]]
  }
  close()
  flat.first[nodes] = ordered
  const spelled = new Uint32Array((source.size + 31) >> 5)
  for (const id of flat.order) spelled[id >> 5] |= 1 << (id & 31)
  return new Vocabulary({
    size: source.size,
    endTokens: source.endTokens,
    ...flat,
    ...(yield* belowNodes(flat.byte, flat.depth)),
    longest,
    writable,
    bytesOf: id => source.bytes(id),
    isText: id => id >= 0 && id < source.size && (spelled[id >> 5] & (1 << (id & 31))) !== 0,
  })
}

/** How far down paths go below each node, where they are no UTF-8, and the nodes of signs. */
function* belowNodes(
  byte: Uint8Array,
  depth: Uint16Array,
): Work<Pick<Vocabulary, 'height' | 'broken' | 'rare' | 'signs'>> {
  const counts = new Int32Array(32)
  const height = new Uint16Array(byte.length)
  const broken = new Uint8Array(byte.length)
  /** By depth: what is left of the character, and the bytes that may come next. */
  const ways: Utf8Place[] = [BETWEEN]
  for (let node = 1; node < byte.length; node++) {
    if ((node & 8191) === 8191) yield
    const d = depth[node]
    counts[BYTE_CLASS[byte[node]]]++
    const place = utf8After(ways[d - 1]!, byte[node])
    // Also as the first byte after a whole character, whatever it is here.
    if (place === undefined) broken[node] = 1
    ways[d] = place ?? BETWEEN
  }
  /** By depth: of the nodes that have been passed below the next one that is one less deep. */
  const heights: number[] = []
  const bad: number[] = []
  for (let node = byte.length - 1; node >= 0; node--) {
    if ((node & 8191) === 8191) yield
    const d = depth[node]
    const wrong = broken[node]
    height[node] = heights[d + 1] ?? 0
    broken[node] = bad[d + 1] ?? 0
    heights[d + 1] = 0
    bad[d + 1] = 0
    heights[d] = Math.max(heights[d] ?? 0, height[node] + 1)
    if (wrong === 1 || broken[node] === 1) bad[d] = 1
  }
  let rare = 0
  let some = 0
  const rising = Array.from(counts.keys()).sort((a, b) => counts[a] - counts[b])
  for (const c of rising) {
    if ((some + counts[c]) * SIGN_OF > byte.length) break
    some += counts[c]
    rare |= 1 << c
  }
  const signs = new Int32Array(some)
  let made = 0
  for (let node = 1; node < byte.length; node++) {
    if ((node & 8191) === 8191) yield
    if ((rare & (1 << BYTE_CLASS[byte[node]])) !== 0) signs[made++] = node
  }
  return { height, broken, rare, signs }
}

/** The characters that have a token of their own, where some byte has none; else undefined. */
function* writableChars(source: VocabularySource): Work<CharSet | undefined> {
  const single = new Set<number>()
  const chars: number[] = []
  for (let id = 0; id < source.size; id++) {
    if ((id & 4095) === 4095) yield
    if (!source.isText(id) || source.endTokens.has(id)) continue
    const bytes = source.bytes(id)
    if (bytes.length === 1) single.add(bytes[0])
    if (bytes.length === 0 || bytes.length > 4) continue
    const text = charsOf(bytes)
    const char = text?.codePointAt(0)
    if (char !== undefined && String.fromCodePoint(char) === text) chars.push(char, char)
  }
  return single.size === 256 ? undefined : charSet(chars)
}

/** The text of bytes that are whole characters; undefined where they are not. */
function charsOf(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Uint8Array.from(bytes))
  } catch {
    return undefined
  }
}

/** Children by parent and byte: a hash table, as some nodes have a hundred. */
class Children {
  #slots = new Int32Array(1 << 17)
  /** Parent and byte of each node. */
  #keys = new Float64Array(1 << 16)
  #used = 0

  /** The child, or `fresh` after it has been entered. */
  of(parent: number, byte: number, fresh: number): number {
    if (this.#used * 2 > this.#slots.length) this.#grow()
    const key = parent * 256 + byte
    const mask = this.#slots.length - 1
    for (let slot = hash(key) & mask; ; slot = (slot + 1) & mask) {
      const node = this.#slots[slot]
      if (node === 0) {
        this.#slots[slot] = fresh
        if (fresh >= this.#keys.length) {
          const keys = new Float64Array(this.#keys.length * 2)
          keys.set(this.#keys)
          this.#keys = keys
        }
        this.#keys[fresh] = key
        this.#used++
        return fresh
      }
      if (this.#keys[node] === key) return node
    }
  }

  #grow(): void {
    const old = this.#slots
    this.#slots = new Int32Array(old.length * 2)
    const mask = this.#slots.length - 1
    for (const node of old) {
      if (node === 0) continue
      let slot = hash(this.#keys[node]) & mask
      while (this.#slots[slot] !== 0) slot = (slot + 1) & mask
      this.#slots[slot] = node
    }
  }
}

function hash(key: number): number {
  return Math.imul(key ^ (key >>> 15), 0x2c1b3c6d) >>> 7
}

function grown(array: Int32Array<ArrayBuffer>, room: number): Int32Array<ArrayBuffer> {
  const more = new Int32Array(room)
  more.set(array)
  return more
}
