// One loaded model and its requests: turns inputs into tasks, hands them to the scheduler, reports
// stats, and closes everything once. Knows no worker and no backend. Called by worker/main.ts.
import { pathFields, pathId, pathName } from '../backend/factory.ts'
import { RyzError } from '../errors.ts'
import { checkAnswer } from '../options/answer.ts'
import { GENERATE_DEFAULTS, MAX_PRIORITY } from '../options/generate.ts'
import type { Input, PlainInput } from '../options/input.ts'
import { LOAD_DEFAULTS, LOAD_RULES } from '../options/load.ts'
import { check } from '../options/rules.ts'
import type {
  EmbedOptions,
  EngineStats,
  GenerateOptions,
  LoadOptions,
  RestoredSession,
  ScoreOptions,
} from '../types/index.ts'
import type { ChatPlan } from './answer/plan.ts'
import { whyRead } from './answer/read.ts'
import { ModelDraft } from './draft/model-draft.ts'
import { resolveSpeculation } from './draft/options.ts'
import { Speculation } from './draft/speculation.ts'
import { TokenTexts } from './draft/token-texts.ts'
import type { GpuWatch } from './faults/gpu-watch.ts'
import type { GrammarPart } from './grammar/part.ts'
import type { EngineParts } from './load/engine-parts.ts'
import { type PlaceOptions, type Prepared, Requests } from './requests.ts'
import { drawSeed } from './sampling/random.ts'
import { SamplerScratch } from './sampling/sampler.ts'
import { Idle } from './schedule/idle.ts'
import { Scheduler, type SchedulerOptions, type Submitted } from './schedule/scheduler.ts'
import type { Task } from './schedule/task.ts'
import { Sessions } from './sessions/sessions.ts'
import { expertsOf, gpuOf, hybridOf, NOT_CACHED, NOT_CALIBRATED, poolOf } from './stats-parts.ts'
import { Embedding, type EmbedEvents } from './tasks/embed.ts'
import { embedSpec } from './tasks/embed-texts.ts'
import { type GenerateEvents, Generation } from './tasks/generate.ts'
import { formatGrammar, Grammars } from './tasks/grammars.ts'
import { resolveGenerate } from './tasks/options.ts'
import { promptTokens } from './tasks/prompt.ts'
import { type ScoreEvents, Scoring } from './tasks/score.ts'
import {
  countTokens,
  type DetokenizeCall,
  detokenize,
  type TokenizeCall,
  tokenize,
} from './tasks/text-calls.ts'

/** The options of load() that concern requests; the rest was used up when the parts were made. */
export type EngineOptions = Pick<LoadOptions, keyof typeof LOAD_DEFAULTS | 'speculation'>

export interface EngineExtras extends Pick<SchedulerOptions, 'now' | 'turn' | 'ahead'> {
  loadMs?: number
  /** Milliseconds without work after which a GPU is looked at again, for tests. */
  idleMs?: number
  /** Brings the grammar engine when the first request needs it; without it responseFormat and tools are refused. */
  grammar?: () => Promise<GrammarPart>
}

/** A loaded model. Owns its parts: close() gives them back. */
export class Engine {
  readonly #parts: EngineParts
  readonly #scheduler: Scheduler
  readonly #scratch: SamplerScratch
  readonly #sessions: Sessions
  readonly #grammars: Grammars
  readonly #texts: TokenTexts
  readonly #requests: Requests
  readonly #speculation: Speculation
  readonly #loadMs: number
  readonly #now: () => number
  readonly #asides = new Set<AbortController>()
  readonly #idle: Idle | undefined
  #closing: Promise<void> | undefined

