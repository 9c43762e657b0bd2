// Tokens -> the tree of a template: statements, as Jinja's parser reads them. What a chat template has no
// use for (other templates, blocks, escaping) is refused by name. Called by template.ts.
import type { Body, Expression, MacroParts, Statement, Target } from './ast.ts'
import { isTupleEnd, parseExpression, parseFilter, parseTuple } from './expressions.ts'
import { refuse, TemplateFault } from './faults.ts'
import { tokenize } from './lexer.ts'
import { completeScopes } from './scopes.ts'
import { Text } from './text.ts'
import { TokenStream } from './token-stream.ts'

const REFUSED = ['include', 'import', 'from', 'extends', 'block', 'autoescape']
const CONSTANTS = ['true', 'false', 'none', 'True', 'False', 'None']

/**
 * The tree of a template.
 * @throws TemplateFault with its line
 */
export function parseTemplate(template: string): Body {
  const tokens = new TokenStream(tokenize(template))
  try {
    const body: Body = { statements: new Parser(tokens).statements(), hidden: [] }
    completeScopes(body)
    return body
  } catch (error) {
    if (error instanceof TemplateFault) error.line ??= tokens.line
    throw error
  }
}

class Parser {
  readonly #tokens: TokenStream
  /** Loops around this place that break and continue could mean. */
  #loops = 0

  constructor(tokens: TokenStream) {
    this.#tokens = tokens
  }

