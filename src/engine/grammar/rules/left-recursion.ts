// Rewrites rules so that none is empty and none calls itself before it has read a byte; the language
// stays the same. Left recursion becomes a loop: a rule that begins with itself is what it can begin
// with otherwise, followed by any number of the rests (the left-corner transform). For EBNF; the rules
// of schemas are made without either. Called by compile.ts.
import type { Work } from '../work.ts'
import { silentFrom } from './prepare.ts'
import { Rules } from './rules.ts'

/** @returns the rewritten rules, and whether the empty text belongs to the language */
export function* withoutLeftRecursion(old: Rules): Work<{ rules: Rules; empty: boolean }> {
  const nullable = yield* findNullable(old)
  const filled = yield* withoutEmpty(old, nullable)
  return { rules: yield* withLoops(filled), empty: nullable[old.root] === 1 }
}

function* findNullable(rules: Rules): Work<Uint8Array> {
  const nullable = new Uint8Array(rules.rules.length)
  const count = rules.rules.length
  // Passes forth and back: what a chain of rules makes empty is found in two.
  for (let pass = 0, changed = true; changed; pass++) {
    changed = false
    for (let i = 0; i < count; i++) {
      const id = pass % 2 === 0 ? i : count - 1 - i
      if (nullable[id] === 1) continue
      rules.budget.spend(20)
      if (rules.budget.due()) yield
      const { start, end } = rules.rules[id]
      const found = [start]
      const seen = new Set(found)
      for (let i = 0; i < found.length && !seen.has(end); i++) {
        const { steps, calls } = rules.nodes[found[i]]
        const reach = (to: number) => {
          if (seen.has(to)) return
          seen.add(to)
          found.push(to)
        }
        // A counted step that must be taken first is no way around its call.
        for (const { to, min } of steps) if (min === 0) reach(to)
        for (const { rule, to } of calls) if (nullable[rule] === 1) reach(to)
      }
      if (!seen.has(end)) {
        // Counted: empty when what it counts is.
        const body = rules.rules[id].counts ? countedBody(rules, id) : undefined
        if (body === undefined || nullable[body] === 0) continue
      }
      nullable[id] = 1
      changed = true
    }
    yield
  }
  return nullable
}

/** Every rule without its empty text; calls of nullable ones may be passed over. */
function* withoutEmpty(old: Rules, nullable: Uint8Array): Work<Rules> {
  const rules = new Rules(old.budget, old.writable)
  rules.root = old.root
  // Nodes of nullable rules twice: before and after the first byte of their rule.
  const twice = yield* nodesOf(old, nullable)
  const before = new Int32Array(old.nodes.length)
  const after = new Int32Array(old.nodes.length)
  for (let id = 0; id < old.nodes.length; id++) {
    before[id] = rules.node()
    after[id] = twice[id] === 1 ? rules.node() : before[id]
    if (rules.budget.due()) yield
  }
  for (let id = 0; id < old.nodes.length; id++) {
    const { bytes, steps, calls, terminals, accept } = old.nodes[id]
    rules.nodes[after[id]].accept = accept
    for (const side of twice[id] === 1 ? [before, after] : [before]) {
      const from = side[id]
      for (let i = 0; i < bytes.length; i += 3) {
        rules.byte(from, bytes[i], bytes[i + 1], after[bytes[i + 2]])
      }
      for (const { terminal, to } of terminals) rules.terminal(from, terminal, after[to])
      for (const { to, min, max, add } of steps) rules.step(from, side[to], min, max, add)
      for (const { rule, to } of calls) {
        rules.call(from, rule, after[to])
        if (nullable[rule] === 1) rules.step(from, side[to])
      }
    }
    rules.budget.spend(1)
    if (rules.budget.due()) yield
  }
  old.rules.forEach(({ start, end, place, counts }, id) => {
    rules.rules.push({ start: before[start], end: after[end], place, counts })
    if (counts) uncountEmpty(rules, id, old, nullable, [before, after])
  })
  return rules
}

/** The nodes of the nullable rules. */
function* nodesOf(rules: Rules, nullable: Uint8Array): Work<Uint8Array> {
  const found = new Uint8Array(rules.nodes.length)
  for (let id = 0; id < rules.rules.length; id++) {
    if (nullable[id] === 0) continue
    const todo = [rules.rules[id].start, rules.rules[id].end]
    for (let node = todo.pop(); node !== undefined; node = todo.pop()) {
      if (found[node] === 1) continue
      found[node] = 1
      const { bytes, steps, calls, terminals } = rules.nodes[node]
      for (let i = 2; i < bytes.length; i += 3) todo.push(bytes[i])
      for (const { to } of terminals) todo.push(to)
      for (const { to } of steps) todo.push(to)
      for (const { to } of calls) todo.push(to)
      rules.budget.spend(1)
    }
    if (rules.budget.due()) yield
  }
  return found
}

