// Regular expressions (ECMA-262 with the u flag) to automata. The syntax is read by regexpp; what a
// finite automaton cannot say (look-behind, back-references) is refused by name, never dropped.
import { type AST, RegExpParser } from '@eslint-community/regexpp'
import { type Budget, GrammarFault, type Work } from '../work.ts'
import { ANY, type CharSet, charSet, invert, unite } from './charset.ts'
import { combine, type Dfa } from './dfa.ts'
import { determinise, Nfa } from './nfa.ts'

export interface RegexOptions {
  /** 'whole': the text is the match; 'search': the text contains one. */
  mode: 'whole' | 'search'
  /** Allow (?=...) and (?!...) at the start of an anchored pattern; else they are refused. */
  lookahead: boolean
}

const DIGIT = charSet([0x30, 0x39])
const WORD = charSet([0x30, 0x39, 0x41, 0x5a, 0x5f, 0x5f, 0x61, 0x7a])
const SPACE = charSet([
  9, 13, 0x20, 0x20, 0xa0, 0xa0, 0x1680, 0x1680, 0x2000, 0x200a, 0x2028, 0x2029, 0x202f, 0x202f,
  0x205f, 0x205f, 0x3000, 0x3000, 0xfeff, 0xfeff,
])
const LINE_ENDS = charSet([10, 10, 13, 13, 0x2028, 0x2029])

/** @throws GrammarFault on wrong syntax, and (unsupported) on what cannot be enforced */
export function* regexDfa(source: string, options: RegexOptions, budget: Budget): Work<Dfa> {
  const pattern = parse(source, budget)
  let whole: Dfa | undefined
  for (const part of splitLookaheads(pattern, options, budget)) {
    let dfa = yield* partDfa(part.rest, part.anchored, options.mode, budget)
    for (const { assertion, negate } of part.ahead) {
      // What follows begins with the assertion; anything may come after it.
      const nfa = new Nfa(budget)
      const from = nfa.node()
      const at = yield* alternatives(nfa, from, assertion, budget)
      nfa.on(at, ANY, at)
      dfa = yield* combine(
        dfa,
        yield* determinise(nfa, from, at, budget),
        negate ? 'minus' : 'and',
        budget,
      )
    }
    whole = whole === undefined ? dfa : yield* combine(whole, dfa, 'or', budget)
  }
  return whole!
}

function parse(source: string, budget: Budget): AST.Pattern {
  try {
    const parser = new RegExpParser({ ecmaVersion: 2025 })
    return parser.parsePattern(source, 0, source.length, { unicode: true })
  } catch (caught) {
    throw fault(`is no regular expression: ${(caught as Error).message}`, budget, false)
  }
}

function fault(what: string, budget: Budget, unsupported = true): GrammarFault {
  return new GrammarFault(`the pattern ${what}`, budget.place, undefined, unsupported)
}

interface Part {
  ahead: { assertion: readonly AST.Alternative[]; negate: boolean }[]
  rest: readonly AST.Alternative[]
  /** `rest` begins at the start of the text although it has no anchor. */
  anchored: boolean
}

/** Takes look-aheads off the start of anchored alternatives; the others stay together in one part. */
function splitLookaheads(pattern: AST.Pattern, options: RegexOptions, budget: Budget): Part[] {
  const plain: AST.Alternative[] = []
  const parts: Part[] = []
  for (const alternative of pattern.alternatives) {
    const ahead: Part['ahead'] = []
    let anchored = options.mode === 'whole'
    let at = 0
    for (; at < alternative.elements.length; at++) {
      const element = alternative.elements[at]
      if (element.type !== 'Assertion') break
      if (element.kind === 'start') anchored = true
      else if (element.kind === 'lookahead' && options.lookahead) {
        ahead.push({ assertion: element.alternatives, negate: element.negate })
      } else break
    }
    if (ahead.length === 0) plain.push(alternative)
    else if (!anchored) throw fault('has a look-ahead that is not anchored with ^', budget)
    else {
      const rest = { ...alternative, elements: alternative.elements.slice(at) } as AST.Alternative
      parts.push({ ahead, rest: [rest], anchored: true })
    }
  }
  if (plain.length > 0) {
    parts.push({ ahead: [], rest: plain, anchored: options.mode === 'whole' })
  }
  return parts
}

function* partDfa(
  rest: readonly AST.Alternative[],
  anchored: boolean,
  mode: RegexOptions['mode'],
  budget: Budget,
): Work<Dfa> {
  const nfa = new Nfa(budget)
  const start = nfa.node()
  if (!anchored) nfa.on(start, ANY, start)
  const begin = nfa.step(start, nfa.node())
  const end = yield* alternatives(nfa, begin, rest, budget)
  if (mode === 'search') nfa.on(end, ANY, end)
  return yield* determinise(nfa, start, end, budget)
}

function* alternatives(
  nfa: Nfa,
  from: number,
  list: readonly AST.Alternative[],
  budget: Budget,
): Work<number> {
  const end = nfa.node()
  for (const alternative of list) {
    let at = nfa.step(from, nfa.node())
    for (const element of alternative.elements) at = yield* build(nfa, at, element, budget)
    nfa.step(at, end)
  }
  return end
}

