// Hyper-parameters from a Hugging Face config.json: BitNet (also 1bitLLM's BitnetForCausalLM), Llama,
// Qwen3, and the mixtures of experts Mixtral, Qwen3-MoE, Qwen2-MoE and OLMoE (config-experts.ts). Every field is read as an own property of untrusted JSON. Called by config.ts.
import { RyzError } from '../errors.ts'
import type { HfModelFile } from '../format/model-file.ts'
import { bad, checkHeads, hasInnerNorms, integer, LIMITS, real, refuse } from './config-checks.ts'
import { expertsFromHf, type HfExpertFields, hasQkvBias } from './config-experts.ts'
import type { ModelConfig } from './model-config.ts'

type Json = Readonly<Record<string, unknown>>

interface Family {
  readonly architecture: ModelConfig['architecture']
  readonly activation: ModelConfig['activation']
  readonly subNorms: boolean
  readonly qkNorm: boolean
  readonly ropeTheta: number
  readonly wideQkNorm?: boolean
  /** head_dim where config.json names none; undefined = hidden / heads. */
  readonly headDim?: number
  readonly experts?: HfExpertFields
}

const BITNET: Family = {
  architecture: 'bitnet-b1.58',
  activation: 'relu2',
  subNorms: true,
  qkNorm: false,
  ropeTheta: 500_000,
}

const FAMILIES: ReadonlyMap<string, Family> = new Map([
  ['BitNetForCausalLM', BITNET],
  [
    'BitnetForCausalLM',
    { ...BITNET, architecture: 'bitnet', activation: 'silu', ropeTheta: 10_000 },
  ],
  [
    'LlamaForCausalLM',
    {
      architecture: 'llama',
      activation: 'silu',
      subNorms: false,
      qkNorm: false,
      ropeTheta: 10_000,
    },
  ],
  [
    'Qwen3ForCausalLM',
    {
      architecture: 'qwen3',
      activation: 'silu',
      subNorms: false,
      qkNorm: true,
      ropeTheta: 10_000,
      headDim: 128,
    },
  ],
  [
    'MixtralForCausalLM',
    {
      architecture: 'llama',
      activation: 'silu',
      subNorms: false,
      qkNorm: false,
      ropeTheta: 1e6,
      experts: {
        count: 'num_local_experts',
        used: 'num_experts_per_tok',
        width: 'intermediate_size',
        normalise: true,
      },
    },
  ],
  [
    'Qwen3MoeForCausalLM',
    {
      architecture: 'qwen3moe',
      activation: 'silu',
      subNorms: false,
      qkNorm: true,
      ropeTheta: 10_000,
      experts: {
        count: 'num_experts',
        used: 'num_experts_per_tok',
        width: 'moe_intermediate_size',
        normalise: false,
      },
    },
  ],
  [
    'Qwen2MoeForCausalLM',
    {
      architecture: 'qwen2moe',
      activation: 'silu',
      subNorms: false,
      qkNorm: false,
      ropeTheta: 10_000,
      experts: {
        count: 'num_experts',
        used: 'num_experts_per_tok',
        width: 'moe_intermediate_size',
        normalise: false,
        sharedWidth: 'shared_expert_intermediate_size',
      },
    },
  ],
  [
    'OlmoeForCausalLM',
    {
      architecture: 'olmoe',
      activation: 'silu',
      subNorms: false,
      qkNorm: true,
      wideQkNorm: true,
      ropeTheta: 10_000,
      experts: {
        count: 'num_experts',
        used: 'num_experts_per_tok',
        width: 'intermediate_size',
        normalise: false,
      },
    },
  ],
])

/** model_type, where `architectures` is missing. */
const BY_MODEL_TYPE: ReadonlyMap<unknown, string> = new Map<unknown, string>([
  ['bitnet', 'BitNetForCausalLM'],
  ['llama', 'LlamaForCausalLM'],
  ['qwen3', 'Qwen3ForCausalLM'],
  ['mixtral', 'MixtralForCausalLM'],
  ['qwen3_moe', 'Qwen3MoeForCausalLM'],
  ['qwen2_moe', 'Qwen2MoeForCausalLM'],
  ['olmoe', 'OlmoeForCausalLM'],
])

/** Fields that must be absent, null, or this neutral value. */
const NEUTRAL: readonly (readonly [string, unknown, string])[] = [
  ['attention_bias', false, 'an attention bias'],
  ['mlp_bias', false, 'an MLP bias'],
  ['use_sliding_window', false, 'a sliding window'],
  ['attn_logit_softcapping', 0, 'soft-capping of attention'],
  ['final_logit_softcapping', 0, 'soft-capping of logits'],
  ['logit_scale', 1, 'scaled logits'],
  ['logits_scaling', 1, 'scaled logits'],
  ['embedding_multiplier', 1, 'a scaled embedding'],
  ['scale_emb', 1, 'a scaled embedding'],
  ['residual_multiplier', 1, 'a scaled residual'],
  ['scale_depth', 1, 'a scaled residual'],
  ['clip_qkv', 0, 'clamped attention inputs'],
]

