// The one error class of the product and the table of its codes. Everything that can go wrong in
// any layer is a RyzError; programs switch on `code`, people read `message`. Depends on nothing.

/** Every code, with what happened and what the caller can do. A code never changes its meaning. */
export const ERROR_CODES = {
  NOT_A_MODEL: 'The bytes are no GGUF or safetensors model; check the URL or file.',
  TRUNCATED: 'The file ends before its header says it should; download it again.',
  CORRUPT_HEADER: 'The header contradicts itself or holds absurd sizes; the file is damaged.',
  UNSUPPORTED_VERSION: 'The container version is not 2 or 3; convert the file.',
  UNSUPPORTED_ARCH: 'The architecture is not one of those listed in the README.',
  UNSUPPORTED_TYPE: 'A tensor has an element type that cannot be read; requantise the model.',
  UNSUPPORTED_FEATURE: 'The model needs maths that is not implemented; it is never ignored.',
  BAD_TENSOR_INFO: 'A tensor entry has impossible dimensions, offsets or overlaps.',
  MISSING_TENSOR: 'A tensor that the architecture needs is not in the file.',
  SHAPE_MISMATCH: 'A tensor has another shape than the hyper-parameters demand.',
  BAD_HYPERPARAMS: 'A hyper-parameter is missing, not a number, or out of range.',
  BAD_CONFIG: 'config.json or the index is no valid JSON or lacks a required field.',
  BAD_WEIGHTS: 'Weights hold an impossible code or a scale that is not finite.',
  TOKENIZER_MISSING: 'Neither the file nor its directory holds a tokenizer.',
  TOKENIZER_INVALID: 'The tokenizer is damaged or of a kind that is not implemented.',
  TEMPLATE_ERROR: 'The chat template is missing, fails, or runs too long.',
  BAD_OPTION: 'An option or argument has a value outside its range.',
  MEMORY_BUDGET: 'The model with these options does not fit the memory budget.',
  CONTEXT_FULL: 'Prompt and answer together exceed the context length.',
  QUEUE_FULL: 'Too many requests wait already; try again later.',
  QUEUE_TIMEOUT: 'The request waited longer than its time limit.',
  NETWORK: 'The model could not be fetched.',
  MODEL_HASH: 'The bytes do not have the expected SHA-256.',
  STORAGE_FULL: 'The browser grants no more storage; delete stored models.',
  NO_STORAGE:
    'The browser has or allows no IndexedDB here, or it fails: a private window, a blocked site, a damaged profile.',
  ABORTED: 'The caller cancelled.',
  NO_WORKER: 'There are no web workers here, as in Node or on a server; load in a browser.',
  WORKER_DIED: 'The engine worker ended unexpectedly; load again.',
  KERNEL_TRAP: 'A kernel trapped; the engine has closed, load again.',
  DEVICE_LOST: 'The GPU device was lost.',
  GPU_OOM: 'The GPU has no memory left.',
  INTERNAL:
    'This call failed for a reason that is a fault of the package; others go on. Report it.',
  CLOSED: 'The engine was closed before or during this call.',
} as const satisfies Record<string, string>

/** One of the codes of ERROR_CODES. A code never changes its meaning. */
export type ErrorCode = keyof typeof ERROR_CODES

/** Of the codes above, those after which an engine is gone, and whether the same path would fail again. */
const ENDS: Partial<Record<ErrorCode, { readonly avoidPath: boolean }>> = {
  WORKER_DIED: { avoidPath: false },
  KERNEL_TRAP: { avoidPath: true },
  DEVICE_LOST: { avoidPath: true },
  GPU_OOM: { avoidPath: true },
  CLOSED: { avoidPath: false },
}

/** Whether nothing more can be asked of the engine that gave this error. */
export function endsEngine(code: ErrorCode): boolean {
  return ENDS[code] !== undefined
}

/** Whether the next engine must not run as the one that this ended. */
export function avoidsPath(code: ErrorCode): boolean {
  return ENDS[code]?.avoidPath === true
}

/** Structured-clone-safe facts beside an error: plain numbers, strings and lists of them. */
export type ErrorDetail = Readonly<
  Record<string, string | number | boolean | null | readonly (string | number)[]>
>

/**
 * The only error the product throws.
 * @example
 * try { await load(url) } catch (e) {
 *   if (e instanceof RyzError && e.code === 'NETWORK') retryLater()
 * }
 */
export class RyzError extends Error {
  /** True for errors of another copy of this class too: of a part of the package, or of a second version. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    // Not by the table of codes: its sentences are for people, and no page has to load them.
    if (!(value instanceof Error) || value.name !== 'RyzError') return false
    return typeof (value as Partial<RyzError>).code === 'string'
  }

  override readonly name = 'RyzError'
  readonly code: ErrorCode
  readonly detail: ErrorDetail

  constructor(code: ErrorCode, message: string, detail: ErrorDetail = {}, options?: ErrorOptions) {
    super(message, options)
    this.code = code
    this.detail = detail
  }
}

/** Wraps whatever was caught as a RyzError; one that is a RyzError already is returned as it is. */
export function asRyzError(caught: unknown, code: ErrorCode, what: string): RyzError {
  if (caught instanceof RyzError) return caught
  return new RyzError(code, `${what}: ${wordsOf(caught)}`, {}, { cause: caught })
}

function wordsOf(caught: unknown): string {
  try {
    if (caught instanceof Error) return caught.message || caught.name
    return String(caught ?? 'the browser gave no reason')
  } catch {
    return 'what was thrown has no text'
  }
}

/** Throws ABORTED when the signal has fired. */
export function throwIfAborted(signal: AbortSignal | undefined, what: string): void {
  if (signal?.aborted) throw new RyzError('ABORTED', `${what} was cancelled`)
}
