// An engine of this device with another behind it, for what this device cannot do: local first, and remote only
// where a remote was given and the page lets the request go. Says for each answer where it was made and why.
// Decides before the first token; an answer that was begun is never mixed of two models.
import { TokenStream } from '../../api/token-stream.ts'
import { asRyzError, RyzError } from '../../errors.ts'
import {
  badOption,
  callback,
  checkOptions,
  number,
  type Rules,
  whole,
} from '../../options/rules.ts'
import type {
  ChatMessage,
  ChatOptions,
  EngineStats,
  GenerateOptions,
  GenerateResult,
  TokenChunk,
} from '../../types/index.ts'
import type { RemoteEngine } from './remote.ts'

/** Why an answer was made where it was. */
export type HybridReason =
  /** This device can do it. */
  | 'local'
  /** The engine of this device could not be loaded (MEMORY_BUDGET, NO_WORKER, UNSUPPORTED_...). */
  | 'unavailable'
  /** It decodes below minTokensPerSecond. */
  | 'slow'
  /** More than maxWaiting requests wait, or the queue is full. */
  | 'queue'
  /** Prompt and answer exceed its context. */
  | 'context'

/** Where an answer was made and why. */
export interface HybridChoice {
  readonly where: 'local' | 'remote'
  readonly reason: HybridReason
  /** In words, with the figures. */
  readonly why: string
}

/** When a request may leave this device. Without a limit of its kind, none does for that reason. */
export interface HybridPolicy {
  /**
   * Whether this request may leave the device, asked each time before it does. Default: it may, as a remote was
   * given. Without a remote it is never asked.
   */
  allow?: (reason: HybridReason, request: HybridRequest) => boolean | Promise<boolean>
  /** Below this rate of decoding the device counts as too slow; default 0: never. */
  minTokensPerSecond?: number
  /** Requests that may wait here before others go elsewhere; default: as many as the queue takes. */
  maxWaiting?: number
}

/** What is about to leave. */
export interface HybridRequest {
  readonly kind: 'chat' | 'generate'
  readonly messages?: readonly ChatMessage[]
  readonly prompt?: string
}

const RULES: Rules<HybridPolicy> = {
  allow: callback,
  minTokensPerSecond: number(0, Number.MAX_VALUE),
  maxWaiting: whole(0, Number.MAX_SAFE_INTEGER),
}

/** What is asked of the engine of this device; load() gives one. */
export interface LocalEngine {
  /** As load() gives it. */
  generate(prompt: string, options?: GenerateOptions): TokenStream
  /** As load() gives it. */
  chat(messages: readonly ChatMessage[], options?: ChatOptions): TokenStream
  /** As load() gives it: the prompt is measured against the context. */
  countTokens(input: string | readonly ChatMessage[], options?: object): Promise<number>
  /** As load() gives it: rate and queue are looked at. */
  stats(): Promise<EngineStats>
  /** As load() gives it. */
  close(): Promise<void>
}

/** A stream that tells where its answer is made. */
export interface HybridStream extends TokenStream {
  /** Known with the first token at the latest; rejects with what ended the request before it was decided. */
  readonly choice: Promise<HybridChoice>
}

/** This device first, a server for what it cannot do. */
export interface HybridEngine {
  /** generate() of the engine that is chosen. */
  generate(prompt: string, options?: GenerateOptions): HybridStream
  /** chat() of the engine that is chosen. */
  chat(messages: readonly ChatMessage[], options?: ChatOptions): HybridStream
  /** Both engines. */
  close(): Promise<void>
}

/** Answers 256 tokens long at most where nothing else was said, as generate() does. */
const MAX_TOKENS = 256

/**
 * @param local   an engine, or the promise of one: where load() fails, the remote stands in
 * @param remote  without one everything stays here, and what this device cannot do fails as it says
 * @throws RyzError BAD_OPTION
 * @example
 * const engine = hybrid(load(url), remote({ baseURL, model }), { minTokensPerSecond: 5 })
 * const answer = engine.chat(messages)
 * console.log((await answer.choice).why)
 */
