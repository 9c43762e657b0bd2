// What requests are about: texts, token ids, chats, as a caller gives them and as they are sent. Read once,
// checked, and copied, so that nothing changes on its way. Used by src/api; the engine checks chats and ids
// against its model.
import type {
  ChatAnswerOptions,
  ChatInputOptions,
  ChatMessage,
  ChatTool,
  TextPart,
  ToolCall,
} from '../types/index.ts'
import { plainCopy } from './plain.ts'
import {
  badOption,
  check,
  flag,
  isList,
  text as isText,
  kindOf,
  type Rules,
  reading,
  whole,
} from './rules.ts'

/** What generate() and chat() take. Token ids are used as they are, without bos. */
export type Input = PlainInput | ChatInput

/** A text or token ids. */
export type PlainInput =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'tokens'; readonly tokens: readonly number[] }

/** A chat, what is rendered with it, and how its answer is read. */
export interface ChatInput extends Readonly<ChatInputOptions>, Readonly<ChatAnswerOptions> {
  readonly kind: 'chat'
  readonly messages: readonly ChatMessage[]
}

/** Four times the longest context there can be. */
const MAX_TOKENS = 1 << 22
const MAX_TOOLS = 1000
const tokenId = whole(0, 0x7fffffff)

/** Token ids as a list of their own. @throws RyzError BAD_OPTION naming the entry that is none */
export function tokenIds(name: string, value: unknown): number[] {
  return reading(name, () => {
    if (!isList(value)) throw badOption(name, value, 'a list of token ids')
    const { length } = value
    if (length > MAX_TOKENS)
      throw badOption(`the length of ${name}`, length, `at most ${MAX_TOKENS}`)
    const ids: number[] = []
    for (let i = 0; i < length; i++) {
      const id = value[i]
      check(`${name}[${i}]`, id, tokenId)
      ids.push((id as number) + 0) // -0 is the token 0
    }
    return ids
  })
}

/** A text or token ids. @throws RyzError BAD_OPTION */
export function textOrTokens(name: string, value: unknown): PlainInput {
  if (typeof value === 'string') return { kind: 'text', text: value }
  return reading(name, () => {
    if (!isList(value)) throw badOption(name, value, 'a string or a list of token ids')
    return { kind: 'tokens', tokens: tokenIds(name, value) }
  })
}

/** Texts of one embed call at most. */
const MAX_TEXTS = 2048

/** A text, or a list of texts and lists of token ids, as a list. @throws RyzError BAD_OPTION naming the entry */
export function embedTexts(name: string, value: unknown): PlainInput[] {
  if (typeof value === 'string') return [{ kind: 'text', text: value }]
  return reading(name, () => {
    const some = Array.isArray(value) && value.length > 0 && value.length <= MAX_TEXTS
    if (!some) throw badOption(name, value, `a text or a list of 1 to ${MAX_TEXTS} texts`)
    return Array.from(value, (text: unknown, i) => textOrTokens(`${name}[${i}]`, text))
  })
}

/** What is rendered with a chat: rules for the options themselves. */
export const CHAT_INPUT_RULES: Rules<ChatInputOptions> = {
  tools: listOfObjects,
  templateOptions: value => (kindOf(value) === 'Object' ? undefined : 'an object of variables'),
  continueLast: flag,
}

function listOfObjects(value: unknown): string | undefined {
  const ok = Array.isArray(value) && value.length <= MAX_TOOLS
  return ok ? undefined : `a list of at most ${MAX_TOOLS} functions`
}

/** A chat, with what is rendered beside it. @throws RyzError BAD_OPTION */
export function chatInput(name: string, value: unknown, options: ChatInputOptions = {}): ChatInput {
  const { templateOptions, continueLast } = options
  const messages = chatMessages(name, value)
  if (continueLast === true) checkContinued(`${name}[${messages.length - 1}]`, messages.at(-1)!)
  const tools = options.tools === undefined ? undefined : chatTools(options.tools)
  return {
    kind: 'chat',
    messages,
    ...(tools && tools.length > 0 && { tools }),
    ...(templateOptions && { templateOptions: templateVariables(templateOptions) }),
    ...(continueLast === true && { continueLast }),
  }
}

/** A text, token ids or a chat. @throws RyzError BAD_OPTION */
export function anyInput(name: string, value: unknown, options: ChatInputOptions = {}): Input {
  return reading(name, () => {
    if (Array.isArray(value) && typeof value[0] === 'object') return chatInput(name, value, options)
    return textOrTokens(name, value)
  })
}

