// Finds tokens that are written out in a text (control, user-defined) before anything else looks at
// it: leftmost match, longest among those. A trie, so thousands of such tokens cost no more than one.

interface Node {
  readonly children: Map<number, Node>
  id: number
}

/** A stretch of ordinary text, or a token id. */
export type Fragment = string | number

/** Cuts text at a fixed set of token texts. */
export class SpecialSplitter {
  readonly #root: Node = { children: new Map(), id: -1 }

  constructor(tokens: Iterable<readonly [text: string, id: number]>) {
    for (const [text, id] of tokens) {
      let node = this.#root
      for (let i = 0; i < text.length; i++) {
        const unit = text.charCodeAt(i)
        let child = node.children.get(unit)
        if (!child) {
          child = { children: new Map(), id: -1 }
          node.children.set(unit, child)
        }
        node = child
      }
      if (text !== '') node.id = id
    }
  }

  split(text: string): Fragment[] {
    const fragments: Fragment[] = []
    let start = 0
    for (let at = 0; at < text.length; ) {
      let node = this.#root.children.get(text.charCodeAt(at))
      let id = -1
      let end = at
      for (let i = at + 1; node; i++) {
        if (node.id >= 0) {
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
