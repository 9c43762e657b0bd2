// What stats() and willItRun() tell. Part of the public types, see index.ts.
import type { ErrorCode } from '../errors.ts'
import type { Pooling } from './embed.ts'
import type { ActivationMode, BackendName, HeadType, KernelVariant, KvType } from './load.ts'

/** Something better was wanted and could not be had; `what` names it and `reason` says why. */
export interface Fallback {
  from: string
  to: string
  reason: string
}

/** How a model is computed. */
export type ExecutionPath =
  | {
      readonly backend: 'wasm'
      readonly variant: KernelVariant
      readonly threads: number
      /** The adapter of the GPU that reads the prompts, where one does. */
      readonly prompts?: string
    }
  | { readonly backend: 'webgpu'; readonly adapter: string }
  | { readonly backend: 'reference' }

/** The GPU that computes: what it says of itself, what is used of it, and what was done so far. */
export interface GpuStats {
  vendor: string
  architecture: string
  description: string
  /** It computes on the CPU. */
  software: boolean
  /** Optional features that are used. */
  features: string[]
  /** Inner loop of integer dot products. */
  innerLoop: 'packed' | 'i32' | 'f32'
  /** Submits, results waited for, and dispatches since the start; dispatches of the last step. */
  submits: number
  waits: number
  dispatches: number
  stepDispatches: number
  /** Dispatches of a layer for one token; 0 before there was one. */
  layerDispatches: number
  /** Bytes of weights and KV cache that the last token computed alone had to read; 0 before there was one. */
  tokenBytes: number
  /** Where norm and rounding happen before the linears of one token; see GpuTuning. */
  form: GpuTuning['form']
  /** How form and inner loop were chosen. */
  tuning?: GpuTuning
  /** Recorded plans, and buffers on the device. */
  plans: number
  buffers: number
  /** Bytes of weights, KV and what is computed with, as allocated. */
  bytes: number
  /** With LoadOptions.profileGpu: how stats().ops was timed, shader by shader. */
  profile?: 'timestamp-query' | 'a submit a dispatch'
  /** How often a part of its proof was repeated while nothing ran, and was right. */
  proofs?: number
  /** Tokens that were drawn on the GPU, and why others were not. */
  drawing?: DrawStats
}

/** Which variants of the shaders a device runs fastest. */
export interface GpuTuning {
  /**
   * 'once': norm and rounding are a dispatch of their own; 'fused': each workgroup of the linear does them; 'producer':
   * the same, with the sum of squares from the dispatch that made the row.
   */
  form: 'once' | 'fused' | 'producer'
  innerLoop: 'packed' | 'i32' | 'f32'
  /** How a workgroup adds up: by halves through its memory, or by subgroups first (feature subgroups). */
  reductions: 'tree' | 'subgroups'
  /** How two halves of a word are read: unpacked by WGSL's built-in, or as the type f16 (feature shader-f16). */
  halves: 'unpacked' | 'f16'
  source: 'measured' | 'skipped'
  reason: string
  /** Milliseconds of the same work, by variant; those that were measured. */
  ms: Record<string, number>
}

/** Where tokens are drawn while a GPU computes. */
export interface DrawStats {
  /** Steps that are sent before the tokens before them are read; 0 where waiting costs little. */
  ahead: number
  /** Milliseconds of an answer with nothing to compute, and of a token; 0 until measured. */
  waitMs: number
  tokenMs: number
  drawn: number
  /** Tokens whose logits were read, as the sampler on the CPU had to choose: penalties, formats and the like. */
  read: { reason: string; tokens: number }[]
}

/** What the threads of the kernels do. */
export interface PoolStats {
  /** Threads that share the work now; the others sleep, as they would not make it faster. */
  active: number
  /** Milliseconds of steps by how many threads shared them: by one, by two, ... */
  msByActive: number[]
  /** Mean threads of the steps in each of the last seconds, 60 at most, the newest last; 0 where there was no step. */
  activeBySecond: number[]
  /** Pieces of work that each thread did. */
  pieces: number[]
  /** Of those of the first thread, pieces that it did again, as the thread that had them was late. */
  piecesAgain: number
  /** Milliseconds that the first thread waited for pieces of others. */
  waitMs: number
  /** Other programs use the processor: within the last second and a half, threads had to wait for a core. */
  othersBusy: boolean
}

/** What computes: a kernel build, the shaders, or TypeScript. */
export type PathVariant = KernelVariant | 'wgsl' | 'typescript'

/** Time that one operation of the network took. */
export interface OpTime {
  op: string
  calls: number
  ms: number
}

