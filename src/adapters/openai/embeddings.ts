// /v1/embeddings: texts or token ids as vectors, in decimals or as the bytes of float32. Called by engine-fetch.ts.
import type { Ryzanstein } from '../../api/ryzanstein.ts'
import { badOption, oneOf, type Rules, reading, text } from '../../options/rules.ts'
import type { EmbeddingRequest, EmbeddingResponse } from './openai-types.ts'
import { anything, checkedFields } from './sampling.ts'

/** @throws RyzError what refuses the request, or ends it */
export async function embeddings(
  engine: Pick<Ryzanstein, 'embed' | 'model'>,
  request: EmbeddingRequest,
  signal: AbortSignal | undefined,
): Promise<EmbeddingResponse> {
  const { hidden, name } = engine.model
  const rules: Rules<EmbeddingRequest> = {
    model: text,
    input: anything, // read by inputsOf and the SDK
    encoding_format: oneOf('float', 'base64'),
    // A vector is not made to be cut, unless the model was trained for it, which no file says.
    dimensions: value => (value === hidden ? undefined : `${hidden}, as this model has`),
    user: anything,
  }
  const asked = reading('the request', () => checkedFields(rules, request, 'embeddings.create()'))
  const result = await engine.embed(inputsOf(asked.input), { signal })
  const written = asked.encoding_format === 'base64' ? base64 : Array.from<number>
  const used = result.tokens.reduce((sum, count) => sum + count, 0)
  return {
    object: 'list',
    model: asked.model ?? name,
    data: result.embeddings.map((vector, index) => ({
      object: 'embedding',
      index,
      embedding: written(vector),
    })),
    usage: { prompt_tokens: used, total_tokens: used },
  }
}

/** @throws RyzError BAD_OPTION */
function inputsOf(input: unknown): string | (string | readonly number[])[] {
  if (typeof input === 'string') return input
  if (!Array.isArray(input) || input.length === 0) {
    throw badOption('input', input, 'a text, a list of token ids, or a list of such')
  }
  return typeof input[0] === 'number' ? [input] : input
}

/** Of the values as float32, little-endian. */
function base64(vector: Float32Array): string {
  const view = new DataView(new ArrayBuffer(4 * vector.length))
  vector.forEach((value, i) => {
    view.setFloat32(4 * i, value, true)
  })
  let bytes = ''
  for (let i = 0; i < view.byteLength; i++) bytes += String.fromCharCode(view.getUint8(i))
  return btoa(bytes)
}
