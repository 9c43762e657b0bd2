/// <reference lib="esnext.disposable" preserve="true" />
// The SDK: load() starts the engine worker and opens a model in it; a Ryzanstein talks to it. Signals
// and callbacks stay on the page and become messages. Importing this file does nothing. The first line is for
// users whose TypeScript knows no Symbol.asyncDispose.

import { asRyzError, type RyzError } from '../errors.ts'
import { ANSWER_RULES, checkAnswer } from '../options/answer.ts'
import {
  DETOKENIZE_RULES,
  type DetokenizeOptions,
  EMBED_RULES,
  GENERATE_RULES,
  SAVE_RULES,
  type SaveOptions,
  SCORE_RULES,
  TOKENIZE_RULES,
  type TokenizeOptions,
} from '../options/generate.ts'
import {
  anyInput,
  CHAT_INPUT_RULES,
  chatInput,
  embedTexts,
  type Input,
  textOrTokens,
  tokenIds,
} from '../options/input.ts'
import { checkLoad } from '../options/load.ts'
import { plainFormat } from '../options/response-format.ts'
import { blob, check, checkOptions, text as isText } from '../options/rules.ts'
import type {
  ChatInputOptions,
  ChatMessage,
  ChatOptions,
  EmbedOptions,
  EmbedResult,
  EngineStats,
  Fallback,
  GenerateOptions,
  LoadOptions,
  ModelInfo,
  ModelSource,
  QueueEvent,
  RestoredSession,
  ScoreOptions,
  ScoreResult,
} from '../types/index.ts'
import type { EngineLink, Heartbeat, PortCall, WorkerLike } from './link/connection.ts'
import { openConnection } from './link/open-connection.ts'
import { type Reopen, Respawn } from './link/respawn.ts'
import { RevivingLink } from './link/reviving-link.ts'
import type { Shared } from './link/shared.ts'
import { aborted, onAbort, startWorker, tell } from './link/start-worker.ts'
import { checkSource, localDraft, localSource } from './local-source.ts'
import { TokenStream } from './token-stream.ts'

/** What messages with a whole answer hold. */
interface Whole {
  scored: ScoreResult
  embedded: EmbedResult
}
type PortSend = Parameters<EngineLink['request']>[0]

declare global {
  // For users whose `lib` is older than `await using`, which is what needs it.
  interface SymbolConstructor {
    readonly asyncDispose: unique symbol
  }
}

/**
 * Loads a model into a worker of its own.
 * @param source  URL of a .gguf, base URL of a Hugging Face directory, File, Blob, list of Files,
 *   FileSystemFileHandle, ArrayBuffer, Uint8Array or ReadableStream
 * @throws RyzError what is wrong with the source, the model or the options; ABORTED | WORKER_DIED
 * @example
 * const engine = await load('/models/tiny.gguf')
 * console.log(await engine.generate('Once upon a time').text())
 * await engine.close()
 */
export async function load(source: ModelSource, options: LoadOptions = {}): Promise<Ryzanstein> {
  const checked = checkLoad(options)
  checkSource(source)
  if (checked.signal?.aborted) throw aborted('loading')
  const local = await localSource(source, checked.signal)
  await localDraft(checked)
  if (checked.share !== true) return alone(local, checked)
  const shared = await shareOrWhyNot(local, checked)
  if (typeof shared !== 'string') return new Ryzanstein(shared.link, shared.model)
  const fallback: Fallback = {
    from: 'one engine for all tabs',
    to: 'an engine of this tab',
    reason: shared,
  }
  console.warn(`ryzanstein: ${fallback.to} instead of ${fallback.from}: ${shared}`)
  return alone(local, checked, [fallback])
}

async function shareOrWhyNot(source: ModelSource, options: LoadOptions): Promise<Shared | string> {
  let part: typeof import('./link/shared.ts')
  try {
    part = await import('./link/shared.ts')
  } catch (caught) {
    return asRyzError(caught, 'NETWORK', "the package's part for sharing could not be fetched")
      .message
  }
  return part.loadShared(source, options)
}

function alone(source: ModelSource, options: LoadOptions, fallbacks: readonly Fallback[] = []) {
  const spawn = () => startWorker(options.baseUrl)
  return connect(spawn(), source, options, undefined, spawn, fallbacks)
}

/**
 * load() with a worker that was made elsewhere; it is terminated when loading fails.
 * @internal
 * @param spawn  makes the worker of a restart; without it there is none
 */
