// The option speculation of load(), filled in. Bounds: src/options/load.ts. Called by engine.ts.
import { SPECULATION_DEFAULTS } from '../../options/load.ts'
import type { LoadOptions } from '../../types/index.ts'

export interface ResolvedSpeculation {
  readonly lookup: boolean
  /** Guessed tokens of a sequence in a step, at most. */
  readonly maxTokens: number
  /** As many as pay; else as many as there are. */
  readonly adaptive: boolean
  /** Also where a row's bits depend on how many rows a step has. */
  readonly inexact: boolean
}

/**
 * @param drafts  whether there is a draft model
 * @returns undefined where nothing is to be guessed
 */
export function resolveSpeculation(
  option: LoadOptions['speculation'] = 'auto',
  drafts = false,
): ResolvedSpeculation | undefined {
  if (option === 'off') return undefined
  const asked = option === 'auto' ? {} : option
  const resolved = { ...SPECULATION_DEFAULTS, ...asked, inexact: option !== 'auto' }
  return resolved.lookup || drafts ? resolved : undefined
}