  /** Up to a tag of one of these names, at which it stops; or to the end of the template. */
  statements(until: readonly string[] = []): Statement[] {
    const tokens = this.#tokens
    const statements: Statement[] = []
    let parts: Expression[] = []
    const flush = () => {
      if (parts.length > 0) statements.push({ type: 'output', parts, line: parts[0].line })
      parts = []
    }
    while (!tokens.is('eof')) {
      const { kind, value, line } = tokens.take()
      if (kind === 'data') parts.push({ type: 'constant', value: new Text(value), line })
      else if (kind === 'variable_begin') {
        parts.push(parseTuple(tokens))
        tokens.expect('variable_end')
      } else {
        flush()
        if (tokens.isName(...until)) return statements
        statements.push(tokens.nested(() => this.#statement()))
        tokens.expect('block_end')
      }
    }
    flush()
    if (until.length === 0) return statements
    throw tokens.fault(`unexpected end of template, expected ${until.join(' or ')}`)
  }

  /** What stands in a tag and, where it has a body, up to the name of its end tag. */
  #statement(): Statement {
    const tokens = this.#tokens
    if (!tokens.is('name')) throw tokens.fault('tag name expected')
    const { value: tag, line } = tokens.take()
    switch (tag) {
      case 'print':
        return { type: 'output', parts: this.#printed(), line }
      case 'if':
        return this.#if(line)
      case 'for':
        return this.#for(line)
      case 'break':
      case 'continue':
        if (this.#loops === 0) throw tokens.fault(`'${tag}' outside loop`)
        return { type: tag, line }
      case 'set':
        return this.#set(line)
      case 'macro': {
        const name = tokens.expect('name').value
        return { type: 'macro', name, macro: this.#macro(), line }
      }
      case 'call':
        return this.#callBlock(line)
      case 'filter': {
        const filter = parseFilter(tokens, undefined, true)
        return { type: 'filterBlock', filter, body: this.#body('endfilter'), line }
      }
      case 'with':
        return this.#with(line)
      case 'generation':
        return {
          type: 'generation',
          body: this.#outsideLoops(() => this.#body('endgeneration')),
          line,
        }
      default:
        throw REFUSED.includes(tag)
          ? refuse(`{% ${tag} %}`)
          : tokens.fault(`unknown tag '${tag}'`, line)
    }
  }

  /** A body up to its end tag, which is taken. */
  #body(...end: string[]): Body {
    const tokens = this.#tokens
    tokens.skipOperator(':')
    tokens.expect('block_end')
    const statements = this.statements(end)
    if (end.length === 1) tokens.take()
    return { statements, hidden: [] }
  }

  #printed(): Expression[] {
    const parts: Expression[] = []
    while (!this.#tokens.is('block_end')) {
      if (parts.length > 0) this.#tokens.expect('operator', ',')
      parts.push(parseExpression(this.#tokens))
    }
    return parts
  }

  #if(line: number): Statement {
    const tokens = this.#tokens
    const branches: [Expression, readonly Statement[]][] = []
    let end: string
    do {
      const test = parseTuple(tokens, { withChoice: false })
      branches.push([test, this.#body('elif', 'else', 'endif').statements])
      end = tokens.take().value
    } while (end === 'elif')
    const otherwise = end === 'else' ? this.#body('endif').statements : []
    return { type: 'if', branches, otherwise, line }
  }

  #for(line: number): Statement {
    const tokens = this.#tokens
    const target = this.#target({ until: 'in' })
    tokens.expect('name', 'in')
    const over = parseTuple(tokens, { withChoice: false, until: 'recursive' })
    const test = tokens.skipName('if') ? parseExpression(tokens) : undefined
    const recursive = tokens.skipName('recursive')
    // A recursive loop is a function of its own.
    const loops = this.#loops
    this.#loops = recursive ? 1 : loops + 1
    const body = this.#body('endfor', 'else')
    this.#loops = recursive ? 0 : loops
    const isElse = tokens.take().value === 'else'
    const otherwise = isElse ? this.#body('endfor') : { statements: [], hidden: [] }
    this.#loops = loops
    return { type: 'for', target, over, test, recursive, body, otherwise, line }
  }

  #set(line: number): Statement {
    const tokens = this.#tokens
    const target = this.#target({ withAttributes: true })
    if (tokens.skipOperator('=')) return { type: 'set', target, value: parseTuple(tokens), line }
    const filter = tokens.isOperator('|') ? parseFilter(tokens, undefined) : undefined
    return { type: 'capture', target, filter, body: this.#body('endset'), line }
  }

  #callBlock(line: number): Statement {
    const tokens = this.#tokens
    const signature = tokens.isOperator('(') ? this.#signature() : { parameters: [], defaults: [] }
    const call = parseExpression(tokens)
    if (call.type !== 'call') throw tokens.fault('expected call', line)
    const body = this.#outsideLoops(() => this.#body('endcall'))
    return { type: 'callBlock', call, macro: { ...signature, body, special: new Set() }, line }
  }

  #macro(): MacroParts {
    const signature = this.#signature()
    const body = this.#outsideLoops(() => this.#body('endmacro'))
    return { ...signature, body, special: new Set() }
  }

  #outsideLoops<T>(parse: () => T): T {
    const loops = this.#loops
    this.#loops = 0
    const result = parse()
    this.#loops = loops
    return result
  }

  #signature(): Pick<MacroParts, 'parameters' | 'defaults'> {
    const tokens = this.#tokens
    const parameters: string[] = []
    const defaults: Expression[] = []
    tokens.expect('operator', '(')
    while (!tokens.isOperator(')')) {
      if (parameters.length > 0) tokens.expect('operator', ',')
      const name = tokens.expect('name').value
      if (parameters.includes(name)) throw tokens.fault(`duplicate argument '${name}'`)
      parameters.push(name)
      if (tokens.skipOperator('=')) defaults.push(parseExpression(tokens))
      else if (defaults.length > 0) {
        throw tokens.fault('non-default argument follows default argument')
      }
    }
    tokens.take()
    return { parameters, defaults }
  }

  #with(line: number): Statement {
    const tokens = this.#tokens
    const pairs: [Target, Expression][] = []
    while (!tokens.is('block_end')) {
      if (pairs.length > 0) tokens.expect('operator', ',')
      const target = this.#target({})
      tokens.expect('operator', '=')
      pairs.push([target, parseExpression(tokens)])
    }
    return { type: 'with', pairs, body: this.#body('endwith'), line }
  }

  #target(rules: { until?: string; withAttributes?: boolean }): Target {
    const tokens = this.#tokens
    const items: Target[] = []
    let isTuple = false
    while (true) {
      if (items.length > 0) tokens.expect('operator', ',')
      if (isTupleEnd(tokens, rules.until)) break
      items.push(this.#targetItem(rules.withAttributes === true))
      if (!tokens.isOperator(',')) break
      isTuple = true
    }
    if (isTuple) return { type: 'tuple', items }
    if (items.length === 1) return items[0]
    throw tokens.fault(`expected a name to assign to, got ${tokens.describe()}`)
  }

  #targetItem(withAttributes: boolean): Target {
    const tokens = this.#tokens
    if (tokens.skipOperator('(')) {
      const inner = tokens.nested(() => this.#target({}))
      tokens.expect('operator', ')')
      return inner
    }
    const name = tokens.expect('name').value
    if (CONSTANTS.includes(name)) throw tokens.fault(`can't assign to '${name}'`)
    if (!withAttributes || !tokens.skipOperator('.')) return { type: 'name', name }
    return { type: 'attribute', namespace: name, name: tokens.expect('name').value }
  }
}