export async function connect(
  worker: WorkerLike,
  source: ModelSource,
  options: LoadOptions,
  beat?: Heartbeat,
  spawn?: () => WorkerLike,
  fallbacks: readonly Fallback[] = [],
): Promise<Ryzanstein> {
  const opened = await openConnection(worker, source, options, beat)
  const { signal: _, ...again } = options
  const reopen: Reopen | undefined =
    spawn && options.autoRestart !== false
      ? avoid => openConnection(spawn(), source, again, beat, avoid)
      : undefined
  return new Ryzanstein(new RevivingLink(new Respawn(opened, reopen)), opened.model, fallbacks)
}

const CHAT_RULES = { ...GENERATE_RULES, ...CHAT_INPUT_RULES, ...ANSWER_RULES }

/** A loaded model. Made by load(); close() gives all memory back. */
export class Ryzanstein {
  /** What was loaded. */
  readonly model: ModelInfo
  readonly #connection: EngineLink
  readonly #fallbacks: readonly Fallback[]
  /** Token lists of answers: detokenize() knows that they continue a prompt. */
  readonly #answers = new WeakSet<object>()

  /** @internal Made by load(). */
  constructor(connection: EngineLink, model: ModelInfo, fallbacks: readonly Fallback[] = []) {
    this.#connection = connection
    this.#fallbacks = fallbacks
    this.model = model
  }

