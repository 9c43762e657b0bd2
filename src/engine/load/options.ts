// Validates LoadOptions at the edge: every value that is not usable ends in BAD_OPTION with the value.
import { RyzError } from '../../errors.ts'
import type { ActivationMode, HeadType, LoadOptions } from '../../types/index.ts'

export interface CheckedLoadOptions {
  readonly strict: boolean
  readonly head: HeadType
  readonly activations: ActivationMode
  readonly maxSequences: number
  readonly prefillPiece: number
}

/** Tokens of a prefill piece at most, when not given. */
export const DEFAULT_PREFILL_PIECE = 128

/** @throws RyzError BAD_OPTION */
export function checkLoadOptions(o: LoadOptions): CheckedLoadOptions {
  oneOf('backend', o.backend, ['auto', 'wasm', 'reference'])
  oneOf('variant', o.variant, ['auto', 'relaxed', 'relaxed-i32', 'simd128', 'scalar'])
  oneOf('activations', o.activations, ['int8', 'float'])
  oneOf('i2sLayout', o.i2sLayout, ['x86', 'arm', 'rows4', 'sequential'])
  oneOf('head', o.head, ['int8', 'int4'])
  oneOf('kv', o.kv, ['f32', 'f16', 'int8', 'int4'])
  if (o.threads !== 'auto') whole('threads', o.threads, 1, 64)
  whole('contextLength', o.contextLength, 1, 1 << 20)
  whole('maxSequences', o.maxSequences, 1, 256)
  whole('memoryBudget', o.memoryBudget, 1, 2 ** 40)
  whole('queueLimit', o.queueLimit, 0, 1 << 20)
  whole('queueTimeoutMs', o.queueTimeoutMs, 1, 2 ** 31 - 1)
  whole('prefillPiece', o.prefillPiece, 1, 512)
  oneOf('cache', o.cache, ['auto', 'require', 'only', 'off'])
  whole('cacheChunkBytes', o.cacheChunkBytes, 1 << 12, 1 << 26)
  checkHashes(o.sha256)
  flag('strict', o.strict)
  if (o.strict && o.head) bad('head', o.head, 'left out where strict is true')
  flag('calibrate', o.calibrate)
  flag('autoRestart', o.autoRestart)
  return {
    strict: o.strict ?? false,
    head: o.strict ? 'file' : (o.head ?? 'int8'),
    activations: o.activations ?? 'int8',
    maxSequences: o.maxSequences ?? 4,
    prefillPiece: o.prefillPiece ?? DEFAULT_PREFILL_PIECE,
  }
}

function checkHashes(hashes: LoadOptions['sha256']): void {
  if (hashes === undefined) return
  const all: unknown[] = typeof hashes === 'string' ? [hashes] : Object.values(hashes ?? {})
  const wrong = all.find(hash => typeof hash !== 'string' || !/^[0-9a-f]{64}$/i.test(hash))
  if (wrong !== undefined || all.length === 0) bad('sha256', wrong, '64 hex digits')
}

function oneOf(option: string, value: string | undefined, allowed: readonly string[]): void {
  if (value !== undefined && !allowed.includes(value)) bad(option, value, allowed.join(', '))
}

function flag(option: string, value: boolean | undefined): void {
  if (value !== undefined && typeof value !== 'boolean') bad(option, value, 'a boolean')
}

function whole(option: string, value: number | undefined, min: number, max: number): void {
  if (value === undefined) return
  if (!Number.isInteger(value) || value < min || value > max) {
    bad(option, value, `a whole number from ${min} to ${max}`)
  }
}

function bad(option: string, value: unknown, wanted: string): never {
  throw new RyzError('BAD_OPTION', `${option} is ${String(value)}; it must be ${wanted}`, {
    option,
  })
}