function* build(nfa: Nfa, from: number, element: AST.Element, budget: Budget): Work<number> {
  switch (element.type) {
    case 'Character':
      return nfa.on(from, yield* characters(element, budget))
    case 'CharacterSet':
    case 'CharacterClass':
      return nfa.on(from, yield* characters(element, budget))
    case 'Group':
      if (element.modifiers) throw fault('changes its flags inside, as in (?i:...)', budget)
      return yield* alternatives(nfa, from, element.alternatives, budget)
    case 'CapturingGroup':
      return yield* alternatives(nfa, from, element.alternatives, budget)
    case 'Quantifier':
      return yield* repeat(nfa, from, element, budget)
    case 'Assertion':
      switch (element.kind) {
        case 'start':
          return nfa.step(from, nfa.node(), 'start')
        case 'end':
          return nfa.step(from, nfa.node(), 'end')
        case 'word':
          return nfa.step(from, nfa.node(), element.negate ? 'inside' : 'boundary')
        case 'lookahead':
          throw fault(`has a look-ahead, ${element.raw}, where it cannot be enforced`, budget)
        case 'lookbehind':
          throw fault(`has a look-behind, ${element.raw}`, budget)
        default:
          return element satisfies never
      }
    case 'Backreference':
      throw fault(`has a back-reference, ${element.raw}`, budget)
    case 'ExpressionCharacterClass':
      throw fault(`has a class of the v flag, ${element.raw}`, budget)
    default:
      return element satisfies never
  }
}

/** {a,b} of {c,d} is {ac,bd} where the products leave no gap: no copies of copies. */
function flattened(q: AST.Quantifier): {
  min: number
  max: number
  element: AST.QuantifiableElement
} {
  let { min, max, element } = q
  for (;;) {
    const inner = onlyElement(element)
    if (inner?.type !== 'Quantifier') break
    const [low, high] = [inner.min, inner.max]
    // k repeats give [k low, k high]; the next ones must begin at k high + 1 at the latest.
    const noGap = min === 0 ? low <= 1 : min * (high - low) >= low - 1
    if (min !== max && !noGap) break
    min *= low
    max = max === 0 || high === 0 ? 0 : max * high
    element = inner.element
  }
  return { min, max, element }
}

function onlyElement(element: AST.Element): AST.Element | undefined {
  if (element.type === 'Quantifier') return element
  if (element.type !== 'Group' && element.type !== 'CapturingGroup') return undefined
  if (element.type === 'Group' && element.modifiers) return undefined
  const [alternative, more] = element.alternatives
  if (more !== undefined || alternative.elements.length !== 1) return undefined
  const [inner] = alternative.elements
  return inner.type === 'Quantifier' ? inner : onlyElement(inner)
}

function* repeat(nfa: Nfa, from: number, quantifier: AST.Quantifier, budget: Budget): Work<number> {
  const { min, max, element } = flattened(quantifier)
  let at = nfa.step(from, nfa.node())
  for (let i = 0; i < min; i++) {
    at = yield* build(nfa, at, element, budget)
    yield
  }
  if (max === Number.POSITIVE_INFINITY) {
    const loop = nfa.step(at, nfa.node())
    nfa.step(yield* build(nfa, loop, element, budget), loop)
    return nfa.step(loop, nfa.node())
  }
  const end = nfa.node()
  for (let i = min; i < max; i++) {
    nfa.step(at, end)
    at = yield* build(nfa, at, element, budget)
    yield
  }
  nfa.step(at, end)
  return end
}

function* characters(
  element: AST.Character | AST.CharacterClassRange | AST.CharacterSet | AST.CharacterClass,
  budget: Budget,
): Work<CharSet> {
  switch (element.type) {
    case 'Character':
      return charSet([element.value, element.value])
    case 'CharacterClassRange':
      return charSet([element.min.value, element.max.value])
    case 'CharacterSet': {
      if (element.kind === 'any') return invert(LINE_ENDS)
      if (element.kind === 'property') return yield* property(element.raw, budget)
      const set = element.kind === 'digit' ? DIGIT : element.kind === 'word' ? WORD : SPACE
      return element.negate ? invert(set) : set
    }
    case 'CharacterClass': {
      const sets: CharSet[] = []
      for (const member of element.elements) {
        if (
          member.type !== 'Character' &&
          member.type !== 'CharacterClassRange' &&
          member.type !== 'CharacterSet'
        ) {
          throw fault(`has a class of the v flag, ${element.raw}`, budget)
        }
        sets.push(yield* characters(member, budget))
      }
      const set = unite(...sets)
      return element.negate ? invert(set) : set
    }
    default:
      return element satisfies never
  }
}

const properties = new Map<string, CharSet>()

/** The characters of \p{...}, asked of the engine that runs us: no tables, and always its Unicode. */
function* property(raw: string, budget: Budget): Work<CharSet> {
  const known = properties.get(raw)
  if (known !== undefined) return known
  const test = new RegExp(`^${raw}$`, 'u')
  const pairs: number[] = []
  let first = -1
  for (let char = 0; char <= 0x110000; char++) {
    const inside =
      char <= 0x10ffff &&
      !(char >= 0xd800 && char < 0xe000) &&
      test.test(String.fromCodePoint(char))
    if (inside && first < 0) first = char
    if (!inside && first >= 0) {
      pairs.push(first, char - 1)
      first = -1
    }
    if ((char & 0x1fff) === 0x1fff) yield
  }
  budget.spend(100_000)
  const set = charSet(pairs)
  if (properties.size >= 32) properties.clear()
  properties.set(raw, set)
  return set
}