/** Fields that count experts, of families that have none here. */
const EXPERT_COUNTS = ['num_experts', 'num_local_experts', 'n_routed_experts']

/** @throws RyzError UNSUPPORTED_ARCH | UNSUPPORTED_FEATURE | BAD_HYPERPARAMS | MISSING_TENSOR */
export function configFromHf(file: HfModelFile): ModelConfig {
  const config = file.config
  const notes: string[] = []
  const family = familyOf(config)
  const get = (key: string): unknown => own(config, key)
  const int = (key: string, max: number, fallback?: number) =>
    integer(key, get(key) ?? fallback, 1, max)

  for (const [key, neutral, what] of NEUTRAL) {
    const value = get(key)
    if (value !== undefined && value !== neutral) refuse(key, value, what)
  }
  const biased = get('qkv_bias') ?? false
  const mayBias = family.architecture === 'qwen2moe'
  if (biased !== false && !(mayBias && biased === true)) {
    refuse('qkv_bias', biased, 'an attention bias')
  }
  for (const key of EXPERT_COUNTS) {
    const value = get(key)
    if (value === undefined || value === 0 || key === family.experts?.count) continue
    refuse(key, value, 'a mixture of experts here')
  }
  const hidden = int('hidden_size', LIMITS.hidden)
  const heads = int('num_attention_heads', LIMITS.heads)
  const kvHeads = int('num_key_value_heads', LIMITS.heads, heads)
  const headDim = int('head_dim', LIMITS.headDim, family.headDim ?? hidden / heads)
  const partial = real('partial_rotary_factor', get('partial_rotary_factor') ?? 1, 0, 1)
  const ropeDim = integer('the rotated part of a head', headDim * partial, 2, LIMITS.headDim)
  checkHeads(heads, kvHeads, headDim, ropeDim)
  const contextLength = int('max_position_embeddings', LIMITS.context)
  refuseWindows(config, family, contextLength)
  refuseAttentionScale(get('attention_multiplier') ?? get('query_pre_attn_scalar'))

  const table = file.tensors.get('token_embd.weight')
  if (!table) {
    const tensor = 'model.embed_tokens.weight'
    throw new RyzError('MISSING_TENSOR', `${tensor} is not in the files`, { tensor })
  }
  const vocab = integer('the vocabulary (rows of embed_tokens)', table.rows, 2, LIMITS.vocab)
  const quantization = quantizationOf(file)
  const inner = family.architecture === 'qwen3' && hasInnerNorms(file)
  return {
    name: nameOf(config, file),
    architecture: family.architecture,
    container: 'safetensors',
    layers: int('num_hidden_layers', LIMITS.layers),
    hidden,
    ffn: int(family.experts?.width ?? 'intermediate_size', LIMITS.ffn),
    heads,
    kvHeads,
    headDim,
    vocab,
    contextLength,
    ropeTheta: ropeTheta(config, family, notes),
    ropeDim,
    ropePairing: 'neox',
    normEps: real('rms_norm_eps', get('rms_norm_eps'), 0, 1),
    activation: activationOf(get('hidden_act'), family, notes),
    subNorms: family.subNorms,
    qkNorm: family.qkNorm,
    ...(mayBias && { qkvBias: biased === true || hasQkvBias(file) }),
    ...(family.wideQkNorm && { wideQkNorm: true }),
    ...(family.experts && { experts: expertsFromHf(file, family.experts, get) }),
    tiedHead: tied(file, notes),
    ...(inner && { innerNorms: true }),
    masters: family.subNorms || quantization.bitnet || inner,
    scaleTensors: quantization.scaleTensors,
    ...(file.pooling && { pooling: file.pooling }),
    notes,
  }
}

