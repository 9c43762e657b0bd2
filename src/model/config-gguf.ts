// Hyper-parameters from GGUF metadata: bitnet, bitnet-b1.58 (bitnet-25), llama, qwen3, and the mixtures of
// experts (llama with experts, qwen3moe, qwen2moe, olmoe; see config-experts.ts). Whatever would the maths and is not implemented is refused by name. Called by config.ts.
import { RyzError } from '../errors.ts'
import type { GgufModelFile, GgufValue } from '../format/model-file.ts'
import { checkHeads, hasInnerNorms, integer, LIMITS, real, refuse } from './config-checks.ts'
import { EXPERT_ARCHITECTURES, expertsFromGguf, hasQkvBias } from './config-experts.ts'
import type { ModelConfig } from './model-config.ts'

/** What the architecture alone decides; RoPE pairing is never in the file. */
const ARCHITECTURES: ReadonlyMap<
  string,
  Pick<
    ModelConfig,
    'architecture' | 'ropePairing' | 'activation' | 'subNorms' | 'qkNorm' | 'wideQkNorm' | 'masters'
  >
> = new Map([
  [
    'bitnet',
    {
      architecture: 'bitnet',
      ropePairing: 'neox',
      activation: 'silu',
      subNorms: true,
      qkNorm: false,
      masters: true,
    },
  ],
  [
    'bitnet-b1.58',
    {
      architecture: 'bitnet-b1.58',
      ropePairing: 'neox',
      activation: 'relu2',
      subNorms: true,
      qkNorm: false,
      masters: true,
    },
  ],
  [
    'bitnet-25',
    {
      architecture: 'bitnet-b1.58',
      ropePairing: 'neox',
      activation: 'relu2',
      subNorms: true,
      qkNorm: false,
      masters: true,
    },
  ],
  [
    'llama',
    {
      architecture: 'llama',
      ropePairing: 'norm',
      activation: 'silu',
      subNorms: false,
      qkNorm: false,
      masters: false,
    },
  ],
  [
    'qwen3',
    {
      architecture: 'qwen3',
      ropePairing: 'neox',
      activation: 'silu',
      subNorms: false,
      qkNorm: true,
      masters: false,
    },
  ],
  [
    'qwen3moe',
    {
      architecture: 'qwen3moe',
      ropePairing: 'neox',
      activation: 'silu',
      subNorms: false,
      qkNorm: true,
      masters: false,
    },
  ],
  [
    'qwen2moe',
    {
      architecture: 'qwen2moe',
      ropePairing: 'neox',
      activation: 'silu',
      subNorms: false,
      qkNorm: false,
      masters: false,
    },
  ],
  [
    'olmoe',
    {
      architecture: 'olmoe',
      ropePairing: 'neox',
      activation: 'silu',
      subNorms: false,
      qkNorm: true,
      wideQkNorm: true,
      masters: false,
    },
  ],
])

/** Keys (behind the architecture's name) that must be absent or have this neutral value. */
const NEUTRAL: readonly (readonly [string, number | boolean, string])[] = [
  ['rope.scaling.factor', 1, 'RoPE scaling'],
  ['rope.scale_linear', 1, 'RoPE scaling'],
  ['rope.scaling.attn_factor', 1, 'RoPE attention scaling'],
  ['rope.scaling.yarn_log_multiplier', 0, 'YaRN'],
  ['attn_logit_softcapping', 0, 'soft-capping of attention'],
  ['final_logit_softcapping', 0, 'soft-capping of logits'],
  ['logit_scale', 1, 'scaled logits'],
  ['embedding_scale', 1, 'a scaled embedding'],
  ['residual_scale', 1, 'a scaled residual'],
  ['attention.clamp_kqv', 0, 'clamped attention inputs'],
  ['attention.max_alibi_bias', 0, 'ALiBi'],
  ['attention.causal', true, 'attention that is not causal'],
  ['use_parallel_residual', false, 'a parallel residual'],
  ['nextn_predict_layers', 0, 'multi-token prediction'],
  ['leading_dense_block_count', 0, 'a mixture of experts after dense layers'],
]

