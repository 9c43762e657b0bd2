// The public surface of the package, and nothing else. Importing it has no side effects.
export {
  type ChatCompletion,
  type ChatCompletionChunk,
  type ChatCompletionRequest,
  type OpenAiFacade,
  openai,
} from './adapters/openai/openai.ts'
export { type Isolation, isolate } from './api/isolate.ts'
export { partialJson } from './api/partial-json.ts'
export { load, type Ryzanstein } from './api/ryzanstein.ts'
export { type SavedSession, sessions } from './api/sessions.ts'
export type { TokenStream } from './api/token-stream.ts'
export { willItRun } from './api/will-it-run.ts'
export {
  clearModels,
  deleteModel,
  evictionCandidates,
  exportModel,
  importModel,
  listModels,
  persistStorage,
  storageEstimate,
} from './cache/manage.ts'
export { ERROR_CODES, type ErrorCode, type ErrorDetail, RyzError } from './errors.ts'
export type {
  ActivationMode,
  BackendName,
  CacheMode,
  CacheStats,
  Calibration,
  ChatAnswerOptions,
  ChatInputOptions,
  ChatMessage,
  ChatOptions,
  ChatTool,
  EngineStats,
  ExpectedSpeed,
  Fallback,
  FaultStats,
  FinishReason,
  GenerateOptions,
  GenerateResult,
  HeadType,
  I2sLayout,
  JsonSchema,
  KernelRates,
  KernelVariant,
  KvType,
  LoadOptions,
  LoadPhase,
  LoadProgress,
  MadeToolCall,
  ModelInfo,
  ModelSource,
  OpTime,
  QueueEvent,
  ResponseFormat,
  RestoredSession,
  RunForecast,
  SamplingOptions,
  ScoreOptions,
  ScoreResult,
  StorageRoom,
  StoredFile,
  StoredModel,
  TextPart,
  TokenChunk,
  TokenLogprob,
  ToolCall,
  ToolCallDelta,
  Unenforced,
} from './types/index.ts'
