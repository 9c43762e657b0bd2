// One task of calling a function or filling in JSON, asked and marked. Used by abilities.ts.
import type { ChatMessage, ChatTool } from 'ryzanstein'
import type { EvalEngine } from '../types.ts'

export interface Task {
  readonly messages: readonly ChatMessage[]
  readonly tools?: readonly ChatTool[]
  /** A call { name, arguments }, or the object. */
  readonly expect: Readonly<Record<string, unknown>>
}

/** What of an answer is right. */
export interface Mark {
  /** It can be read: one call of an offered function, or one JSON object. */
  readonly wellFormed: boolean
  readonly name: boolean
  readonly arguments: boolean
  readonly exact: boolean
}

const WRONG: Mark = { wellFormed: false, name: false, arguments: false, exact: false }
/** More than any expected answer takes. */
const MAX_TOKENS = 256

/** @param isHeld  by the grammar: a call is required, and held to the schemas of the tools */
export async function askCall(engine: EvalEngine, task: Task, isHeld: boolean): Promise<Mark> {
  const { toolCalls = [] } = await engine.chat(task.messages, {
    tools: task.tools ?? [],
    toolChoice: isHeld ? 'required' : 'auto',
    parallelToolCalls: false,
    temperature: 0,
    maxTokens: MAX_TOKENS,
  }).result
  const [call] = toolCalls
  if (call === undefined) return WRONG
  const given = readJson(call.function.arguments)
  const name = call.function.name === task.expect.name
  const right = name && isSame(given, task.expect.arguments)
  return {
    wellFormed: given !== undefined,
    name,
    arguments: right,
    exact: right && toolCalls.length === 1,
  }
}

/** @param isHeld  to the keys that the message asks for, each a text, a number, true, false or null */
export async function askJson(engine: EvalEngine, task: Task, isHeld: boolean): Promise<Mark> {
  const keys = Object.keys(task.expect)
  const value = { type: ['string', 'number', 'boolean', 'null'] }
  const schema = {
    type: 'object',
    properties: Object.fromEntries(keys.map(key => [key, value])),
    required: keys,
    additionalProperties: false,
  }
  const { text } = await engine.chat(task.messages, {
    temperature: 0,
    maxTokens: MAX_TOKENS,
    ...(isHeld && { responseFormat: { type: 'json_schema', schema } }),
  }).result
  const given = readJson(text)
  if (typeof given !== 'object' || given === null || Array.isArray(given)) return WRONG
  const names = Object.keys(given)
  const name = names.length === keys.length && keys.every(key => names.includes(key))
  const right = isSame(given, task.expect)
  return { wellFormed: true, name, arguments: right, exact: right }
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // not well formed: what is being measured
  }
}

/** Equal JSON, whatever the order of members. */
export function isSame(a: unknown, b: unknown): boolean {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b
  if (Array.isArray(a) !== Array.isArray(b)) return false
  const [x, y] = [a as Record<string, unknown>, b as Record<string, unknown>]
  const names = Object.keys(x)
  if (names.length !== Object.keys(y).length) return false
  return names.every(name => Object.hasOwn(y, name) && isSame(x[name], y[name]))
}
