// Input of the Prompt API as messages of a chat, and errors as its pages expect them: TypeError and DOMException.
// Called by session.ts and prompt-api.ts.
import { RyzError } from '../../errors.ts'
import type { ChatMessage } from '../../types/index.ts'
import type { PromptInput } from './types.ts'

export interface ReadPrompt {
  readonly messages: ChatMessage[]
  /** The last one is the beginning of the answer. */
  readonly prefix: boolean
}

/** @throws TypeError for what is no prompt; NotSupportedError for pictures and sounds */
export function readPrompt(input: PromptInput, first: boolean): ReadPrompt {
  if (typeof input === 'string')
    return { messages: [{ role: 'user', content: input }], prefix: false }
  if (!Array.isArray(input) || input.length === 0) {
    throw new TypeError('a prompt is a text or a list of messages { role, content }')
  }
  let prefix = false
  const messages = Array.from(input, (given, i): ChatMessage => {
    const { role, content } = Object(given)
    if (!['system', 'user', 'assistant'].includes(role)) {
      throw new TypeError(`message ${i} has no role of system, user or assistant`)
    }
    if (role === 'system' && !(first && i === 0)) {
      throw new TypeError('a system message can only be the first of the initial prompts')
    }
    if (given.prefix === true) {
      if (role !== 'assistant' || i !== input.length - 1) {
        throw new TypeError('only the last message, an assistant one, can be a prefix')
      }
      prefix = true
    }
    return { role, content: textOf(content, i) }
  })
  return { messages, prefix }
}

function textOf(content: unknown, i: number): string {
  if (typeof content === 'string') return content
  if (!Array.isArray(content)) throw new TypeError(`message ${i} has neither text nor parts`)
  const texts = Array.from(content, part => {
    const { type, value } = Object(part)
    if (type !== 'text')
      throw notSupported(`message ${i} has a part of type ${String(type)}; only text is read`)
    if (typeof value !== 'string') throw new TypeError(`a text part of message ${i} has no text`)
    return value
  })
  return texts.join('')
}

export function notSupported(message: string): DOMException {
  return new DOMException(message, 'NotSupportedError')
}

/** As the specification has it, with the figures. */
export function quotaExceeded(requested: number, quota: number): DOMException {
  const message = `the input has ${requested} tokens, the context holds ${quota}`
  return Object.assign(new DOMException(message, 'QuotaExceededError'), { requested, quota })
}

/** A constraint that was not met when the context was full. */
export function cutShort(quota: number): DOMException {
  const message = `the answer was longer than the context of ${quota} tokens before it met its constraint`
  return new DOMException(message, 'OperationError')
}

/** What a page of the Prompt API expects in place of an error of the engine, which is its cause. */
export function domError(caught: unknown, signal: AbortSignal | undefined): unknown {
  if (signal?.aborted) return signal.reason
  if (!(caught instanceof RyzError)) return caught
  const { code, message, detail } = caught
  if (code === 'CONTEXT_FULL') {
    return quotaExceeded(Number(detail.tokens ?? detail.atLeast), Number(detail.contextLength))
  }
  const name =
    code === 'BAD_OPTION'
      ? 'NotSupportedError'
      : code === 'CLOSED'
        ? 'InvalidStateError'
        : 'OperationError'
  return Object.assign(new DOMException(`${code}: ${message}`, name), { cause: caught })
}