/** The same, of architectures that have no experts here. */
const DENSE: typeof NEUTRAL = [
  ['expert_count', 0, 'a mixture of experts'],
  ['expert_used_count', 0, 'a mixture of experts'],
]

/** llama.cpp's numbers, of which 0 is none. */
const POOLINGS: ReadonlyMap<GgufValue | undefined, ModelConfig['pooling']> = new Map<
  GgufValue | undefined,
  ModelConfig['pooling']
>([
  [undefined, undefined],
  [0, undefined],
  [1, 'mean'],
  [2, 'cls'],
  [3, 'last'],
])

const ACTIVATIONS: ReadonlyMap<unknown, ModelConfig['activation']> = new Map<
  unknown,
  ModelConfig['activation']
>([
  ['silu', 'silu'],
  ['swish', 'silu'],
  ['relu2', 'relu2'],
  ['relu_sqr', 'relu2'],
  ['relu_squared', 'relu2'],
])

/** @throws RyzError UNSUPPORTED_ARCH | UNSUPPORTED_FEATURE | BAD_HYPERPARAMS | MISSING_TENSOR */
export function configFromGguf(file: GgufModelFile): ModelConfig {
  const notes: string[] = []
  const named = file.metadata.get('general.architecture')
  const base = typeof named === 'string' ? ARCHITECTURES.get(named) : undefined
  if (!base) {
    throw new RyzError(
      'UNSUPPORTED_ARCH',
      `The architecture is ${JSON.stringify(named ?? null)?.slice(0, 60)}; readable are ${[...ARCHITECTURES.keys()].join(', ')}`,
    )
  }
  const key = (name: string) => `${named}.${name}`
  const get = (name: string): GgufValue | undefined => file.metadata.get(key(name))
  const int = (name: string, min: number, max: number) => integer(key(name), get(name), min, max)

  const layers = int('block_count', 1, LIMITS.layers)
  const hidden = int('embedding_length', 1, LIMITS.hidden)
  const heads = integer(
    key('attention.head_count'),
    uniform(key, get, 'attention.head_count'),
    1,
    LIMITS.heads,
  )
  const kvHeads = integer(
    key('attention.head_count_kv'),
    uniform(key, get, 'attention.head_count_kv') ?? heads,
    1,
    LIMITS.heads,
  )
  const experts = expertsFromGguf(file, base.architecture, key, get)
  const width = experts ? experts.widthKey : 'feed_forward_length'
  const ffn = integer(key(width), uniform(key, get, width), 1, LIMITS.ffn)
  const headDim = integer(
    key('attention.key_length'),
    get('attention.key_length') ?? hidden / heads,
    2,
    LIMITS.headDim,
  )
  const valueDim = get('attention.value_length') ?? headDim
  if (valueDim !== headDim)
    refuse(key('attention.value_length'), valueDim, 'a value size unlike the key size')
  const ropeDim = integer(
    key('rope.dimension_count'),
    get('rope.dimension_count') ?? headDim,
    2,
    LIMITS.headDim,
  )
  checkHeads(heads, kvHeads, headDim, ropeDim)

  const contextLength = int('context_length', 1, LIMITS.context)
  const theta = get('rope.freq_base')
  if (theta === undefined) notes.push('The file names no RoPE base; 10000 is assumed')
  if (!EXPERT_ARCHITECTURES.has(base.architecture)) refuseKeys(DENSE, key, get)
  refuseUnknownMaths(file, key, get, contextLength, headDim)

  const table = file.tensors.get('token_embd.weight')
  if (!table)
    throw new RyzError('MISSING_TENSOR', 'token_embd.weight is not in the file', {
      tensor: 'token_embd.weight',
    })
  const vocab = integer('the vocabulary (rows of token_embd.weight)', table.rows, 2, LIMITS.vocab)

  const scaled = [...file.tensors.keys()].some(
    name => name.startsWith('blk.') && name.endsWith('.scale'),
  )
  const inner = base.architecture === 'qwen3' && hasInnerNorms(file)
  const title = file.metadata.get('general.name')
  return {
    ...base,
    name: typeof title === 'string' && title !== '' ? title : file.files[0].name,
    container: 'gguf',
    layers,
    hidden,
    ffn,
    heads,
    kvHeads,
    headDim,
    vocab,
    contextLength,
    ropeTheta: real(key('rope.freq_base'), theta ?? 10_000, 0, 1e12),
    ropeDim,
    normEps: real(
      key('attention.layer_norm_rms_epsilon'),
      get('attention.layer_norm_rms_epsilon'),
      0,
      1,
    ),
    activation: activationOf(key, get) ?? base.activation,
    tiedHead: !file.tensors.has('output.weight'),
    scaleTensors: scaled ? 'multiply' : 'none',
    ...(inner && { innerNorms: true, masters: true }),
    ...(experts && { experts: experts.config }),
    ...(base.architecture === 'qwen2moe' && { qkvBias: hasQkvBias(file) }),
    ...poolingOf(key('pooling_type'), get('pooling_type')),
    notes,
  }
}

