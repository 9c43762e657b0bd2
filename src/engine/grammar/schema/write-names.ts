// The named properties of an object to rules, in declared order, each optional one left out or not. The names are one
// trie over bytes, walked from the first name that may still come: the rule's counter is that name's place, and tells
// which branches are open. So a thousand names are a few places at once, not thousands. Called by write-object.ts.
import type { Work } from '../work.ts'
import type { Expr } from './expr.ts'
import type { Writer } from './writer.ts'

export interface Named {
  readonly name: string
  readonly value: Expr
  readonly required: boolean
}

interface Branch {
  readonly next: Map<number, Branch>
  /** The place of the last name below that can be written. */
  last: number
  /** The place of the name that ends here, or -1, and the node of the rules at which it does. */
  name: number
  at: number
}

/** Where the named properties are behind: nothing written (undefined where that cannot be), or some. */
export interface AfterNames {
  readonly none: number | undefined
  readonly some: number
}

const utf8 = new TextEncoder()

function newBranch(last: number): Branch {
  return { next: new Map(), last, name: -1, at: -1 }
}

/**
 * Adds the properties.
 * @param open  where the first begins, without a comma
 */
export function* writeNames(writer: Writer, all: readonly Named[], open: number): Work<AfterNames> {
  const { rules, context } = writer
  const canWrite = ({ name }: Named) => rules.canWrite(writer.quotedText(name))
  if (all.some(one => one.required && !canWrite(one)))
    return { none: undefined, some: rules.node() }
  const named = all.filter(canWrite)
  let none: number | undefined = open
  /** Behind properties, before a comma; the counter is the place of the first that may come. */
  let some: number | undefined
  for (let first = 0; first < named.length; ) {
    // Up to the next required one, which cannot be left out.
    let end = first
    while (end < named.length && !named[end].required) end++
    const required = end < named.length
    if (required) end++
    const trie = newBranch(end - 1)
    for (let place = first; place < end; place++) {
      enter(trie, utf8.encode(writer.quotedText(named[place].name)), place)
      context.budget.spend(named[place].name.length)
      if (context.budget.due()) yield
    }
    const within = some ?? rules.node()
    const begin = rules.node()
    if (none !== undefined) rules.step(none, begin)
    const after = required ? rules.node() : within
    yield* writeBranches(writer, trie, begin, (place, at) => {
      const { value } = named[place]
      const colon = writer.space(rules.setCounter(at, place + 1))
      const written = rules.call(writer.sign(colon, ':'), writer.value(value))
      writer.space(written, place === end - 1 ? after : within)
    })
    // Where all have been written or passed over, no comma may come.
    if (some !== undefined || end - first > 1 || !required) {
      const comma = rules.step(within, rules.node(), 0, end - 1)
      const step = rules.nodes[within].steps.at(-1)!
      rules.whenCut.push(() => {
        step.max = trie.last
      })
      writer.sign(comma, ',', begin)
    }
    some = after
    if (required) none = undefined
    first = end
  }
  return { none, some: some ?? rules.node() }
}

function enter(trie: Branch, bytes: Uint8Array, place: number): void {
  let at = trie
  for (const byte of bytes) {
    let next = at.next.get(byte)
    if (next === undefined) {
      next = newBranch(place)
      at.next.set(byte, next)
    }
    next.last = Math.max(next.last, place)
    at = next
  }
  at.name = place
}

/** The names below a branch: each is left by its closing quote, so none goes on where another ends. */
function* writeBranches(
  { rules, context }: Writer,
  trie: Branch,
  begin: number,
  end: (place: number, at: number) => void,
): Work<void> {
  trie.at = begin
  const branches = [trie]
  for (const branch of branches) {
    const { at, name, next } = branch
    if (name >= 0) end(name, at)
    for (const [byte, below] of next) {
      // The only way on is open where its branch is.
      below.at = next.size === 1 ? rules.byte(at, byte) : rules.gate(at, byte, below.last)
      branches.push(below)
    }
    if (context.budget.due()) yield
  }
  rules.whenCut.push(good => {
    for (let i = branches.length - 1; i >= 0; i--) {
      const branch = branches[i]
      branch.last = branch.name >= 0 && good[branch.at] === 1 ? branch.name : -1
      for (const { last } of branch.next.values()) branch.last = Math.max(branch.last, last)
      const { gates } = rules.nodes[branch.at]
      if (gates === undefined) continue
      const lasts = new Map(Array.from(branch.next.values(), ({ at, last }) => [at, last]))
      for (let g = 0; g < gates.length; g += 3) gates[g + 2] = lasts.get(gates[g + 1])!
    }
  })
}
