// Grammars of requests: loads the grammar engine when the first one asks for it, compiles in small pieces
// between the steps of other requests, and keeps what was compiled. Called by engine.ts.
import { asRyzError, RyzError, throwIfAborted } from '../../errors.ts'
import type { Tokenizer } from '../../tokenizer/tokenizer.ts'
import type { ResponseFormat, Unenforced } from '../../types/index.ts'
import type { Compiled, CompiledGuide, GrammarRequest, GrammarSpec } from '../grammar/compile.ts'
import type { Fault, GrammarPart } from '../grammar/part.ts'
import type { Vocabulary, VocabularySource } from '../grammar/run/vocabulary.ts'
import type { Work } from '../grammar/work.ts'
import type { Guide, LikelyText, LogitFilter, Usual } from '../sampling/logit-filter.ts'
import { type Constraint, isConstrained } from './options.ts'

/** Work between two turns of the event loop, in milliseconds: less than a token of a 0.7B model. */
const SLICE_MS = 8
/**
 * A piece that takes longer than this was mostly not running, as other programs use the processor, and counts as so much:
 * what is refused must not depend on them. Seen: a form of a dozen properties refused in WebKit beside five busy processes.
 */
const MOST_OF_PIECE_MS = 3 * SLICE_MS
/** Of work on one grammar. */
const MAX_COMPILE_MS = 2000
/** Of work that makes the masks of a grammar cheap; they are right without it. */
const MAX_PREPARE_MS = 400
/** Of work on a guide, which an answer can do without. */
const MAX_GUIDE_MS = 200
/** Compiled grammars kept, and guides. */
const KEEP = 8

interface Kept {
  readonly compiled: Compiled
  /** Goes on with the next request where one was cancelled. */
  readonly preparing: Work<void>
}

/** What a request gets of its format. */
export interface RequestGrammar {
  /** A filter at the start of an answer. */
  filter: LogitFilter
  unenforced: Unenforced[]
}

export class Grammars {
  readonly #source: VocabularySource
  readonly #load: (() => Promise<GrammarPart>) | undefined
  readonly #now: () => number
  #part: Promise<GrammarPart> | undefined
  #vocabulary: Vocabulary | undefined
  /** By format; the one used last is the last. */
  readonly #kept = new Map<string, Kept>()
  /** Guides by format; undefined where there is none. */
  readonly #guides = new Map<string, CompiledGuide | undefined>()
  /** One is compiled after the other. */
  #last: Promise<unknown> = Promise.resolve()