/** A number, or a list with one number for every layer that must all be the same. */
function uniform(
  key: (name: string) => string,
  get: (name: string) => GgufValue | undefined,
  name: string,
): GgufValue | undefined {
  const value = get(name)
  if (typeof value !== 'object') return value
  const values = Array.from(value as ArrayLike<GgufValue>)
  if (values.some(v => v !== values[0])) refuse(key(name), values, 'layers of different shape')
  return values[0]
}

/** @throws RyzError UNSUPPORTED_FEATURE for ranks, and for what nobody knows */
function poolingOf(key: string, value: GgufValue | undefined): Pick<ModelConfig, 'pooling'> {
  if (!POOLINGS.has(value)) refuse(key, value, value === 4 ? 'a reranking model' : 'this pooling')
  const pooling = POOLINGS.get(value)
  return pooling === undefined ? {} : { pooling }
}

function activationOf(
  key: (name: string) => string,
  get: (name: string) => GgufValue | undefined,
): ModelConfig['activation'] | undefined {
  for (const name of ['hidden_activation', 'hidden_act', 'feed_forward_activation']) {
    const value = get(name)
    if (value === undefined) continue
    return ACTIVATIONS.get(value) ?? refuse(key(name), value, 'this activation')
  }
  return undefined
}

function refuseKeys(
  neutral: typeof NEUTRAL,
  key: (name: string) => string,
  get: (name: string) => GgufValue | undefined,
): void {
  for (const [name, value, what] of neutral) {
    const found = get(name)
    if (found !== undefined && found !== value) refuse(key(name), found, what)
  }
}

function refuseUnknownMaths(
  file: GgufModelFile,
  key: (name: string) => string,
  get: (name: string) => GgufValue | undefined,
  contextLength: number,
  headDim: number,
): void {
  refuseKeys(NEUTRAL, key, get)
  const scaling = get('rope.scaling.type')
  if (scaling !== undefined && scaling !== 'none' && scaling !== 'linear') {
    refuse(key('rope.scaling.type'), scaling, 'this RoPE scaling')
  }
  const window = get('attention.sliding_window')
  if (
    window !== undefined &&
    window !== 0 &&
    !(typeof window === 'number' && window >= contextLength)
  ) {
    refuse(key('attention.sliding_window'), window, 'a sliding window')
  }
  const scale = get('attention.scale')
  if (
    scale !== undefined &&
    scale !== 0 &&
    !(typeof scale === 'number' && Math.abs(scale * Math.sqrt(headDim) - 1) < 1e-6)
  ) {
    refuse(key('attention.scale'), scale, 'another attention scale than 1/sqrt(head size)')
  }
  for (const name of file.metadata.keys()) {
    if (name.startsWith('prism.hadamard'))
      refuse(name, file.metadata.get(name), 'a Hadamard rotation')
    if (name.startsWith('adapter.')) refuse(name, file.metadata.get(name), 'an adapter')
  }
}
