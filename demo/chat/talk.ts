// One answer of the model: what of the conversation it reads, the request, and the state that is saved afterwards.
// When the context is full the oldest turns slide out, whole turns, and the page says so. Knows no DOM.
import type { ChatMessage, EngineStats, GenerateResult, SamplingOptions } from 'ryzanstein'
import type { Session } from '../src/session.ts'
import { count, milliseconds } from '../src/wording.ts'
import { type Conversation, messagesOf, pathOf, type Turn } from './conversation.ts'
import type { Shelf } from './shelf.ts'

/** After turns slid out this part of the context is in use: its beginning then stays the same for some turns. */
const AFTER_SLIDE = 0.6

const BLOCK_TOKENS = 32
/** Larger states are not kept: reading a chat again is then the better bargain. */
const MOST_SAVED_BYTES = 32e6

export interface AnswerOptions extends SamplingOptions {
  maxTokens: number
}

/** How much of the context a conversation takes. */
export interface ContextUse {
  tokens: number
  limit: number
  /** Turns of the path that the model does not read any more. */
  slidOut: number
}

export class Talk {
  readonly #session: Session
  readonly #shelf: Shelf
  #limit = 0
  /** Of saved state, for a token. */
  #tokenBytes = 0
  /** Conversations whose saved state was brought back into this engine: tokens. */
  readonly #restored = new Map<string, Promise<number>>()

  constructor(session: Session, shelf: Shelf) {
    this.#session = session
    this.#shelf = shelf
  }

  /** Another engine is open, which has read nothing. */
  begin({ contextLength, memory }: EngineStats): void {
    this.#limit = contextLength
    this.#tokenBytes = memory.kv / Math.max(1, memory.kvBlocks * BLOCK_TOKENS)
    this.#restored.clear()
  }

  /** Brings back what was computed of a conversation before the page was left. @returns tokens */
  prepare({ id }: Conversation): Promise<number> {
    const engine = this.#session.engine
    if (!engine) return Promise.resolve(0)
    let restoring = this.#restored.get(id)
    restoring ??= this.#shelf.restoreSession(id, engine).catch(caught => {
      console.warn(`A saved session could not be used, the chat is read again: ${caught}`)
      return 0
    })
    this.#restored.set(id, restoring)
    return restoring
  }

  /** What a conversation takes now; undefined while no model is open, or where its template fails. */
  async use(conversation: Conversation): Promise<ContextUse | undefined> {
    const path = pathOf(conversation)
    const from = firstRead(conversation, path)
    if (path.length === 0 || !this.#session.engine) return undefined
    try {
      const tokens = await this.#count(messagesOf(conversation, path.slice(from)), false)
      return { tokens, limit: this.#limit, slidOut: from }
    } catch {
      return undefined // the answer will say why
    }
  }

  /**
   * Writes `turn`, the last one of the path, or goes on with it.
   * @param onPiece  after each piece, with the tokens it brought
   * @throws RyzError any code of chat(); what was written before stays in the turn
   */
  async answer(
    conversation: Conversation,
    turn: Turn,
    options: AnswerOptions,
    onPiece: (tokens: number) => void,
  ): Promise<void> {
    const continueLast = turn.text !== ''
    const path = pathOf(conversation)
    const said = continueLast ? path : path.slice(0, -1)
    delete turn.end
    delete turn.facts
    try {
      const result = await this.#session.run(
        async (engine, signal) => {
          await this.prepare(conversation)
          const { maxTokens } = options
          const fitted = await this.#fit(conversation, said, maxTokens, continueLast)
          const keep = await this.#systemTokens(conversation)
          signal.throwIfAborted()
          const { messages, overflow } = fitted
          const asked = { ...options, overflow, keep, signal }
          return engine.chat(messages, continueLast ? { ...asked, continueLast } : asked)
        },
        ({ text, reasoning, tokens }) => {
          turn.text += text
          if (reasoning) turn.reasoning = (turn.reasoning ?? '') + reasoning
          onPiece(tokens.length)
        },
      )
      turn.end = typeof result === 'string' ? result : result.finishReason
      if (typeof result !== 'string') turn.facts = factsOf(result)
    } catch (caught) {
      turn.end = 'failed'
      throw caught
    }
  }

  /** Keeps what the engine has computed, for a later visit. */
  async save(conversation: Conversation): Promise<void> {
    const path = pathOf(conversation)
    const messages = messagesOf(conversation, path.slice(firstRead(conversation, path)))
    try {
      const bytes = this.#tokenBytes * (await this.#count(messages, false))
      if (bytes > MOST_SAVED_BYTES) return
      const saved = await this.#session.engine?.saveSession(messages)
      if (saved) await this.#shelf.keepSession(conversation.id, saved)
    } catch (caught) {
      // Shorter than a block, no room, or the engine is gone: the next visit reads the chat again.
      console.info(`The state of the chat was not kept: ${caught}`)
    }
  }

  /** Lets the oldest turns slide out until the rest and an answer fit. */
  async #fit(
    conversation: Conversation,
    said: readonly Turn[],
    maxTokens: number,
    continueLast: boolean,
  ): Promise<{ messages: ChatMessage[]; overflow: 'slide' | 'stop' }> {
    const read = (from: number) => messagesOf(conversation, said.slice(from))
    let from = firstRead(conversation, said)
    let tokens = await this.#count(read(from), continueLast)
    const full = tokens + Math.min(maxTokens, this.#limit / 4) > this.#limit
    while (full && tokens > this.#limit * AFTER_SLIDE) {
      const next = said.findIndex((turn, index) => index > from && turn.role === 'user')
      if (next < 0) break
      from = next
      tokens = await this.#count(read(from), continueLast)
    }
    if (from > 0) conversation.readFrom = said[from]?.id
    else delete conversation.readFrom
    // An answer may outgrow the context; a message that does alone is refused, not cut.
    return { messages: read(from), overflow: tokens < this.#limit ? 'slide' : 'stop' }
  }

  async #count(messages: readonly ChatMessage[], continueLast: boolean): Promise<number> {
    const engine = this.#session.engine
    if (!engine) return 0
    return engine.countTokens(messages, continueLast ? { continueLast } : {})
  }

  /** Tokens at the start that stay when an answer outgrows the context: the system prompt and its frame. */
  async #systemTokens({ system }: Conversation): Promise<number> {
    const tokens = (await this.#session.engine?.countTokens(system)) ?? 0
    return Math.min(tokens + 8, Math.floor(this.#limit / 2))
  }
}

function firstRead({ readFrom }: Conversation, path: readonly Turn[]): number {
  return Math.max(
    0,
    path.findIndex(turn => turn.id === readFrom),
  )
}

/** '34 tokens · 410 per second · first word after 12 ms · 96 of 121 tokens were read before'. */
function factsOf(result: GenerateResult): string {
  const { tokens, decodeMs, ttftMs, reusedTokens, promptTokens, slides } = result
  const facts = [tokens.length === 1 ? '1 token' : `${count(tokens.length)} tokens`]
  if (tokens.length > 1 && decodeMs > 0) {
    facts.push(`${count((tokens.length - 1) / (decodeMs / 1000))} per second`)
  }
  facts.push(`first word after ${milliseconds(ttftMs)}`)
  if (reusedTokens > 0) {
    facts.push(`${count(reusedTokens)} of ${count(promptTokens)} tokens were read before`)
  }
  if (slides > 0) facts.push('it outgrew the context, whose oldest part slid out')
  return facts.join(' · ')
}
