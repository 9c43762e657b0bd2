// The tokenizer of an open model file. Called by open-parts.ts, open-draft.ts and forecast.ts.
import { RyzError } from '../../errors.ts'
import type { ModelFile } from '../../format/model-file.ts'
import type { ModelConfig } from '../../model/model-config.ts'
import { tokenizerFromGguf } from '../../tokenizer/from-gguf.ts'
import { tokenizerFromJson } from '../../tokenizer/from-json.ts'
import type { Tokenizer } from '../../tokenizer/tokenizer.ts'

/** @throws RyzError TOKENIZER_MISSING | TOKENIZER_INVALID */
export async function openTokenizer(file: ModelFile, config: ModelConfig): Promise<Tokenizer> {
  if (file.container === 'gguf') return tokenizerFromGguf(file.metadata, config.vocab)
  if (file.tokenizerJson === undefined) {
    const odd = file.odd?.get('tokenizer.json')
    const what = odd ?? `tokenizer.json was not found beside the weights of ${config.name}`
    throw new RyzError('TOKENIZER_MISSING', `${what}; put the model's own there`)
  }
  return tokenizerFromJson(file.tokenizerJson, file.tokenizerConfigJson, {
    rows: config.vocab,
    generationConfig: file.generationConfig,
    chatTemplate: file.chatTemplate,
  })
}
