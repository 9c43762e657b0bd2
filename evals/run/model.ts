// The model as the requests see it: texts go in, answers come out. Knows tokens, bos and the length of the
// context; asks the engine through the SDK alone. Called by run.ts.
import { HarnessError } from '../harness-error.ts'
import {
  type Encode,
  fitPair,
  fitPrompt,
  pairTokens,
  rollingWindows,
  type ScoredTokens,
} from '../requests/split.ts'
import type {
  Answer,
  EvalEngine,
  GenerateAnswer,
  GenerateRequest,
  LikelihoodAnswer,
  LikelihoodRequest,
  Request,
  RollingAnswer,
  RollingRequest,
} from '../types.ts'
import { Gate } from './gate.ts'

/** Whether texts get bos: as the tokenizer says (today's definition), never (older releases), or always. */
export type BosRule = 'tokenizer' | 'never' | 'always'

export interface ModelOptions {
  readonly bos?: BosRule
  readonly signal?: AbortSignal
  /** Requests under way at once; the engine's sequences unless given. */
  readonly parallel?: number
}

/** Ends a text that is generated; in the queue nobody waits long, so there is no limit. */
const QUEUE_TIMEOUT_MS = 3_600_000

export class EvalModel {
  readonly #engine: EvalEngine
  readonly #max: number
  readonly #bos: boolean
  readonly #prefix: number | undefined
  readonly #signal: AbortSignal | undefined
  readonly #gate: Gate
  /** Tokens that went through score() and generate(), for the rate. */
  tokens = 0

  private constructor(engine: EvalEngine, max: number, parallel: number, options: ModelOptions) {
    const { bos, addsBos, endTokens } = engine.model
    this.#engine = engine
    this.#max = max
    this.#bos = options.bos === 'always' || (options.bos !== 'never' && addsBos)
    if (this.#bos && bos === undefined) {
      throw new HarnessError('bos is asked for before every text, and the model has none')
    }
    this.#prefix = bos ?? endTokens[0]
    this.#signal = options.signal
    this.#gate = new Gate(parallel)
  }

  static async open(engine: EvalEngine, options: ModelOptions = {}): Promise<EvalModel> {
    const { contextLength, maxSequences } = await engine.stats()
    return new EvalModel(engine, contextLength, options.parallel ?? maxSequences, options)
  }

  /** Whether texts get bos, for the result. */
  get putsBos(): boolean {
    return this.#bos
  }

  /** The answers to the requests of one document, in their order. */
  async answer(requests: readonly Request[]): Promise<Answer[]> {
    const first = requests[0]
    if (first?.kind === 'loglikelihood') {
      return this.#likelihoods(requests as readonly LikelihoodRequest[])
    }
    return Promise.all(
      requests.map(request =>
        request.kind === 'rolling'
          ? this.#rolling(request)
          : this.#generate(request as GenerateRequest),
      ),
    )
  }

  /** Options of one question: the context is read with the first of them and found by the others. */
  async #likelihoods(requests: readonly LikelihoodRequest[]): Promise<Answer[]> {
    const pairs = await Promise.all(
      requests.map(({ context, continuation }) =>
        pairTokens(context, continuation, this.#encode, this.#prefix),
      ),
    )
    const answers: LikelihoodAnswer[] = []
    for (const group of groupsOf(pairs)) {
      const [lead, ...others] = group.places
      const first = pairs[lead!]!
      if (group.single) {
        const ids = group.places.map(i => pairs[i]!.continuation[0]!)
        const scored = await this.#single(first.context, ids)
        group.places.forEach((i, k) => {
          answers[i] = scored[k]!
        })
        continue
      }
      answers[lead!] = await this.#pair(first)
      const rest = others.map(async i => {
        answers[i] = await this.#pair(pairs[i]!)
      })
      await Promise.all(rest)
    }
    return answers
  }

  async #pair(pair: { context: number[]; continuation: number[] }): Promise<LikelihoodAnswer> {
    const fit = fitPair(pair.context, pair.continuation, this.#max)
    const { logprob, greedy } = await this.#score(fit)
    const count = pair.continuation.length
    return { kind: 'loglikelihood', logprob, greedy, tokens: count, cut: fit.cut }
  }

  /** Endings of one token each: the context alone is enough for all of them. */
  async #single(context: readonly number[], ids: readonly number[]): Promise<LikelihoodAnswer[]> {
    const { tokens, from, cut } = fitPair(context, [ids[0]!], this.#max)
    const scored = await this.#gate.pass(() =>
      this.#engine.score(tokens, { from, alternatives: ids, ...this.#request() }),
    )
    this.tokens += tokens.length - 1
    return ids.map((id, i) => ({
      kind: 'loglikelihood',
      logprob: scored.alternatives![i]!,
      greedy: scored.likeliest[from] === id,
      tokens: 1,
      cut,
    }))
  }

  async #rolling({ text }: RollingRequest): Promise<RollingAnswer> {
    if (this.#prefix === undefined) {
      throw new HarnessError(
        'rolling perplexity begins with a bos or eos token, and the model names none',
      )
    }
    const windows = rollingWindows(await this.#encode(text, true), this.#prefix, this.#max)
    const scored = await Promise.all(windows.map(window => this.#score(window)))
    return {
      kind: 'rolling',
      logprob: scored.reduce((sum, s) => sum + s.logprob, 0),
      tokens: windows.reduce((sum, w) => sum + w.tokens.length - w.from, 0),
      windows: windows.length,
    }
  }

  async #generate(request: GenerateRequest): Promise<GenerateAnswer> {
    const { context, until, maxTokens } = request
    const fit = fitPrompt(await this.#encode(context, true), this.#max, maxTokens)
    const result = await this.#gate.pass(
      () =>
        this.#engine.generate(fit.tokens, {
          maxTokens,
          stop: until.filter(text => text !== ''),
          temperature: 0,
          ...this.#request(),
        }).result,
    )
    this.tokens += fit.tokens.length + result.tokens.length
    return { kind: 'generate', text: result.text, cut: fit.cut }
  }

  async #score({ tokens, from }: ScoredTokens): Promise<{ logprob: number; greedy: boolean }> {
    const scored = await this.#gate.pass(() =>
      this.#engine.score(tokens, { from, ...this.#request() }),
    )
    this.tokens += tokens.length - 1
    let logprob = 0
    let greedy = true
    for (let i = from; i < tokens.length; i++) {
      logprob += scored.logprobs[i]!
      greedy &&= scored.likeliest[i] === tokens[i]
    }
    return { logprob, greedy }
  }

  readonly #encode: Encode = (text, bos) =>
    this.#engine.tokenize(text, { bos: bos && this.#bos, special: true })

  #request() {
    return {
      queueTimeoutMs: QUEUE_TIMEOUT_MS,
      ...(this.#signal && { signal: this.#signal }),
    }
  }
}

interface Group {
  readonly places: number[]
  readonly single: boolean
}

/** Pairs with the same context; those of one token are answered by one call. */
function groupsOf(pairs: readonly { context: number[]; continuation: number[] }[]): Group[] {
  const groups = new Map<string, Group>()
  pairs.forEach(({ context, continuation }, i) => {
    const single = continuation.length === 1
    const key = `${single} ${context.join(' ')}`
    const group = groups.get(key)
    if (group) group.places.push(i)
    else groups.set(key, { places: [i], single })
  })
  return [...groups.values()]
}
