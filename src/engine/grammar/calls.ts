// Calls of tools as a grammar: names as they are offered, arguments by each tool's schema, in the form
// that the model was trained on. Called by compile.ts; forms of model families are the caller's.
import { type Piece, writeFreeText, writePieces } from './rules/pieces.ts'
import type { Rules } from './rules/rules.ts'
import type { Json } from './schema/document.ts'
import { SchemaCompiler } from './schema/schema.ts'
import { GrammarFault, type Work } from './work.ts'

export interface ToolSchema {
  readonly name: string
  /** A schema of objects; without it the arguments are {}. */
  readonly parameters?: Json
}

/**
 * How a family of models writes calls. The Hermes form:
 * { open: [], call: [['<tool_call>', '\n{"name": '], ', "arguments": ', ['}\n', '</tool_call>']],
 *   between: ['\n'], close: [] }, where a tag that is one token of the model is given as that token.
 */
export interface CallForm {
  /** Before the first call, between calls, and after the last. */
  readonly open: readonly Piece[]
  readonly between: readonly Piece[]
  readonly close: readonly Piece[]
  /** Before the name in quotes, between it and the arguments, and after these. */
  readonly call: readonly [readonly Piece[], string, readonly Piece[]]
}

/** Forms that are only guessed by, as nothing is held to them. */
export interface GuideForm extends Omit<CallForm, 'call'> {
  readonly call: readonly [readonly Piece[], string | readonly Piece[], readonly Piece[]]
  /** The name stands without quotes. */
  readonly bareName?: boolean
  /** Arguments are no JSON: each has this before and behind its name, and behind its value, which is any text. */
  readonly parameters?: readonly [string, string, string]
}

export interface CallsSpec {
  readonly kind: 'calls'
  readonly tools: readonly ToolSchema[]
  readonly form: CallForm | GuideForm
  /** 'auto': text, and then calls or not; 'required': at least one call, at once; or of one tool. */
  readonly choice: 'auto' | 'required' | { readonly name: string }
  /** Several calls in one answer. */
  readonly parallel: boolean
  /** As of a schema: false lets pass what cannot be enforced. */
  readonly strict: boolean
  /** What an answer without calls has to be; with 'auto' it is one or the other, with no text around calls. */
  readonly text?: TextSpec
}

const NO_PARAMETERS: Json = { type: 'object', properties: {}, additionalProperties: false }

/** What one text has to be. */
export type TextSpec =
  | { readonly kind: 'schema'; readonly schema: Json; readonly strict: boolean }
  | { readonly kind: 'ebnf'; readonly ebnf: string; readonly root: string }
  | { readonly kind: 'regex'; readonly pattern: string }

/**
 * Writes the rules of the calls and makes them the root.
 * @throws GrammarFault naming the tool whose schema is wrong
 */
export function* callRules(spec: CallsSpec, rules: Rules): Work<SchemaCompiler['unenforced']> {
  const { tools, choice, parallel, strict } = spec
  const form: GuideForm = spec.form
  const compiler = new SchemaCompiler(rules, strict, rules.budget)
  rules.root = rules.rule('')
  const { start, end } = rules.rules[rules.root]
  const call = rules.rule('')
  for (let i = 0; i < tools.length; i++) {
    const { name, parameters = NO_PARAMETERS } = tools[i]
    if (typeof choice === 'object' && choice.name !== name) continue
    const [before, between, after] = form.call
    const from = writePieces(rules, rules.rules[call].start, [
      ...before,
      form.bareName ? name : JSON.stringify(name),
      ...(typeof between === 'string' ? [between] : between),
    ])
    let behind: number
    if (form.parameters === undefined) {
      const values = yield* argumentsOf(compiler, name, parameters)
      rules.needed.push({ rule: values, name: ofTool(name) })
      behind = rules.call(from, values)
    } else behind = yield* writeParameters(rules, from, parameters, form.parameters)
    rules.step(writePieces(rules, behind, after), rules.rules[call].end)
  }
  let from = start
  if (choice === 'auto' && spec.text === undefined) {
    from = yield* writeFreeText(rules, start, [...form.open, ...form.call[0]])
    rules.step(from, end)
  }
  const first = writePieces(rules, from, form.open)
  const last = rules.call(first, call)
  if (parallel) rules.step(writePieces(rules, last, form.between), first)
  rules.step(writePieces(rules, last, form.close), end)
  return compiler.unenforced
}

/** In declared order, those that are not required left out or not. @returns where they end */
function* writeParameters(
  rules: Rules,
  from: number,
  schema: Json,
  [before, between, after]: readonly [string, string, string],
): Work<number> {
  const { properties, required } = (schema ?? {}) as { properties?: unknown; required?: unknown }
  const names = Object.keys(typeof properties === 'object' && properties ? properties : {})
  let at = from
  for (const name of names) {
    const next = rules.node()
    if (!Array.isArray(required) || !required.includes(name)) rules.step(at, next)
    const value = rules.text(at, before + name + between)
    const free = yield* writeFreeText(rules, value, [after])
    rules.step(rules.text(free, after), next)
    at = next
  }
  return at
}

function ofTool(name: string): string {
  return `of the tool ${JSON.stringify(name)}`
}

function* argumentsOf(compiler: SchemaCompiler, name: string, parameters: Json): Work<number> {
  try {
    return yield* compiler.rule(parameters, true)
  } catch (caught) {
    if (!(caught instanceof GrammarFault)) throw caught
    const place = `${caught.place} ${ofTool(name)}`
    throw new GrammarFault(caught.message, place.trim(), caught.keyword, caught.unsupported)
  }
}
