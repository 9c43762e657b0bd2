// The words of the harness: a task opens rows of its data as documents, a document makes requests, a request
// is answered by the model, answers become scores. Nothing here knows where rows come from or what answers.
import type { Ryzanstein } from 'ryzanstein'

/** What the harness uses of the SDK; tools/node-sdk.ts gives it in Node. */
export type EvalEngine = Pick<
  Ryzanstein,
  'model' | 'tokenize' | 'score' | 'generate' | 'chat' | 'stats' | 'close'
>

/** One row of a data file: a JSON object, a line of a Parquet table, a CSV line by column name or as `cells`. */
export type Row = Readonly<Record<string, unknown>>

/** How likely a continuation is after a context. */
export interface LikelihoodRequest {
  readonly kind: 'loglikelihood'
  readonly context: string
  readonly continuation: string
}

/** What the model writes after a context, greedily, up to one of these strings. */
export interface GenerateRequest {
  readonly kind: 'generate'
  readonly context: string
  readonly until: readonly string[]
  readonly maxTokens: number
}

/** How likely a whole text is, in windows of the context. */
export interface RollingRequest {
  readonly kind: 'rolling'
  readonly text: string
}

export type Request = LikelihoodRequest | GenerateRequest | RollingRequest

export interface LikelihoodAnswer {
  readonly kind: 'loglikelihood'
  /** Sum over the tokens of the continuation, natural logarithm. */
  readonly logprob: number
  /** Whether greedy sampling writes the continuation. */
  readonly greedy: boolean
  /** Tokens of the continuation. */
  readonly tokens: number
  /** Tokens that were cut from the left to fit the context. */
  readonly cut: number
}

export interface GenerateAnswer {
  readonly kind: 'generate'
  readonly text: string
  readonly cut: number
}

export interface RollingAnswer {
  readonly kind: 'rolling'
  readonly logprob: number
  /** Tokens that were predicted. */
  readonly tokens: number
  readonly windows: number
}

export type Answer = LikelihoodAnswer | GenerateAnswer | RollingAnswer

export type MetricName =
  | 'acc'
  | 'acc_norm'
  | 'exact_match'
  | 'perplexity'
  | 'word_perplexity'
  | 'byte_perplexity'
  | 'bits_per_byte'

/** What one document gives a metric: a number, or for the weighted ones log-likelihood and weight. */
export type Score = number | readonly [sum: number, weight: number]

/** Scores by `metric,filter`; the filter is 'none' where answers are not filtered. */
export type Scores = Readonly<Record<string, Score>>

/** One document of a task, ready to be asked. */
export interface Item {
  /** As an example for another document: question, a space, the right answer. */
  readonly shot: string
  /** The right answer, for reading. */
  readonly target: string
  /** @param shots  examples that stand before the question */
  requests(shots: string): readonly Request[]
  score(answers: readonly Answer[]): Scores
}

export type OutputType =
  | 'multiple_choice'
  | 'loglikelihood'
  | 'generate_until'
  | 'loglikelihood_rolling'

/** A task of the table. */
export interface Task {
  readonly name: string
  /** For people: what is asked. */
  readonly title: string
  /** The definition that is followed: its name in lm-evaluation-harness and its version there. */
  readonly definition: { readonly task: string; readonly version: string }
  readonly output: OutputType
  /** Examples before each question unless told otherwise. */
  readonly shots: number
  /** The first ones in the order of their file, or drawn anew for each document with a seed. */
  readonly shotOrder: 'first' | 'drawn'
  /** Stands before the examples; MMLU names the subject. */
  description?(group: string): string
  /** The part of the task that a row belongs to (a subject); a task without parts has none. */
  part?(row: Row, file: string): string
  readonly metrics: readonly MetricName[]
  /** What a published file holds, for people. */
  readonly files: string
  /** How rows are read of files that do not say it themselves: CSV without a header, pages of a raw text. */
  readonly layout?: 'cells' | 'pages'
  /** @throws HarnessError when the row is not as published */
  open(row: Row): Item
  /** Something about the data that makes figures differ from the definition, told in the result. */
  note?(row: Row): string | undefined
}