/** An own field; null counts as absent, as it does in Hugging Face's reading. */
function own(object: Json, key: string): unknown {
  return Object.hasOwn(object, key) ? (object[key] ?? undefined) : undefined
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function familyOf(config: Json): Family {
  const list = own(config, 'architectures')
  const type = own(config, 'model_type')
  const named = Array.isArray(list) && list.length > 0 ? list[0] : BY_MODEL_TYPE.get(type)
  // Saved without its head, for embeddings.
  const whole = typeof named === 'string' ? named.replace(/Model$/, 'ForCausalLM') : ''
  const family = FAMILIES.get(whole)
  if (family) return family
  const found = String(JSON.stringify(named ?? type ?? null)).slice(0, 60)
  throw new RyzError(
    'UNSUPPORTED_ARCH',
    `The architecture is ${found}; readable are ${[...FAMILIES.keys()].join(', ')}`,
  )
}

/** The name in config.json, else the repository's in a Hugging Face URL, else the weight file's. */
function nameOf(config: Json, file: HfModelFile): string {
  const name = own(config, '_name_or_path')
  if (typeof name === 'string' && name !== '') return name
  const source = file.files[0].name
  const folders = source.replace(/[?#].*$/, '').replace(/(\/resolve\/[^/]+)?\/[^/]*$/, '')
  return folders.includes('://') ? folders.slice(folders.lastIndexOf('/') + 1) : source
}

function activationOf(value: unknown, family: Family, notes: string[]): ModelConfig['activation'] {
  if (value === undefined) {
    notes.push(`config.json names no activation; ${family.activation} is assumed`)
    return family.activation
  }
  if (value === 'silu' || value === 'swish') return 'silu'
  if (value === 'relu2') return 'relu2'
  return refuse('hidden_act', value, 'this activation')
}

/** theta stands in config.json itself or, in newer files, in rope_parameters. */
function ropeTheta(config: Json, family: Family, notes: string[]): number {
  let theta = own(config, 'rope_theta')
  for (const key of ['rope_scaling', 'rope_parameters']) {
    const rope = own(config, key)
    if (rope === undefined) continue
    if (!isObject(rope)) throw bad(key, rope, 'an object')
    const type = own(rope, 'rope_type') ?? own(rope, 'type') ?? 'default'
    const factor = own(rope, 'factor') ?? 1
    if (type !== 'default' && !(type === 'linear' && factor === 1)) {
      refuse(key, rope, 'this RoPE scaling')
    }
    if ((own(rope, 'partial_rotary_factor') ?? 1) !== 1) refuse(key, rope, 'partial rotation here')
    theta ??= own(rope, 'rope_theta')
  }
  if (theta === undefined) {
    notes.push(`config.json names no rope_theta; ${family.ropeTheta} is assumed`)
  }
  return real('rope_theta', theta ?? family.ropeTheta, 0, 1e12)
}

function refuseWindows(config: Json, family: Family, contextLength: number): void {
  const types = own(config, 'layer_types')
  if (Array.isArray(types) && types.some(type => type !== 'full_attention')) {
    refuse('layer_types', types, 'attention other than full_attention')
  }
  // Qwen files carry a window that use_sliding_window (refused above when true) leaves unused.
  const window = own(config, 'sliding_window')
  const unused =
    family.architecture.startsWith('qwen') || own(config, 'use_sliding_window') === false
  if (window === undefined || unused) return
  if (!(typeof window === 'number' && window >= contextLength)) {
    refuse('sliding_window', window, 'a sliding window')
  }
}

function refuseAttentionScale(value: unknown): void {
  if (value !== undefined) {
    refuse('attention_multiplier', value, 'another attention scale than 1/sqrt(head size)')
  }
}

/** quantization_config; without linear_class its default is bitlinear, which divides. */
function quantizationOf(file: HfModelFile): {
  bitnet: boolean
  scaleTensors: ModelConfig['scaleTensors']
} {
  const scaled = [...file.tensors.keys()].some(name => name.endsWith('.scale'))
  const quantization = own(file.config, 'quantization_config')
  if (quantization === undefined) {
    if (scaled) {
      throw new RyzError(
        'BAD_CONFIG',
        'The weights have weight_scale tensors, but config.json has no quantization_config to say whether they multiply or divide',
      )
    }
    return { bitnet: false, scaleTensors: 'none' }
  }
  if (!isObject(quantization)) throw bad('quantization_config', quantization, 'an object')
  const method = own(quantization, 'quant_method')
  if (method !== 'bitnet') refuse('quantization_config.quant_method', method, 'this quantisation')
  const norm = own(quantization, 'use_rms_norm') ?? false
  if (norm !== false) refuse('quantization_config.use_rms_norm', norm, 'a norm inside linears')
  const kept = own(quantization, 'modules_to_not_convert')
  if (Array.isArray(kept) && !kept.every(isNoLinear)) {
    refuse('quantization_config.modules_to_not_convert', kept, 'leaving linears unquantised')
  }
  const linear = own(quantization, 'linear_class') ?? 'bitlinear'
  if (linear !== 'bitlinear' && linear !== 'autobitlinear') {
    refuse('quantization_config.linear_class', linear, 'this linear class')
  }
  const how = linear === 'autobitlinear' ? 'multiply' : 'divide'
  return { bitnet: true, scaleTensors: scaled ? how : 'none' }
}

/** Head, embedding, and the routers of experts, which stay float in any case. */
function isNoLinear(name: unknown): boolean {
  return (
    typeof name === 'string' &&
    /^(lm_head|embed_tokens|(.*\.)?(gate|shared_expert_gate))$/.test(name)
  )
}

function tied(file: HfModelFile, notes: string[]): boolean {
  const value = own(file.config, 'tie_word_embeddings')
  if (value !== undefined && typeof value !== 'boolean') {
    throw bad('tie_word_embeddings', value, 'true or false')
  }
  const hasHead = file.tensors.has('output.weight')
  if (value === undefined && !hasHead) {
    notes.push('There is no lm_head and tie_word_embeddings is absent; the head is taken as tied')
  }
  if (value === false && !hasHead && file.pooling !== undefined) {
    notes.push(
      'The model was saved for embeddings, without its head; generate() takes its table as one',
    )
    return true
  }
  return value ?? !hasHead
}