  /** @throws RyzError BAD_OPTION; the parts stay open then */
  constructor(parts: EngineParts, options: EngineOptions = {}, extras: EngineExtras = {}) {
    this.#parts = parts
    this.#now = extras.now ?? (() => performance.now())
    this.#loadMs = extras.loadMs ?? 0
    const limits = limitsOf(options)
    this.#scratch = new SamplerScratch(parts.network.config.vocab)
    if (options.speculation) {
      check('speculation', options.speculation, LOAD_RULES.speculation)
    }
    const { draft } = parts
    const guessing = resolveSpeculation(options.speculation, draft !== undefined)
    this.#speculation = new Speculation(
      guessing,
      () => parts.traits.exact,
      draft && { name: draft.name, model: new ModelDraft(draft.network) },
      this.#now,
    )
    this.#scheduler = new Scheduler(parts.network, {
      ...limits,
      speculation: this.#speculation,
      now: this.#now,
      turn: extras.turn,
      ahead: extras.ahead,
      onFatal: () => void this.close(),
    })
    this.#requests = new Requests({
      scheduler: this.#scheduler,
      queueTimeoutMs: limits.queueTimeoutMs,
      now: this.#now,
      requireOpen: () => void this.#open(),
    })
    this.#texts = new TokenTexts(parts.tokenizer)
    this.#grammars = new Grammars(parts.tokenizer, extras.grammar, this.#now)
    this.#sessions = new Sessions(parts, this.#scheduler.prefixes, task => this.#runTask(task))
    if (parts.watch?.needed) this.#idle = this.#watching(parts.watch, extras.idleMs)
  }

  #watching(watch: GpuWatch, firstMs: number | undefined): Idle {
    const { walk, counters } = this.#scheduler
    const between = (work: () => Promise<void>) => walk.between(work)
    return new Idle({
      busy: () => this.#requests.preparing || this.#scheduler.busy,
      done: () => counters.prefill.tokens + counters.decode.tokens,
      work: stopped => watch.look({ stopped, between, written: () => counters.decode }),
      ...(firstMs !== undefined && { firstMs }),
    })
  }

  /** The longest step so far, in milliseconds: how long a healthy engine may be silent. */
  get longestStepMs(): number {
    return this.#scheduler.longestStepMs
  }

  /** What runs, as programs know it again and as the fallbacks name it. */
  get path(): { id: string; name: string } {
    const { path } = this.#parts
    return { id: pathId(path), name: pathName(path) }
  }

  /** Learns the speed of the network from one token; once, before the first request. */
  measure(): Promise<void> {
    return this.#scheduler.measure()
  }

  /**
   * Starts a request; whatever happens, `events` gets done or error once.
   * @param given  see GenerationSpec
   */
  generate(
    input: Input,
    options: GenerateOptions,
    events: GenerateEvents,
    given?: readonly number[],
  ): Submitted {
    const place = { ...options, resent: given !== undefined }
    return this.#start(input, place, events, async (prompt, signal) => {
      const { network, tokenizer } = this.#parts
      const resolved = resolveGenerate(options, network.config.vocab, drawSeed)
      const { responseFormat, seed } = resolved
      const plan = await this.#planOf(input, signal)
      const format = formatGrammar(responseFormat)
      const held = plan ? plan.constraint(prompt, format) : format
      const guesses = this.#speculation.lookup
      const guide = guesses && held === undefined ? plan?.guide(prompt) : undefined
      const generation = new Generation({
        prompt,
        options: resolved,
        tokenizer,
        scratch: this.#scratch,
        ...(guesses && { guesses: { odds: this.#speculation.odds, texts: this.#texts } }),
        contextLength: network.kv.contextLength,
        ...(plan && { plan: plan.answer(prompt, seed, format !== undefined) }),
        constrained: held !== undefined,
        ...(given && { given }),
        events,
      })
      // Compiled while it waits and is read.
      const compile = async (signal: AbortSignal): Promise<void> => {
        if (held) generation.constrain(await this.#grammars.of(held, signal))
        const guided = guide && (await this.#grammars.guide(guide, signal))
        if (guided) generation.guideBy(guided)
      }
      return [generation, compile]
    })
  }

  /** How the answer is read; undefined where it is text. */
  async #planOf(input: Input, signal: AbortSignal): Promise<ChatPlan | undefined> {
    if (input.kind !== 'chat') return undefined
    checkAnswer(input, input.tools)
    const { chat, tokenizer } = this.#parts
    const why = whyRead(input, chat.source)
    if (why === undefined) return undefined
    return (await this.#grammars.part(why, signal)).chatPlan(input, chat.source, tokenizer)
  }

  /** Starts scoring; whatever happens, `events` gets scored or error once. */
  score(input: Input, options: ScoreOptions, events: ScoreEvents, resent = false): Submitted {
    const vocab = this.#parts.network.config.vocab
    return this.#start(input, { ...options, resent }, events, prompt => [
      new Scoring(prompt, vocab, options, events),
    ])
  }

  /** Starts embedding; whatever happens, `events` gets embedded or error once. */
  embed(
    inputs: readonly PlainInput[],
    options: EmbedOptions,
    events: EmbedEvents,
    resent = false,
  ): Submitted {
    return this.#requests.start({ ...options, resent }, events, async signal => {
      const spec = await embedSpec(inputs, options, this.#parts, { signal, events })
      return { submit: place => new Embedding(spec, this.#scheduler, place) }
    })
  }

  /** @throws RyzError BAD_OPTION | CLOSED */
  tokenize(text: string, options: TokenizeCall = {}): Promise<number[]> {
    return this.#aside((parts, signal) => tokenize(parts, text, options, signal))
  }

  /** @throws RyzError BAD_OPTION | CLOSED */
  detokenize(ids: readonly number[], options: DetokenizeCall = {}): Promise<string> {
    return this.#aside((parts, signal) => detokenize(parts, ids, options, signal))
  }

  /** Tokens of a text without bos, or of a whole chat as chat() would feed it. */
  countTokens(input: Input): Promise<number> {
    return this.#aside((parts, signal) => countTokens(parts, input, signal))
  }

  stats(): EngineStats {
    const { network, memory, info, fallbacks, kvType, ...parts } = this.#open()
    const { weights, kv, scratch } = memory
    const { counters } = this.#scheduler
    return {
      ...pathFields(parts.path),
      strict: parts.strict,
      head: parts.head,
      activations: parts.activations,
      kv: kvType,
      contextLength: network.kv.contextLength,
      maxSequences: this.#scheduler.seats,
      model: info,
      ...gpuOf(parts.gpu?.(), this.#scheduler.drawing, parts.watch?.proofs),
      ...poolOf(parts.pool?.()),
      ...hybridOf(parts.hybrid?.()),
      ...(parts.choice && { choice: parts.choice }),
      fallbacks: [...fallbacks],
      memory: {
        weights,
        kv,
        scratch,
        ...(parts.draft && { draft: parts.draft.bytes }),
        total: weights + kv + scratch + (parts.draft?.bytes ?? 0),
        kvBlocksUsed: network.kv.usedBlocks,
        kvBlocksCached: network.kv.cachedBlocks,
        kvBlocks: network.kv.blocks,
      },
      prefill: counters.prefill,
      decode: counters.decode,
      reuse: { ...counters.reuse },
      ...expertsOf(network.expertRows?.()),
      speculation: this.#speculation.stats(),
      ops: network.opTimes(),
      queue: {
        waiting: this.#scheduler.waiting,
        running: this.#scheduler.running,
        ...counters.outcomes,
      },
      loadMs: this.#loadMs,
      cache: parts.cache ?? NOT_CACHED,
      calibration: parts.calibration ?? NOT_CALIBRATED,
      faults: { ...(parts.faults?.() ?? { recomputed: 0, ended: 0, events: [] }), restarts: [] },
    }
  }

  /**
   * The KV blocks of a text, for a later engine of the same model: a chat goes on without reading it
   * again. Whole blocks of 32 tokens are kept; what is not in the cache is computed first.
   * @throws RyzError BAD_OPTION for fewer than 32 tokens; QUEUE_FULL | QUEUE_TIMEOUT | CLOSED
   */
  saveSession(input: Input, options: { noBos?: boolean } = {}): Promise<Blob> {
    return this.#aside(async (parts, signal) => {
      const { config, kv } = parts.network
      const { contextLength } = kv
      const prompt = { vocab: config.vocab, contextLength, noBos: options.noBos, signal }
      return this.#sessions.save(await promptTokens(input, parts, prompt))
    })
  }

  /**
   * Brings the blocks of a saved session back; the next prompt that begins alike finds them.
   * @throws RyzError BAD_OPTION naming what differs when it is damaged or of another model
   */
  async restoreSession(data: Blob): Promise<RestoredSession> {
    this.#open()
    if (!(data instanceof Blob)) {
      throw new RyzError('BAD_OPTION', 'a saved session is a Blob; pass what saveSession() gave')
    }
    return this.#whileOpen(this.#sessions.restore(data))
  }

  /** Gives up all KV blocks that are only kept for reuse. */
  forgetPrefixes(): void {
    this.#scheduler.prefixes.clear()
  }

  /** Fails every open request with CLOSED and gives all memory back. May be called twice. */
  close(): Promise<void> {
    if (this.#closing === undefined) {
      this.#closing = this.#scheduler.close().then(() => this.#parts.close())
      this.#idle?.close()
      this.#requests.close()
      for (const abort of this.#asides) abort.abort()
    }
    return this.#closing
  }

  #open(): EngineParts {
    if (this.#closing === undefined) return this.#parts
    throw new RyzError('CLOSED', 'the engine is closed; load the model again')
  }

  /** CLOSED, whatever the closing did to the work underneath. */
  async #whileOpen<T>(work: Promise<T>): Promise<T> {
    try {
      return await work
    } finally {
      this.#open()
    }
  }

  /** Work on text that is no request: closing ends it. */
  async #aside<T>(work: (parts: EngineParts, signal: AbortSignal) => Promise<T>): Promise<T> {
    const parts = this.#open()
    const abort = new AbortController()
    this.#asides.add(abort)
    try {
      return await this.#whileOpen(work(parts, abort.signal))
    } finally {
      this.#asides.delete(abort)
    }
  }

  /** One of the engine's own tasks, in its turn. */
  #runTask(task: Task): Promise<void> {
    return new Promise((resolve, reject) => {
      const complete: Task['complete'] = times => {
        task.complete(times)
        resolve()
      }
      this.#scheduler.submit({ ...task, complete, fail: reject }, { priority: MAX_PRIORITY })
    })
  }

  /** Input -> tokens -> task -> queue. */
  #start(
    input: Input,
    options: PlaceOptions & Pick<GenerateOptions, 'noBos' | 'overflow' | 'penaltyWindow'>,
    events: { error(error: RyzError): void },
    makeTask: (prompt: readonly number[], signal: AbortSignal) => Made | Promise<Made>,
  ): Submitted {
    return this.#requests.start(options, events, async signal => {
      const { vocab } = this.#parts.network.config
      const { noBos, overflow, penaltyWindow } = options
      const { contextLength } = this.#parts.network.kv
      // What a slide leaves, and what penalties look back at.
      const last = contextLength + (penaltyWindow ?? GENERATE_DEFAULTS.penaltyWindow)
      const room =
        overflow === 'slide' ? { ends: { first: contextLength, last } } : { contextLength }
      const prompt = { vocab, noBos, signal, ...room }
      const ids = await promptTokens(input, this.#parts, prompt)
      const [task, beside] = await makeTask(ids, signal)
      return { submit: place => this.#scheduler.submit(task, place), beside }
    })
  }
}

type Made = [task: Task, beside?: Prepared['beside']]

/** @throws RyzError BAD_OPTION */
function limitsOf(options: EngineOptions): Record<keyof typeof LOAD_DEFAULTS, number> {
  const limits = { ...LOAD_DEFAULTS }
  for (const name of Object.keys(LOAD_DEFAULTS) as (keyof typeof LOAD_DEFAULTS)[]) {
    const value = options[name]
    if (value === undefined) continue
    check(name, value, LOAD_RULES[name])
    Object.assign(limits, { [name]: value })
  }
  return limits
}
