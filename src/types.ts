// Public options, events and statistics. Everything here survives structured cloning (the worker
// boundary), except the AbortSignal and the callbacks, which src/api keeps on the page's side.
import type { ErrorCode } from './errors.ts'

/**
 * Where a model comes from: a URL of a .gguf (the first part of a split file finds the others), a
 * base URL ending in `/` with config.json, tokenizer.json and model.safetensors (or its index), a
 * File or Blob, the Files of such a directory or split, a FileSystemFileHandle, or a ReadableStream of
 * one file.
 */
export type ModelSource =
  | string
  | URL
  | Blob
  | readonly File[]
  | FileSystemFileHandle
  | ReadableStream<Uint8Array>

export type BackendName = 'reference' | 'wasm'
/**
 * 'relaxed-i32' is 'relaxed' with dots that add in 32 bits: one instruction on ARM and on x86 with AVX-VNNI,
 * three elsewhere.
 */
export type KernelVariant = 'relaxed' | 'relaxed-i32' | 'simd128' | 'scalar'
export type KvType = 'f32' | 'f16' | 'int8' | 'int4'
/** Rounding of embedding and head; 'file': none. */
export type HeadType = 'file' | 'int8' | 'int4'
export type ActivationMode = 'int8' | 'float'
/** Byte layouts that share the GGUF type id of I2_S; 'x86' (128-interleave) is the published one. */
export type I2sLayout = 'x86' | 'arm' | 'rows4' | 'sequential'

export type LoadPhase = 'header' | 'tokenizer' | 'weights' | 'warmup' | 'ready'

export interface LoadProgress {
  phase: LoadPhase
  loadedBytes: number
  /** 0 while the size is not known. */
  totalBytes: number
  bytesPerSecond: number
  /** Estimated from the rate so far; absent while nothing is known. */
  etaSeconds?: number
  /** Of loadedBytes, those that came out of the store. */
  fromCacheBytes?: number
}

/**
 * 'auto' stores what is downloaded and reads what is stored; 'require' also fails with STORAGE_FULL when
 * storing is impossible; 'only' never uses the network; 'off' leaves the store alone.
 */
export type CacheMode = 'auto' | 'require' | 'only' | 'off'

export interface LoadOptions {
  /** 'auto' walks the ladder relaxed, simd128, threads or not, reference. */
  backend?: 'auto' | BackendName
  /** Kernel build; 'auto' takes the fastest this browser has. 'scalar' is for tests. */
  variant?: 'auto' | KernelVariant
  /** Threads of the pool, this worker included; 'auto' is at most hardwareConcurrency. */
  threads?: 'auto' | number
  /** Embeddings and head at the file's values, f32 KV, f32 head activations. Slower; for checking. */
  strict?: boolean
  /**
   * Rounding of embedding and head, most often one table: 'int8' with a scale a row (default), or 'int4'
   * with a scale for every 16 columns: 0.56 of the size, faster, and less exact (docs/PERFORMANCE.md says
   * by how much). Only taken when asked for; not with strict.
   */
  head?: Exclude<HeadType, 'file'>
  /** 'int8' (the BitNet rule) or 'float' for models trained without activation rounding. */
  activations?: ActivationMode
  i2sLayout?: I2sLayout
  /**
   * Element type of the KV cache; default f16 (f32 when strict), int8 where that does not fit. int4 is
   * only taken when asked for.
   */
  kv?: KvType
  /** Tokens a sequence may hold; default the model's own, at most 4096. */
  contextLength?: number
  /** Sequences that may be live at once (default 4). */
  maxSequences?: number
  /** Bytes the page may use with this model, the page itself included (default 500e6). */
  memoryBudget?: number
  /** Requests that may wait (default 16). */
  queueLimit?: number
  /** Milliseconds a request may wait before it starts (default 30000). */
  queueTimeoutMs?: number
  /**
   * Tokens of a prefill piece at most (default 128); a piece takes about 100 ms at most while other requests
   * generate, 200 ms alone.
   */
  prefillPiece?: number
  /**
   * Measure kernels and thread counts (half a second at most) and take the fastest. Default: only for
   * models that read more than 16 MB of weights a token, once per browser and model shape. What
   * `variant` and `threads` fix is not measured.
   */
  calibrate?: boolean
  /**
   * One engine for all tabs of the origin that load this URL with these options. When the tab that owns it
   * ends, another takes over and goes on with every stream.
   */
  share?: boolean
  /** How the store of downloaded models is used; default 'auto'. */
  cache?: CacheMode
  /**
   * SHA-256 (hex) that the file must have, or hashes by file name for a model of several files; checked
   * before the model is used, after resumed downloads too.
   */
  sha256?: string | Readonly<Record<string, string>>
  /** Bytes of a chunk of the store (default 4 MiB). For tests: stored models keep their own. */
  cacheChunkBytes?: number
  /**
   * After KERNEL_TRAP or WORKER_DIED every open request fails with that code, and the next call loads
   * the model again (from the cache, where it is), without the kernels that trapped. An engine that dies
   * again before it has served a request stays dead. Default true; named in stats().faults.restarts.
   */
  autoRestart?: boolean
  signal?: AbortSignal
  onProgress?: (progress: LoadProgress) => void
}

