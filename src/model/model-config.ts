// The hyper-parameters of a network, whatever file they came from. Filled and validated by config.ts.
import type { Pooling } from '../types/index.ts'

export interface ModelConfig {
  readonly name: string
  readonly architecture: 'bitnet' | 'bitnet-b1.58' | 'llama' | 'qwen3'
  readonly container: 'gguf' | 'safetensors'
  readonly layers: number
  readonly hidden: number
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
