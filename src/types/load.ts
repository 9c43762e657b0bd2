// What load() takes and tells while it loads. Part of the public types, see index.ts.

/**
 * Where a model comes from: a URL of a .gguf (the first part of a split file finds the others), a
 * base URL ending in `/` with config.json, tokenizer.json and model.safetensors (or its index), a blob: or data:
 * URL of one file, `hf:owner/repo`, `hf:owner/repo/file` or `hf:owner/repo@revision/file` of a hub, a File or Blob, the Files of such a directory or split, a FileSystemFileHandle, an
 * ArrayBuffer or Uint8Array of one file, or a ReadableStream of one file.
 */
export type ModelSource =
  | string
  | URL
  | Blob
  | readonly File[]
  | FileSystemFileHandle
  | ArrayBufferLike
  | ArrayBufferView
  | ReadableStream<Uint8Array>

/** Plain TypeScript, C++ kernels in WebAssembly, or WGSL shaders on a GPU. */
export type BackendName = 'reference' | 'wasm' | 'webgpu'

/**
 * 'relaxed-i32' is 'relaxed' with dots that add in 32 bits: one instruction on ARM and on x86 with AVX-VNNI,
 * three elsewhere.
 */
export type KernelVariant = 'relaxed' | 'relaxed-i32' | 'simd128' | 'scalar'

/** Element type of keys and values in the KV cache. */
export type KvType = 'f32' | 'f16' | 'int8' | 'int4'

/** Rounding of embedding and head; 'file': none. */
export type HeadType = 'file' | 'int8' | 'int4'

/**
 * How activations enter ternary matrices: rounded to int8 row by row (BitNet b1.58), or as floats.
 */
export type ActivationMode = 'int8' | 'float'

/** Byte layouts that share the GGUF type id of I2_S; 'x86' (128-interleave) is the published one. */
export type I2sLayout = 'x86' | 'arm' | 'rows4' | 'sequential'

/**
 * What a load is doing, in this order; 'compile': a GPU compiles its shaders, and nothing else is done. It is behind the
 * weights where they compile beside them, and before them where the weights would have to be fetched again for another path.
 */
export type LoadPhase = 'header' | 'tokenizer' | 'weights' | 'compile' | 'warmup' | 'ready'

/** How far a load is; bytes are of the model's files. */
export interface LoadProgress {
  /** What is being done now. */
  phase: LoadPhase
  /** Bytes that are there, from the network or the store. */
  loadedBytes: number
  /** 0 while the size is not known. */
  totalBytes: number
  /** Mean since the load began. */
  bytesPerSecond: number
  /** Estimated from the rate so far; absent while nothing is known. */
  etaSeconds?: number
  /** Of loadedBytes, those that came out of the store. */
  fromCacheBytes?: number
  /** Of a GPU: shaders that are compiled, so far and in all. */
  shaders?: { done: number; total: number }
}

/**
 * 'auto' stores what is downloaded and reads what is stored; 'require' also fails with STORAGE_FULL or
 * NO_STORAGE when storing is impossible; 'only' never uses the network; 'off' leaves the store alone.
 */
export type CacheMode = 'auto' | 'require' | 'only' | 'off'

/** How tokens are guessed, to be computed several at a time. No token depends on any of this. */
export interface SpeculationOptions {
  /** Look the last tokens up in prompt and answer, and guess what followed them there. Default true. */
  lookup?: boolean
  /** Guessed tokens of a request in a step at most: 1 to 31 (default). */
  maxTokens?: number
  /**
   * As many as pay, by what steps of so many rows took and by how often guesses came true (default); false:
   * always as many as there are.
   */
  adaptive?: boolean
}

