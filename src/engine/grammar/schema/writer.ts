// What writing values as rules shares: the rule of each demanded value, terminals, and the white space
// between tokens, which is bounded here: some blanks, or up to two line ends and an indentation. Used by
// write-values.ts, write-list.ts and write-object.ts.
import { ANYTHING, countTexts, type Dfa } from '../automata/dfa.ts'
import { exactly } from '../automata/words.ts'
import type { Rules } from '../rules/rules.ts'
import { Terminal, type TerminalOptions } from '../run/terminal.ts'
import type { Work } from '../work.ts'
import type { SchemaContext } from './context.ts'
import type { Expr } from './expr.ts'
import type { Shapes } from './shape.ts'

/** Blanks within a line, line ends, and blanks of an indentation, at most. */
const BLANKS = 4
const LINES = 2
const INDENT = 40

export class Writer {
  readonly context: SchemaContext
  readonly shapes: Shapes
  readonly rules: Rules
  readonly #ofExpr = new Map<number, number>()
  readonly #todo: { expr: Expr; rule: number }[] = []
  readonly #terminals = new Map<string, Terminal>()
  readonly #dfaIds = new Map<Dfa, number>()
  readonly #space: number

  constructor(context: SchemaContext, shapes: Shapes, rules: Rules) {
    this.context = context
    this.shapes = shapes
    this.rules = rules
    this.#space = spaceRule(rules)
  }

  /** The rule of a value; its body follows, see next(). */
  value(expr: Expr): number {
    let rule = this.#ofExpr.get(expr.id)
    if (rule === undefined) {
      rule = this.rules.rule(placeOf(expr) ?? this.context.budget.place)
      this.#ofExpr.set(expr.id, rule)
      this.#todo.push({ expr, rule })
    }
    return rule
  }

  /** The next value whose rule has no body yet. */
  next(): { expr: Expr; rule: number } | undefined {
    return this.#todo.pop()
  }

  /** Inside of a string with its closing quote; words of a list are written in one way only. */
  string(dfa: Dfa, min = 0, max = Number.POSITIVE_INFINITY, kind = ''): Terminal {
    const finite = dfa !== ANYTHING && countTexts(dfa)[0] !== Number.POSITIVE_INFINITY
    // Where characters are missing they can only be written as escapes.
    const plain = finite && this.rules.writable === undefined
    return this.terminal(dfa, { form: plain ? 'plain' : 'json', min, max, kind })
  }

  terminal(dfa: Dfa, options: TerminalOptions): Terminal {
    let id = this.#dfaIds.get(dfa)
    if (id === undefined) {
      id = this.#dfaIds.size
      this.#dfaIds.set(dfa, id)
    }
    const key = `${id} ${options.form} ${options.min} ${options.max} ${options.kind}`
    let terminal = this.#terminals.get(key)
    if (terminal === undefined) {
      terminal = new Terminal(
        dfa,
        { ...options, writable: this.rules.writable },
        this.context.budget,
      )
      this.#terminals.set(key, terminal)
    }
    return terminal
  }

  /** The word as a terminal, for places where it must differ from others. */
  *word(word: string): Work<Terminal> {
    return this.terminal(yield* exactly([word], this.context.budget), { form: 'raw', kind: 'w' })
  }

  /** The text of a JSON string, with its quotes. */
  quoted(from: number, text: string): number {
    return this.rules.text(from, this.quotedText(text))
  }

  /** With escapes for what the vocabulary cannot write. */
  quotedText(text: string): string {
    const json = Array.from(JSON.stringify(text), char =>
      this.rules.canWrite(char) ? char : escaped(char),
    )
    return json.join('')
  }

  /** Optional white space. */
  space(from: number, to = this.rules.node()): number {
    this.rules.step(from, to)
    return this.rules.call(from, this.#space, to)
  }

  /** A sign of the syntax with white space after it. */
  sign(from: number, sign: string, to?: number): number {
    return this.space(this.rules.text(from, sign), to)
  }
}

/** \\uXXXX for each UTF-16 unit. */
function escaped(char: string): string {
  let text = ''
  for (let i = 0; i < char.length; i++) {
    text += `\\u${char.charCodeAt(i).toString(16).padStart(4, '0')}`
  }
  return text
}

function placeOf(expr: Expr): string | undefined {
  if (expr.kind === 'schema') return expr.pointer
  if (expr.kind !== 'and' && expr.kind !== 'or') return undefined
  for (const part of expr.list) {
    const place = placeOf(part)
    if (place !== undefined) return place
  }
  return undefined
}

/** White space that is not empty: blanks, line ends, an indentation. */
function spaceRule(rules: Rules): number {
  const id = rules.rule('')
  const { start, end } = rules.rules[id]
  const blanks = (from: number, count: number): number[] => {
    const nodes = [from]
    for (let i = 0; i < count; i++) {
      const next = rules.byte(nodes[i], 0x20)
      rules.byte(nodes[i], 0x09, 0x09, next)
      nodes.push(next)
    }
    return nodes
  }
  const line = blanks(start, BLANKS)
  for (const node of line.slice(1)) rules.step(node, end)
  let before = line
  for (let i = 0; i < LINES; i++) {
    const feed = rules.node()
    const after = rules.node()
    for (const node of before) {
      rules.byte(node, 0x0a, 0x0a, after)
      rules.byte(node, 0x0d, 0x0d, feed)
    }
    rules.byte(feed, 0x0a, 0x0a, after)
    before = [after]
    for (const node of blanks(after, INDENT)) rules.step(node, end)
  }
  return id
}
