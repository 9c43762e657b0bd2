// The shapes of real checkpoints (and one tiny one for tests) that synthetic models are made in.
// Numbers only; what tensors follow from them is in tensors.ts.

export type Architecture = 'bitnet' | 'bitnet-b1.58' | 'llama'

export interface Shape {
  readonly arch: Architecture
  readonly hidden: number
  readonly ffn: number
  readonly layers: number
  readonly heads: number
  readonly kvHeads: number
  readonly headDim: number
  readonly vocab: number
  readonly context: number
  readonly ropeTheta: number
  readonly normEps: number
  readonly vocabulary: 'spm' | 'bpe'
  /** The output head is the embedding table. */
  readonly tied: boolean
  /** A mixture of experts; `ffn` is the width of one. */
  readonly experts?: { readonly count: number; readonly used: number }
}

const bitnetLarge: Shape = {
  arch: 'bitnet',
  hidden: 1536,
  ffn: 4096,
  layers: 24,
  heads: 16,
  kvHeads: 16,
  headDim: 96,
  vocab: 32_002,
  context: 2048,
  ropeTheta: 10_000,
  normEps: 1e-5,
  vocabulary: 'spm',
  tied: true,
}

const bitnet2b: Shape = {
  arch: 'bitnet-b1.58',
  hidden: 2560,
  ffn: 6912,
  layers: 30,
  heads: 20,
  kvHeads: 5,
  headDim: 128,
  vocab: 128_256,
  context: 4096,
  ropeTheta: 500_000,
  normEps: 1e-5,
  vocabulary: 'bpe',
  tied: true,
}

/** By the name given to --shape. */
export const SHAPES = {
  tiny: {
    ...bitnetLarge,
    hidden: 256,
    ffn: 512,
    layers: 2,
    heads: 4,
    kvHeads: 2,
    headDim: 64,
    vocab: 1024,
    context: 512,
  },
  'tiny-moe': {
    ...bitnetLarge,
    arch: 'llama',
    hidden: 256,
    ffn: 256,
    layers: 2,
    heads: 4,
    kvHeads: 2,
    headDim: 64,
    vocab: 1024,
    context: 512,
    experts: { count: 4, used: 2 },
  },
  /** bitnet-large with experts: a token reads as much as `--shape bitnet-large --arch llama` does. */
  'moe-large': {
    ...bitnetLarge,
    arch: 'llama',
    ffn: 1024,
    experts: { count: 6, used: 4 },
  },
  /** SpectraSuite TriLM 99M. */
  'trilm-99m': {
    ...bitnetLarge,
    arch: 'llama',
    hidden: 512,
    ffn: 1280,
    layers: 16,
    heads: 8,
    kvHeads: 8,
    headDim: 64,
    vocab: 50_688,
    vocabulary: 'bpe',
    tied: false,
  },
  /** 1bitLLM/bitnet_b1_58-large. */
  'bitnet-large': bitnetLarge,
  /** 1bitLLM/bitnet_b1_58-3B; its widths do not fill the 256-blocks of TQ1_0 and TQ2_0. */
  'bitnet-3b': {
    ...bitnetLarge,
    hidden: 3200,
    ffn: 8640,
    layers: 26,
    heads: 32,
    kvHeads: 32,
    headDim: 100,
  },
  /** microsoft/bitnet-b1.58-2B-4T. */
  'bitnet-2b-4t': bitnet2b,
  /** tiiuae/Falcon-E-1B. */
  'falcon-e-1b': {
    ...bitnet2b,
    arch: 'llama',
    hidden: 2048,
    ffn: 9216,
    layers: 24,
    heads: 16,
    kvHeads: 2,
    vocab: 32_768,
    context: 32_768,
    ropeTheta: 1_000_000,
    tied: false,
  },
} as const satisfies Record<string, Shape>

export type ShapeName = keyof typeof SHAPES
