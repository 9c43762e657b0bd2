// A session of the Prompt API: the messages so far, one prompt at a time, and what goes when the context is full.
// Called by prompt-api.ts.
import type { Ryzanstein } from '../../api/ryzanstein.ts'
import type { ChatMessage, ChatOptions, ChatTool } from '../../types/index.ts'
import {
  cutShort,
  domError,
  notSupported,
  quotaExceeded,
  type ReadPrompt,
  readPrompt,
} from './messages.ts'
import type { PromptInput, PromptOptions, PromptSession, PromptTool } from './types.ts'

export type Engine = Pick<Ryzanstein, 'chat' | 'countTokens' | 'model' | 'stats'>

export interface SessionSpec {
  readonly engine: Engine
  readonly contextWindow: number
  readonly sampling: { readonly temperature: number; readonly topK: number }
  readonly tools: readonly PromptTool[]
}

/** Tokens kept free for an answer, or a quarter of a small context. */
const ANSWER_TOKENS = 256
/** Times that tools are run for one answer. */
const MAX_ROUNDS = 8

export class Session extends EventTarget implements PromptSession {
  readonly contextWindow: number
  readonly topK: number
  readonly temperature: number
  oncontextoverflow: PromptSession['oncontextoverflow'] = null
  onquotaoverflow: PromptSession['onquotaoverflow'] = null
  readonly #spec: SessionSpec
  readonly #ended = new AbortController()
  /** The first ones are the initial prompts, of which a system message never goes. */
  #messages: ChatMessage[]
  #usage = 0
  /** The last of the prompts, which run one after the other. */
  #last: Promise<unknown> = Promise.resolve()

  /** Made by open() and clone(). */
  private constructor(spec: SessionSpec, messages: readonly ChatMessage[], usage: number) {
    super()
    this.#spec = spec
    this.#messages = [...messages]
    this.#usage = usage
    this.contextWindow = spec.contextWindow
    this.topK = spec.sampling.topK
    this.temperature = spec.sampling.temperature
    this.addEventListener('contextoverflow', event => this.oncontextoverflow?.(event))
    this.addEventListener('quotaoverflow', event => this.onquotaoverflow?.(event))
  }

