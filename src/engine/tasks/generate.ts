// One generate request: takes logits, samples, turns tokens into text, decides when it ends. Knows
// sampling and stopping; knows nothing of kernels, memory or other requests. Called by scheduler.ts.
import { type Drawing, KV_BLOCK } from '../../backend/backend.ts'
import { RyzError } from '../../errors.ts'
import { createStreamDecoder } from '../../tokenizer/stream-decoder.ts'
import type { Tokenizer } from '../../tokenizer/tokenizer.ts'
import type {
  FinishReason,
  GenerateResult,
  MadeToolCall,
  QueueEvent,
  TokenChunk,
  TokenLogprob,
} from '../../types/index.ts'
import type { AnswerPlan } from '../answer/plan.ts'
import type { Piece } from '../answer/reader.ts'
import { Guesser, type SharedOdds } from '../draft/guesser.ts'
import type { Guess } from '../draft/prompt-lookup.ts'
import type { TokenTexts } from '../draft/token-texts.ts'
import type { Guide, LogitFilter } from '../sampling/logit-filter.ts'
import { logprobsOf, Sampler, type SamplerScratch } from '../sampling/sampler.ts'
import type { Next, Task, TaskTimes } from '../schedule/task.ts'
import type { RequestGrammar } from './grammars.ts'
import type { ResolvedGenerate } from './options.ts'
import { slide } from './slide.ts'
import { StopMatcher } from './stop-matcher.ts'

/** Of a token that was drawn elsewhere. */
const NO_ROW = new Float32Array(0)

/** Where a request's events go; after done or error nothing follows. */
export interface GenerateEvents {
  /** It waits; told again whenever its position changes. */
  queue?(event: QueueEvent): void
  token(chunk: TokenChunk): void
  done(result: GenerateResult): void
  error(error: RyzError): void
}

export interface GenerationSpec {
  readonly prompt: readonly number[]
  readonly options: ResolvedGenerate
  readonly tokenizer: Tokenizer
  readonly scratch: SamplerScratch
  /** What tokens are guessed with; without it, none is. */
  readonly guesses?: { readonly odds: SharedOdds; readonly texts: TokenTexts }
  /** Prompt and answer together hold at most this many tokens. */
  readonly contextLength: number
  /** How the answer is read; as text, where absent. */
  readonly plan?: AnswerPlan
  /** A grammar will come: no token is drawn before. */
  readonly constrained: boolean
  /** How the answer begins: tokens that another engine drew for the same request, and that its reader has. */
  readonly given?: readonly number[]
  readonly events: GenerateEvents
}

/**
 * The state of one request between steps. Every sampled token but an end token is reported at once;
 * its text may come later, when characters are whole and no stop string can begin in it.
 */
export class Generation implements Task {
  /** What is fed first: the prompt, or after a slide what was kept of prompt and answer. */
  prompt: readonly number[]
  /** Sampled since; what is fed after it. */
  readonly answer: number[] = []
  readonly wants = 'logits'
  readonly grows = true
  readonly reuse: boolean
  readonly #spec: GenerationSpec
  readonly #sampler: Sampler
  readonly #guesser: Guesser | undefined
  #grammar: RequestGrammar | undefined
  readonly #decoder: ReturnType<typeof createStreamDecoder>
  readonly #matcher: StopMatcher
  /** All sampled tokens. */
  readonly #tokens: number[] = []
  #slides = 0
  #text = ''
  #reasoning = ''
  readonly #calls: MadeToolCall[] = []
  #partialCall = ''
  /** Tokens of reasoning so far. */
  #reasoned = 0
  /** Tokens that come next, whatever the model would draw. */
  #forced: readonly number[] = []
  /** Tokens of spec.given that are still to come. */
  #given: number[] = []
  #finish: FinishReason | undefined

  constructor(spec: GenerationSpec) {
    this.prompt = spec.prompt
    this.reuse = spec.options.reuse
    this.#spec = spec
    this.#sampler = new Sampler(spec.options, spec.scratch)
    this.#decoder = createStreamDecoder(spec.tokenizer, { continuation: true })
    this.#matcher = new StopMatcher(spec.options.stop)
    const { guesses } = spec
    this.#guesser = guesses && new Guesser(spec.prompt, guesses.odds, guesses.texts)
    for (const token of spec.prompt) this.#sampler.accept(token)
    if (spec.options.overflow === 'slide' && spec.prompt.length >= spec.contextLength) {
      this.#slide(spec.contextLength)
    }
    this.#given = [...(spec.given ?? [])]
    if (!spec.constrained) this.#readGiven()
  }

