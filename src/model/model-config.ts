// The hyper-parameters of a network, whatever file they came from. Filled and validated by config.ts.
import type { Pooling } from '../types/index.ts'

export type Architecture =
  | 'bitnet'
  | 'bitnet-b1.58'
  | 'llama'
  | 'qwen3'
  | 'qwen3moe'
  | 'qwen2moe'
  | 'olmoe'

/** A mixture of experts: the feed-forward of every layer is `used` of `count` experts, as a router chooses. */
export interface ExpertConfig {
  readonly count: number
  readonly used: number
  readonly scores: 'softmax' | 'sigmoid'
  /** The weights of the chosen are made to add up to 1. */
  readonly normalise: boolean
  /** Multiplies the weights, after that. */
  readonly scale: number
  /** exp_probs_b is added to the scores while choosing. */
  readonly bias: boolean
  /** An expert of this width that computes every row. */
  readonly shared?: {
    readonly ffn: number /** Times the sigmoid of a row's logit. */
    readonly gated: boolean
  }
}

export interface ModelConfig {
  readonly name: string
  readonly architecture: Architecture
  readonly container: 'gguf' | 'safetensors'
  readonly layers: number
  readonly hidden: number
  /** Width of the feed-forward; of one expert, where there are experts. */
  readonly ffn: number
  readonly heads: number
  readonly kvHeads: number
  readonly headDim: number
  readonly vocab: number
  /** The context the model was made for, in tokens. */
  readonly contextLength: number
  readonly ropeTheta: number
  /** Leading elements of a head that are rotated; <= headDim, even. */
  readonly ropeDim: number
  readonly ropePairing: 'neox' | 'norm'
  readonly normEps: number
  readonly activation: 'silu' | 'relu2'
  /** attn_sub_norm before the output projection and ffn_sub_norm before down. */
  readonly subNorms: boolean
  readonly qkNorm: boolean
  /** A norm of its own before each linear, over what it reads (BitNet embedding models): attn_q_norm_in and so on. */
  readonly innerNorms?: boolean
  /** The QK-norm is over all heads at once, not over each. */
  readonly wideQkNorm?: boolean
  /** q, k and v have a bias each. */
  readonly qkvBias?: boolean
  readonly experts?: ExpertConfig
  /** The output head is the embedding table. */
  readonly tiedHead: boolean
  /** Float linear weights are masters to be rounded to ternary (BitNet architectures). */
  readonly masters: boolean
  /** What a separate scale tensor (`X.scale`, `weight_scale`) does to the codes. */
  readonly scaleTensors: 'multiply' | 'divide' | 'none'
  /** How hidden states become the vector of a text, where the file says so. */
  readonly pooling?: Pooling
  /** Assumptions made while reading, for stats(). */
  readonly notes: readonly string[]
}
