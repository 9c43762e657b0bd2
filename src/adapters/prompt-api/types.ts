// The Prompt API as browsers have it (webmachinelearning.github.io/prompt-api), as far as it is served here: text alone.
// Structural, so that nobody needs its declarations; test/types/prompt-api.test-d.ts holds them against
// @types/dom-chromium-ai.

export type Availability = 'unavailable' | 'downloadable' | 'downloading' | 'available'

export interface PromptContent {
  type: 'text' | 'image' | 'audio'
  /** A text; anything else is a NotSupportedError. */
  value: unknown
}

export interface PromptMessage {
  role: 'system' | 'user' | 'assistant'
  content: string | PromptContent[]
  /** Of the last message, the assistant's: the answer goes on from it. */
  prefix?: boolean
}

export type PromptInput = string | PromptMessage[]

export interface PromptTool {
  name: string
  description: string
  /** JSON schema of the argument. */
  inputSchema: object
  /** Gets the argument; what it gives is told to the model. */
  execute: (...args: never[]) => Promise<string>
}

export interface CoreOptions {
  expectedInputs?: { type: 'text' | 'image' | 'audio'; languages?: string[] }[]
  expectedOutputs?: { type: 'text' | 'image' | 'audio'; languages?: string[] }[]
  tools?: PromptTool[]
  samplingMode?: 'most-predictable' | 'predictable' | 'balanced' | 'creative' | 'most-creative'
  /** Not together with samplingMode. */
  topK?: number
  temperature?: number
}

export interface CreateOptions extends CoreOptions {
  signal?: AbortSignal
  /** Gets a target of `downloadprogress` events, whose `loaded` goes from 0 to 1. */
  monitor?(monitor: EventTarget & { ondownloadprogress: unknown }): void
  initialPrompts?: PromptMessage[]
}

export interface PromptOptions {
  /** A JSON schema, or a regular expression: enforced, not told to the model. */
  responseConstraint?: Record<string, unknown> | RegExp
  /** Has no effect: the constraint is no part of the input. */
  omitResponseConstraintInput?: boolean
  signal?: AbortSignal
}

/** A session. Fires `contextoverflow` (and `quotaoverflow`) when its oldest messages had to go. */
export interface PromptSession extends EventTarget {
  prompt(input: PromptInput, options?: PromptOptions): Promise<string>
  promptStreaming(input: PromptInput, options?: PromptOptions): ReadableStream<string>
  append(input: PromptInput, options?: { signal?: AbortSignal }): Promise<undefined>
  measureContextUsage(input: PromptInput, options?: PromptOptions): Promise<number>
  measureInputUsage(input: PromptInput, options?: PromptOptions): Promise<number>
  readonly contextUsage: number
  readonly inputUsage: number
  /** Tokens. */
  readonly contextWindow: number
  readonly inputQuota: number
  readonly topK: number
  readonly temperature: number
  oncontextoverflow: ((this: PromptSession, event: Event) => unknown) | null
  onquotaoverflow: ((this: PromptSession, event: Event) => unknown) | null
  clone(options?: { signal?: AbortSignal }): Promise<PromptSession>
  destroy(): undefined
}

/** What stands as `LanguageModel` on a page. */
export interface PromptApi {
  availability(options?: CoreOptions): Promise<Availability>
  create(options?: CreateOptions): Promise<PromptSession>
  params(): Promise<{
    readonly defaultTopK: number
    readonly maxTopK: number
    readonly defaultTemperature: number
    readonly maxTemperature: number
  }>
}
