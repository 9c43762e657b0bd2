// What opening a model yields and the engine runs on: the network, its tokenizer and the facts that
// stats() reports. Made by open-parts.ts; a test hands in fakes.
import type { Tokenizer } from '../../tokenizer/tokenizer.ts'
import type {
  ActivationMode,
  BackendName,
  CacheStats,
  Calibration,
  Fallback,
  FaultStats,
  HeadType,
  KernelVariant,
  KvType,
  LoadProgress,
  ModelInfo,
} from '../../types/index.ts'
import type { NetworkLike } from '../network.ts'

export interface EngineParts {
  readonly network: NetworkLike
  readonly tokenizer: Tokenizer
  readonly info: ModelInfo
  readonly fallbacks: readonly Fallback[]
  /** Bytes by part. */
  readonly memory: { readonly weights: number; readonly kv: number; readonly scratch: number }
  readonly backendName: BackendName
  readonly variant: KernelVariant | 'typescript'
  readonly threads: number
  readonly strict: boolean
  readonly head: HeadType
  readonly activations: ActivationMode
  readonly kvType: KvType
  /** What the cache did; absent where parts were made without a load. */
  readonly cache?: CacheStats
  /** How variant and threads were chosen; absent when there was nothing to choose. */
  readonly calibration?: Calibration
  /** What was not finite so far; absent when nothing looks. */
  readonly faults?: () => Omit<FaultStats, 'restarts'>
  /** Gives network, backend, memory and threads back; may be called twice. */
  close(): void
}

/** How loading talks to its caller. */
export interface LoadHooks {
  progress(progress: LoadProgress): void
  readonly signal: AbortSignal
}
