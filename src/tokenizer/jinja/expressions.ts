// Expressions of Jinja, with its own order of operators: ** is taken from the left, ~ binds tighter than +,
// and filters bind to what stands right before them. Called by parser.ts.
import type { BinaryOperator, CallArguments, Comparison, Expression } from './ast.ts'
import { raise } from './faults.ts'
import { Text } from './text.ts'
import type { TokenStream } from './token-stream.ts'

const COMPARISONS = ['==', '!=', '<', '<=', '>', '>=']

/** @param withChoice  whether `a if b else c` may stand here */
export function parseExpression(tokens: TokenStream, withChoice = true): Expression {
  return tokens.nested(() => (withChoice ? parseChoice(tokens) : parseOr(tokens)))
}

export interface TupleRules {
  withChoice?: boolean
  /** Ends the tuple, beside the ends of tags and a closing parenthesis. */
  until?: string
  /** `()` is a tuple here. */
  inParentheses?: boolean
}

/** One expression, or several with commas: a tuple. */
export function parseTuple(tokens: TokenStream, rules: TupleRules = {}): Expression {
  const { line } = tokens
  const items: Expression[] = []
  let isTuple = false
  while (true) {
    if (items.length > 0) tokens.expect('operator', ',')
    if (isTupleEnd(tokens, rules.until)) break
    items.push(parseExpression(tokens, rules.withChoice))
    if (!tokens.isOperator(',')) break
    isTuple = true
  }
  if (!isTuple && items.length === 1) return items[0]
  if (!isTuple && !rules.inParentheses) {
    throw tokens.fault(`expected an expression, got ${tokens.describe()}`)
  }
  return { type: 'tuple', items, line }
}

export function isTupleEnd(tokens: TokenStream, until?: string): boolean {
  return (
    tokens.is('variable_end') ||
    tokens.is('block_end') ||
    tokens.isOperator(')') ||
    (until !== undefined && tokens.isName(until))
  )
}

function parseChoice(tokens: TokenStream): Expression {
  let { line } = tokens
  let then = parseOr(tokens)
  while (tokens.skipName('if')) {
    const test = parseOr(tokens)
    const otherwise = tokens.skipName('else') ? parseExpression(tokens) : undefined
    then = { type: 'choice', test, then, otherwise, line }
    line = tokens.line
  }
  return then
}

function parseOr(tokens: TokenStream): Expression {
  const { line } = tokens
  let left = parseAnd(tokens)
  while (tokens.skipName('or')) left = { type: 'or', left, right: parseAnd(tokens), line }
  return left
}

function parseAnd(tokens: TokenStream): Expression {
  const { line } = tokens
  let left = parseNot(tokens)
  while (tokens.skipName('and')) left = { type: 'and', left, right: parseNot(tokens), line }
  return left
}

function parseNot(tokens: TokenStream): Expression {
  const { line } = tokens
  if (!tokens.skipName('not')) return parseComparison(tokens)
  return { type: 'not', of: tokens.nested(() => parseNot(tokens)), line }
}

function parseComparison(tokens: TokenStream): Expression {
  const { line } = tokens
  const first = parseSum(tokens)
  const rest: [Comparison, Expression][] = []
  while (true) {
    if (tokens.isOperator(...COMPARISONS)) {
      const op = tokens.take().value as Comparison
      rest.push([op, parseSum(tokens)])
    } else if (tokens.skipName('in')) {
      rest.push(['in', parseSum(tokens)])
    } else if (tokens.isName('not') && tokens.next.kind === 'name' && tokens.next.value === 'in') {
      tokens.take()
      tokens.take()
      rest.push(['not in', parseSum(tokens)])
    } else break
  }
  return rest.length === 0 ? first : { type: 'compare', first, rest, line }
}

function parseSum(tokens: TokenStream): Expression {
  return parseBinary(tokens, ['+', '-'], parseConcat)
}

function parseConcat(tokens: TokenStream): Expression {
  const { line } = tokens
  const items = [parseProduct(tokens)]
  while (tokens.skipOperator('~')) items.push(parseProduct(tokens))
  return items.length === 1 ? items[0] : { type: 'concat', items, line }
}

function parseProduct(tokens: TokenStream): Expression {
  return parseBinary(tokens, ['*', '/', '//', '%'], parsePower)
}

