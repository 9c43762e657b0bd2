// From what a caller sends (text, token ids, chat messages) to the tokens of a prompt. End-of-sequence
// is never appended, whatever the model asks for: the answer follows. Called by engine.ts.
import { chatMessages, type Input } from '../../options/input.ts'
import { renderChat } from '../../tokenizer/chat-template.ts'
import type { Tokenizer } from '../../tokenizer/tokenizer.ts'
import type { ChatMessage } from '../../types/index.ts'
import { checkTokens } from './options.ts'

export interface PromptOptions {
  /** Rows of the embedding table: every id must be below. */
  readonly vocab: number
  readonly noBos?: boolean
  readonly signal?: AbortSignal
}

/** A hostile template must not hang the engine: rendering ends after this long. */
const TEMPLATE_MS = 1000

/**
 * The tokens of an input.
 * @throws RyzError BAD_OPTION | TEMPLATE_ERROR | ABORTED
 */
export async function promptTokens(
  input: Input,
  tokenizer: Tokenizer,
  options: PromptOptions,
): Promise<readonly number[]> {
  const { vocab } = options
  switch (input.kind) {
    case 'tokens':
      return checkTokens(input.tokens, vocab)
    case 'text': {
      const tokens = tokenizer.encode(input.text, { addSpecial: false })
      return checkTokens(withBos(tokens, tokenizer, options.noBos), vocab)
    }
    case 'chat': {
      const text = await chatText(
        chatMessages('messages', input.messages),
        tokenizer,
        options.signal,
      )
      const tokens = tokenizer.encode(text, { addSpecial: false, parseSpecial: true })
      return checkTokens(withBos(tokens, tokenizer, options.noBos), vocab)
    }
    default:
      return input satisfies never
  }
}

/** Prepends bos where the model wants it and the text (a template, often) does not begin with it. */
function withBos(tokens: number[], tokenizer: Tokenizer, noBos = false): number[] {
  const { bos, addBos } = tokenizer
  if (noBos || !addBos || bos === undefined || tokens[0] === bos) return tokens
  return [bos, ...tokens]
}

async function chatText(
  messages: readonly ChatMessage[],
  tokenizer: Tokenizer,
  signal?: AbortSignal,
): Promise<string> {
  const [eos] = tokenizer.endTokens
  return renderChat(tokenizer.chatTemplate, messages, {
    bosToken: tokenizer.bos === undefined ? '' : tokenizer.tokenText(tokenizer.bos),
    eosToken: eos === undefined ? '' : tokenizer.tokenText(eos),
    addGenerationPrompt: true,
    signal,
    timeoutMs: TEMPLATE_MS,
  })
}
