// The range checks that every container's hyper-parameters pass through. Called by config-gguf.ts and
// config-hf.ts.
import { RyzError } from '../errors.ts'
import type { ModelFile } from '../format/model-file.ts'

/** Reads an integer in [min, max]. @throws RyzError BAD_HYPERPARAMS */
export function integer(key: string, value: unknown, min: number, max: number): number {
  const number = typeof value === 'bigint' ? Number(value) : value
  if (typeof number === 'number' && Number.isInteger(number) && number >= min && number <= max) {
    return number
  }
  throw bad(key, value, `an integer from ${min} to ${max}`)
}

/** Reads a finite number in (above, max]. @throws RyzError BAD_HYPERPARAMS */
export function real(key: string, value: unknown, above: number, max: number): number {
  if (typeof value === 'number' && Number.isFinite(value) && value > above && value <= max) {
    return value
  }
  throw bad(key, value, `a number above ${above}, at most ${max}`)
}

export function bad(key: string, value: unknown, wanted: string): RyzError {
  const got = value === undefined ? 'missing' : written(value).slice(0, 60)
  return new RyzError('BAD_HYPERPARAMS', `${key} is ${got}; it must be ${wanted}`, { key })
}

/** As JSON, but for numbers that JSON would call null. */
function written(value: unknown): string {
  if (typeof value === 'number' || typeof value === 'bigint') return String(value)
  return String(JSON.stringify(value, plain))
}

function plain(_key: string, value: unknown): unknown {
  const odd = typeof value === 'bigint' || (typeof value === 'number' && !Number.isFinite(value))
  return odd ? String(value) : value
}

/** @throws RyzError UNSUPPORTED_FEATURE, naming what was found */
export function refuse(key: string, value: unknown, what: string): never {
  const found = written(value).slice(0, 80)
  throw new RyzError(
    'UNSUPPORTED_FEATURE',
    `The model has ${key} = ${found}: ${what} is not implemented, and ignoring it would give wrong text`,
    { key },
  )
}

export const LIMITS = {
  layers: 1024,
  hidden: 65_536,
  ffn: 1_048_576,
  experts: 1024,
  heads: 1024,
  headDim: 1024,
  vocab: 4_194_304,
  context: 16_777_216,
} as const

/** Checks what several numbers must satisfy together. @throws RyzError BAD_HYPERPARAMS */
export function checkHeads(heads: number, kvHeads: number, headDim: number, ropeDim: number): void {
  if (heads % kvHeads !== 0) {
    throw bad('the number of KV heads', kvHeads, `a divisor of the ${heads} heads`)
  }
  if (ropeDim % 2 !== 0 || ropeDim > headDim) {
    throw bad('the rotated part of a head', ropeDim, `even and at most the head size ${headDim}`)
  }
}

/** Whether linears have norms of their own, as in BitNet embedding models; then all have. */
export function hasInnerNorms(file: Pick<ModelFile, 'tensors'>): boolean {
  for (const name of file.tensors.keys()) if (name.endsWith('_norm_in.weight')) return true
  return false
}