/** What a counted rule counts. */
function countedBody(rules: Rules, id: number): number | undefined {
  const silent = silentFrom(rules, rules.rules[id].start)
  return silent.flatMap(node => rules.nodes[node].calls)[0]?.rule
}

/**
 * A counted rule counts bodies that are not empty: the steps that pass over a body go, and where bodies
 * may be empty, fewer than its minimum will do.
 */
function uncountEmpty(
  rules: Rules,
  id: number,
  old: Rules,
  nullable: Uint8Array,
  sides: readonly Int32Array[],
): void {
  const { start, end } = old.rules[id]
  const body = countedBody(old, id)
  if (body === undefined || nullable[body] === 0) return
  for (const node of silentFrom(old, start)) {
    for (const side of sides) {
      const at = rules.nodes[side[node]]
      if (old.nodes[node].calls.length > 0) at.steps = []
      for (const step of at.steps) if (step.to === side[end]) step.min = 0
    }
  }
}

/** Left recursion becomes loops. */
function* withLoops(old: Rules): Work<Rules> {
  const loops: { id: number; start: number; end: number }[] = []
  const heads = old.rules.map(({ start }) => {
    const silent = silentFrom(old, start)
    return { silent, calls: silent.flatMap(node => old.nodes[node].calls.map(call => call.rule)) }
  })
  yield
  const cycles = components(heads.map(head => head.calls)).filter(
    group => group.length > 1 || heads[group[0]].calls.includes(group[0]),
  )
  for (const cycle of cycles) {
    const members = new Set(cycle)
    for (const goal of cycle) {
      // Everything is copied for each rule of the cycle, as each ends elsewhere.
      const copies = new Map<number, Map<number, number>>()
      const done = new Map<number, number>()
      for (const id of cycle) {
        done.set(id, old.node())
        copies.set(id, new Map())
      }
      const copyOf = (id: number, node: number): number => {
        const known = copies.get(id)!
        const made = known.get(node)
        if (made !== undefined) return made
        const copy = old.node()
        known.set(node, copy)
        const { bytes, steps, calls, terminals, accept } = old.nodes[node]
        for (let i = 0; i < bytes.length; i += 3) {
          old.byte(copy, bytes[i], bytes[i + 1], copyOf(id, bytes[i + 2]))
        }
        for (const { terminal, to } of terminals) old.terminal(copy, terminal, copyOf(id, to))
        for (const { to, min, max, add } of steps) old.step(copy, copyOf(id, to), min, max, add)
        for (const { rule, to } of calls) old.call(copy, rule, copyOf(id, to))
        if (accept) old.step(copy, done.get(id)!)
        return copy
      }
      const start = old.node()
      for (const id of cycle) {
        for (const node of heads[id].silent) {
          const { bytes, calls, terminals } = old.nodes[node]
          for (let i = 0; i < bytes.length; i += 3) {
            old.byte(start, bytes[i], bytes[i + 1], copyOf(id, bytes[i + 2]))
          }
          for (const { terminal, to } of terminals) old.terminal(start, terminal, copyOf(id, to))
          for (const { rule, to } of calls) {
            if (members.has(rule)) old.step(done.get(rule)!, copyOf(id, to))
            else old.call(start, rule, copyOf(id, to))
          }
        }
        yield
      }
      const end = old.node()
      old.nodes[end].accept = true
      old.step(done.get(goal)!, end)
      loops.push({ id: goal, start, end })
    }
  }
  for (const { id, start, end } of loops) {
    old.rules[id].start = start
    old.rules[id].end = end
  }
  return old
}

/** Strongly connected groups (Tarjan), without recursion of our own. */
function components(edges: readonly (readonly number[])[]): number[][] {
  const index = new Int32Array(edges.length).fill(-1)
  const low = new Int32Array(edges.length)
  const onStack = new Uint8Array(edges.length)
  const stack: number[] = []
  const groups: number[][] = []
  let next = 0
  for (let root = 0; root < edges.length; root++) {
    if (index[root] >= 0) continue
    const work: [number, number][] = [[root, 0]]
    while (work.length > 0) {
      const top = work[work.length - 1]
      const [node, at] = top
      if (at === 0) {
        index[node] = low[node] = next++
        stack.push(node)
        onStack[node] = 1
      }
      if (at < edges[node].length) {
        top[1]++
        const to = edges[node][at]
        if (index[to] < 0) work.push([to, 0])
        else if (onStack[to] === 1) low[node] = Math.min(low[node], index[to])
        continue
      }
      work.pop()
      const parent = work[work.length - 1]
      if (parent) low[parent[0]] = Math.min(low[parent[0]], low[node])
      if (low[node] !== index[node]) continue
      const group: number[] = []
      for (let member = -1; member !== node; ) {
        member = stack.pop()!
        onStack[member] = 0
        group.push(member)
      }
      groups.push(group)
    }
  }
  return groups
}
