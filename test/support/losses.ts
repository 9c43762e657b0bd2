// Texts that a GPU begins and the CPU ends, and whether anything was lost or repeated on the way: what follows the
// loss must be what the CPU gives for the text so far. Used by the soaks of losses, in Node and in the browser.

/** Greedy requests with the same number of tokens at the same time; LOSSES cycles, each with one loss. */
export const STREAMS = 4
export const TOKENS = 50
export const PROMPTS = [
  'Once upon a time',
  'The little cat',
  'There was a king',
  'One day a girl',
] as const
/** Cycles of the short soak; the long one is `make losses`. */
export const LOSSES = Number(process.env.LOSSES ?? 1)
/** Tokens that the GPU may have drawn already when it was lost. */
export const ON_THE_WAY = 16

/** One text, as its caller saw it. */
export interface Continued {
  /** The prompt's. */
  readonly prompt: readonly number[]
  /** As they came, and as the result has them. */
  readonly streamed: readonly number[]
  readonly tokens: readonly number[]
  /** How many had come when the GPU was lost. */
  readonly before: number
}

/** What a soak of losses found; docs/bench/losses-*.json. */
export interface LossReport {
  readonly kind: 'destroy' | 'crash'
  readonly date: string
  readonly machine: string
  readonly losses: number
  readonly tokens: number
  /** Tokens that had come from the GPU, and from the CPU after it. */
  readonly fromGpu: number
  readonly fromCpu: number
  readonly requests: number
  /** Requests that failed, tokens that are missing or come twice, texts that do not go on as the CPU's. */
  readonly failed: number
  readonly wrong: number
  readonly seconds: number
}

/**
 * Where the CPU went on, or nothing where no place fits.
 * @param cpu  greedy tokens of the CPU after some token ids
 */
export async function changeOf(
  { prompt, streamed, tokens, before }: Continued,
  cpu: (ids: readonly number[], count: number) => Promise<readonly number[]>,
): Promise<number | undefined> {
  if (tokens.length !== TOKENS || streamed.join() !== tokens.join()) return undefined
  for (let at = before; at <= Math.min(before + ON_THE_WAY, tokens.length); at++) {
    const rest = tokens.slice(at)
    if (rest.length === 0) return at
    const want = await cpu([...prompt, ...tokens.slice(0, at)], rest.length)
    if (want.join() === rest.join()) return at
  }
  return undefined
}
