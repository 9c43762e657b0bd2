// What a chat is made of: messages, tools, and what the template may be told beside them. Names inside
// messages are those that chat templates know, which are OpenAI's. Part of the public types, see index.ts.
import type { GenerateOptions } from './generate.ts'

/** A piece of a message. */
export interface TextPart {
  type: 'text'
  text: string
}

/** A call of a function, as an assistant message holds it. */
export interface ToolCall {
  id?: string
  type?: 'function'
  function: {
    name: string
    /** An object, or the same as JSON text: both give one prompt. */
    arguments?: string | Readonly<Record<string, unknown>> | null
  }
}

/** A function that the model may call, with its parameters as JSON schema. */
export interface ChatTool {
  type: 'function'
  function: {
    name: string
    description?: string
    parameters?: Readonly<Record<string, unknown>>
    /** What it gives; some templates show it. */
    return?: Readonly<Record<string, unknown>>
    /** true: calls of it are held to `parameters` token by token. */
    strict?: boolean | null
  }
}

/**
 * A message of a chat. The template gets every field, those beyond these too. Text in it is only text: a
 * control token written out in it is spelled, and no turn can be forged.
 */
export interface ChatMessage {
  /** 'developer' is passed as 'system' to a template that does not know it. */
  role: 'system' | 'developer' | 'user' | 'assistant' | 'tool' | (string & {})
  /** null is an empty text; only an assistant message with tool_calls may leave it out. */
  content?: string | readonly TextPart[] | null
  name?: string
  /** What an assistant message calls. */
  tool_calls?: readonly ToolCall[] | null
  /** The call that a message of the role 'tool' answers. */
  tool_call_id?: string
  /** What an assistant message was thought out with; the template decides whether it is shown again. */
  reasoning?: string | null
  /** Control tokens written out in this message count: for text that you wrote yourself. Default false. */
  trusted?: boolean
}

/** How a chat is rendered. */
export interface ChatInputOptions {
  /** Functions that the model may call. An empty list is none. */
  tools?: readonly ChatTool[]
  /** Variables of the template beside its own, such as { enable_thinking: false }. */
  templateOptions?: Readonly<Record<string, unknown>>
  /** Go on with the last message, which must be the assistant's, instead of beginning a new one. */
  continueLast?: boolean
}

/** How the answer to a chat is made and read. */
export interface ChatAnswerOptions {
  /**
   * Whether the model calls a function: 'auto' (default) if it likes, 'none' not, 'required' at least one, or the
   * one that is named. What is required is held to the schemas of the tools, token by token; so is 'auto'
   * where a tool says `strict: true`. Otherwise what is no well-formed call of an offered function stays
   * text, byte for byte, and `result.unreadCalls` counts it. Together with responseFormat an 'auto' answer is calls, held to
   * their schemas, or a text of that format, and nothing around them; 'required' and a name give calls alone.
   */
  toolChoice?: 'auto' | 'none' | 'required' | { readonly name: string }
  /** Several calls in one answer; false ends it with the first. Default true. */
  parallelToolCalls?: boolean
  /**
   * Reasoning between the tags that the chat template knows (`<think>`) is told as `reasoning`, not as
   * text; false leaves it in the text. Default true.
   */
  reasoning?: boolean
  /** Reasoning is closed after so many tokens, and the answer begins. Default: no limit of its own. */
  maxReasoningTokens?: number
}

export interface ChatOptions extends GenerateOptions, ChatInputOptions, ChatAnswerOptions {}
