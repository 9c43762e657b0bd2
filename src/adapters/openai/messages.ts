// Messages of a request in the SDK's words: texts joined, nothing that the model cannot be told. Called by
// request.ts.
import { badOption, reading } from '../../options/rules.ts'
import type { ChatMessage } from '../../types/index.ts'
import type { ChatCompletionMessage } from './openai-types.ts'

/** Fields that the model cannot be told of, unless they say nothing. */
const UNTOLD = ['function_call', 'audio', 'refusal']

/** @throws RyzError BAD_OPTION naming the message and what cannot be said to the model */
export function readMessage(given: ChatCompletionMessage, i: number): ChatMessage {
  const at = `messages[${i}]`
  return reading(at, () => {
    if (typeof given !== 'object' || given === null) {
      throw badOption(at, given, 'a message { role, content }')
    }
    const told: Record<string, unknown> = {}
    for (const [field, value] of Object.entries(given)) {
      if (value === undefined || value === null) continue
      if (field !== 'content' && Array.isArray(value) && value.length === 0) continue
      if (UNTOLD.includes(field))
        throw badOption(`${at}.${field}`, value, 'left out; it is not supported here')
      // Of answers of the official client; the template has no use for it.
      if (field !== 'annotations') told[field] = value
    }
    // The name that other servers give it.
    const { reasoning_content: reasoning, ...message } = told
    return {
      ...message,
      role: given.role,
      content: contentOf(given.content, at),
      ...(reasoning !== undefined && { reasoning: reasoning as string }),
    } as ChatMessage
  })
}

/** Texts of a message, joined; the SDK checks the rest. */
function contentOf(content: ChatCompletionMessage['content'], at: string): string {
  if (content === undefined || content === null) return ''
  if (typeof content === 'string') return content
  if (!Array.isArray(content)) throw badOption(`${at}.content`, content, 'a text or text parts')
  const texts = Array.from(content, (part: { type?: unknown; text?: unknown }, p) => {
    if (part?.type === 'text' && typeof part.text === 'string') return part.text
    throw badOption(`${at}.content[${p}]`, part?.type, "{ type: 'text', text }; only text is read")
  })
  return texts.join('')
}