  /** @throws DOMException QuotaExceededError when the initial prompts do not fit */
  static async open(spec: SessionSpec, messages: readonly ChatMessage[]): Promise<Session> {
    const session = new Session(spec, messages, 0)
    session.#usage = await session.#count(messages)
    if (session.#usage > session.#room) throw quotaExceeded(session.#usage, spec.contextWindow)
    return session
  }

  get contextUsage(): number {
    return this.#usage
  }

  get inputUsage(): number {
    return this.#usage
  }

  get inputQuota(): number {
    return this.contextWindow
  }

  async prompt(input: PromptInput, options: PromptOptions = {}): Promise<string> {
    let text = ''
    await this.#answer(input, options, piece => {
      text += piece
    })
    return text
  }

  promptStreaming(input: PromptInput, options: PromptOptions = {}): ReadableStream<string> {
    const left = new AbortController()
    const signals = [left.signal, ...(options.signal ? [options.signal] : [])]
    return new ReadableStream<string>({
      start: controller => {
        this.#answer(input, { ...options, signal: AbortSignal.any(signals) }, piece =>
          controller.enqueue(piece),
        ).then(
          () => controller.close(),
          caught => controller.error(caught),
        )
      },
      cancel: reason => left.abort(reason),
    })
  }

  /** Adds messages that want no answer. */
  append(input: PromptInput, { signal }: { signal?: AbortSignal } = {}): Promise<undefined> {
    return this.#inTurn(signal, async () => {
      const read = this.#read(input)
      await this.#makeRoom(read.messages)
      this.#messages.push(...read.messages)
      this.#usage = await this.#count(this.#messages)
      return undefined
    })
  }

  async measureContextUsage(input: PromptInput, options: PromptOptions = {}): Promise<number> {
    this.#requireOpen()
    options.signal?.throwIfAborted()
    const { messages } = this.#read(input)
    const before = await this.#count(this.#messages)
    return (await this.#count([...this.#messages, ...messages])) - before
  }

  measureInputUsage(input: PromptInput, options?: PromptOptions): Promise<number> {
    return this.measureContextUsage(input, options)
  }

  async clone({ signal }: { signal?: AbortSignal } = {}): Promise<Session> {
    this.#requireOpen()
    signal?.throwIfAborted()
    return new Session(this.#spec, this.#messages, this.#usage)
  }

  /** Ends what runs; the engine is for the other sessions. */
  destroy(): undefined {
    this.#ended.abort(new DOMException('the session was destroyed', 'AbortError'))
    this.#messages = []
  }

  get #room(): number {
    const { contextWindow } = this
    return contextWindow - Math.min(ANSWER_TOKENS, Math.floor(contextWindow / 4))
  }

  #read(input: PromptInput): ReadPrompt {
    return readPrompt(input, false)
  }

  /** The messages stay as they were unless the answer is whole. */
  #answer(
    input: PromptInput,
    options: PromptOptions,
    write: (piece: string) => void,
  ): Promise<void> {
    return this.#inTurn(options.signal, async signal => {
      const { messages, prefix } = this.#read(input)
      const chat: ChatOptions = { ...this.#spec.sampling, ...constraintOf(options), signal }
      await this.#makeRoom(messages)
      const asked = [...this.#messages, ...messages]
      const tools = this.#spec.tools.map(describe)
      for (let round = 0; ; round++) {
        const more = tools.length > 0 && round < MAX_ROUNDS ? { tools } : {}
        const stream = this.#spec.engine.chat(asked, {
          ...{ ...chat, ...more, maxTokens: this.contextWindow },
          ...(prefix && round === 0 && { continueLast: true }),
        })
        for await (const { text } of stream) if (text !== '') write(text)
        const { text, toolCalls, promptTokens, tokens, complete } = await stream.result
        // Half a JSON text is no answer.
        if (complete === false) throw cutShort(this.contextWindow)
        if (toolCalls === undefined || toolCalls.length === 0) {
          const last = prefix && round === 0 ? asked.pop() : undefined
          asked.push({ role: 'assistant', content: String(last?.content ?? '') + text })
          this.#messages = asked
          this.#usage = Math.min(promptTokens + tokens.length, this.contextWindow)
          return
        }
        asked.push({ role: 'assistant', content: text, tool_calls: toolCalls })
        for (const { id, function: called } of toolCalls) {
          const tool = this.#spec.tools.find(({ name }) => name === called.name)!
          const content = String(await tool.execute(JSON.parse(called.arguments) as never))
          signal.throwIfAborted()
          asked.push({ role: 'tool', tool_call_id: id, name: called.name, content })
        }
      }
    })
  }

  /** Forgets the oldest messages, but for the system's, until these fit. */
  async #makeRoom(messages: readonly ChatMessage[]): Promise<void> {
    const kept = this.#messages[0]?.role === 'system' ? 1 : 0
    const alone = await this.#count([...this.#messages.slice(0, kept), ...messages])
    if (alone > this.#room) throw quotaExceeded(alone, this.contextWindow)
    let overflow = false
    while ((await this.#count([...this.#messages, ...messages])) > this.#room) {
      overflow = true
      // A question goes with its answer, and with what tools said in between.
      do this.#messages.splice(kept, 1)
      while (this.#messages.length > kept && this.#messages[kept]!.role !== 'user')
    }
    if (!overflow) return
    this.dispatchEvent(new Event('contextoverflow'))
    this.dispatchEvent(new Event('quotaoverflow'))
  }

  async #count(messages: readonly ChatMessage[]): Promise<number> {
    if (messages.length === 0) return 0
    const tools = this.#spec.tools.map(describe)
    return this.#spec.engine.countTokens(messages, tools.length > 0 ? { tools } : {})
  }

  /** Runs what has to wait for the prompts before it; its signal and destroy() end it. */
  #inTurn<T>(given: AbortSignal | undefined, run: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const signals = [this.#ended.signal, ...(given ? [given] : [])]
    const signal = AbortSignal.any(signals)
    const turn = async (): Promise<T> => {
      given?.throwIfAborted()
      this.#requireOpen()
      try {
        return await run(signal)
      } catch (caught) {
        throw domError(caught, signal)
      }
    }
    const running = this.#last.then(turn, turn)
    this.#last = running.catch(() => undefined)
    return running
  }

  #requireOpen(): void {
    if (this.#ended.signal.aborted) {
      throw new DOMException('the session was destroyed', 'InvalidStateError')
    }
  }
}

function describe({ name, description, inputSchema }: PromptTool): ChatTool {
  const parameters = inputSchema as Readonly<Record<string, unknown>>
  return { type: 'function', function: { name, description, parameters } }
}

function constraintOf({ responseConstraint: asked }: PromptOptions): ChatOptions {
  if (asked === undefined || asked === null) return {}
  if (!(asked instanceof RegExp)) return { responseFormat: { type: 'json_schema', schema: asked } }
  if (/[^gudy]/.test(asked.flags)) {
    throw notSupported(
      `a constraint with the flags ${asked.flags}: only whole, plain matches are enforced`,
    )
  }
  return { responseFormat: { type: 'regex', pattern: asked.source } }
}
