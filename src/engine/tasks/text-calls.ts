// The tokenizer's own calls: ids of a text, text of ids, how many tokens an input has. Each runs in slices
// beside the requests. Called by engine.ts.
import type { Input } from '../../options/input.ts'
import { check, whole } from '../../options/rules.ts'
import type { EngineParts } from '../load/engine-parts.ts'
import { countTextTokens, encodeText, inTurns } from './long-text.ts'
import { promptTokens } from './prompt.ts'

export interface TokenizeCall {
  readonly special?: boolean
  readonly bos?: boolean
}

export interface DetokenizeCall {
  readonly special?: boolean
  readonly continuation?: boolean
}

/** @throws RyzError BAD_OPTION | ABORTED */
export async function tokenize(
  { tokenizer }: EngineParts,
  text: string,
  options: TokenizeCall,
  signal: AbortSignal,
): Promise<number[]> {
  const written = { addSpecial: false, parseSpecial: options.special === true }
  const tokens = await encodeText(tokenizer, text, written, signal)
  return options.bos === true && tokenizer.bos !== undefined ? [tokenizer.bos, ...tokens] : tokens
}

/**
 * The text of ids, also of those that only pad the model's table: they have none.
 * @throws RyzError BAD_OPTION | ABORTED
 */
export async function detokenize(
  { tokenizer, network }: EngineParts,
  ids: readonly number[],
  { special = false, continuation = false }: DetokenizeCall,
  signal: AbortSignal,
): Promise<string> {
  const known = whole(0, Math.max(tokenizer.vocabSize, network.config.vocab) - 1)
  for (const id of ids) check('a token id', id, known)
  const pieces: string[] = []
  const slices = tokenizer.decodeInSlices(ids, { special, continuation })
  await inTurns(slices, signal, piece => pieces.push(piece))
  return pieces.join('')
}

/**
 * Tokens of a text without bos, or of a whole chat as chat() would feed it.
 * @throws RyzError BAD_OPTION | TEMPLATE_ERROR | ABORTED
 */
export async function countTokens(
  parts: EngineParts,
  input: Input,
  signal: AbortSignal,
): Promise<number> {
  if (input.kind === 'text') {
    return countTextTokens(parts.tokenizer, input.text, { addSpecial: false }, signal)
  }
  return (await promptTokens(input, parts, { vocab: parts.network.config.vocab, signal })).length
}
