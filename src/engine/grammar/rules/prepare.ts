// Makes rules fit to run: paths that can never end are cut off, so that no allowed byte is a dead end,
// and rules are ranked so that whoever calls at the same place comes first. Left recursion must be gone
// (left-recursion.ts does that for EBNF). Called by compile.ts.
import { GrammarFault, type Work } from '../work.ts'
import type { Rules } from './rules.ts'

/** Rules whose language is not empty, and nodes from which their rule can end. */
function* findProductive(rules: Rules): Work<{ productive: Uint8Array; good: Uint8Array }> {
  const productive = new Uint8Array(rules.rules.length)
  // Backwards from the ends: a node is good when its rule can end from there.
  const good = new Uint8Array(rules.nodes.length)
  const back: number[][] = rules.nodes.map(() => [])
  const waiting = new Map<number, [number, number][]>()
  const owner = new Map<number, number[]>()
  for (let from = 0; from < rules.nodes.length; from++) {
    const node = rules.nodes[from]
    for (let i = 2; i < node.bytes.length; i += 3) back[node.bytes[i]].push(from)
    for (let i = 1; i < (node.gates?.length ?? 0); i += 3) back[node.gates![i]].push(from)
    for (const { to } of node.steps) back[to].push(from)
    for (const { to } of node.terminals) back[to].push(from)
    for (const { to } of node.tokens) back[to].push(from)
    for (const { rule, to } of node.calls) {
      const list = waiting.get(rule) ?? []
      list.push([from, to])
      waiting.set(rule, list)
    }
    if ((from & 4095) === 4095) yield
  }
  rules.rules.forEach((rule, id) => {
    const list = owner.get(rule.start) ?? []
    list.push(id)
    owner.set(rule.start, list)
  })
  const todo: number[] = []
  const reach = (node: number) => {
    if (good[node] === 1) return
    good[node] = 1
    todo.push(node)
  }
  rules.nodes.forEach((node, id) => {
    if (node.accept) reach(id)
  })
  for (let node = todo.pop(); node !== undefined; node = todo.pop()) {
    for (const from of back[node]) reach(from)
    for (const rule of owner.get(node) ?? []) {
      if (productive[rule] === 1) continue
      productive[rule] = 1
      for (const [from, to] of waiting.get(rule) ?? []) {
        if (good[to] === 1) reach(from)
        else back[to].push(from)
      }
    }
    // Calls whose target was reached before their rule was found productive wait in `waiting`; those
    // found productive before their target is reached are edges by now.
  }
  return { productive, good }
}

/** Takes out the edges from which no rule can end. */
function* cutDeadEnds(rules: Rules, good: Uint8Array, productive: Uint8Array): Work<void> {
  for (let id = 0; id < rules.nodes.length; id++) {
    const node = rules.nodes[id]
    for (let i = node.bytes.length - 3; i >= 0; i -= 3) {
      if (good[node.bytes[i + 2]] === 0) node.bytes.splice(i, 3)
    }
    for (let i = (node.gates?.length ?? 0) - 3; i >= 0; i -= 3) {
      if (good[node.gates![i + 1]] === 0) node.gates!.splice(i, 3)
    }
    node.steps = node.steps.filter(({ to }) => good[to] === 1)
    node.calls = node.calls.filter(({ rule, to }) => good[to] === 1 && productive[rule] === 1)
    node.terminals = node.terminals.filter(({ to }) => good[to] === 1)
    node.tokens = node.tokens.filter(({ to }) => good[to] === 1)
    if ((id & 4095) === 4095) yield
  }
}

/** Nodes reached from a node without reading anything. */
export function silentFrom(rules: Rules, start: number): number[] {
  const found = [start]
  const seen = new Set(found)
  for (let i = 0; i < found.length; i++) {
    for (const { to } of rules.nodes[found[i]].steps) {
      if (seen.has(to)) continue
      seen.add(to)
      found.push(to)
    }
  }
  return found
}

/**
 * Cuts dead ends off and ranks the rules: a rule that begins with a call of another ranks before it.
 * @returns the rank of every rule
 * @throws GrammarFault when nothing can be written, with the innermost place that cannot
 */
export function* prepare(rules: Rules): Work<Int32Array> {
  const { productive, good } = yield* findProductive(rules)
  for (const { rule, name } of rules.needed) {
    if (productive[rule] === 0) throw unmet(rules, productive, rule, name)
  }
  if (productive[rules.root] === 0) throw unmet(rules, productive, rules.root)
  yield* cutDeadEnds(rules, good, productive)
  for (const cut of rules.whenCut.splice(0)) cut(good)
  const rank = new Int32Array(rules.rules.length).fill(-1)
  const order: number[] = []
  const state = new Uint8Array(rules.rules.length)
  for (let root = 0; root < rules.rules.length; root++) {
    if (state[root] !== 0) continue
    const stack: { rule: number; calls: number[]; at: number }[] = []
    const enter = (rule: number) => {
      state[rule] = 1
      const calls = silentFrom(rules, rules.rules[rule].start).flatMap(node =>
        rules.nodes[node].calls.map(call => call.rule),
      )
      stack.push({ rule, calls, at: 0 })
    }
    enter(root)
    while (stack.length > 0) {
      const top = stack[stack.length - 1]
      if (top.at === top.calls.length) {
        state[top.rule] = 2
        order.push(top.rule)
        stack.pop()
        continue
      }
      const next = top.calls[top.at++]
      if (state[next] === 0) enter(next)
      else if (state[next] === 1) {
        throw new GrammarFault('calls itself before it reads anything', rules.rules[next].place)
      }
    }
    if ((root & 255) === 255) yield
  }
  order.reverse().forEach((rule, i) => {
    rank[rule] = i
  })
  return rank
}

/** The fault of a grammar without any text: the innermost rule that has none, following first calls. */
function unmet(rules: Rules, productive: Uint8Array, root: number, name = ''): GrammarFault {
  const seen = new Set<number>()
  let rule: number | undefined = root
  let last = root
  while (rule !== undefined) {
    seen.add(rule)
    last = rule
    rule = reachableCalls(rules, rules.rules[rule].start).find(
      id => productive[id] === 0 && !seen.has(id),
    )
  }
  const { place } = rules.rules[last]
  return new GrammarFault('cannot be met by any text', `${place} ${name}`.trim())
}

function reachableCalls(rules: Rules, start: number): number[] {
  const found = [start]
  const seen = new Set(found)
  const calls = new Set<number>()
  for (let i = 0; i < found.length; i++) {
    const node = rules.nodes[found[i]]
    const visit = (to: number) => {
      if (seen.has(to)) return
      seen.add(to)
      found.push(to)
    }
    for (let e = 2; e < node.bytes.length; e += 3) visit(node.bytes[e])
    for (let e = 1; e < (node.gates?.length ?? 0); e += 3) visit(node.gates![e])
    for (const { to } of node.steps) visit(to)
    for (const { to } of node.terminals) visit(to)
    for (const { to } of node.tokens) visit(to)
    for (const { rule, to } of node.calls) {
      calls.add(rule)
      visit(to)
    }
  }
  return [...calls]
}
