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
 * Off where nothing was asked for: calls and JSON gain in every cell that was measured, but not yet was a text in which
 * nothing repeats shown to lose less than 3 % in each of them (docs/PERFORMANCE.md, "Several tokens a step"). A draft
 * model is asking.
 * @param drafts  whether there is a draft model
 * @returns undefined where nothing is to be guessed
 */
export function resolveSpeculation(
  asked: LoadOptions['speculation'],
  drafts = false,
): ResolvedSpeculation | undefined {
  const option = asked ?? (drafts ? 'auto' : 'off')
  if (option === 'off') return undefined
  const own = option === 'auto' ? {} : option
  const resolved = { ...SPECULATION_DEFAULTS, ...own, inexact: option !== 'auto' }
  return resolved.lookup || drafts ? resolved : undefined
}