export interface SamplingOptions {
  /** 0 is greedy. Default 0.8. */
  temperature?: number
  /** Keep the k likeliest; 0 keeps all. Default 40. */
  topK?: number
  /** Keep the smallest set with at least this probability; 1 keeps all. Default 0.95. */
  topP?: number
  /** Drop tokens below minP times the likeliest. Default 0. */
  minP?: number
  /** > 1 makes tokens of the last `penaltyWindow` less likely (CTRL, Keskar et al. 2019). Default 1. */
  repetitionPenalty?: number
  /** Subtracted per occurrence in the window. Default 0. */
  frequencyPenalty?: number
  /** Subtracted once if in the window. Default 0. */
  presencePenalty?: number
  /** Tokens looked back at; default 64. */
  penaltyWindow?: number
  /** Added to the logit of a token id; -Infinity forbids it. */
  logitBias?: Readonly<Record<number, number>>
  /** 32-bit seed; a random one is drawn, and reported, when absent. */
  seed?: number
}

export interface GenerateOptions extends SamplingOptions {
  /** New tokens at most; default 256. */
  maxTokens?: number
  /** Ends before the first of these strings; it is not part of the text. */
  stop?: readonly string[]
  /** Go on past end tokens. */
  ignoreEos?: boolean
  /** Report the log-probabilities of this many likeliest tokens at each step (0..20). */
  logprobs?: number
  /** Do not prepend the begin-of-sequence token even if the model asks for it. */
  noBos?: boolean
  /** Milliseconds in the queue before QUEUE_TIMEOUT. */
  queueTimeoutMs?: number
  /**
   * A whole number from -10 to 10, default 0. Higher starts earlier: a request of priority p stands in
   * the queue where it would stand had it been sent p seconds sooner, so none waits for ever. A full
   * queue refuses whatever the priority.
   */
  priority?: number
  /**
   * When prompt and answer fill the context: 'stop' (default) ends with 'context'; 'slide' goes on with
   * the first `keep` tokens and the newest half of the rest, which are computed again. A prompt that
   * does not fit is cut in the same way instead of being refused.
   */
  overflow?: 'stop' | 'slide'
  /** Tokens from the start (bos and system prompt) that a slide keeps, at most half of all; default 32. */
  keep?: number
  /**
   * Begin with KV blocks of earlier requests whose text begins alike, and leave this one's for later
   * ones. Results are the same bits either way. Default true.
   */
  reuse?: boolean
  /** Told when the request has to wait, and whenever its position changes; not when it starts at once. */
  onQueue?: (event: QueueEvent) => void
  signal?: AbortSignal
}

/** Where a request stands that waits for its start. */
export interface QueueEvent {
  /** 1 starts next. */
  position: number
  /** Requests that wait, this one included. */
  waiting: number
  /** Until it starts, from what requests took so far; null before one has ended. */
  estimatedWaitMs: number | null
}

