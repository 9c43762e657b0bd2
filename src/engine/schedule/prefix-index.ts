// Finds the KV blocks of a prompt's beginning that were computed before: a tree over blocks of KV_BLOCK
// tokens, whose nodes keep their block in the cache after its sequences ended. One row's K and V depend
// on its tokens alone, so a shared block has the bits that would be computed again. The least recently
// used leaves go first, and only when blocks are short. Called by scheduler.ts and sessions.ts.
import { KV_BLOCK } from '../../backend/backend.ts'
import type { KvBook, Sequence } from '../../model/network.ts'

/** A block of tokens after those of its parents. */
export interface PrefixNode {
  readonly key: string
  readonly block: number
  readonly parent: PrefixNode | undefined
  readonly children: Map<string, PrefixNode>
  /** Blocks from the start of the text, this one included; 0 for the root. */
  readonly depth: number
  usedAt: number
  /** Dropped: nothing may be added below it. */
  gone: boolean
}

/** 32 tokens as a key: two characters each, as ids may exceed 16 bits. */
export function blockKey(tokenAt: (index: number) => number, block: number): string {
  let key = ''
  for (let i = block * KV_BLOCK; i < (block + 1) * KV_BLOCK; i++) {
    const token = tokenAt(i)
    key += String.fromCharCode(token >>> 16, token & 0xffff)
  }
  return key
}

export class PrefixIndex {
  readonly #kv: KvBook
  readonly #nodes = new Set<PrefixNode>()
  readonly #root: PrefixNode = {
    key: '',
    block: -1,
    parent: undefined,
    children: new Map(),
    depth: 0,
    usedAt: 0,
    gone: false,
  }
  #clock = 0

  constructor(kv: KvBook) {
    this.#kv = kv
    kv.onShort(blocks => this.#evict(blocks))
  }

  /** Where the text begins: match() and add() go on from here. */
  get root(): PrefixNode {
    return this.#root
  }

  /** Blocks in the tree, held by sequences or not. */
  get size(): number {
    return this.#nodes.size
  }

  /** The deepest known node of the text whose blocks have these keys, at most `most` blocks deep. */
  match(keyOf: (block: number) => string, most: number): PrefixNode {
    const now = ++this.#clock
    let node = this.#root
    while (node.depth < most) {
      const next = node.children.get(keyOf(node.depth))
      if (next === undefined) break
      next.usedAt = now
      node = next
    }
    return node
  }

  /** A sequence that begins with all blocks up to `node`. */
  open(node: PrefixNode): Sequence {
    return this.#kv.openShared(blocksOf(node))
  }

  /**
   * Adds the full block `parent.depth` of a sequence, or shares the one that is known already.
   * @returns its node, or undefined when `parent` is gone
   */
  add(parent: PrefixNode, key: string, seq: Sequence): PrefixNode | undefined {
    if (parent.gone) return undefined
    const known = parent.children.get(key)
    if (known !== undefined) {
      known.usedAt = ++this.#clock
      if (known.block !== seq.blocks[parent.depth]) {
        this.#kv.substitute(seq, parent.depth, known.block)
      }
      return known
    }
    const block = seq.blocks[parent.depth]!
    this.#kv.keep(block)
    return this.#grow(parent, key, block)
  }

  /** Adds a kept block with contents from elsewhere; one that is known already is given back. */
  adopt(parent: PrefixNode, key: string, block: number): PrefixNode | undefined {
    const known = parent.children.get(key)
    if (known === undefined && !parent.gone) return this.#grow(parent, key, block)
    this.#kv.drop(block)
    return known
  }

  /** Drops everything that begins with the first block of `node`'s text: its contents are suspect. */
  forget(node: PrefixNode): void {
    let top = node
    while (top.depth > 1) top = top.parent!
    if (top.depth === 1 && !top.gone) this.#dropTree(top)
  }

  /** Drops everything. */
  clear(): void {
    for (const top of [...this.#root.children.values()]) this.#dropTree(top)
  }

  #grow(parent: PrefixNode, key: string, block: number): PrefixNode {
    const node: PrefixNode = {
      key,
      block,
      parent,
      children: new Map(),
      depth: parent.depth + 1,
      usedAt: ++this.#clock,
      gone: false,
    }
    parent.children.set(key, node)
    this.#nodes.add(node)
    return node
  }

  /**
   * A sequence holds all blocks above any it holds (add() sees to that), so whatever nobody holds can
   * go leaf by leaf. One pass a block: the tree has as many nodes as the cache has blocks at most.
   */
  #evict(blocks: number): void {
    for (let left = blocks; left > 0; left--) {
      let oldest: PrefixNode | undefined
      for (const node of this.#nodes) {
        if (node.children.size > 0 || this.#kv.held(node.block)) continue
        if (oldest === undefined || node.usedAt < oldest.usedAt) oldest = node
      }
      if (oldest === undefined) return
      this.#drop(oldest)
    }
  }

  #dropTree(node: PrefixNode): void {
    for (const child of [...node.children.values()]) this.#dropTree(child)
    this.#drop(node)
  }

  #drop(leaf: PrefixNode): void {
    leaf.gone = true
    leaf.parent?.children.delete(leaf.key)
    this.#nodes.delete(leaf)
    this.#kv.drop(leaf.block)
  }
}

function blocksOf(node: PrefixNode): number[] {
  const blocks: number[] = new Array(node.depth)
  for (let n: PrefixNode | undefined = node; n !== undefined && n.depth > 0; n = n.parent) {
    blocks[n.depth - 1] = n.block
  }
  return blocks
}
