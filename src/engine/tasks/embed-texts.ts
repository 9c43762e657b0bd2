// What an embed call asks for: its options with the model's defaults, and its texts as token ids, with what the
// tokenizer puts before and behind a text, within the context or cut to it. Called by engine.ts.
import { RyzError, throwIfAborted } from '../../errors.ts'
import { EMBED_RULES } from '../../options/generate.ts'
import type { PlainInput } from '../../options/input.ts'
import { badOption, checkOptions } from '../../options/rules.ts'
import type { Tokenizer } from '../../tokenizer/tokenizer.ts'
import type { EmbedOptions } from '../../types/index.ts'
import type { EngineParts } from '../load/engine-parts.ts'
import { textTooLong } from '../schedule/refusals.ts'
import type { EmbedEvents, EmbedSpec } from './embed.ts'
import { encodeText, nextTurn, SLICE_MS } from './long-text.ts'
import { checkTokens } from './options.ts'

/** @throws RyzError BAD_OPTION | CONTEXT_FULL | ABORTED */
export async function embedSpec(
  inputs: readonly PlainInput[],
  options: EmbedOptions,
  { network, tokenizer, info }: Pick<EngineParts, 'network' | 'tokenizer' | 'info'>,
  { signal, events }: { signal: AbortSignal; events: EmbedEvents },
): Promise<EmbedSpec> {
  const checked = checkOptions(EMBED_RULES, options, 'embed()')
  const { noBos = false, truncate = false, normalize = true } = checked
  const { config, kv } = network
  const { vocab, hidden } = config
  const { contextLength } = kv
  const limits = { vocab, contextLength, noBos, truncate, signal }
  const texts = await textTokens(inputs, tokenizer, limits)
  const named = checked.pooling ?? info.pooling
  const from = checked.pooling ? 'option' : info.pooling ? 'file' : 'default'
  return {
    ...texts,
    hidden,
    pooling: named ?? 'mean',
    poolingFrom: from,
    normalized: normalize,
    events,
  }
}

interface TextLimits {
  /** Rows of the embedding table. */
  readonly vocab: number
  readonly contextLength: number
  readonly noBos: boolean
  readonly truncate: boolean
  readonly signal: AbortSignal
}

/**
 * The ids of each text, and which were cut.
 * @throws RyzError CONTEXT_FULL for the first text that is too long; BAD_OPTION for one without tokens; ABORTED
 */
async function textTokens(
  inputs: readonly PlainInput[],
  tokenizer: Tokenizer,
  limits: TextLimits,
): Promise<{ texts: (readonly number[])[]; truncated: number[] }> {
  const { vocab, contextLength, truncate } = limits
  const texts: (readonly number[])[] = []
  const truncated: number[] = []
  let until = performance.now() + SLICE_MS
  for (const [index, input] of inputs.entries()) {
    const ids =
      input.kind === 'tokens' ? input.tokens : await idsOf(input.text, index, tokenizer, limits)
    if (ids.length === 0) throw badOption(`text ${index}`, '', 'at least one token long')
    checkTokens(ids, vocab)
    if (ids.length > contextLength) {
      if (!truncate) throw textTooLong(index, ids.length, contextLength)
      truncated.push(index)
    }
    texts.push(ids.length > contextLength ? cut(ids, contextLength, input, tokenizer) : ids)
    // Short ones take no turn of their own.
    if (performance.now() < until) continue
    await nextTurn()
    throwIfAborted(limits.signal, 'the request')
    until = performance.now() + SLICE_MS
  }
  return { texts, truncated }
}

/** An end token, which pooling may look at, outlives what is cut before it. */
function cut(
  ids: readonly number[],
  most: number,
  input: PlainInput,
  { addEos }: Tokenizer,
): readonly number[] {
  if (input.kind === 'tokens' || !addEos || most < 2) return ids.slice(0, most)
  return [...ids.slice(0, most - 1), ids.at(-1)!]
}

async function idsOf(
  text: string,
  index: number,
  tokenizer: Tokenizer,
  { contextLength, noBos, truncate, signal }: TextLimits,
): Promise<readonly number[]> {
  // One more than fits: it shows that a text is too long, or it is a bos that is not wanted.
  const room = truncate
    ? { first: contextLength + 1, last: 1 }
    : { most: contextLength + 1, contextLength }
  let ids: number[]
  try {
    ids = await encodeText(tokenizer, text, { addSpecial: true }, signal, room)
  } catch (caught) {
    if (!(caught instanceof RyzError) || caught.code !== 'CONTEXT_FULL') throw caught
    throw textTooLong(index, Number(caught.detail.atLeast), contextLength, false)
  }
  return noBos && tokenizer.addBos && ids[0] === tokenizer.bos ? ids.slice(1) : ids
}
