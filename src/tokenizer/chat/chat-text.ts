// What is asked of a chat template, and what comes of it. Shared by the files here and by those who use them.
import type { ChatInputOptions, ChatMessage } from '../../types/index.ts'
import type { Stretch } from '../tokenizer.ts'

/** A chat to render; checked by options/input.ts. */
export interface ChatRequest extends Readonly<ChatInputOptions> {
  readonly messages: readonly ChatMessage[]
}

/** A rendered chat, for encode() with parseSpecial: what is not trusted was typed by somebody. */
export interface Runs {
  readonly text: string
  /** What the template wrote, and messages that are trusted. */
  readonly trusted: readonly Stretch[]
}

/** What a template does with what it is given; found out by rendering small chats. */
export interface Abilities {
  /** Whether it prints system messages. */
  readonly system: boolean
  /** Whether it prints tools. */
  readonly tools: boolean
  /** Whether it knows the role developer. */
  readonly developer: boolean
  /** How it takes content: as a text, as a list of parts, or either way. */
  readonly content: 'text' | 'parts' | 'both'
  /** How it takes the calls of earlier answers; undefined when it does not print them. */
  readonly calls: CallTaste | undefined
}

export interface CallTaste {
  readonly arguments: 'object' | 'text'
  /** Whether the content beside calls must be None where there is no text. */
  readonly none: boolean
}
