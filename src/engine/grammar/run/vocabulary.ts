// The tokens of a vocabulary that may stand in constrained text, as a trie over their bytes, laid out
// in the order of a depth-first walk: a subtree is a range of nodes, and its tokens are a range of
// `order`. Control, added and padding tokens are left out. Made once per tokenizer; read by mask.ts.
import type { Work } from '../work.ts'

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
  /** The most characters that a token holds, halves counted. */
  readonly longest: number
  /** Bytes that no token of one byte writes; empty in all but odd vocabularies. */
  readonly missing: ReadonlySet<number>
  readonly bytesOf: (id: number) => Uint8Array
  readonly isText: (id: number) => boolean
  /** Kept by mask.ts. */
  freeString: FreeString | undefined

  constructor(parts: Omit<Vocabulary, 'freeString'>) {
    this.size = parts.size
    this.endTokens = parts.endTokens
    this.byte = parts.byte
    this.depth = parts.depth
    this.end = parts.end
    this.first = parts.first
    this.order = parts.order
    this.below = parts.below
    this.longest = parts.longest
    this.missing = parts.missing
    this.bytesOf = parts.bytesOf
    this.isText = parts.isText
  }
}

/** What tokens do inside a JSON string without a pattern; see mask.ts. */
export interface FreeString {
  /** By token: characters it needs to stay inside, NOT_INSIDE where it cannot. */
  needs: Uint16Array
  /** Trie nodes at whose byte the string closes, and the characters before. */
  exits: Int32Array
  exitChars: Uint16Array
}

/** Builds the trie: linked children first, then flat. */
export function* buildVocabulary(source: VocabularySource): Work<Vocabulary> {
  let nodes = 1
  let room = 1 << 16
  let child = new Int32Array(room)
  let sibling = new Int32Array(room)
  let value = new Uint8Array(room)
  /** The tokens of a node are a list: the last one, and before each the one before. */
  let token = new Int32Array(room).fill(-1)
  const sameBytes = new Int32Array(source.size).fill(-1)
  const roots = new Int32Array(256)
  let texts = 0
  let longest = 1
  const single = new Uint8Array(256)

  for (let id = 0; id < source.size; id++) {
    if ((id & 1023) === 1023) yield
    if (!source.isText(id) || source.endTokens.has(id)) continue
    const bytes = source.bytes(id)
    if (bytes.length === 0 || bytes.length > 0xffff) continue
    texts++
    if (bytes.length === 1) single[bytes[0]] = 1
    longest = Math.max(longest, bytes.length)
    let at = 0
    for (let i = 0; i < bytes.length; i++) {
      const byte = bytes[i]
      let next = i === 0 ? roots[byte] : child[at]
      if (i > 0) while (next !== 0 && value[next] !== byte) next = sibling[next]
      if (next === 0) {
        if (nodes === room) {
          room *= 2
          child = grown(child, room)
          sibling = grown(sibling, room)
          const more = new Uint8Array(room)
          more.set(value)
          value = more
          const tokens = new Int32Array(room).fill(-1)
          tokens.set(token)
          token = tokens
        }
        next = nodes++
        value[next] = byte
        if (i === 0) roots[byte] = next
        else {
          sibling[next] = child[at]
          child[at] = next
        }
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
  for (let byte = 0; byte < 256; byte++) {
    if (roots[byte] === 0) continue
    // The node to open next at each depth; 0 closes the one above.
    const next = [roots[byte]]
    while (next.length > 0) {
      const from = next[next.length - 1]
      if (from === 0) {
        next.pop()
        if (next.length > 0) {
          close()
          next[next.length - 1] = next.length === 1 ? 0 : sibling[next[next.length - 1]]
        }
        continue
      }
      open(from, next.length)
      next.push(child[from])
      if ((made & 4095) === 4095) yield
    }
  }
  close()
  flat.first[nodes] = ordered
  const missing = new Set<number>()
  single.forEach((has, byte) => {
    if (has === 0) missing.add(byte)
  })
  return new Vocabulary({
    size: source.size,
    endTokens: source.endTokens,
    ...flat,
    longest,
    missing,
    bytesOf: id => source.bytes(id),
    isText: id => id < source.size && source.isText(id) && !source.endTokens.has(id),
  })
}

function grown(array: Int32Array<ArrayBuffer>, room: number): Int32Array<ArrayBuffer> {
  const more = new Int32Array(room)
  more.set(array)
  return more
}
