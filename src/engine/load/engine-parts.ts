// What opening a model yields and the engine runs on: the network, its tokenizer and the facts that
// stats() reports. Made by open-parts.ts; a test hands in fakes.
import type { BackendTraits } from '../../backend/backend.ts'
import type { Network } from '../../model/network.ts'
import type { Chat } from '../../tokenizer/chat/open-chat.ts'
import type { Tokenizer } from '../../tokenizer/tokenizer.ts'
import type {
  ActivationMode,
  BackendChoice,
  CacheStats,
  Calibration,
  ExecutionPath,
  Fallback,
  FaultStats,
  GpuStats,
  HeadType,
  HybridStats,
  KvType,
  LoadProgress,
  ModelInfo,
  PoolStats,
} from '../../types/index.ts'
import type { GpuWatch } from '../faults/gpu-watch.ts'

export interface EngineParts {
  readonly network: Network
  readonly tokenizer: Tokenizer
  /** How chats become prompts. */
  readonly chat: Chat
  readonly info: ModelInfo
  readonly fallbacks: readonly Fallback[]
  /** Bytes by part. */
  readonly memory: { readonly weights: number; readonly kv: number; readonly scratch: number }
  /** How it is computed. */
  readonly path: ExecutionPath
  readonly traits: BackendTraits
  readonly strict: boolean
  readonly head: HeadType
  readonly activations: ActivationMode
  readonly kvType: KvType
  /** A smaller model of the same vocabulary that guesses tokens; it is closed along. */
  readonly draft?: { readonly name: string; readonly bytes: number; readonly network: Network }
  /** What the cache did; absent where parts were made without a load. */
  readonly cache?: CacheStats
  /** How variant and threads were chosen; absent when there was nothing to choose. */
  readonly calibration?: Calibration
  /** GPU or CPU, where that was open. */
  readonly choice?: BackendChoice
  /** What was not finite so far; absent when nothing looks. */
  readonly faults?: () => Omit<FaultStats, 'restarts'>
  /** Of the GPU, while one computes. */
  readonly gpu?: () => GpuStats | undefined
  /** Of the threads, while several compute. */
  readonly pool?: () => PoolStats | undefined
  /** Of a GPU and a CPU that share the work, while they do. */
  readonly hybrid?: () => HybridStats | undefined
  /** Looks at the GPU again while nothing runs, where one computes. */
  readonly watch?: GpuWatch
  /** Gives network, backend, memory and threads back; may be called twice. */
  close(): void
}

/** How loading talks to its caller. */
export interface LoadHooks {
  progress(progress: LoadProgress): void
  readonly signal: AbortSignal
}
