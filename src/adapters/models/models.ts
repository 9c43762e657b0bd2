// Published ternary models: where they are, how large, under which licence. `ryzanstein/models`, a table of facts
// from the models' own pages; importing it fetches nothing. An entry says whether we ran it.

/** The size of a graph, as far as memory depends on it. */
export interface ModelShape {
  readonly hidden: number
  readonly ffn: number
  readonly layers: number
  readonly heads: number
  readonly kvHeads: number
  readonly headDim: number
  readonly vocab: number
  /** Embedding and head are one table. */
  readonly tied: boolean
}

/** A published ternary model, as its own page describes it. */
export interface PublishedModel {
  readonly name: string
  /** For load(). */
  readonly source: string
  /** What load() downloads, as published; about. */
  readonly downloadBytes: number
  readonly parameters: number
  /** As its page says; read it there before you ship the model. */
  readonly licence: string
  /** How a chat is written; 'none' for base models, which continue texts. */
  readonly template: 'own' | 'replaced' | 'none'
  readonly contextLength: number
  readonly shape?: ModelShape
  /** Bytes of a page at 2,048 tokens and f16 KV, estimated by memoryEstimate(); willItRun() tells more exactly. */
  readonly memoryBytes?: number
  /** 'not tried by us' until we ran it; the formats are tested with models of our own. */
  readonly tried: 'not tried by us' | 'yes'
}

/** What a page takes besides a model, as measured. */
const PAGE_BYTES = 170e6
const CONTEXT = 2048

/**
 * Bytes of a page with a model of this shape: ternary matrices at 2 bits, tables at 8, f16 keys and values.
 * @param contextLength  tokens
 */
export function memoryEstimate(shape: ModelShape, contextLength = CONTEXT): number {
  const kv = 2 * shape.layers * shape.kvHeads * shape.headDim * 2 * contextLength
  return PAGE_BYTES + weightEstimate(shape) + kv
}

/** Bytes of the weights as they stand in memory. */
export function weightEstimate(shape: ModelShape): number {
  const { hidden, ffn, layers, heads, kvHeads, headDim, vocab, tied } = shape
  const attention = hidden * headDim * (2 * heads + 2 * kvHeads)
  const ternary = layers * (attention + 3 * hidden * ffn)
  return ternary / 4 + vocab * (hidden + 4) * (tied ? 1 : 2)
}

const BITNET_2B: ModelShape = {
  ...{ hidden: 2560, ffn: 6912, layers: 30, heads: 20, kvHeads: 5, headDim: 128 },
  ...{ vocab: 128256, tied: true },
}
const FALCON_E_1B: ModelShape = {
  ...{ hidden: 2048, ffn: 9216, layers: 24, heads: 16, kvHeads: 2, headDim: 128 },
  ...{ vocab: 32768, tied: false },
}
const FALCON3_1B: ModelShape = {
  ...{ hidden: 2048, ffn: 8192, layers: 18, heads: 8, kvHeads: 4, headDim: 256 },
  ...{ vocab: 131072, tied: false },
}
const BITNET_LARGE: ModelShape = {
  ...{ hidden: 1536, ffn: 4096, layers: 24, heads: 16, kvHeads: 16, headDim: 96 },
  ...{ vocab: 32002, tied: true },
}
const BITNET_3B: ModelShape = {
  ...{ hidden: 3200, ffn: 8640, layers: 26, heads: 32, kvHeads: 32, headDim: 100 },
  ...{ vocab: 32002, tied: true },
}

const entry = (
  name: string,
  source: string,
  more: Omit<PublishedModel, 'name' | 'source' | 'tried' | 'memoryBytes'>,
): PublishedModel => ({
  name,
  source,
  ...more,
  ...(more.shape && { memoryBytes: Math.round(memoryEstimate(more.shape)) }),
  tried: 'not tried by us',
})

/** Smallest download of each family first. */
export const models: readonly PublishedModel[] = [
  entry('BitNet b1.58 2B4T', 'hf:microsoft/bitnet-b1.58-2B-4T-gguf/ggml-model-i2_s.gguf', {
    downloadBytes: 1_187_801_280,
    parameters: 2.41e9,
    licence: 'MIT',
    // The one inside the file is wrong; load() replaces it and says so in model.notes.
    template: 'replaced',
    contextLength: 4096,
    shape: BITNET_2B,
  }),
  entry('Falcon-E 1B Instruct', 'hf:tiiuae/Falcon-E-1B-Instruct-GGUF/ggml-model-i2_s.gguf', {
    downloadBytes: 665e6,
    parameters: 1.67e9,
    licence: 'Falcon-LLM License',
    template: 'own',
    contextLength: 32768,
    shape: FALCON_E_1B,
  }),
  entry('Falcon-E 3B Instruct', 'hf:tiiuae/Falcon-E-3B-Instruct-GGUF/ggml-model-i2_s.gguf', {
    downloadBytes: 999e6,
    parameters: 3.05e9,
    licence: 'Falcon-LLM License',
    template: 'own',
    contextLength: 32768,
  }),
  entry('Falcon3 1B Instruct 1.58bit', 'hf:tiiuae/Falcon3-1B-Instruct-1.58bit', {
    downloadBytes: 1.36e9,
    parameters: 1.67e9,
    licence: 'Falcon-LLM License',
    template: 'own',
    contextLength: 8192,
    shape: FALCON3_1B,
  }),
  entry(
    'Ternary Bonsai 1.7B',
    'hf:prism-ml/Ternary-Bonsai-1.7B-gguf/Ternary-Bonsai-1.7B-Q2_0.gguf',
    {
      downloadBytes: 460e6,
      parameters: 1.72e9,
      licence: 'Apache-2.0',
      template: 'own',
      contextLength: 32768,
    },
  ),
  entry('Ternary Bonsai 4B', 'hf:prism-ml/Ternary-Bonsai-4B-gguf/Ternary-Bonsai-4B-Q2_0.gguf', {
    downloadBytes: 1.07e9,
    parameters: 4.02e9,
    licence: 'Apache-2.0',
    template: 'own',
    contextLength: 32768,
  }),
  entry('Ternary Bonsai 8B', 'hf:prism-ml/Ternary-Bonsai-8B-gguf/Ternary-Bonsai-8B-Q2_0.gguf', {
    downloadBytes: 2.18e9,
    parameters: 8.19e9,
    licence: 'Apache-2.0',
    template: 'own',
    contextLength: 65536,
  }),
  entry('bitnet_b1_58-large', 'hf:1bitLLM/bitnet_b1_58-large', {
    // Master weights in f32, rounded while they load.
    downloadBytes: 2.9e9,
    parameters: 0.73e9,
    licence: 'MIT',
    template: 'none',
    contextLength: 2048,
    shape: BITNET_LARGE,
  }),
  entry('bitnet_b1_58-3B', 'hf:1bitLLM/bitnet_b1_58-3B', {
    downloadBytes: 13.3e9,
    parameters: 3.32e9,
    licence: 'MIT',
    template: 'none',
    contextLength: 2048,
    shape: BITNET_3B,
  }),
  entry('TriLM 99M', 'hf:SpectraSuite/TriLM_99M_Unpacked', {
    downloadBytes: 0.2e9,
    parameters: 0.1e9,
    licence: 'Apache-2.0',
    template: 'none',
    contextLength: 2048,
  }),
  entry('TriLM 3.9B', 'hf:SpectraSuite/TriLM_3.9B_Unpacked', {
    downloadBytes: 8e9,
    parameters: 3.99e9,
    licence: 'Apache-2.0',
    template: 'none',
    contextLength: 2048,
  }),
]
