// LoadOptions at the engine's edge: checked once more, and the defaults that depend on other options.
// Bounds: src/options/load.ts.
import { checkLoad, LOAD_DEFAULTS } from '../../options/load.ts'
import type { ActivationMode, HeadType, LoadOptions } from '../../types/index.ts'

export interface CheckedLoadOptions {
  readonly strict: boolean
  readonly head: HeadType
  readonly activations: ActivationMode
  readonly maxSequences: number
  readonly prefillPiece: number
}

/** @throws RyzError BAD_OPTION */
export function checkLoadOptions(options: LoadOptions): CheckedLoadOptions {
  const o = checkLoad(options)
  return {
    strict: o.strict ?? false,
    head: o.strict ? 'file' : (o.head ?? 'int8'),
    activations: o.activations ?? 'int8',
    maxSequences: o.maxSequences ?? LOAD_DEFAULTS.maxSequences,
    prefillPiece: o.prefillPiece ?? LOAD_DEFAULTS.prefillPiece,
  }
}