/** What the loaded model is, as its header says. */
export interface ModelInfo {
  name: string
  architecture: string
  container: 'gguf' | 'safetensors'
  layers: number
  hidden: number
  /** Width of the feed-forward; of one expert, where there are experts. */
  ffn: number
  heads: number
  kvHeads: number
  headDim: number
  vocab: number
  contextLength: number
  /** How the file says that embed() makes a vector of a text; absent where it says nothing. */
  pooling?: Pooling
  /**
   * Of a mixture of experts: how many a layer has, how many of them compute a token, and the width of the one
   * that computes every token, where there is one.
   */
  experts?: { count: number; used: number; sharedFfn?: number }
  parameters: number
  /** The token that begins a text, where the model has one, and whether texts get it unless `noBos` is set. */
  bos?: number
  addsBos: boolean
  /** Tokens that end an answer. */
  endTokens: number[]
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

/** How the kernel build was chosen. */
export interface Calibration {
  /** Measured in this load, remembered from an earlier one, or skipped for the reason given. */
  source: 'measured' | 'remembered' | 'skipped'
  reason?: string
  /** What measuring took in this load; 0 unless measured. */
  ms: number
  rates: KernelRates[]
  chosen?: { variant: KernelVariant; threads: number }
  /** Of the whole model with the choice, at 128 tokens of context, all of the processor free; known to a forecast only. */
  expected?: ExpectedSpeed
}

/** Where the GPU reads prompts and the CPU writes answers; both hold the weights. */
export interface HybridStats {
  prefill: 'webgpu'
  decode: 'wasm'
  /** KV blocks that went from the GPU to the CPU: those of a prompt, once, before its first token. */
  toCpu: { blocks: number; bytes: number; ms: number }
  /** And back: blocks of answers that a later prompt begins with. */
  toGpu: { blocks: number; bytes: number; ms: number }
}

/** With backend 'auto': whether the GPU or the CPU computes, or the GPU prompts and the CPU answers, and why. */
export interface BackendChoice {
  backend: 'webgpu' | 'wasm' | 'hybrid'
  /** Measured in this load, remembered from an earlier one, or decided without. */
  source: 'measured' | 'remembered' | 'skipped'
  reason: string
  /** Measured on the loaded model. */
  gpu?: ExpectedSpeed
  /** The same where both fit the memory budget; else expected of its kernels, on weights of the model's shape. */
  cpu?: ExpectedSpeed
  cpuSource?: 'measured' | 'expected'
}

/** Tokens a second, as measured on this device or estimated from what it measured. */
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
  peakBytes: {
    weights: number
    kv: number
    scratch: number
    /** Of the draft model, where one is asked for. */
    draft?: number
    page: number
    total: number
  }
  /** What would run, and what was passed over and why. */
  path: {
    backend: BackendName
    variant: PathVariant
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
  /** With backend 'auto', where a GPU may compute: what a load here found last time. */
  choice?: BackendChoice
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

/** What guessing tokens did; see LoadOptions.speculation. */
export interface SpeculationStats {
  on: boolean
  /** Why it is not on. */
  reason?: string
  /** Steps that had guesses. */
  steps: number
  /** Guessed tokens that were computed, and those of them that came true. */
  proposed: number
  accepted: number
  /** Guesses of a sequence in a step, as a mean of the last ones. */
  length: number
  /** Why the last step had no guesses, though it is on: nothing to guess from, or it would not pay. */
  idle?: string
  /** What was measured: rows of a step, and its milliseconds. */
  costs: [rows: number, ms: number][]
  /** The draft model, what it took so far, and why it guesses no more, where it failed. */
  draft?: { name: string; ms: number; failed?: string }
  /** How many times as fast steps without a prompt were as they would have been without guesses, by what those cost. */
  gain: number
}

/** What stats() gives. Counters begin at load(); times are milliseconds, sizes bytes. */
export interface EngineStats {
  backend: BackendName
  variant: PathVariant
  threads: number
  strict: boolean
  /** Of embedding and head; see LoadOptions.head. */
  head: HeadType
  activations: ActivationMode
  kv: KvType
  contextLength: number
  maxSequences: number
  model: ModelInfo
  /** Only while a GPU computes. */
  gpu?: GpuStats
  /** Only while several threads compute. */
  pool?: PoolStats
  /** Only where the GPU reads prompts and the CPU, which `backend` names, writes answers. */
  hybrid?: HybridStats
  /** Only with backend 'auto'. */
  choice?: BackendChoice
  fallbacks: Fallback[]
  /** Bytes by part: weights as they stand, KV and scratch as reserved; total is their sum. */
  memory: {
    weights: number
    kv: number
    scratch: number
    /** Of the draft model: weights, KV and scratch. */
    draft?: number
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
  /** Of a mixture of experts: tokens that each expert computed, by layer; the one of the warm-up is among them. */
  experts?: { tokens: number[][] }
  speculation: SpeculationStats
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
