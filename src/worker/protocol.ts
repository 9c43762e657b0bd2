// Everything that crosses between the page and the engine worker: calls go through Comlink (EngineApi),
// each request has a MessagePort of its own that carries its events in order and its cancel back.
// The one file of the worker layer that api/ knows.
import type { DetokenizeOptions, SaveOptions, TokenizeOptions } from '../options/generate.ts'
import type { Input, PlainInput } from '../options/input.ts'
import type { PackageUrls } from '../package-files.ts'
import type {
  EmbedOptions,
  EmbedResult,
  EngineStats,
  GenerateOptions,
  GenerateResult,
  LoadOptions,
  LoadProgress,
  ModelInfo,
  ModelSource,
  QueueEvent,
  RestoredSession,
  RunForecast,
  ScoreOptions,
  ScoreResult,
  TokenChunk,
} from '../types/index.ts'
import type { WireError } from './error-wire.ts'

export type { Input } from '../options/input.ts'

export {
  fromWireError,
  installErrorWire,
  toWireError,
  type WireError,
} from './error-wire.ts'

export interface WireLoadOptions
  extends Omit<LoadOptions, 'signal' | 'onProgress' | 'share' | 'baseUrl' | 'fetch'> {
  /** The page's own fetch function is at its other end. */
  fetchPort?: MessagePort
  /** Where the files of the package are; a worker that needs none of them is told nothing. */
  files?: PackageUrls
  /** Paths that failed before, and how. */
  avoid?: readonly (PathRef & { readonly reason: string })[]
}
export type WireGenerateOptions = Omit<GenerateOptions, 'signal' | 'onQueue'> & {
  /** Sent again: tokens that an engine before this one drew for the request, and that its answer begins with. */
  readonly given?: readonly number[]
}
export type WireScoreOptions = Omit<ScoreOptions, 'signal'>
export type WireEmbedOptions = Omit<EmbedOptions, 'signal' | 'onQueue'>
/** A URL travels as its text. */
export type WireSource = Exclude<ModelSource, URL>

/** Worker -> page on the port of a request; after done, scored, embedded or error nothing follows. */
export type PortMessage =
  | { readonly type: 'queue'; readonly event: QueueEvent }
  | { readonly type: 'token'; readonly chunk: TokenChunk }
  | { readonly type: 'done'; readonly result: GenerateResult }
  | { readonly type: 'scored'; readonly result: ScoreResult }
  | { readonly type: 'embedded'; readonly result: EmbedResult }
  | { readonly type: 'error'; readonly error: WireError }

/** Worker -> page on the port of load(). */
export interface ProgressMessage {
  readonly type: 'progress'
  readonly progress: LoadProgress
}

/** Page -> worker on any port. */
export interface CancelMessage {
  readonly type: 'cancel'
}

/** A path: its pathId(), by which it is known again, and its pathName(), by which people are told. */
export interface PathRef {
  readonly id: string
  readonly name: string
}

export interface Pong {
  /** The longest step of the engine so far: how long it may be silent without being dead. */
  readonly longestStepMs: number
  /** The path that runs; empty names before a model is loaded. */
  readonly path: PathRef
}

/** The worker's calls. All reject with RyzError; generate, score and embed report on their port only. */
export interface EngineApi {
  load(source: WireSource, options: WireLoadOptions, port: MessagePort): Promise<ModelInfo>
  /** Reads the header only; a worker that is asked needs no model. Rejects with ABORTED | BAD_OPTION | NETWORK. */
  willItRun(source: WireSource, options: WireLoadOptions): Promise<RunForecast>
  generate(input: Input, options: WireGenerateOptions, port: MessagePort): void
  /** @param resent  see SubmitOptions */
  score(input: Input, options: WireScoreOptions, port: MessagePort, resent?: boolean): void
  embed(
    inputs: readonly PlainInput[],
    options: WireEmbedOptions,
    port: MessagePort,
    resent?: boolean,
  ): void
  tokenize(text: string, options: TokenizeOptions): Promise<number[]>
  detokenize(ids: readonly number[], options: DetokenizeOptions): Promise<string>
  countTokens(input: Input): Promise<number>
  stats(): EngineStats
  saveSession(input: Input, options: SaveOptions): Promise<Blob>
  restoreSession(data: Blob): Promise<RestoredSession>
  /** What was loaded. */
  model(): ModelInfo
  /** Serves a tab that shares this engine on its port, until detach. */
  attach(client: string, port: MessagePort): void
  /** The tab is gone: cancels what it asked for. */
  detach(client: string): void
  /** The page is hidden, or is so no more. */
  page(hidden: boolean): void
  ping(): Pong
  close(): Promise<void>
}

/** Appends one chunk to another. */
export function joinChunk(to: TokenChunk, more: TokenChunk): void {
  to.text += more.text
  to.tokens.push(...more.tokens)
  if (more.reasoning !== undefined) to.reasoning = (to.reasoning ?? '') + more.reasoning
  if (more.toolCalls !== undefined) {
    to.toolCalls ??= []
    to.toolCalls.push(...more.toolCalls)
  }
  if (more.logprobs !== undefined) {
    to.logprobs ??= []
    to.logprobs.push(...more.logprobs)
  }
}
