// From texts to the tokens of a request, as lm-evaluation-harness does it: where context and continuation
// part, what goes when both are too long, and the windows of a whole text. Pure; asks only for an encoder.
import { HarnessError } from '../harness-error.ts'
import { rstrip } from '../text/python-text.ts'

/** Ids of a text, with bos before it where the tokenizer puts one and `bos` is not false. */
export type Encode = (text: string, bos: boolean) => Promise<number[]>

/** Tokens to be scored: those from `from` on, after those before it. */
export interface ScoredTokens {
  readonly tokens: readonly number[]
  readonly from: number
  /** Tokens that went from the left. */
  readonly cut: number
}

/**
 * Where context and continuation part. White space at the end of the context goes to the continuation, since
 * tokenizers join it with the word that follows; then the whole is encoded and parted at the length of the
 * encoded context.
 */
export async function encodePair(
  context: string,
  continuation: string,
  encode: Encode,
): Promise<{ context: number[]; continuation: number[] }> {
  const stripped = rstrip(context)
  const moved = context.slice(stripped.length) + continuation
  const whole = await encode(stripped + moved, true)
  const before = await encode(stripped, true)
  return { context: before, continuation: whole.slice(before.length) }
}

/**
 * The tokens of a pair; an empty context is the prefix token (bos) alone.
 * @param prefix  bos, or what stands for it; needed for an empty context only
 */
export async function pairTokens(
  context: string,
  continuation: string,
  encode: Encode,
  prefix: number | undefined,
): Promise<{ context: number[]; continuation: number[] }> {
  if (context !== '') return encodePair(context, continuation, encode)
  if (prefix === undefined) {
    throw new HarnessError(
      'a text without a context needs a bos or eos token, and the model names none',
    )
  }
  const tokens = await encode(continuation, false)
  // A continuation that begins with bos is not given a second one.
  if (tokens[0] === prefix) return { context: tokens.slice(0, 1), continuation: tokens.slice(1) }
  return { context: [prefix], continuation: tokens }
}

/**
 * Fits a pair into a context of `max` tokens: of both together the last max + 1 stay, of which the last is
 * not fed. So the first tokens go, bos too, and the continuation stays.
 * @throws HarnessError for a continuation that is empty or longer than the context
 */
export function fitPair(
  context: readonly number[],
  continuation: readonly number[],
  max: number,
): ScoredTokens {
  const count = continuation.length
  if (count === 0) throw new HarnessError('a continuation has no tokens of its own')
  if (count > max) {
    throw new HarnessError(`a continuation of ${count} tokens does not fit a context of ${max}`)
  }
  const all = [...context, ...continuation]
  const tokens = all.slice(-(max + 1))
  return { tokens, from: tokens.length - count, cut: all.length - tokens.length }
}

/** The prompt of a generation keeps the last `max - newTokens`. */
export function fitPrompt(
  tokens: readonly number[],
  max: number,
  newTokens: number,
): { tokens: readonly number[]; cut: number } {
  const room = max - newTokens
  if (room < 1) {
    throw new HarnessError(`${newTokens} new tokens leave no room in a context of ${max}`)
  }
  const kept = tokens.slice(-room)
  return { tokens: kept, cut: tokens.length - kept.length }
}

/**
 * The windows in which a whole text is scored: each token is predicted once, the first window begins with
 * the prefix token, and later ones are as full as the context allows.
 * @param tokens  of the text, with its own bos where the tokenizer puts one (it then stands there twice)
 */
export function rollingWindows(
  tokens: readonly number[],
  prefix: number,
  max: number,
): ScoredTokens[] {
  if (tokens.length === 0) return []
  const first = Math.min(max, tokens.length)
  const windows: ScoredTokens[] = [{ tokens: [prefix, ...tokens.slice(0, first)], from: 1, cut: 0 }]
  for (let done = first; done < tokens.length; ) {
    const count = Math.min(tokens.length - done, max)
    const end = done + count
    const window = tokens.slice(end - max - 1, end)
    windows.push({ tokens: window, from: window.length - count, cut: 0 })
    done = end
  }
  return windows
}
