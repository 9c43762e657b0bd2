// From what a caller sends (text, token ids, chat messages) to the tokens of a prompt. End-of-sequence
// is never appended, whatever the model asks for: the answer follows. Called by engine.ts.
import { chatInput, type Input } from '../../options/input.ts'
import type { Chat } from '../../tokenizer/chat/open-chat.ts'
import type { Tokenizer } from '../../tokenizer/tokenizer.ts'
import { encodeText, type PromptRoom } from './long-text.ts'
import { checkTokens } from './options.ts'

/** What turns inputs into tokens. */
export interface PromptMaker {
  readonly tokenizer: Tokenizer
  readonly chat: Chat
}

export interface PromptOptions {
  /** Rows of the embedding table: every id must be below. */
  readonly vocab: number
  /** Tokens that fit; a text that cannot fit is refused before it is tokenized. Without it any fits. */
  readonly contextLength?: number
  /** Of a text that any length fits, these are enough: at its beginning and at its end. */
  readonly ends?: { readonly first: number; readonly last: number }
  readonly noBos?: boolean
  readonly signal?: AbortSignal
}

/**
 * The tokens of an input.
 * @throws RyzError BAD_OPTION | TEMPLATE_ERROR | CONTEXT_FULL | ABORTED
 */
export async function promptTokens(
  input: Input,
  { tokenizer, chat }: PromptMaker,
  options: PromptOptions,
): Promise<readonly number[]> {
  const { vocab, contextLength, noBos, signal } = options
  const room: PromptRoom | undefined =
    contextLength === undefined ? options.ends : { most: contextLength, contextLength }
  switch (input.kind) {
    case 'tokens':
      return checkTokens(input.tokens, vocab)
    case 'text': {
      const tokens = await encodeText(tokenizer, input.text, { addSpecial: false }, signal, room)
      return checkTokens(withBos(tokens, tokenizer, noBos), vocab)
    }
    case 'chat': {
      const maxChars = contextLength && mostCharacters(tokenizer, contextLength)
      const request = chatInput('messages', input.messages, input)
      const { text, trusted } = await chat.render(request, { maxChars, signal })
      const written = { addSpecial: false, parseSpecial: true, trusted }
      const tokens = await encodeText(tokenizer, text, written, signal, room)
      return checkTokens(withBos(tokens, tokenizer, noBos), vocab)
    }
    default:
      return input satisfies never
  }
}

/** Characters that so many tokens can hold; undefined where a length tells nothing. */
function mostCharacters(tokenizer: Tokenizer, tokens: number): number | undefined {
  const share = tokenizer.fewestTokens(1e6) / 1e6
  return share > 0 ? Math.ceil(tokens / share) : undefined
}

/** Prepends bos where the model wants it and the text (a template, often) does not begin with it. */
function withBos(tokens: number[], tokenizer: Tokenizer, noBos = false): number[] {
  const { bos, addBos } = tokenizer
  if (noBos || !addBos || bos === undefined || tokens[0] === bos) return tokens
  return [bos, ...tokens]
}