  /**
   * Given tokens are read along with the prompt, but for the last one, which may end the answer. Those of an answer
   * with a grammar take a step each, as that comes later.
   */
  #readGiven(): void {
    while (this.#given.length > 1) {
      if (this.#take(this.#next(NO_ROW, 0), NO_ROW, 0) === 'end') throw noRoom(this.#spec)
    }
  }

  /** What the answer has to be is known now; until then no token of a constrained answer is drawn. */
  constrain(grammar: RequestGrammar): void {
    this.#grammar = grammar
    this.#sampler.addFilter(grammar.filter)
    this.#guesser?.hold(grammar.filter)
  }

  /** The answer probably has this form: what it leaves no choice about is guessed, and nothing is forbidden. */
  guideBy(guide: Guide): void {
    this.#guesser?.guideBy(guide)
  }

  get ready(): boolean {
    return this.#grammar !== undefined || !this.#spec.constrained
  }

  get wantedFrom(): number {
    return this.prompt.length + this.answer.length - 1
  }

  accept(row: Float32Array, at: number): Next {
    return this.#take(this.#next(row, at), row, at)
  }

  drawing(ahead: number): Drawing | string | undefined {
    const { options, plan, contextLength } = this.#spec
    if (options.logprobs !== undefined) return 'logprobs'
    if (!this.ready) return 'responseFormat'
    if (this.#given.length > 0) return 'an answer that goes on'
    if (this.#forced.length > 0 || plan?.reader.reasons) return 'reasoning'
    if (this.#tokens.length + ahead >= options.maxTokens) return undefined
    // The one before ends the answer, or lets it slide.
    if (ahead > 0 && this.prompt.length + this.answer.length + ahead >= contextLength)
      return undefined
    return this.#sampler.drawing(ahead)
  }

  acceptDrawn(token: number): Next {
    this.#sampler.drew()
    return this.#take(token, NO_ROW, 0)
  }

  #take(token: number, row: Float32Array, at: number): Next {
    const { options, tokenizer, scratch, contextLength } = this.#spec
    if (!options.ignoreEos && tokenizer.endTokens.has(token)) return this.#end('eos')
    this.#guesser?.push(token)
    this.#sampler.answered(token)
    this.answer.push(token)
    this.#tokens.push(token)
    const chunk: TokenChunk = { text: '', tokens: [token] }
    if (options.logprobs !== undefined && row === NO_ROW)
      chunk.logprobs = [[]] // whoever gave it has told
    else if (options.logprobs !== undefined) {
      const found = logprobsOf(row, at, token, options.logprobs, scratch)
      chunk.logprobs = [found.map(entry => ({ ...entry, ...written(entry.token, tokenizer) }))]
    }
    this.#write(chunk, token)
    this.#spec.events.token(chunk)
    if (this.#matcher.found !== undefined) return this.#end('stop')
    // A grammar ends it by itself, behind the closing tag.
    const single = this.#grammar === undefined && this.#spec.plan?.single
    if (single && this.#calls.length > 0) return this.#end('eos')
    // Nothing but an end token could follow: it need not be computed.
    if (this.#grammar?.filter.ended) return this.#end('eos')
    if (this.#tokens.length >= options.maxTokens) return this.#end('length')
    const held = this.prompt.length + this.answer.length
    if (held < contextLength) return 'more'
    if (options.overflow === 'stop') return this.#end('context')
    this.#slide(held)
    return 'again'
  }

  guessable(most: number): number {
    const { options, contextLength } = this.#spec
    const left = options.maxTokens - this.#tokens.length
    const room = contextLength - this.prompt.length - this.answer.length
    return Math.max(0, Math.min(most, left - 1, room - 1))
  }

  guess(most: number, least: number): Guess | undefined {
    return this.#guesser?.guess(most, least, this.endTokens)
  }

  get endTokens(): ReadonlySet<number> | undefined {
    return this.#spec.options.ignoreEos ? undefined : this.#spec.tokenizer.endTokens
  }

  get filter(): LogitFilter | undefined {
    return this.#grammar?.filter
  }

  cutShort(): 'again' | 'end' {
    const held = this.prompt.length + this.answer.length
    // One block or less is all the memory there is: sliding would not get on.
    if (this.#spec.options.overflow === 'stop' || held <= KV_BLOCK) return this.#end('context')
    this.#slide(held)
    return 'again'
  }

  queued(event: QueueEvent): void {
    this.#spec.events.queue?.(event)
  }

  complete(times: TaskTimes): void {
    const result: GenerateResult = {
      text: this.#text,
      tokens: this.#tokens,
      ...(this.#reasoning !== '' && { reasoning: this.#reasoning }),
      ...(this.#calls.length > 0 && { toolCalls: this.#calls }),
      ...(this.#partialCall !== '' && { partialToolCall: this.#partialCall }),
      finishReason: this.#finish ?? 'context',
      promptTokens: this.#spec.prompt.length,
      reusedTokens: times.reusedTokens,
      slides: this.#slides,
      seed: this.#spec.options.seed,
      queueMs: times.started - times.submitted,
      prefillMs: times.prefilled - times.started,
      ttftMs: times.prefilled - times.submitted,
      decodeMs: times.ended - times.prefilled,
    }
    const unread = this.#spec.plan?.reader.unread ?? 0
    if (unread > 0) result.unreadCalls = unread
    if (this.#matcher.found !== undefined) result.stopString = this.#matcher.found
    if (this.#grammar !== undefined) {
      const { filter, unenforced } = this.#grammar
      // What a stop string took away was part of what the grammar read.
      result.complete = filter.complete && this.#matcher.found === undefined
      if (unenforced.length > 0) result.unenforced = unenforced
    }
    this.#spec.events.done(result)
  }

  fail(error: RyzError): void {
    this.#spec.events.error(error)
  }

  /** Lets out the text that was held back, unless a stop string ends it. */
  #end(reason: FinishReason): 'end' {
    const chunk: TokenChunk = { text: '', tokens: [] }
    const { plan } = this.#spec
    const last = this.#decoder.flush()
    if (plan === undefined) chunk.text = this.#matcher.push(last)
    else if (this.#matcher.found === undefined) {
      this.#read(chunk, plan.reader.push(last))
      const piece = plan.reader.end(reason === 'length' || reason === 'context')
      this.#read(chunk, piece)
      this.#partialCall = piece.partialCall
    }
    chunk.text += this.#matcher.flush()
    this.#text += chunk.text
    if (chunk.text !== '' || chunk.reasoning || chunk.toolCalls) this.#spec.events.token(chunk)
    const calls = reason === 'eos' && this.#calls.length > 0
    this.#finish = this.#matcher.found !== undefined ? 'stop' : calls ? 'tool_calls' : reason
    return 'end'
  }

  /** Draws the next token, unless reasoning has become too long and is being closed. */
  #next(row: Float32Array, at: number): number {
    const { plan } = this.#spec
    if (plan?.reader.reasons && this.#reasoned++ >= plan.maxReasoning) {
      this.#forced = plan.closing
      this.#reasoned = Number.NEGATIVE_INFINITY // once
    }
    const [forced, ...rest] = this.#forced
    const given = this.#given.shift()
    if (forced === undefined) {
      if (given === undefined) return this.#sampler.sample(row, at)
      this.#sampler.skip()
      return given
    }
    this.#forced = rest
    return forced
  }

  /** What a token adds to the answer, as far as it is certain. */
  #write(chunk: TokenChunk, token: number): void {
    const { plan } = this.#spec
    if (plan === undefined) chunk.text = this.#matcher.push(this.#decoder.push(token))
    else {
      const marker = plan.shown.get(token)
      const text = marker === undefined ? this.#decoder.push(token) : this.#decoder.flush() + marker
      this.#read(chunk, plan.reader.push(text))
    }
    this.#text += chunk.text
  }

  /** Stop strings end the answer itself, no reasoning and no call. */
  #read(chunk: TokenChunk, { text, reasoning, calls }: Piece): void {
    chunk.text += this.#matcher.push(text)
    if (reasoning !== '') {
      chunk.reasoning = (chunk.reasoning ?? '') + reasoning
      this.#reasoning += reasoning
    }
    if (calls.length === 0) return
    const kept = this.#spec.plan!.single ? calls.slice(0, 1 - this.#calls.length) : calls
    chunk.toolCalls = [...(chunk.toolCalls ?? []), ...kept]
    for (const { index: _, ...call } of kept) this.#calls.push(call)
  }

  /** Goes on with the system prefix and the newest half of what fits into `room` tokens. */
  #slide(room: number): void {
    this.prompt = slide(this.prompt, this.answer, this.#spec.options.keep, room)
    this.answer.length = 0
    this.#slides++
  }
}

/** Of an answer that was begun where there was more room. */
function noRoom({ prompt, given = [], contextLength }: GenerationSpec): RyzError {
  const tokens = prompt.length + given.length
  return new RyzError(
    'CONTEXT_FULL',
    `the engine ended, and the next one has room for ${contextLength} tokens; prompt and answer so far have ${tokens}; ask again for a shorter answer`,
    { tokens, contextLength },
  )
}

/** A token as it is written by itself. */
function written(token: number, tokenizer: Tokenizer): Pick<TokenLogprob, 'bytes' | 'text'> {
  const bytes = Array.from(tokenizer.tokenBytes(token))
  const text =
    bytes.length === 0
      ? tokenizer.tokenText(token)
      : new TextDecoder('utf-8', { ignoreBOM: true }).decode(Uint8Array.from(bytes))
  return { bytes, text }
}
