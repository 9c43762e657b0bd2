// What requests are about: texts, token ids, chats, as a caller gives them and as they are sent. Read once,
// checked, and copied, so that nothing changes on its way. Used by src/api; the engine checks chats and ids
// against its model.
import type { ChatMessage } from '../types/index.ts'
import { badOption, check, isList, text as isText, reading, whole } from './rules.ts'

/** What generate() and chat() take. Token ids are used as they are, without bos. */
export type Input =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'tokens'; readonly tokens: readonly number[] }
  | { readonly kind: 'chat'; readonly messages: readonly ChatMessage[] }

/** Four times the longest context there can be. */
const MAX_TOKENS = 1 << 22
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
export function textOrTokens(name: string, value: unknown): Input {
  if (typeof value === 'string') return { kind: 'text', text: value }
  return reading(name, () => {
    if (!isList(value)) throw badOption(name, value, 'a string or a list of token ids')
    return { kind: 'tokens', tokens: tokenIds(name, value) }
  })
}

/** A chat. @throws RyzError BAD_OPTION */
export function chatInput(name: string, value: unknown): Input {
  return { kind: 'chat', messages: chatMessages(name, value) }
}

/** A text, token ids or a chat. @throws RyzError BAD_OPTION */
export function anyInput(name: string, value: unknown): Input {
  return reading(name, () => {
    if (Array.isArray(value) && typeof value[0] === 'object') return chatInput(name, value)
    return textOrTokens(name, value)
  })
}

/** Messages, each a copy of its fields. @throws RyzError BAD_OPTION naming the message */
export function chatMessages(name: string, value: unknown): ChatMessage[] {
  return reading(name, () => {
    if (!Array.isArray(value)) throw badOption(name, value, 'a list of messages { role, content }')
    if (value.length === 0) throw badOption(name, value, 'a list of at least one { role, content }')
    return Array.from(value, (given: unknown, i) => {
      if (typeof given !== 'object' || given === null) {
        throw badOption(`${name}[${i}]`, given, 'a message { role, content }')
      }
      const message = { ...given } as ChatMessage
      check(`${name}[${i}].role`, message.role, isText)
      check(`${name}[${i}].content`, message.content, isText)
      return message
    })
  })
}
