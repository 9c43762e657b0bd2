// Finds tokens that are written out in a text (control, user-defined) before anything else looks at
// it: leftmost match, longest among those. A trie, so thousands of such tokens cost no more than one.
// Where only parts of the text are trusted, a token must lie inside one of them.
import type { Stretch } from './tokenizer.ts'

interface Node {
  readonly children: Map<number, Node>
  id: number
  /** White space alone: found outside trusted stretches, too. */
  layout: boolean
}

/** U+2581 stands for a space in SentencePiece vocabularies. */
const LAYOUT = /^[\s\u2581]+$/

/** A stretch of ordinary text, or a token id. */
export type Fragment = string | number

/** Cuts text at a fixed set of token texts. */
export class SpecialSplitter {
  readonly #root = newNode()

  constructor(tokens: Iterable<readonly [text: string, id: number]>) {
    for (const [text, id] of tokens) {
      let node = this.#root
      for (let i = 0; i < text.length; i++) {
        const unit = text.charCodeAt(i)
        let child = node.children.get(unit)
        if (!child) {
          child = newNode()
          node.children.set(unit, child)
        }
        node = child
      }
      if (text === '') continue
      node.id = id
      node.layout = LAYOUT.test(text)
    }
  }

  /** @param trusted  where tokens may be, ascending; everywhere when left out */
  split(text: string, trusted?: readonly Stretch[]): Fragment[] {
    const fragments: Fragment[] = []
    let start = 0
    let next = 0 // the trusted stretch that ends behind `at`
    for (let at = 0; at < text.length; ) {
      while (trusted && next < trusted.length && trusted[next].end <= at) next++
      const stretch = trusted?.[next]
      const limit = !trusted ? text.length : stretch && stretch.start <= at ? stretch.end : 0
      let node = this.#root.children.get(text.charCodeAt(at))
      let id = -1
      let end = at
      for (let i = at + 1; node; i++) {
        if (node.id >= 0 && (i <= limit || node.layout)) {
          id = node.id
          end = i
        }
        node = i < text.length ? node.children.get(text.charCodeAt(i)) : undefined
      }
      if (id < 0) {
        at++
        continue
      }
      if (at > start) fragments.push(text.slice(start, at))
      fragments.push(id)
      at = end
      start = end
    }
    if (start < text.length) fragments.push(text.slice(start))
    return fragments
  }
}

function newNode(): Node {
  return { children: new Map(), id: -1, layout: false }
}