  /** Continues a prompt: a text, or token ids, which are used as they are (no bos is added). */
  generate(prompt: string | readonly number[], options: GenerateOptions = {}): TokenStream {
    return this.#stream(() => [
      textOrTokens('prompt', prompt),
      checkOptions(GENERATE_RULES, options, 'generate()'),
    ])
  }

  /** Answers the last message of a chat, with the chat template of the model. */
  chat(messages: readonly ChatMessage[], options: ChatOptions = {}): TokenStream {
    return this.#stream(() => {
      const checked = checkOptions(CHAT_RULES, options, 'chat()')
      const { tools, templateOptions, continueLast, ...rest } = checked
      const { toolChoice, parallelToolCalls, reasoning, maxReasoningTokens, ...generate } = rest
      const chat = chatInput('messages', messages, { tools, templateOptions, continueLast })
      const answer = { toolChoice, parallelToolCalls, reasoning, maxReasoningTokens }
      checkAnswer(answer, chat.tools)
      return [{ ...chat, ...answer }, generate]
    })
  }

  /**
   * The log-probability of each token given those before it; with `logits`, the raw logits too.
   * @throws RyzError CONTEXT_FULL | QUEUE_FULL | QUEUE_TIMEOUT | BAD_OPTION | ABORTED | CLOSED
   */
  async score(input: string | readonly number[], options: ScoreOptions = {}): Promise<ScoreResult> {
    const sent = textOrTokens('input', input)
    const { signal, ...wire } = checkOptions(SCORE_RULES, options, 'score()')
    const send: PortSend = (remote, port, given) =>
      remote.score(sent, wire, port, given !== undefined)
    return this.#ask('scored', signal, send)
  }

  /**
   * A vector for each text (or list of token ids), from its hidden states: texts that mean the like have a large
   * dot product. Texts run side by side where seats are free, as one request.
   * @throws RyzError CONTEXT_FULL naming the text | QUEUE_FULL | QUEUE_TIMEOUT | BAD_OPTION | ABORTED | CLOSED
   * @example
   * const { embeddings } = await engine.embed(['a cat', 'a kitten'])
   */
  async embed(
    texts: string | readonly (string | readonly number[])[],
    options: EmbedOptions = {},
  ): Promise<EmbedResult> {
    const sent = embedTexts('texts', texts)
    const { signal, onQueue, ...wire } = checkOptions(EMBED_RULES, options, 'embed()')
    const send: PortSend = (remote, port, given) =>
      remote.embed(sent, wire, port, given !== undefined)
    return this.#ask('embedded', signal, send, onQueue)
  }

  /** Token ids of a text; `special` recognises control tokens written out, `bos` prepends bos. */
  async tokenize(text: string, options: TokenizeOptions = {}): Promise<number[]> {
    check('text', text, isText)
    const wire = checkOptions(TOKENIZE_RULES, options, 'tokenize()')
    return this.#connection.call(remote => remote.tokenize(text, wire))
  }

  /**
   * The text of token ids; `special` also writes control tokens. SentencePiece vocabularies put a space before
   * a text, which is taken off again; `continuation` keeps it, for ids from the middle of a text. The `tokens`
   * of a result are known to continue their prompt.
   */
  async detokenize(ids: readonly number[], options: DetokenizeOptions = {}): Promise<string> {
    const sent = tokenIds('ids', ids)
    const wire = checkOptions(DETOKENIZE_RULES, options, 'detokenize()')
    wire.continuation ??= this.#answers.has(ids)
    return this.#connection.call(remote => remote.detokenize(sent, wire))
  }

  /** Tokens of a text without bos, or of a chat as chat() would send it with the same options. */
  async countTokens(
    input: string | readonly ChatMessage[],
    options: ChatInputOptions = {},
  ): Promise<number> {
    const rendered = checkOptions(CHAT_INPUT_RULES, options, 'countTokens()')
    const sent: Input =
      typeof input === 'string'
        ? { kind: 'text', text: input }
        : chatInput('input', input, rendered)
    return this.#connection.call(remote => remote.countTokens(sent))
  }

  /** What runs, how fast, with how much memory, and what fell back to what. */
  async stats(): Promise<EngineStats> {
    const stats: EngineStats = await this.#connection.call(remote => remote.stats())
    const { role, restarts = [] } = this.#connection
    const fallbacks = [...this.#fallbacks, ...stats.fallbacks]
    const faults = { ...stats.faults, restarts: restarts.map(r => ({ ...r })) }
    return { ...stats, fallbacks, faults, ...(role && { tab: role }) }
  }

  /**
   * The computed state (KV blocks) of a text, token ids or a chat, to go on with in a later page load:
   * see `sessions`. Whole blocks of 32 tokens are kept; what is not in the cache is computed first. For
   * the model and options it was saved with; about `stats().memory.kv / kvBlocks` bytes a block.
   * @throws RyzError BAD_OPTION for fewer than 32 tokens; QUEUE_FULL | QUEUE_TIMEOUT | CLOSED
   */
  async saveSession(
    input: string | readonly number[] | readonly ChatMessage[],
    options: SaveOptions & ChatInputOptions = {},
  ): Promise<Blob> {
    const rules = { ...SAVE_RULES, ...CHAT_INPUT_RULES }
    const { noBos, ...rendered } = checkOptions(rules, options, 'saveSession()')
    const sent = anyInput('input', input, rendered)
    const wire: SaveOptions = noBos === undefined ? {} : { noBos }
    return this.#connection.call(remote => remote.saveSession(sent, wire))
  }

  /**
   * Brings a saved session back: prompts and chats that begin alike are not read again, and their
   * answers are the same bits as if they were.
   * @throws RyzError BAD_OPTION naming what differs when it is damaged or of another model
   */
  async restoreSession(session: Blob): Promise<RestoredSession> {
    check('session', session, blob)
    return this.#connection.call(remote => remote.restoreSession(session))
  }

  /** Ends every open request with CLOSED and the worker with it. May be called twice. */
  close(): Promise<void> {
    return this.#connection.close()
  }

  /** `await using engine = await load(...)` closes it at the end of the block. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** A request with one answer. */
  #ask<Type extends keyof Whole>(
    type: Type,
    signal: AbortSignal | undefined,
    send: PortSend,
    onQueue?: (event: QueueEvent) => void,
  ): Promise<Whole[Type]> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(aborted('the request'))
      let call: PortCall | undefined
      const unlisten = onAbort(signal, () => {
        call?.cancel()
        reject(aborted('the request'))
      })
      call = this.#connection.request(
        send,
        message => {
          if (message.type === 'queue') return tell(onQueue, message.event)
          unlisten()
          if (message.type === type) resolve(message.result as Whole[Type])
        },
        error => {
          unlisten()
          reject(error)
        },
      )
    })
  }

  /** @param read  gives what is sent; what it throws ends the stream */
  #stream(read: () => [Input, GenerateOptions]): TokenStream {
    return new TokenStream(stream => {
      let input: Input
      let checked: GenerateOptions
      try {
        ;[input, checked] = read()
        const { responseFormat } = checked
        if (responseFormat !== undefined) checked.responseFormat = plainFormat(responseFormat)
        if (checked.signal?.aborted) throw aborted('the request')
      } catch (caught) {
        stream.fail(caught as RyzError)
        return () => undefined
      }
      const { signal, onQueue, ...wire } = checked
      let unlisten: () => void = () => undefined
      // What is sent again must come out the same.
      if (this.#connection.replays) wire.seed ??= crypto.getRandomValues(new Uint32Array(1))[0]
      const request = this.#connection.request(
        (remote, port, given) =>
          remote.generate(input, given === undefined ? wire : { ...wire, given }, port),
        message => {
          if (message.type === 'token') stream.push(message.chunk)
          else if (message.type === 'queue') tell(onQueue, message.event)
          else if (message.type === 'done') {
            unlisten()
            this.#answers.add(message.result.tokens)
            stream.done(message.result)
          }
        },
        error => {
          unlisten()
          stream.fail(error)
        },
      )
      const cancel = (): void => {
        unlisten()
        request.cancel()
        stream.fail(aborted('the request'))
      }
      unlisten = onAbort(signal, cancel)
      return cancel
    })
  }
}
