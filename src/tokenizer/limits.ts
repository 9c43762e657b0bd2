// What a vocabulary may have. Published ones stay far below; what is above is damage, or meant to fill the
// memory. Used by the readers of GGUF and tokenizer.json.
import { RyzError } from '../errors.ts'

/** The largest published vocabularies have 262 144 tokens. */
export const MAX_TOKENS = 1024 * 1024
/** And 514 906 merges. */
export const MAX_MERGES = 2 * MAX_TOKENS
/** UTF-16 units of a token; the longest published ones are some 256 spaces. */
export const MAX_TOKEN_UNITS = 8192

/** @throws RyzError TOKENIZER_INVALID when there are more tokens than the embedding has rows */
export function requireRows(tokens: number, rows: number): void {
  if (tokens <= Math.min(rows, MAX_TOKENS)) return
  const limit = rows < MAX_TOKENS ? `its embedding ${rows} rows` : `the limit is ${MAX_TOKENS}`
  throw new RyzError(
    'TOKENIZER_INVALID',
    `the tokenizer of the model has ${tokens} tokens and ${limit}; they do not belong together: convert the model again`,
    { tokens, rows },
  )
}