/** What load() takes. Everything is optional; what is wrong is BAD_OPTION and names the option. */
export interface LoadOptions {
  /**
   * 'auto' takes the GPU where a model of 16 MB a token or more runs faster on it, as measured once it is loaded
   * (stats().choice says how it was decided), and else walks the ladder relaxed, simd128, threads or not, reference.
   * 'webgpu' takes the GPU, and what
   * 'auto' takes where there is none that computes right; stats().fallbacks says why.
   */
  backend?: 'auto' | BackendName
  /** Which GPU is asked for, a hint to the browser; default 'high-performance'. */
  powerPreference?: 'low-power' | 'high-performance'
  /** Take a GPU adapter that computes on the CPU: slow, for tests. Default false. */
  allowSoftwareAdapter?: boolean
  /**
   * Time every dispatch of a GPU: stats().ops then has the GPU's time by shader, and stats().gpu.profile says how it
   * was taken. Makes every step slower; for benchmarks. Default false.
   */
  profileGpu?: boolean
  /** Kernel build; 'auto' takes the fastest this browser has. 'scalar' is for tests. */
  variant?: 'auto' | KernelVariant
  /** Threads of the pool, this worker included; 'auto' is at most hardwareConcurrency. */
  threads?: 'auto' | number
  /** Embeddings and head at the file's values, f32 KV, f32 head activations. Slower; for checking. */
  strict?: boolean
  /**
   * Rounding of embedding and head, most often one table: 'int8' with a scale a row (default), or 'int4'
   * with a scale for every 16 columns: 0.56 of the size, faster, and less exact (perplexity 0.9 % larger with
   * ryz-tales, 0.4 % with ryz-chat; with 'int8' no measurable loss: docs/ACCURACY.md). Only taken when asked for; not with strict.
   */
  head?: Exclude<HeadType, 'file'>
  /**
   * 'int8' (the BitNet rule; no measurable loss beside 'float' in models trained with it: docs/ACCURACY.md), or
   * 'float' for models trained without activation rounding.
   */
  activations?: ActivationMode
  /** Byte layout of I2_S files; default 'x86'. */
  i2sLayout?: I2sLayout
  /**
   * Element type of the KV cache; default f16 (f32 when strict), int8 where that does not fit: no measurable
   * loss with either. int4 is only taken when asked for: perplexity 0.9 % larger with ryz-tales, 0.6 % with
   * ryz-chat (docs/ACCURACY.md).
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
   * Speculative decoding: tokens that are likely to follow are computed along with the last one, and kept as
   * far as they are what is drawn. Same tokens, less time where a text repeats what it or its prompt said before.
   * 'auto' does it where it seems to pay, and not on a GPU, where a row may round otherwise in a larger step; an
   * object does it there too. Default 'off', and 'auto' with a draft. See stats().speculation.
   */
  speculation?: 'auto' | 'off' | SpeculationOptions
  /**
   * A second, much smaller model of the same vocabulary (else BAD_OPTION) that guesses tokens where the text itself has
   * no likely guess. It runs on one thread of the CPU, beside whatever computes the model; its memory counts
   * in the budget. Same tokens; it rests where it takes longer than it saves.
   */
  draft?: ModelSource
  /**
   * Measure kernel builds (half a second at most) and take the fastest. Default: only for models that read more than
   * 16 MB of weights a token, once per browser and model shape. Not where `variant` fixes the build.
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
   * again before it has served a call stays dead. Default true; named in stats().faults.restarts.
   */
  autoRestart?: boolean
  /**
   * Headers of every request for the model's files, for models that need access:
   * `{ Authorization: 'Bearer ...' }`. A server of another origin must allow them (Access-Control-Allow-Headers).
   * They are never stored.
   */
  headers?: Readonly<Record<string, string>> | Headers
  /**
   * The folder that holds worker.js, pool-worker.js and the .wasm files of the package; default: where
   * index.js is. For tools that move index.js and leave the others behind. Another origin (a CDN) is fine: it
   * must send Access-Control-Allow-Origin.
   */
  baseUrl?: string | URL
  /**
   * Makes every request for the model's files, on the page, in place of the browser's fetch: for signed requests, a
   * cache of its own, another transport. Gets the URL and what fetch takes (headers, Range among them).
   */
  fetch?: (url: string, init: RequestInit) => Promise<Response>
  /** The hub that `hf:` names are looked up on; default https://huggingface.co. */
  hubUrl?: string
  /**
   * The chat template (Jinja, as in tokenizer_config.json) for chat(), instead of the model's own. One that
   * cannot be read is a TEMPLATE_ERROR of load().
   */
  chatTemplate?: string
  /** Ends the load with ABORTED; what was downloaded stays in the store. */
  signal?: AbortSignal
  /** Told what the load does, and once more when it is ready. */
  onProgress?: (progress: LoadProgress) => void
}
