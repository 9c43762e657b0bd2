// Small model files of every architecture, for the config and fuzz tests: right in every name and shape,
// with weights of zeros. Options change one thing at a time.
import {
  buildGguf,
  buildSafetensors,
  type GgufTensor,
  type HfTensor,
  type MetaValue,
} from './fixtures.ts'

export type GgufArch = 'bitnet' | 'bitnet-b1.58' | 'bitnet-25' | 'llama' | 'qwen3'

/** hidden 64, 4 heads of 16, 2 KV heads, ffn 96, vocabulary 50, 2 layers. */
export const SHAPE = { hidden: 64, heads: 4, kvHeads: 2, ffn: 96, vocab: 50, layers: 2 } as const

interface GgufOptions {
  /** Replaces or (undefined) removes metadata; keys get the architecture's prefix unless they have a dot path of their own. */
  readonly meta?: Readonly<Record<string, MetaValue | undefined>>
  /** Replaces (rows, cols) or (undefined) removes tensors. */
  readonly tensors?: Readonly<Record<string, readonly [rows: number, cols: number] | undefined>>
  readonly headDim?: number
}

type Shapes = Map<string, readonly [rows: number, cols: number]>

function shapes(arch: {
  subNorms: boolean
  qkNorm: boolean
  untied: boolean
  headDim: number
}): Shapes {
  const { hidden, heads, kvHeads, ffn, vocab, layers } = SHAPE
  const q = heads * arch.headDim
  const kv = kvHeads * arch.headDim
  const list: Shapes = new Map([
    ['token_embd.weight', [vocab, hidden]],
    ['output_norm.weight', [1, hidden]],
  ])
  if (arch.untied) list.set('output.weight', [vocab, hidden])
  for (let l = 0; l < layers; l++) {
    const put = (name: string, rows: number, cols: number) =>
      list.set(`blk.${l}.${name}.weight`, [rows, cols])
    put('attn_norm', 1, hidden)
    put('attn_q', q, hidden)
    put('attn_k', kv, hidden)
    put('attn_v', kv, hidden)
    put('attn_output', hidden, q)
    put('ffn_norm', 1, hidden)
    put('ffn_gate', ffn, hidden)
    put('ffn_up', ffn, hidden)
    put('ffn_down', hidden, ffn)
    if (arch.subNorms) put('attn_sub_norm', 1, q)
    if (arch.subNorms) put('ffn_sub_norm', 1, ffn)
    if (arch.qkNorm) put('attn_q_norm', 1, arch.headDim)
    if (arch.qkNorm) put('attn_k_norm', 1, arch.headDim)
  }
  return list
}

export function smallGguf(arch: GgufArch, options: GgufOptions = {}): Uint8Array<ArrayBuffer> {
  const headDim = options.headDim ?? 16
  const meta = new Map<string, MetaValue>([
    ['general.architecture', arch],
    ['general.name', `small ${arch}`],
    [`${arch}.block_count`, { u32: SHAPE.layers }],
    [`${arch}.embedding_length`, { u32: SHAPE.hidden }],
    [`${arch}.feed_forward_length`, { u32: SHAPE.ffn }],
    [`${arch}.context_length`, { u32: 128 }],
    [`${arch}.attention.head_count`, { u32: SHAPE.heads }],
    [`${arch}.attention.head_count_kv`, { u32: SHAPE.kvHeads }],
    [`${arch}.attention.layer_norm_rms_epsilon`, { f32: 1e-5 }],
    [`${arch}.rope.freq_base`, { f32: 500_000 }],
  ])
  if (options.headDim) meta.set(`${arch}.attention.key_length`, { u32: headDim })
  for (const [key, value] of Object.entries(options.meta ?? {})) {
    const full = /^(general|prism|adapter)\./.test(key) ? key : `${arch}.${key}`
    if (value === undefined) meta.delete(full)
    else meta.set(full, value)
  }
  const list = shapes({
    subNorms: arch.startsWith('bitnet'),
    qkNorm: arch === 'qwen3',
    untied: arch === 'llama',
    headDim,
  })
  for (const [name, shape] of Object.entries(options.tensors ?? {})) {
    if (shape) list.set(name, shape)
    else list.delete(name)
  }
  const tensors: GgufTensor[] = [...list].map(([name, [rows, cols]]) => ({
    name,
    dims: rows === 1 ? [cols] : [cols, rows],
    typeId: 0,
    data: new Uint8Array(rows * cols * 4),
  }))
  return buildGguf({ metadata: [...meta], tensors })
}

