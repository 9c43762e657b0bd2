// The Prompt API as browsers have it (webmachinelearning.github.io/prompt-api), as far as it is served here: text alone.
// Structural, so that nobody needs its declarations; test/types/prompt-api.test-d.ts holds them against
// @types/dom-chromium-ai.

/** What LanguageModel.availability() answers. */
export type Availability = 'unavailable' | 'downloadable' | 'downloading' | 'available'

/** A part of a message. Only text is served. */
export interface PromptContent {
  type: 'text' | 'image' | 'audio'
  /** A text; anything else is a NotSupportedError. */
  value: unknown
}

/** A message of a session. */
export interface PromptMessage {
  role: 'system' | 'user' | 'assistant'
  content: string | PromptContent[]
  /** Of the last message, the assistant's: the answer goes on from it. */
  prefix?: boolean
}

/** A prompt: a user's text, or messages. */
export type PromptInput = string | PromptMessage[]

/** A function that the model may call while it answers. */
export interface PromptTool {
  name: string
  description: string
  /** JSON schema of the argument. */
  inputSchema: object
  /** Gets the argument; what it gives is told to the model. */
  execute: (...args: never[]) => Promise<string>
}

/** What availability() and create() take. */
export interface CoreOptions {
  expectedInputs?: { type: 'text' | 'image' | 'audio'; languages?: string[] }[]
  expectedOutputs?: { type: 'text' | 'image' | 'audio'; languages?: string[] }[]
  tools?: PromptTool[]
  samplingMode?: 'most-predictable' | 'predictable' | 'balanced' | 'creative' | 'most-creative'
  /** Not together with samplingMode. */
  topK?: number
  temperature?: number
}

/** What LanguageModel.create() takes. */
export interface CreateOptions extends CoreOptions {
  signal?: AbortSignal
  /** Gets a target of `downloadprogress` events, whose `loaded` goes from 0 to 1. */
  monitor?(monitor: EventTarget & { ondownloadprogress: unknown }): void
  initialPrompts?: PromptMessage[]
}

/** What prompt() and promptStreaming() take. */
export interface PromptOptions {
  /** A JSON schema, or a regular expression: enforced, not told to the model. */
  responseConstraint?: Record<string, unknown> | RegExp
  /** Has no effect: the constraint is no part of the input. */
  omitResponseConstraintInput?: boolean
  signal?: AbortSignal
}

/** A session. Fires `contextoverflow` (and `quotaoverflow`) when its oldest messages had to go. */
export interface PromptSession extends EventTarget {
  /** The whole answer; it and the prompt stay in the session. */
  prompt(input: PromptInput, options?: PromptOptions): Promise<string>
  /** The answer as it comes. */
  promptStreaming(input: PromptInput, options?: PromptOptions): ReadableStream<string>
  /** Adds messages without an answer. */
  append(input: PromptInput, options?: { signal?: AbortSignal }): Promise<undefined>
  /** Tokens that a prompt would take. */
  measureContextUsage(input: PromptInput, options?: PromptOptions): Promise<number>
  /** The earlier name of measureContextUsage(). */
  measureInputUsage(input: PromptInput, options?: PromptOptions): Promise<number>
  /** Tokens of the session so far. */
  readonly contextUsage: number
  /** The earlier name of contextUsage. */
  readonly inputUsage: number
  /** Tokens. */
  readonly contextWindow: number
  /** The earlier name of contextWindow. */
  readonly inputQuota: number
  readonly topK: number
  readonly temperature: number
  /** Called when the oldest messages had to go. */
  oncontextoverflow: ((this: PromptSession, event: Event) => unknown) | null
  /** The earlier name of oncontextoverflow. */
  onquotaoverflow: ((this: PromptSession, event: Event) => unknown) | null
  /** Another session with the same messages. */
  clone(options?: { signal?: AbortSignal }): Promise<PromptSession>
  /** Ends the session and what it is writing. */
  destroy(): undefined
}

/** What stands as `LanguageModel` on a page. */
export interface PromptApi {
  /** Whether the model is here, can be downloaded, or cannot run on this device. */
  availability(options?: CoreOptions): Promise<Availability>
  /** A session; loads the model with the first. @throws DOMException NotSupportedError | AbortError | QuotaExceededError */
  create(options?: CreateOptions): Promise<PromptSession>
  /** Defaults and limits of sampling. */
  params(): Promise<{
    readonly defaultTopK: number
    readonly maxTopK: number
    readonly defaultTemperature: number
    readonly maxTemperature: number
  }>
}
