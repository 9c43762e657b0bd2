// The calls of a step as a path in a tree: the same network issues the same ops on the same operands in
// each step, so a call is recognised by comparing it with the one that came next last time, and nothing is
// made anew. What may differ from step to step (row counts, ids, positions, block tables) goes into the step
// block, at a place that belongs to the node. Used by webgpu-backend.ts; plan.ts turns paths into dispatches.
import type { Plan, Reads } from './dispatch.ts'

export type OpKind =
  | 'embed'
  | 'norm'
  | 'linear'
  | 'attend'
  | 'gate'
  | 'add'
  | 'gather'
  | 'finite'
  | 'draw'
  | 'route'
  | 'routed'
  | 'mix'
  | 'norm_columns'
  | 'bias'

/** One op on its operands; a, b and c are slots, matrices, linears or specs, by kind. */
export interface OpNode {
  readonly kind: OpKind
  readonly a: object
  readonly b: object
  readonly c: object | undefined
  /** Columns, or 1 for int8 activations. */
  readonly n: number
  readonly f: number
  /** Rows decide which kernels run: 0 one, 1 up to four, 2 more. */
  readonly many: number
  /** Its words in the step block: the count, then what the op needs besides. */
  readonly at: number
  readonly end: number
  readonly parent: OpNode | undefined
  readonly next: OpNode[]
  /** What runs for the path that ends here; made by the first step that ends here. */
  plan: { fused: Plan; plain: Plan | undefined; reads: Reads } | undefined
}

/** The first words of a step block: its number, and what finite() looks at. */
export const HEADER_WORDS = 4

export class Trace {
  readonly #root: OpNode = rootNode()
  #last: OpNode = this.#root
  #length = 0

  /** The end of the path so far. */
  get last(): OpNode {
    return this.#last
  }

  get length(): number {
    return this.#length
  }

  /**
   * Goes on to an op.
   * @param words  of the step block that it needs
   */
  step(
    kind: OpKind,
    a: object,
    b: object,
    c: object | undefined,
    n: number,
    f: number,
    many: number,
    words: number,
  ): OpNode {
    const from = this.#last
    this.#length++
    for (let i = 0; i < from.next.length; i++) {
      const node = from.next[i]!
      if (
        node.kind === kind &&
        node.a === a &&
        node.b === b &&
        node.c === c &&
        node.n === n &&
        node.f === f &&
        node.many === many
      ) {
        this.#last = node
        return node
      }
    }
    const node: OpNode = {
      kind,
      a,
      b,
      c,
      n,
      f,
      many,
      at: from.end,
      end: from.end + words,
      parent: from,
      next: [],
      plan: undefined,
    }
    from.next.push(node)
    this.#last = node
    return node
  }

  /** The ops from the first to the last. */
  path(): OpNode[] {
    const nodes: OpNode[] = []
    for (let node = this.#last; node.parent !== undefined; node = node.parent) nodes.push(node)
    return nodes.reverse()
  }

  /** Back to the start: the next op is the first of a step. */
  rewind(): void {
    this.#last = this.#root
    this.#length = 0
  }
}

function rootNode(): OpNode {
  return {
    kind: 'add',
    a: Object,
    b: Object,
    c: undefined,
    n: 0,
    f: 0,
    many: 0,
    at: HEADER_WORDS,
    end: HEADER_WORDS,
    parent: undefined,
    next: [],
    plan: undefined,
  }
}