/** What restoreSession() found. */
export interface RestoredSession {
  /** Tokens of the session. */
  tokens: number
  /** Of these, the ones that found room in the KV cache; a prompt that begins with them is not read again. */
  restoredTokens: number
}

export interface TokenLogprob {
  token: number
  logprob: number
}

/** One piece of a stream. `text` may be empty while a character is still incomplete. */
export interface TokenChunk {
  text: string
  tokens: number[]
  /** One entry per token, when asked for: the chosen token first, then the likeliest. */
  logprobs?: TokenLogprob[][]
}

export type FinishReason = 'eos' | 'stop' | 'length' | 'context'

export interface GenerateResult {
  text: string
  tokens: number[]
  finishReason: FinishReason
  /** The stop string that ended it, if one did. */
  stopString?: string
  promptTokens: number
  /** Prompt tokens that were found in the KV cache instead of computed. */
  reusedTokens: number
  /** How often it slid; see `overflow`. */
  slides: number
  seed: number
  queueMs: number
  prefillMs: number
  /** Submission to the first token. */
  ttftMs: number
  decodeMs: number
}

export interface ChatMessage {
  role: 'system' | 'user' | 'assistant' | (string & {})
  content: string
}

export interface ScoreOptions {
  /** Also return the raw logits, [tokens][vocab] f32. */
  logits?: boolean
  noBos?: boolean
  /** As in GenerateOptions. */
  priority?: number
  queueTimeoutMs?: number
  signal?: AbortSignal
}

export interface ScoreResult {
  tokens: number[]
  /** log p(tokens[i] | tokens[0..i-1]); entry 0 is 0. */
  logprobs: Float32Array
  /** Row i holds the logits after tokens[0..i]. */
  logits?: Float32Array
  vocabSize: number
}

/** Something better was wanted and could not be had; `what` names it and `reason` says why. */
export interface Fallback {
  from: string
  to: string
  reason: string
}

export interface OpTime {
  op: string
  calls: number
  ms: number
}

export interface ModelInfo {
  name: string
  architecture: string
  container: 'gguf' | 'safetensors'
  layers: number
  hidden: number
  ffn: number
  heads: number
  kvHeads: number
  headDim: number
  vocab: number
  contextLength: number
  parameters: number
  /** How the matrices are held, e.g. { t2: 28, i8: 1 }. */
  layouts: Record<string, number>
  /** Things worth knowing: matrices that stayed float, defaults that were assumed. */
  notes: string[]
}

/** What one kernel build reached on random weights of the model's shape. */
export interface KernelRates {
  variant: KernelVariant
  threads: number
  /** Ternary matrix times one row: bytes of weights a second. */
  gemvBytesPerSecond: number
  /** Ternary matrix times 32 rows: multiply-adds a second. */
  gemmMacsPerSecond: number
  /** int8 matrix (the output head) times one row: bytes a second. */
  headBytesPerSecond: number
}

/** How kernel build and thread count were chosen. */
export interface Calibration {
  /** Measured in this load, remembered from an earlier one, or skipped for the reason given. */
  source: 'measured' | 'remembered' | 'skipped'
  reason?: string
  /** What measuring took in this load; 0 unless measured. */
  ms: number
  rates: KernelRates[]
  chosen?: { variant: KernelVariant; threads: number }
  /** Of the whole model with the choice, at 128 tokens of context. */
  expected?: ExpectedSpeed
}

export interface ExpectedSpeed {
  decodeTokensPerSecond: number
  prefillTokensPerSecond: number
}

/** What willItRun() tells of a model before it is downloaded; bytes that are not known are 0. */
export interface RunForecast {
  fits: boolean
  /** Bytes that load() will fetch: 0 for files of this device, the rest where some are stored. */
  downloadBytes: number
  /** All files of the model. */
  fileBytes: number
  /** Bytes by part at their highest; total is the sum of the others. */
  peakBytes: { weights: number; kv: number; scratch: number; page: number; total: number }
  /** What would run, and what was passed over and why. */
  path: {
    backend: BackendName
    variant: KernelVariant | 'typescript'
    threads: number
    fallbacks: Fallback[]
  }
  /** 0 when it is not known (no WebAssembly). */
  expectedDecodeTokensPerSecond: number
  expectedPrefillTokensPerSecond: number
  contextLength: number
  kv: KvType
  /** What load() would lower to fit the memory budget. */
  lowered: Fallback[]
  name: string
  architecture: string
  calibration: Calibration
  /** Why load() would refuse it. */
  refusal?: { code: ErrorCode; message: string }
}