export type HfArch =
  | 'BitNetForCausalLM'
  | 'BitnetForCausalLM'
  | 'LlamaForCausalLM'
  | 'Qwen3ForCausalLM'

const HF_NAMES: readonly (readonly [RegExp, string])[] = [
  [/^token_embd/, 'model.embed_tokens'],
  [/^output_norm/, 'model.norm'],
  [/^output/, 'lm_head'],
  [/^blk\.(\d+)/, 'model.layers.$1'],
  [/attn_norm/, 'input_layernorm'],
  [/ffn_norm/, 'post_attention_layernorm'],
  [/\.attn_(q|k)_norm/, '.self_attn.$1_norm'],
  [/\.attn_(q|k|v)\./, '.self_attn.$1_proj.'],
  [/\.attn_output/, '.self_attn.o_proj'],
  [/\.attn_sub_norm/, '.self_attn.attn_sub_norm'],
  [/\.ffn_(gate|up|down)/, '.mlp.$1_proj'],
  [/\.ffn_sub_norm/, '.mlp.ffn_sub_norm'],
]

export function hfName(canonical: string): string {
  return HF_NAMES.reduce((name, [from, to]) => name.replace(from, to), canonical)
}

interface HfOptions {
  /** Replaces or (undefined) removes fields of config.json. */
  readonly config?: Readonly<Record<string, unknown>>
  /** Adds, replaces or (undefined) removes tensors, by their names in the file. */
  readonly tensors?: Readonly<Record<string, HfTensor | undefined>>
  /** uint8 matrices with a weight_scale each. */
  readonly packed?: boolean
  readonly untied?: boolean
  readonly headDim?: number
}

export interface HfFiles {
  readonly config: Record<string, unknown>
  readonly weights: Uint8Array<ArrayBuffer>
  readonly files: File[]
}

export function smallHf(arch: HfArch, options: HfOptions = {}): HfFiles {
  const bitnet = arch.startsWith('Bit')
  const headDim = options.headDim ?? 16
  const config: Record<string, unknown> = {
    architectures: [arch],
    hidden_act: arch === 'BitNetForCausalLM' ? 'relu2' : 'silu',
    hidden_size: SHAPE.hidden,
    intermediate_size: SHAPE.ffn,
    max_position_embeddings: 128,
    num_attention_heads: SHAPE.heads,
    num_hidden_layers: SHAPE.layers,
    num_key_value_heads: SHAPE.kvHeads,
    rms_norm_eps: 1e-5,
    rope_scaling: null,
    rope_theta: 500_000,
    tie_word_embeddings: !options.untied,
    head_dim: headDim,
    ...options.config,
  }
  for (const key of Object.keys(config)) if (config[key] === undefined) delete config[key]
  const list = shapes({
    subNorms: bitnet,
    qkNorm: arch === 'Qwen3ForCausalLM',
    untied: options.untied ?? false,
    headDim,
  })
  const tensors: Record<string, HfTensor> = {}
  for (const [name, [rows, cols]] of list) {
    const packed = options.packed && rows > 1 && name.startsWith('blk.')
    const shape = rows === 1 ? [cols] : [packed ? rows / 4 : rows, cols]
    const bytes = shape.reduce((a, b) => a * b, packed ? 1 : 2)
    tensors[hfName(name)] = { dtype: packed ? 'U8' : 'BF16', shape, data: new Uint8Array(bytes) }
    if (packed) {
      const scale = { dtype: 'BF16', shape: [1], data: Uint8Array.of(0x80, 0x3f) }
      tensors[`${hfName(name)}_scale`] = scale
    }
  }
  for (const [name, value] of Object.entries(options.tensors ?? {})) {
    if (value) tensors[name] = value
    else delete tensors[name]
  }
  const weights = buildSafetensors(tensors)
  const files = [
    new File([JSON.stringify(config)], 'config.json'),
    new File([weights], 'model.safetensors'),
  ]
  return { config, weights, files }
}