/** Messages, each a copy of its fields. @throws RyzError BAD_OPTION naming the message */
export function chatMessages(name: string, value: unknown): ChatMessage[] {
  return reading(name, () => {
    if (!Array.isArray(value)) throw badOption(name, value, 'a list of messages { role, content }')
    if (value.length === 0) throw badOption(name, value, 'a list of at least one { role, content }')
    const entries = { count: 0 }
    return Array.from(value, (given: unknown, i) => {
      const place = `${name}[${i}]`
      if (typeof given !== 'object' || given === null || Array.isArray(given)) {
        throw badOption(place, given, 'a message { role, content }')
      }
      const message = plainCopy(place, given, entries) as ChatMessage
      checkMessage(place, message)
      return message
    })
  })
}

function checkMessage(place: string, message: ChatMessage): void {
  const { role, content, tool_calls: calls } = message
  check(`${place}.role`, role, isText)
  if (calls !== undefined && calls !== null) checkCalls(`${place}.tool_calls`, calls)
  const mayLack = role === 'assistant' && (calls?.length ?? 0) > 0
  if (Array.isArray(content)) {
    for (const [i, part] of content.entries()) checkPart(`${place}.content[${i}]`, part)
  } else if (content !== null && !(content === undefined && mayLack)) {
    if (typeof content !== 'string') {
      throw badOption(`${place}.content`, content, 'a string, a list of text parts, or null')
    }
  }
  for (const field of ['name', 'tool_call_id', 'reasoning'] as const) {
    if (message[field] !== undefined && message[field] !== null) {
      check(`${place}.${field}`, message[field], isText)
    }
  }
  if (message.trusted !== undefined) check(`${place}.trusted`, message.trusted, flag)
}

function checkPart(place: string, part: unknown): void {
  const { type, text } = Object(part) as Partial<TextPart>
  if (type !== 'text') throw badOption(`${place}.type`, type, "'text'; a model here reads no other")
  check(`${place}.text`, text, isText)
}

function checkCalls(place: string, calls: unknown): void {
  if (!Array.isArray(calls)) throw badOption(place, calls, 'a list of calls { function }')
  calls.forEach((call: unknown, i) => {
    const { name, arguments: given } = Object((Object(call) as ToolCall).function)
    check(`${place}[${i}].function.name`, name, isText)
    if (given === undefined || given === null || typeof given === 'string') return
    if (kindOf(given) !== 'Object') {
      throw badOption(`${place}[${i}].function.arguments`, given, 'an object, or its JSON text')
    }
  })
}

/** @throws RyzError BAD_OPTION naming the tool */
function chatTools(value: unknown): ChatTool[] {
  return reading('tools', () => {
    check('tools', value, listOfObjects)
    const tools = plainCopy('tools', value) as ChatTool[]
    const names = new Set<string>()
    tools.forEach((tool, i) => {
      const { type, function: called } = Object(tool) as Partial<ChatTool>
      if (type !== 'function') throw badOption(`tools[${i}].type`, type, "'function'")
      if (kindOf(called) !== 'Object') throw badOption(`tools[${i}].function`, called, 'an object')
      const { name, parameters } = called!
      check(`tools[${i}].function.name`, name, isText)
      if (name === '') throw badOption(`tools[${i}].function.name`, name, 'a name')
      // A call names its tool, so two of one name could not be told apart.
      if (names.has(name)) {
        throw badOption(`tools[${i}].function.name`, name, 'a name that no other tool has')
      }
      names.add(name)
      if (parameters !== undefined && kindOf(parameters) !== 'Object') {
        throw badOption(`tools[${i}].function.parameters`, parameters, 'a JSON schema, an object')
      }
    })
    return tools
  })
}

/** What the chat itself gives the template. */
const OWN_VARIABLES = ['messages', 'tools', 'add_generation_prompt']

function templateVariables(value: unknown): Record<string, unknown> {
  return reading('templateOptions', () => {
    const variables = plainCopy('templateOptions', value) as Record<string, unknown>
    for (const name of OWN_VARIABLES) {
      if (!Object.hasOwn(variables, name)) continue
      throw badOption(
        `templateOptions.${name}`,
        variables[name],
        'left out; the chat itself says it',
      )
    }
    return variables
  })
}

function checkContinued(place: string, { role, content }: ChatMessage): void {
  if (role !== 'assistant') throw badOption(`${place}.role`, role, "'assistant' with continueLast")
  const texts = Array.isArray(content) ? content.map(part => part.text) : [content ?? '']
  if (texts.some(text => text.trim() !== '')) return
  throw badOption(
    `${place}.content`,
    texts.join(''),
    'the beginning of an answer with continueLast',
  )
}