  /** @param load  brings the grammar engine; without it formats are refused */
  constructor(
    tokenizer: Tokenizer,
    load: (() => Promise<GrammarPart>) | undefined,
    now: () => number,
  ) {
    this.#source = {
      size: tokenizer.vocabSize,
      endTokens: tokenizer.endTokens,
      bytes: id => tokenizer.tokenBytes(id),
      isText: id => tokenizer.isText(id),
    }
    this.#load = load
    this.#now = now
  }

  /**
   * @param request  checked; its schemas are plain JSON
   * @throws RyzError BAD_OPTION with the place that is wrong, too large, or cannot be enforced; NETWORK
   *   when the grammar engine cannot be fetched; ABORTED
   */
  async of(request: GrammarRequest, signal: AbortSignal): Promise<RequestGrammar> {
    const before = this.#last
    const made = before.catch(() => undefined).then(() => this.#compile(request, signal))
    this.#last = made
    const abort = aborts(signal)
    try {
      const { grammar, unenforced } = await Promise.race([made, abort.promise])
      return {
        filter: new NamedFilter(grammar.begin(), await this.#part!, request.option),
        unenforced,
      }
    } finally {
      abort.release()
    }
  }

  /**
   * What an answer of this form is guessed by; undefined where the form cannot be compiled, or not soon: a request
   * that is not held to it needs no reason.
   */
  async guide({ spec, option }: GrammarRequest, signal: AbortSignal): Promise<Guide | undefined> {
    const key = JSON.stringify(spec)
    if (!this.#guides.has(key)) {
      let made: CompiledGuide | undefined
      try {
        const part = await this.#open(option)
        made = await this.#run(part.guide(spec, this.#source), MAX_GUIDE_MS, signal, option)
      } catch {
        if (signal.aborted) return undefined
      }
      this.#guides.set(key, made)
      keepNewest(this.#guides)
    }
    return this.#guides.get(key)?.begin()
  }

  /**
   * The part itself, for how answers are read.
   * @throws RyzError NETWORK | ABORTED
   */
  async part(option: Option, signal: AbortSignal): Promise<GrammarPart> {
    const abort = aborts(signal)
    try {
      return await Promise.race([this.#open(option), abort.promise])
    } finally {
      abort.release()
    }
  }

  async #compile(request: GrammarRequest, signal: AbortSignal): Promise<Compiled> {
    const { spec, option } = request
    throwIfAborted(signal, 'the request')
    const key = JSON.stringify(spec)
    const known = this.#kept.get(key)
    if (known !== undefined) {
      this.#kept.delete(key)
      this.#kept.set(key, known)
      await this.#slices(known.preparing, MAX_PREPARE_MS, signal)
      return known.compiled
    }
    const part = await this.#open(option)
    try {
      this.#vocabulary ??= await this.#run(
        part.vocabulary(this.#source),
        Number.POSITIVE_INFINITY,
        // What the first request began serves the next, should this one be cancelled.
        new AbortController().signal,
        option,
      )
      const compiling = part.compile(spec, this.#vocabulary)
      const compiled = await this.#run(compiling, MAX_COMPILE_MS, signal, option)
      const preparing = part.prepare(compiled)
      this.#kept.set(key, { compiled, preparing })
      keepNewest(this.#kept)
      await this.#slices(preparing, MAX_PREPARE_MS, signal)
      preparing.return()
      return compiled
    } catch (caught) {
      const fault = part.faultOf(caught)
      throw fault === undefined ? caught : refusal(fault, optionOf(fault, request))
    }
  }

  async #open(option: Option): Promise<GrammarPart> {
    const load = this.#load
    if (load === undefined) {
      throw new RyzError('BAD_OPTION', `${option}: this engine was made without the grammar engine`)
    }
    this.#part ??= load()
    try {
      return await this.#part
    } catch (caught) {
      this.#part = undefined
      throw asRyzError(caught, 'NETWORK', 'grammar.js of the package could not be loaded')
    }
  }

  async #run<T>(work: Work<T>, limitMs: number, signal: AbortSignal, option: Option): Promise<T> {
    const done = await this.#slices(work, limitMs, signal)
    if (done !== undefined) return done.value
    throw new RyzError(
      'BAD_OPTION',
      `${option} takes more than ${limitMs / 1000} s to compile; make it simpler`,
      { option },
    )
  }

  /**
   * Runs work piece by piece; a timer lets everything else run in between, which messages may not.
   * @returns undefined where it is not done after so much work
   */
  async #slices<T>(
    work: Work<T>,
    limitMs: number,
    signal: AbortSignal,
  ): Promise<{ value: T } | undefined> {
    let spent = 0
    for (;;) {
      const began = this.#now()
      for (;;) {
        const { done, value } = work.next()
        if (done) return { value: value as T }
        if (this.#now() - began >= SLICE_MS) break
      }
      spent += Math.min(this.#now() - began, MOST_OF_PIECE_MS)
      if (spent > limitMs) return undefined
      await new Promise(resolve => setTimeout(resolve, 0))
      throwIfAborted(signal, 'the request')
    }
  }
}

type Option = GrammarRequest['option']

/** Drops the oldest of more than KEEP. */
function keepNewest(kept: Map<string, unknown>): void {
  for (const oldest of kept.keys()) {
    if (kept.size <= KEEP) return
    kept.delete(oldest)
  }
}

/** A format as a grammar; undefined where it forbids nothing. */
export function formatGrammar(format: ResponseFormat | undefined): GrammarRequest | undefined {
  return isConstrained(format) ? { spec: specOf(format), option: 'responseFormat' } : undefined
}

function specOf(format: Constraint): GrammarSpec {
  switch (format.type) {
    case 'json_object':
      return { kind: 'schema', schema: { type: 'object' }, strict: true }
    case 'json_schema':
      return { kind: 'schema', schema: format.schema as never, strict: format.strict ?? true }
    case 'grammar':
      return { kind: 'ebnf', ebnf: format.ebnf, root: format.root ?? 'root' }
    case 'regex':
      return { kind: 'regex', pattern: format.pattern }
    default:
      return format satisfies never
  }
}

/** Where tools and a format are compiled together, the one that is wrong. */
function optionOf({ place }: Fault, { spec, option }: GrammarRequest): Option {
  const ofTool = (name: string) => place.endsWith(`of the tool ${JSON.stringify(name)}`)
  return spec.kind === 'calls' && spec.tools.some(tool => ofTool(tool.name)) ? 'tools' : option
}

function refusal({ message, place, keyword }: Fault, option: Option): RyzError {
  const at = place === '' || place.startsWith('of ') ? place && ` ${place}` : ` at ${place}`
  return new RyzError('BAD_OPTION', `${option}${at} ${message}`, {
    option,
    place,
    ...(keyword === undefined ? {} : { keyword }),
  })
}

const NOTHING: LikelyText = { pieces: [], ends: false, whole: true }

/** A filter whose faults name the option. */
class NamedFilter implements LogitFilter {
  readonly #inner: LogitFilter
  readonly #part: GrammarPart
  readonly #option: Option

  constructor(inner: LogitFilter, part: GrammarPart, option: Option) {
    this.#inner = inner
    this.#part = part
    this.#option = option
  }

  #guard<T>(run: () => T): T {
    try {
      return run()
    } catch (caught) {
      const fault = this.#part.faultOf(caught)
      throw fault === undefined ? caught : refusal(fault, this.#option)
    }
  }

  mask(logits: Float32Array, patienceMs?: number): boolean {
    return this.#guard(() => this.#inner.mask(logits, patienceMs))
  }

  allows(token: number): boolean {
    return this.#guard(() => this.#inner.allows(token))
  }

  accept(token: number): void {
    this.#guard(() => this.#inner.accept(token))
  }

  take(token: number): boolean {
    return this.#guard(() => this.#inner.take(token))
  }

  usual(): Usual | undefined {
    return this.#inner.usual?.()
  }

  likely(): LikelyText {
    return this.#guard(() => this.#inner.likely?.() ?? NOTHING)
  }

  closing(): LikelyText {
    return this.#guard(() => this.#inner.closing?.() ?? NOTHING)
  }

  get inText(): boolean {
    return this.#inner.inText === true
  }

  fork(): NamedFilter {
    return new NamedFilter(this.#inner.fork(), this.#part, this.#option)
  }

  restore(fork: LogitFilter): void {
    if (fork instanceof NamedFilter) this.#inner.restore(fork.#inner)
  }

  get complete(): boolean {
    return this.#inner.complete
  }

  get ended(): boolean {
    return this.#inner.ended
  }
}

function aborts(signal: AbortSignal): { promise: Promise<never>; release: () => void } {
  let fire: () => void = () => undefined
  const promise = new Promise<never>((_, reject) => {
    fire = () => reject(new RyzError('ABORTED', 'the request was cancelled'))
    signal.addEventListener('abort', fire)
  })
  promise.catch(() => undefined)
  return { promise, release: () => signal.removeEventListener('abort', fire) }
}
