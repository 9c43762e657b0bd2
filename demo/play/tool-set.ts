// The functions that a visitor offers the model: read from the JSON that was typed, and run in the page. A function
// answers with its `returns`, in whose texts {name} stands for an argument; two are computed. No code is evaluated.
import type { ChatTool, MadeToolCall } from 'ryzanstein'

export interface ToolSet {
  readonly tools: readonly ChatTool[]
  /** What a call gives, as JSON text; a call that cannot be run gives an object with `error`. */
  run(call: MadeToolCall): string
}

/** Functions of the page that need no `returns`. */
const COMPUTED: Readonly<Record<string, (args: Readonly<Record<string, unknown>>) => unknown>> = {
  get_time: () => ({ time: new Date().toLocaleTimeString('en', { timeStyle: 'short' }) }),
  roll_dice: ({ sides }) => {
    const of = typeof sides === 'number' && sides >= 2 ? Math.floor(sides) : 6
    return { sides: of, rolled: 1 + Math.floor(Math.random() * of) }
  },
}

/** @throws Error what is wrong with the definitions, in a sentence */
export function toolSet(text: string): ToolSet {
  let given: unknown
  try {
    given = JSON.parse(text)
  } catch (caught) {
    throw new Error(`the definitions are no JSON: ${caught instanceof Error ? caught.message : ''}`)
  }
  if (!Array.isArray(given) || given.length === 0) {
    throw new Error('the definitions are a list with at least one function')
  }
  const returns = new Map<string, unknown>()
  const tools = given.map((value, index): ChatTool => {
    const { name, description, parameters, returns: gives } = Object(value)
    if (typeof name !== 'string' || name === '') {
      throw new Error(`function ${index + 1} has no name`)
    }
    if (gives === undefined && !Object.hasOwn(COMPUTED, name)) {
      const known = Object.keys(COMPUTED).join(' and ')
      throw new Error(`${name} needs "returns": what it answers; only ${known} are computed`)
    }
    returns.set(name, gives)
    return { type: 'function', function: { name, description, parameters } }
  })
  return { tools, run: ({ function: call }) => spaced(answerOf(call, returns)) }
}

function answerOf(
  { name, arguments: text }: MadeToolCall['function'],
  returns: ReadonlyMap<string, unknown>,
): unknown {
  if (!returns.has(name)) return { error: `there is no function ${name}` }
  const args: Record<string, unknown> = Object(JSON.parse(text))
  const gives = returns.get(name)
  return gives === undefined ? COMPUTED[name]?.(args) : filledIn(gives, args)
}

/** JSON with spaces as Python writes it, which models have seen most. */
function spaced(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(spaced).join(', ')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  const members = Object.entries(value).map(([key, of]) => `${JSON.stringify(key)}: ${spaced(of)}`)
  return `{${members.join(', ')}}`
}

function filledIn(value: unknown, args: Readonly<Record<string, unknown>>): unknown {
  if (typeof value === 'string') {
    return value.replace(/\{(\w+)\}/g, (whole, name: string) =>
      Object.hasOwn(args, name) ? String(args[name]) : whole,
    )
  }
  if (Array.isArray(value)) return value.map(item => filledIn(item, args))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, of]) => [key, filledIn(of, args)]))
}