function parsePower(tokens: TokenStream): Expression {
  return parseBinary(tokens, ['**'], parseUnary)
}

function parseBinary(
  tokens: TokenStream,
  operators: readonly string[],
  parse: (tokens: TokenStream) => Expression,
): Expression {
  let { line } = tokens
  let left = parse(tokens)
  while (tokens.isOperator(...operators)) {
    const op = tokens.take().value as BinaryOperator
    left = { type: 'binary', op, left, right: parse(tokens), line }
    line = tokens.line
  }
  return left
}

function parseUnary(tokens: TokenStream, withFilter = true): Expression {
  const { line } = tokens
  const sign = tokens.skipOperator('-') ? 'minus' : tokens.skipOperator('+') ? 'plus' : undefined
  const operand = (): Expression => tokens.nested(() => parseUnary(tokens, false))
  let node: Expression = sign ? { type: sign, of: operand(), line } : parsePrimary(tokens)
  node = parsePostfix(tokens, node)
  return withFilter ? parseFilters(tokens, node) : node
}

function parsePrimary(tokens: TokenStream): Expression {
  const { kind, value, line } = tokens.current
  switch (kind) {
    case 'name':
      tokens.take()
      return constantOf(value, line) ?? { type: 'name', name: value, line }
    case 'string': {
      let text = ''
      while (tokens.is('string')) text += tokens.take().value
      return { type: 'constant', value: new Text(text), line }
    }
    case 'integer':
      tokens.take()
      if (value.length > 4300) throw tokens.fault('an integer has more than 4300 digits')
      return { type: 'constant', value: BigInt(value), line }
    case 'float':
      tokens.take()
      if (!Number.isFinite(Number(value))) throw tokens.fault('a number is too large', line)
      return { type: 'constant', value: Number(value), line }
    default:
  }
  if (tokens.skipOperator('(')) {
    const node = parseTuple(tokens, { inParentheses: true })
    tokens.expect('operator', ')')
    return node
  }
  if (tokens.skipOperator('[')) {
    return { type: 'list', items: parseListed(tokens, ']', () => parseExpression(tokens)), line }
  }
  if (tokens.skipOperator('{')) {
    const pair = () => {
      const key = parseExpression(tokens)
      tokens.expect('operator', ':')
      return [key, parseExpression(tokens)] as const
    }
    return { type: 'dict', pairs: parseListed(tokens, '}', pair), line }
  }
  throw tokens.fault(`unexpected ${tokens.describe()}`)
}

function constantOf(name: string, line: number): Expression | undefined {
  const lower = name[0].toLowerCase() + name.slice(1)
  if (lower === 'true' || lower === 'false') {
    return { type: 'constant', value: lower === 'true', line }
  }
  return lower === 'none' ? { type: 'constant', value: null, line } : undefined
}

function parseListed<T>(tokens: TokenStream, close: string, parse: () => T): T[] {
  const items: T[] = []
  while (!tokens.isOperator(close)) {
    if (items.length > 0) tokens.expect('operator', ',')
    if (tokens.isOperator(close)) break
    items.push(parse())
  }
  tokens.expect('operator', close)
  return items
}

export function parsePostfix(tokens: TokenStream, start: Expression): Expression {
  let node = start
  while (true) {
    const { line } = tokens
    if (tokens.skipOperator('.')) node = parseMember(tokens, node, line)
    else if (tokens.skipOperator('[')) node = parseSubscript(tokens, node, line)
    else if (tokens.isOperator('(')) {
      node = { type: 'call', of: node, args: parseArguments(tokens), line }
    } else return node
  }
}

function parseMember(tokens: TokenStream, of: Expression, line: number): Expression {
  const { kind, value } = tokens.take()
  if (kind === 'name') return { type: 'member', of, name: value, line }
  if (kind !== 'integer') throw tokens.fault('expected a name or number after "."')
  return { type: 'item', of, index: { type: 'constant', value: BigInt(value), line }, line }
}