export function hybrid(
  local: LocalEngine | Promise<LocalEngine>,
  remote?: RemoteEngine,
  policy: HybridPolicy = {},
): HybridEngine {
  const checked = checkOptions(RULES, policy, 'hybrid()')
  if (typeof local !== 'object' || local === null) {
    throw badOption('local', local, 'an engine, or the promise that load() gives')
  }
  const here = Promise.resolve(local).then(
    engine => ({ engine }),
    (caught: unknown) => ({ error: asRyzError(caught, 'INTERNAL', 'loading failed') }),
  )
  const stream = (request: HybridRequest, options: GenerateOptions & ChatOptions): HybridStream => {
    const send = (engine: Pick<LocalEngine, 'generate' | 'chat'>, more: { signal: AbortSignal }) =>
      request.messages
        ? engine.chat(request.messages, { ...options, ...more })
        : engine.generate(request.prompt!, { ...options, ...more })
    return new Choosing(options.signal, async (signal, push, chosen) => {
      const loaded = await here
      let begun = false
      const found =
        'error' in loaded
          ? unavailable(loaded.error)
          : await judge(loaded.engine, request, options, checked)
      const leaves = async (reason: HybridReason) =>
        remote !== undefined && ((await checked.allow?.(reason, request)) ?? true)
      /** It is certain where an answer is made when its first piece is there: a full queue may still refuse it. */
      const go = async (choice: HybridChoice): Promise<GenerateResult> => {
        const { where } = choice
        const engine = where === 'remote' ? remote! : (loaded as { engine: LocalEngine }).engine
        if (where === 'remote') chosen(choice)
        const answer = send(engine, { signal })
        for await (const chunk of answer) {
          chosen(choice)
          begun = true
          push(chunk)
        }
        const result = await answer.result
        chosen(choice)
        return result
      }
      if (found.reason !== 'local' && (await leaves(found.reason))) {
        return go({ where: 'remote', ...found })
      }
      if ('error' in loaded) throw loaded.error
      try {
        return await go({ where: 'local', reason: 'local', why: 'this device can do it' })
      } catch (caught) {
        const late = lateReason(caught)
        if (late === undefined || begun || !(await leaves(late.reason))) throw caught
        return go({ where: 'remote', ...late })
      }
    })
  }
  return {
    generate: (prompt, options = {}) => stream({ kind: 'generate', prompt }, options),
    chat: (messages, options = {}) => stream({ kind: 'chat', messages }, options),
    async close() {
      const loaded = await here
      await Promise.all(['engine' in loaded && loaded.engine.close(), remote?.close()])
    },
  }
}

interface Found {
  readonly reason: HybridReason
  readonly why: string
}

function unavailable({ code, message }: RyzError): Found {
  return { reason: 'unavailable', why: `this device has no engine (${code}: ${message})` }
}

/** Whether this device can do it, from what the engine tells now. */
async function judge(
  engine: LocalEngine,
  { messages, prompt }: HybridRequest,
  options: ChatOptions,
  { minTokensPerSecond = 0, maxWaiting = Number.POSITIVE_INFINITY }: HybridPolicy,
): Promise<Found> {
  const { decode, calibration, queue, contextLength } = await engine.stats()
  const rate =
    decode.tokens > 0 ? decode.tokensPerSecond : calibration.expected?.decodeTokensPerSecond
  if (rate !== undefined && rate < minTokensPerSecond) {
    const why = `${rate.toFixed(1)} tokens a second here, below the ${minTokensPerSecond} asked for`
    return { reason: 'slow', why }
  }
  if (queue.waiting > maxWaiting) {
    return { reason: 'queue', why: `${queue.waiting} requests wait here, more than ${maxWaiting}` }
  }
  if (options.overflow !== 'slide') {
    const { tools, templateOptions, continueLast } = options
    const rendered = { tools, templateOptions, continueLast }
    const given = Object.entries(rendered).filter(([, value]) => value !== undefined)
    const count = messages
      ? await engine.countTokens(messages, Object.fromEntries(given))
      : await engine.countTokens(prompt!)
    const { maxTokens = MAX_TOKENS } = options
    if (count + maxTokens > contextLength) {
      const why = `${count} tokens and an answer of ${maxTokens} exceed the ${contextLength} here`
      return { reason: 'context', why }
    }
  }
  return { reason: 'local', why: 'this device can do it' }
}

/** Refusals before the first token for which another machine may stand in. */
function lateReason(caught: unknown): Found | undefined {
  if (!(caught instanceof RyzError)) return undefined
  const why = caught.message
  switch (caught.code) {
    case 'QUEUE_FULL':
    case 'QUEUE_TIMEOUT':
      return { reason: 'queue', why }
    case 'CONTEXT_FULL':
      return { reason: 'context', why }
    case 'MEMORY_BUDGET':
    case 'WORKER_DIED':
    case 'KERNEL_TRAP':
      return { reason: 'unavailable', why }
    default:
      return undefined
  }
}

type Run = (
  signal: AbortSignal,
  push: (chunk: TokenChunk) => void,
  chosen: (choice: HybridChoice) => void,
) => Promise<GenerateResult>

class Choosing extends TokenStream implements HybridStream {
  readonly choice: Promise<HybridChoice>

  constructor(signal: AbortSignal | undefined, run: Run) {
    let resolve!: (choice: HybridChoice) => void
    let reject!: (error: RyzError) => void
    const choice = new Promise<HybridChoice>((yes, no) => {
      resolve = yes
      reject = no
    })
    choice.catch(() => undefined)
    super(input => {
      const controller = new AbortController()
      const end = (error: RyzError): void => {
        signal?.removeEventListener('abort', cancel)
        controller.abort()
        reject(error)
        input.fail(error)
      }
      const cancel = (): void => end(new RyzError('ABORTED', 'the request was cancelled'))
      if (signal?.aborted) {
        cancel()
        return () => undefined
      }
      signal?.addEventListener('abort', cancel, { once: true })
      run(controller.signal, chunk => input.push(chunk), resolve).then(
        result => {
          signal?.removeEventListener('abort', cancel)
          input.done(result)
        },
        (caught: unknown) => end(asRyzError(caught, 'INTERNAL', 'the request failed')),
      )
      return cancel
    })
    this.choice = choice
  }
}
