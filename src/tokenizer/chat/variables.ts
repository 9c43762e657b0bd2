// From a chat as a caller gives it to the variables of its template. Everything is marked as typed, so that
// no control token comes of it, except messages that are trusted. Called by renderer.ts and abilities.ts.
import type { ChatMessage, TextPart, ToolCall } from '../../types/index.ts'
import { dumpJson, dumpOptions, fromJs, parseJson } from '../jinja/json.ts'
import { dictOf, getKey, setKey } from '../jinja/protocols.ts'
import { CONTINUED, join, Text, TYPED } from '../jinja/text.ts'
import { Dict, type Value } from '../jinja/values.ts'
import type { Abilities, CallTaste, ChatRequest } from './chat-text.ts'

/** Control tokens that templates may write by name. */
export interface NamedTokens {
  readonly bos: string
  readonly eos: string
}

const PLAIN_JSON = dumpOptions(undefined, undefined, undefined, undefined)

/** How a template wants its messages. */
export type Taste = Pick<Abilities, 'developer' | 'content' | 'calls'>

/** What most templates want. */
export const USUAL_CALLS: CallTaste = { arguments: 'object', none: false }

/**
 * The variables, as Hugging Face's transformers passes them: tools and documents are None when there are none.
 * @throws TemplateFault for values without a JSON form
 */
export function chatVariables(
  request: ChatRequest,
  tokens: NamedTokens,
  taste: Taste,
): ReadonlyMap<string, Value> {
  const { messages, tools, templateOptions = {}, continueLast = false } = request
  const last = messages.length - 1
  const variables = new Map<string, Value>([
    ['documents', null],
    ['bos_token', new Text(tokens.bos)],
    ['eos_token', new Text(tokens.eos)],
  ])
  for (const [name, value] of Object.entries(templateOptions)) {
    if (value !== undefined) variables.set(name, fromJs(value, TYPED))
  }
  const values = messages.map((message, i) =>
    messageValue(message, taste, continueLast && i === last),
  )
  variables.set('messages', values)
  variables.set('tools', tools && tools.length > 0 ? fromJs(tools, TYPED) : null)
  variables.set('add_generation_prompt', !continueLast)
  return variables
}

function messageValue(message: ChatMessage, taste: Taste, continued: boolean): Value {
  const marks = message.trusted ? 0 : TYPED
  const dict = dictOf([])
  const set = (name: string, value: Value) => setKey(dict, new Text(name), value)
  const { arguments: form, none } = taste.calls ?? USUAL_CALLS
  const calls = message.tool_calls ?? []
  const content = () =>
    none && calls.length > 0 && !message.content
      ? null
      : contentValue(message.content ?? '', taste, marks, continued)
  // In the caller's order: some templates print a whole message as JSON.
  for (const [name, value] of Object.entries(message)) {
    if (name === 'trusted' || value === undefined) continue
    if (name === 'content') set(name, content())
    else if (name === 'role') set(name, roleValue(message.role, taste, marks))
    else if (name === 'tool_calls') {
      const values = calls.map(call => callValue(call, form, marks))
      if (values.length > 0) set(name, values)
    } else if (value !== null) set(name, fromJs(value, marks))
  }
  if (message.content === undefined) set('content', content())
  if (message.reasoning && !('reasoning_content' in message)) {
    set('reasoning_content', Text.marked(message.reasoning, marks))
  }
  return dict
}

/** Roles that templates know. Some write control tokens with them: '<|' + role + '|>'. */
const ROLES = new Set(
  (
    'system developer user assistant tool function model ipython observation environment context ' +
    'documents tool_call tool_calls tool_response tool_result tool_results tools'
  ).split(' '),
)

function roleValue(role: string, taste: Taste, marks: number): Text {
  const known = role === 'developer' && !taste.developer ? 'system' : role
  return Text.marked(known, ROLES.has(known) ? 0 : marks)
}

function contentValue(
  content: string | readonly TextPart[],
  taste: Taste,
  marks: number,
  continued: boolean,
): Value {
  const parts = typeof content === 'string' ? [{ type: 'text', text: content }] : content
  const last = parts.length - 1
  const texts = parts.map(({ text }, i) =>
    Text.marked(text, continued && i === last ? marks | CONTINUED : marks),
  )
  const asParts = taste.content === 'parts' || (taste.content === 'both' && content === parts)
  if (asParts) {
    return texts.map(text =>
      dictOf([
        [new Text('type'), new Text('text')],
        [new Text('text'), text],
      ]),
    )
  }
  return texts.length === 1 ? texts[0] : join(texts)
}

/** Arguments as JSON text become what they mean, or the other way round: both forms give the same prompt. */
function callValue(call: ToolCall, form: CallTaste['arguments'], marks: number): Value {
  const value = fromJs(call, marks)
  const called = value instanceof Dict ? getKey(value, new Text('function')) : undefined
  if (!(called instanceof Dict)) return value
  const given = call.function.arguments
  let read: Value | undefined
  if (given === undefined || given === null || given === '') read = new Dict()
  else read = typeof given === 'string' ? parseJson(given, marks) : fromJs(given, marks)
  // What is no JSON object stays the text that it is.
  if (!(read instanceof Dict)) return value
  if (form === 'text') read = Text.marked(dumpJson(read, PLAIN_JSON).s, marks)
  setKey(called, new Text('arguments'), read)
  return value
}