function parseSubscript(tokens: TokenStream, of: Expression, line: number): Expression {
  if (tokens.isOperator(']')) throw tokens.fault('expected a subscript')
  const start = tokens.isOperator(':') ? undefined : parseExpression(tokens)
  if (!tokens.skipOperator(':')) {
    if (!tokens.isOperator(',')) {
      tokens.expect('operator', ']')
      return { type: 'item', of, index: start!, line }
    }
    const items = [start!]
    while (tokens.skipOperator(',')) {
      if (tokens.isOperator(']')) break
      items.push(parseExpression(tokens))
    }
    tokens.expect('operator', ']')
    return { type: 'item', of, index: { type: 'tuple', items, line }, line }
  }
  const part = () => (tokens.isOperator(':', ']', ',') ? undefined : parseExpression(tokens))
  const stop = part()
  const step = tokens.skipOperator(':') ? part() : undefined
  if (tokens.isOperator(',')) throw tokens.fault('a subscript of several slices is not supported')
  tokens.expect('operator', ']')
  return { type: 'slice', of, start, stop, step, line }
}

const NO_ARGUMENTS: CallArguments = { list: [], named: [], rest: undefined, restNamed: undefined }

export function parseArguments(tokens: TokenStream): CallArguments {
  const { line } = tokens.expect('operator', '(')
  const list: Expression[] = []
  const named: [string, Expression][] = []
  let rest: Expression | undefined
  let restNamed: Expression | undefined
  const ensure = (right: boolean) => {
    if (!right) throw tokens.fault('invalid syntax for function call expression', line)
  }
  for (let first = true; !tokens.isOperator(')'); first = false) {
    if (!first) {
      tokens.expect('operator', ',')
      if (tokens.isOperator(')')) break
    }
    if (tokens.skipOperator('*')) {
      ensure(!rest && !restNamed)
      rest = parseExpression(tokens)
    } else if (tokens.skipOperator('**')) {
      ensure(!restNamed)
      restNamed = parseExpression(tokens)
    } else if (tokens.is('name') && tokens.next.kind === 'operator' && tokens.next.value === '=') {
      ensure(!restNamed)
      const name = tokens.take().value
      tokens.take()
      if (named.some(([other]) => other === name)) {
        throw raise('SyntaxError', `keyword argument repeated: ${name}`)
      }
      named.push([name, parseExpression(tokens)])
    } else {
      ensure(!rest && !restNamed && named.length === 0)
      list.push(parseExpression(tokens))
    }
  }
  tokens.expect('operator', ')')
  return { list, named, rest, restNamed }
}

/** Filters and tests behind an expression. */
function parseFilters(tokens: TokenStream, start: Expression): Expression {
  let node = start
  while (true) {
    const { line } = tokens
    if (tokens.isOperator('|')) node = parseFilter(tokens, node)
    else if (tokens.isName('is')) node = parseTest(tokens, node)
    else if (tokens.isOperator('(')) {
      node = { type: 'call', of: node, args: parseArguments(tokens), line }
    } else return node
  }
}

/**
 * `|name(...)|name`, as many as there are.
 * @param of  what is filtered; undefined for the text of a block
 * @param bare  the first has no `|` before it
 */
export function parseFilter(
  tokens: TokenStream,
  of: Expression | undefined,
  bare = false,
): Expression {
  let node = of
  for (let first = bare; first || tokens.isOperator('|'); first = false) {
    if (!first) tokens.take()
    const { line } = tokens
    const name = parseDotted(tokens)
    const args = tokens.isOperator('(') ? parseArguments(tokens) : NO_ARGUMENTS
    node = { type: 'filter', of: node, name, args, line }
  }
  return node!
}

function parseDotted(tokens: TokenStream): string {
  let name = tokens.expect('name').value
  while (tokens.skipOperator('.')) name += `.${tokens.expect('name').value}`
  return name
}

function parseTest(tokens: TokenStream, of: Expression): Expression {
  const { line } = tokens.take()
  const negated = tokens.skipName('not')
  const name = parseDotted(tokens)
  let args = NO_ARGUMENTS
  if (tokens.isOperator('(')) args = parseArguments(tokens)
  else if (startsOperand(tokens)) {
    if (tokens.isName('is')) throw tokens.fault('You cannot chain multiple tests with is')
    args = { ...NO_ARGUMENTS, list: [parsePostfix(tokens, parsePrimary(tokens))] }
  }
  const test: Expression = { type: 'test', of, name, args, line }
  return negated ? { type: 'not', of: test, line } : test
}

function startsOperand(tokens: TokenStream): boolean {
  const { kind } = tokens.current
  if (kind === 'name') return !tokens.isName('else', 'or', 'and')
  return kind === 'string' || kind === 'integer' || kind === 'float' || tokens.isOperator('[', '{')
}