/** What the cache did for a load. */
export interface CacheStats {
  /**
   * 'warm': all from the store; 'cold': all downloaded; 'resumed': the missing part downloaded;
   * 'repaired': damaged chunks fetched again; 'uncached': nothing could be stored; 'off': not used.
   */
  state: 'warm' | 'cold' | 'resumed' | 'repaired' | 'uncached' | 'off'
  /** Time during which hashes of chunks were computed: what verification cost. */
  verifyMs: number
  /** Chunks, and their bytes, that came from the store and were verified. */
  hits: number
  hitBytes: number
  /** Chunks that were downloaded whole. */
  fetched: number
  fetchedBytes: number
  /** Stored chunks that were damaged or gone. */
  repaired: number
  /** Broken or refused requests that were made again. */
  retries: number
}

/** What went wrong and was survived: numbers that were not finite, engines that had to be started again. */
export interface FaultStats {
  /** Steps that were computed again by plainer kernels, with success. */
  recomputed: number
  /** Steps that no kernel could compute; their requests ended with BAD_WEIGHTS. */
  ended: number
  /** By op; `by` is what computed it in the end: each request alone, the scalar kernels, the reference. */
  events: { op: string; by: 'alone' | 'scalar' | 'reference' | 'none'; count: number }[]
  /** What ended the engines before this one; see LoadOptions.autoRestart. */
  restarts: { code: ErrorCode; message: string }[]
}

export interface EngineStats {
  backend: BackendName
  variant: KernelVariant | 'typescript'
  threads: number
  strict: boolean
  /** Of embedding and head; see LoadOptions.head. */
  head: HeadType
  activations: ActivationMode
  kv: KvType
  contextLength: number
  maxSequences: number
  model: ModelInfo
  fallbacks: Fallback[]
  /** Bytes by part: weights as they stand, KV and scratch as reserved; total is their sum. */
  memory: {
    weights: number
    kv: number
    scratch: number
    total: number
    /** KV blocks of 32 tokens: held by requests; kept for reuse, given up when needed; in all. */
    kvBlocksUsed: number
    kvBlocksCached: number
    kvBlocks: number
  }
  /** Tokens found in the KV cache instead of computed, and requests that began with some. */
  reuse: { tokens: number; requests: number }
  prefill: { tokens: number; ms: number; tokensPerSecond: number }
  decode: { tokens: number; ms: number; tokensPerSecond: number }
  /** Slowest first; of steps that only decode one in 16 is timed and counts for all. */
  ops: OpTime[]
  queue: {
    waiting: number
    running: number
    served: number
    refused: number
    timedOut: number
    cancelled: number
    failed: number
  }
  loadMs: number
  cache: CacheStats
  calibration: Calibration
  faults: FaultStats
  /** With the option `share`: whether this tab owns the engine. */
  tab?: 'leader' | 'follower'
}

/** A model in the store. */
export interface StoredModel {
  /** What load() was given, as an absolute URL. */
  url: string
  /** Bytes stored, and bytes of all its files as far as they are known. */
  storedBytes: number
  totalBytes: number
  /** False while a download was broken off; load() goes on where it stopped. */
  complete: boolean
  /** Milliseconds since 1970. */
  addedAt: number
  usedAt: number
  files: StoredFile[]
  /** Name, architecture and licence as the header states them. */
  about: Readonly<Record<string, string>>
}

export interface StoredFile {
  url: string
  size: number
  storedBytes: number
  /** Of the whole file, once it was whole. */
  sha256?: string
  etag?: string
}

/** Room of the origin, in bytes; undefined where the browser does not tell. */
export interface StorageRoom {
  usage?: number
  quota?: number
  /** The browser promised not to evict on its own. */
  persisted: boolean
}

export interface ErrorEvent {
  code: ErrorCode
  message: string
}
