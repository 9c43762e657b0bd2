// Fills in the options of a request, at the engine's edge, and checks what depends on the model; everything
// behind trusts them. Bounds and defaults: src/options/generate.ts. Called by engine.ts.
import { RyzError } from '../../errors.ts'
import { GENERATE_DEFAULTS, GENERATE_RULES } from '../../options/generate.ts'
import { badOption, checkOptions } from '../../options/rules.ts'
import type { GenerateOptions, ResponseFormat, SamplingOptions } from '../../types/index.ts'

export type ResolvedSampling = Required<SamplingOptions>

export interface ResolvedGenerate extends ResolvedSampling {
  maxTokens: number
  stop: readonly string[]
  ignoreEos: boolean
  responseFormat: ResponseFormat | undefined
  overflow: 'stop' | 'slide'
  /** Tokens from the start that a slide keeps. */
  keep: number
  /** Begin with KV blocks that were computed before, and leave its own for others. */
  reuse: boolean
  /** Likeliest tokens to report at each step; undefined reports no log-probabilities at all. */
  logprobs: number | undefined
}

/**
 * Checks the options of a generate call and fills in the defaults.
 * @param vocab     rows of the embedding table: token ids are below
 * @param drawSeed  gives the seed when the caller named none
 * @throws RyzError BAD_OPTION with the option and its value
 */
export function resolveGenerate(
  options: GenerateOptions,
  vocab: number,
  drawSeed: () => number,
): ResolvedGenerate {
  const checked = checkOptions(GENERATE_RULES, options, 'generate()')
  const seed = (checked.seed ?? drawSeed()) + 0 // -0 is the seed 0
  const resolved = {
    logprobs: undefined,
    responseFormat: undefined,
    ...GENERATE_DEFAULTS,
    ...checked,
    seed,
  }
  if (resolved.ignoreEos && isConstrained(resolved.responseFormat)) {
    throw badOption('ignoreEos', true, 'false with responseFormat, whose texts have an end')
  }
  for (const key of Object.keys(resolved.logitBias)) {
    if (Number(key) >= vocab) {
      throw badOption('logitBias', key, `keyed by token ids from 0 to ${vocab - 1}`)
    }
  }
  return resolved
}

/** A format that forbids something. */
export type Constraint = Exclude<ResponseFormat, { type: 'text' }>

export function isConstrained(format: ResponseFormat | undefined): format is Constraint {
  return format !== undefined && format.type !== 'text'
}

/** A prompt given as token ids. @throws RyzError BAD_OPTION */
export function checkTokens(tokens: readonly number[], vocab: number): readonly number[] {
  if (tokens.length === 0) {
    throw new RyzError('BAD_OPTION', 'the prompt is empty; give at least one token')
  }
  for (const id of tokens) {
    if (!Number.isInteger(id) || id < 0 || id >= vocab) {
      throw badOption('a token id of the prompt', id, `a whole number from 0 to ${vocab - 1}`)
    }
  }
  return tokens
}
