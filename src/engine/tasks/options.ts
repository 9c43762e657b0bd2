// Fills in and checks the options of a request, at the edge; everything behind trusts them.
// Called by engine.ts before a request enters the queue.
import { RyzError } from '../../errors.ts'
import type { GenerateOptions, SamplingOptions } from '../../types/index.ts'

export type ResolvedSampling = Required<SamplingOptions>

export interface ResolvedGenerate extends ResolvedSampling {
  maxTokens: number
  stop: readonly string[]
  ignoreEos: boolean
  overflow: 'stop' | 'slide'
  /** Tokens from the start that a slide keeps. */
  keep: number
  /** Begin with KV blocks that were computed before, and leave its own for others. */
  reuse: boolean
  /** Likeliest tokens to report at each step; undefined reports no log-probabilities at all. */
  logprobs: number | undefined
}

const MAX_LOGPROBS = 20
/** One KV block: its K and V are found, not computed, when the answer goes on after a slide. */
const DEFAULT_KEEP = 32
const MAX_WINDOW = 1 << 20

function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 40))
  if (typeof value === 'object' && value !== null)
    return Array.isArray(value) ? 'a list' : 'an object'
  return String(value)
}

function bad(name: string, value: unknown, allowed: string): RyzError {
  return new RyzError('BAD_OPTION', `${name} is ${shown(value)}; it must be ${allowed}`, {
    option: name,
    value: shown(value),
  })
}

/** A number within [low, high], or the default. @throws RyzError BAD_OPTION */
export function numberOption(
  name: string,
  value: unknown,
  fallback: number,
  low: number,
  high: number,
): number {
  if (value === undefined) return fallback
  if (typeof value !== 'number' || !(value >= low && value <= high)) {
    throw bad(name, value, `a number from ${low} to ${high}`)
  }
  return value
}

/** A whole number within [low, high], or the default. @throws RyzError BAD_OPTION */
export function integerOption(
  name: string,
  value: unknown,
  fallback: number,
  low: number,
  high: number,
): number {
  const checked = numberOption(name, value, fallback, low, high)
  if (value !== undefined && !Number.isInteger(checked)) {
    throw bad(name, value, `a whole number from ${low} to ${high}`)
  }
  return checked
}

/** true or false, or the default. @throws RyzError BAD_OPTION */
export function flagOption(name: string, value: unknown, fallback: boolean): boolean {
  if (value === undefined) return fallback
  if (typeof value !== 'boolean') throw bad(name, value, 'true or false')
  return value
}

function overflowOption(value: unknown): 'stop' | 'slide' {
  if (value === undefined || value === 'stop') return 'stop'
  if (value !== 'slide') throw bad('overflow', value, "'stop' or 'slide'")
  return value
}

function checkBias(bias: unknown, vocab: number): Readonly<Record<number, number>> {
  if (bias === undefined) return {}
  if (typeof bias !== 'object' || bias === null || Array.isArray(bias)) {
    throw bad('logitBias', bias, 'an object of token id to number')
  }
  for (const [key, value] of Object.entries(bias)) {
    const id = Number(key)
    if (!Number.isInteger(id) || id < 0 || id >= vocab) {
      throw bad('logitBias', key, `keyed by token ids from 0 to ${vocab - 1}`)
    }
    if (typeof value !== 'number' || Number.isNaN(value) || value === Number.POSITIVE_INFINITY) {
      throw bad(`logitBias[${key}]`, value, 'a finite number or -Infinity')
    }
  }
  return bias as Readonly<Record<number, number>>
}

/**
 * Fills in the sampling defaults.
 * @param drawSeed  gives the seed when the caller named none
 * @throws RyzError BAD_OPTION with the option and its value
 */
export function resolveSampling(
  options: SamplingOptions,
  vocab: number,
  drawSeed: () => number,
): ResolvedSampling {
  const topP = numberOption('topP', options.topP, 0.95, 0, 1)
  if (topP === 0) throw bad('topP', topP, 'more than 0 and at most 1')
  const repetition = numberOption('repetitionPenalty', options.repetitionPenalty, 1, 0, 1e3)
  if (repetition === 0) throw bad('repetitionPenalty', repetition, 'more than 0')
  return {
    temperature: numberOption('temperature', options.temperature, 0.8, 0, 1e3),
    topK: integerOption('topK', options.topK, 40, 0, Number.MAX_SAFE_INTEGER),
    topP,
    minP: numberOption('minP', options.minP, 0, 0, 1),
    repetitionPenalty: repetition,
    frequencyPenalty: numberOption('frequencyPenalty', options.frequencyPenalty, 0, -1e3, 1e3),
    presencePenalty: numberOption('presencePenalty', options.presencePenalty, 0, -1e3, 1e3),
    penaltyWindow: integerOption('penaltyWindow', options.penaltyWindow, 64, 0, MAX_WINDOW),
    logitBias: checkBias(options.logitBias, vocab),
    seed:
      options.seed === undefined
        ? drawSeed()
        : integerOption('seed', options.seed, 0, 0, 0xffffffff),
  }
}

/** Fills in the defaults of a generate call. @throws RyzError BAD_OPTION with the option and its value */
export function resolveGenerate(
  options: GenerateOptions,
  vocab: number,
  drawSeed: () => number,
): ResolvedGenerate {
  const stop = options.stop ?? []
  if (!Array.isArray(stop)) throw bad('stop', stop, 'a list of strings')
  for (const text of stop) {
    if (typeof text !== 'string' || text === '')
      throw bad('stop', text, 'a list of non-empty strings')
  }
  return {
    ...resolveSampling(options, vocab, drawSeed),
    maxTokens: integerOption('maxTokens', options.maxTokens, 256, 1, Number.MAX_SAFE_INTEGER),
    stop,
    ignoreEos: options.ignoreEos === true,
    overflow: overflowOption(options.overflow),
    keep: integerOption('keep', options.keep, DEFAULT_KEEP, 0, Number.MAX_SAFE_INTEGER),
    reuse: flagOption('reuse', options.reuse, true),
    logprobs:
      options.logprobs === undefined
        ? undefined
        : integerOption('logprobs', options.logprobs, 0, 0, MAX_LOGPROBS),
  }
}

/** A prompt given as token ids. @throws RyzError BAD_OPTION */
export function checkTokens(tokens: readonly number[], vocab: number): readonly number[] {
  if (tokens.length === 0) {
    throw new RyzError('BAD_OPTION', 'the prompt is empty; give at least one token')
  }
  for (const id of tokens) {
    if (!Number.isInteger(id) || id < 0 || id >= vocab) {
      throw bad('a token id of the prompt', id, `a whole number from 0 to ${vocab - 1}`)
    }
  }
  return tokens
}
