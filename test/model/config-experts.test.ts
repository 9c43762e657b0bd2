// What headers of mixtures of experts say, by architecture and container, and that files which contradict
// themselves are refused by name. Values are zeros; what is in the weights is test/parity/experts.test.ts's.
import { describe, expect, test } from 'vitest'
import { openModel } from '../../src/format/open.ts'
import { readConfig } from '../../src/model/config.ts'
import type { ModelConfig } from '../../src/model/model-config.ts'
import {
  buildGguf,
  buildSafetensors,
  failure,
  type GgufTensor,
  type HfTensor,
  type MetaValue,
} from '../format/fixtures.ts'

const [HIDDEN, HEADS, KV_HEADS, DIM, EXPERTS, WIDTH, VOCAB] = [32, 4, 2, 8, 6, 16, 20]
type Arch = 'llama' | 'qwen3moe' | 'qwen2moe' | 'olmoe'
type Dims = readonly number[]

interface Changes {
  readonly meta?: Readonly<Record<string, MetaValue | undefined>>
  /** Dimensions as the file has them, the contiguous one first; undefined removes the tensor. */
  readonly tensors?: Readonly<Record<string, Dims | undefined>>
  /** Of tensors: I2_S is 36, with the file type of its makers. */
  readonly types?: Readonly<Record<string, number>>
}

function mixture(arch: Arch, { meta = {}, tensors = {}, types = {} }: Changes = {}): Blob {
  const qwen = arch.startsWith('qwen')
  const keys = new Map<string, MetaValue>([
    ['general.architecture', arch],
    [`${arch}.block_count`, { u32: 1 }],
    [`${arch}.embedding_length`, { u32: HIDDEN }],
    [`${arch}.feed_forward_length`, { u32: qwen ? 99 : WIDTH }],
    [`${arch}.context_length`, { u32: 128 }],
    [`${arch}.attention.head_count`, { u32: HEADS }],
    [`${arch}.attention.head_count_kv`, { u32: KV_HEADS }],
    [`${arch}.attention.layer_norm_rms_epsilon`, { f32: 1e-5 }],
    [`${arch}.expert_count`, { u32: EXPERTS }],
    [`${arch}.expert_used_count`, { u32: 2 }],
  ])
  if (qwen) keys.set(`${arch}.expert_feed_forward_length`, { u32: WIDTH })
  if (arch === 'qwen2moe') keys.set(`${arch}.expert_shared_feed_forward_length`, { u32: 24 })
  for (const [key, value] of Object.entries(meta)) {
    const full = key.startsWith('general.') ? key : `${arch}.${key}`
    if (value === undefined) keys.delete(full)
    else keys.set(full, value)
  }
  const [q, kv] = [HEADS * DIM, KV_HEADS * DIM]
  const all = new Map<string, Dims>([
    ['token_embd.weight', [HIDDEN, VOCAB]],
    ['output_norm.weight', [HIDDEN]],
  ])
  const put = (name: string, ...dims: number[]) => all.set(`blk.0.${name}`, dims)
  put('attn_norm.weight', HIDDEN)
  put('attn_q.weight', HIDDEN, q)
  put('attn_k.weight', HIDDEN, kv)
  put('attn_v.weight', HIDDEN, kv)
  put('attn_output.weight', q, HIDDEN)
  put('ffn_norm.weight', HIDDEN)
  put('ffn_gate_inp.weight', HIDDEN, EXPERTS)
  put('ffn_gate_exps.weight', HIDDEN, WIDTH, EXPERTS)
  put('ffn_up_exps.weight', HIDDEN, WIDTH, EXPERTS)
  put('ffn_down_exps.weight', WIDTH, HIDDEN, EXPERTS)
  if (arch === 'qwen3moe') put('attn_q_norm.weight', DIM)
  if (arch === 'qwen3moe') put('attn_k_norm.weight', DIM)
  if (arch === 'olmoe') put('attn_q_norm.weight', q)
  if (arch === 'olmoe') put('attn_k_norm.weight', kv)
  if (arch === 'qwen2moe') {
    put('ffn_gate_inp_shexp.weight', HIDDEN)
    put('ffn_gate_shexp.weight', HIDDEN, 24)
    put('ffn_up_shexp.weight', HIDDEN, 24)
    put('ffn_down_shexp.weight', 24, HIDDEN)
  }
  for (const [name, dims] of Object.entries(tensors)) {
    if (dims) all.set(name, dims)
    else all.delete(name)
  }
  const list: GgufTensor[] = [...all].map(([name, dims]) => {
    const elements = dims.reduce((a, b) => a * b, 1)
    const typeId = types[name] ?? 0
    const bytes = typeId === 36 ? elements / 4 + 32 : 4 * elements
    return { name, dims: [...dims], typeId, data: new Uint8Array(bytes) }
  })
  return new Blob([buildGguf({ metadata: [...keys], tensors: list })])
}

const read = async (arch: Arch, changes?: Changes): Promise<ModelConfig> =>
  readConfig(await openModel(mixture(arch, changes)))

const refused = (code: Parameters<typeof failure>[0], arch: Arch, changes: Changes) =>
  failure(code, () => read(arch, changes))

describe('GGUF', () => {
  const usual = { count: EXPERTS, used: 2, scores: 'softmax', scale: 1, bias: false }

  test.each([
    ['llama', { ...usual, normalise: true }],
    ['qwen3moe', { ...usual, normalise: true }],
    ['olmoe', { ...usual, normalise: false }],
    ['qwen2moe', { ...usual, normalise: false, shared: { ffn: 24, gated: true } }],
  ] as const)('%s weighs its experts in its own way', async (arch, experts) => {
    const config = await read(arch)
    expect(config.experts).toEqual(experts)
    expect([config.architecture, config.ffn]).toEqual([arch, WIDTH])
    expect(config.ropePairing).toBe(arch === 'llama' ? 'norm' : 'neox')
    expect(config.wideQkNorm ?? false).toBe(arch === 'olmoe')
  })

  test('llama without experts, or with 0 of them, is dense', async () => {
    for (const count of [undefined, { u32: 0 }]) {
      const tensors: Record<string, Dims | undefined> = {
        'blk.0.ffn_gate.weight': [HIDDEN, WIDTH],
        'blk.0.ffn_up.weight': [HIDDEN, WIDTH],
        'blk.0.ffn_down.weight': [WIDTH, HIDDEN],
      }
      for (const name of ['gate_inp', 'gate_exps', 'up_exps', 'down_exps']) {
        tensors[`blk.0.ffn_${name}.weight`] = undefined
      }
      const meta = { expert_count: count, expert_used_count: count }
      expect((await read('llama', { meta, tensors })).experts).toBeUndefined()
    }
  })

  test('sigmoid scores, a bias that chooses, and a scale are read', async () => {
    const meta = {
      expert_gating_func: { u32: 2 },
      expert_weights_scale: { f32: 2.5 },
      expert_weights_norm: { bool: false },
    }
    const { experts } = await read('llama', {
      meta,
      tensors: { 'blk.0.exp_probs_b.bias': [EXPERTS] },
    })
    expect(experts).toEqual({
      count: EXPERTS,
      used: 2,
      scores: 'sigmoid',
      normalise: false,
      scale: 2.5,
      bias: true,
    })
  })

  test('a scale of 0 is none, and so is a gating function of 0', async () => {
    const meta = { expert_weights_scale: { f32: 0 }, expert_gating_func: { u32: 0 } }
    expect((await read('olmoe', { meta })).experts).toMatchObject({ scale: 1, scores: 'softmax' })
  })

  test('a shared expert without a gate computes every row as it is', async () => {
    const tensors = {
      'blk.0.ffn_gate_shexp.weight': [HIDDEN, 2 * WIDTH],
      'blk.0.ffn_up_shexp.weight': [HIDDEN, 2 * WIDTH],
      'blk.0.ffn_down_shexp.weight': [2 * WIDTH, HIDDEN],
    }
    const meta = { expert_shared_count: { u32: 2 } }
    const { experts } = await read('qwen3moe', { meta, tensors })
    expect(experts?.shared).toEqual({ ffn: 2 * WIDTH, gated: false })
  })

  test('qwen2moe may have biases of q, k and v, all of them or none', async () => {
    const tensors: Record<string, Dims> = {
      'blk.0.attn_q.bias': [HEADS * DIM],
      'blk.0.attn_k.bias': [KV_HEADS * DIM],
    }
    const error = await refused('MISSING_TENSOR', 'qwen2moe', { tensors })
    expect(error.message).toContain('blk.0.attn_v.bias')
    tensors['blk.0.attn_v.bias'] = [KV_HEADS * DIM]
    expect((await read('qwen2moe', { tensors })).qkvBias).toBe(true)
    expect((await read('qwen2moe')).qkvBias).toBe(false)
    await refused('UNSUPPORTED_FEATURE', 'qwen3moe', { tensors })
  })

  test.each([
    ['more used than there are', { expert_used_count: { u32: 7 } }, 'expert_used_count is 7'],
    ['none used', { expert_used_count: { u32: 0 } }, 'expert_used_count is 0'],
    ['no number of used ones', { expert_used_count: undefined }, 'expert_used_count is missing'],
    ['used ones of none', { expert_count: undefined }, 'expert_used_count is 2'],
    ['more experts than are possible', { expert_count: { u32: 5000 } }, 'expert_count is 5000'],
    ['an infinite scale', { expert_weights_scale: { f32: Infinity } }, 'expert_weights_scale'],
    ['a norm that is no truth value', { expert_weights_norm: { u32: 3 } }, 'expert_weights_norm'],
  ] as const)('%s: BAD_HYPERPARAMS', async (_, meta, says) => {
    const error = await refused('BAD_HYPERPARAMS', 'llama', { meta })
    expect(error.message).toContain(says)
  })

  test.each([
    ['expert_count', 'qwen3moe', { expert_count: undefined }],
    ['expert_feed_forward_length', 'qwen3moe', { expert_feed_forward_length: undefined }],
    [
      'expert_shared_feed_forward_length',
      'qwen2moe',
      { expert_shared_feed_forward_length: undefined },
    ],
  ] as const)('without %s: BAD_HYPERPARAMS', async (key, arch, meta) => {
    expect((await refused('BAD_HYPERPARAMS', arch, { meta })).message).toContain(key)
  })

  test.each([
    ['expert_gating_func', { u32: 3 }],
    ['expert_gating_func', { u32: 9 }],
    ['expert_group_count', { u32: 4 }],
    ['leading_dense_block_count', { u32: 1 }],
    ['moe_every_n_layers', { u32: 2 }],
  ] as const)('%s that changes the maths is refused by name', async (key, value) => {
    const error = await refused('UNSUPPORTED_FEATURE', 'llama', { meta: { [key]: value } })
    expect(error.message).toContain(key)
  })

  const stack = 'blk.0.ffn_gate_exps.weight'
  test.each([
    ['a router for another number of experts', 'blk.0.ffn_gate_inp.weight', [HIDDEN, 5]],
    ['a router of another width', 'blk.0.ffn_gate_inp.weight', [16, EXPERTS]],
    ['a stack of fewer experts', stack, [HIDDEN, WIDTH, 5]],
    ['a stack of more experts', stack, [HIDDEN, WIDTH, 7]],
    ['experts of another width', stack, [HIDDEN, 8, EXPERTS]],
    ['experts of another input', stack, [16, WIDTH, EXPERTS]],
    ['the same bytes cut elsewhere', stack, [HIDDEN, 3 * WIDTH, EXPERTS / 3]],
    ['a stack laid flat', stack, [HIDDEN, WIDTH * EXPERTS]],
    ['a bias for another number of experts', 'blk.0.exp_probs_b.bias', [5]],
    ['a dense matrix in three dimensions', 'blk.0.attn_q.weight', [HIDDEN, 16, 2]],
    ['down with in and out exchanged', 'blk.0.ffn_down_exps.weight', [HIDDEN, WIDTH, EXPERTS]],
  ] as const)('%s: SHAPE_MISMATCH', async (_, name, dims) => {
    const error = await refused('SHAPE_MISMATCH', 'llama', { tensors: { [name]: dims } })
    expect(error.message).toContain(name)
  })

  test.each([
    ['ffn_gate_inp_shexp', 'the gate of the shared expert'],
    ['ffn_gate_shexp', 'the gate of the shared expert itself'],
    ['ffn_up_shexp', 'what goes up in it'],
    ['ffn_down_shexp', 'what goes down in it'],
    ['ffn_gate_inp', 'the router'],
    ['ffn_down_exps', 'a stack'],
  ])('a file that lacks %s, %s: MISSING_TENSOR', async name => {
    const tensors = { [`blk.0.${name}.weight`]: undefined }
    const error = await refused('MISSING_TENSOR', 'qwen2moe', { tensors })
    expect(error.message).toContain(name)
  })

  test('a stack of I2_S is refused by name: it has one scale, of its last expert', async () => {
    const changes = { types: { [stack]: 36 }, meta: { 'general.file_type': { u32: 40 } } }
    const error = await refused('UNSUPPORTED_TYPE', 'llama', changes)
    expect(error.message).toContain(stack)
    expect(error.message).toContain('last expert')
  })

  test('a stack of one expert, and of all used, are no special case', async () => {
    const one = (dims: Dims) => dims.map(n => (n === EXPERTS ? 1 : n))
    const tensors = {
      'blk.0.ffn_gate_inp.weight': one([HIDDEN, EXPERTS]),
      [stack]: one([HIDDEN, WIDTH, EXPERTS]),
      'blk.0.ffn_up_exps.weight': one([HIDDEN, WIDTH, EXPERTS]),
      'blk.0.ffn_down_exps.weight': one([WIDTH, HIDDEN, EXPERTS]),
    }
    const meta = { expert_count: { u32: 1 }, expert_used_count: { u32: 1 } }
    expect((await read('llama', { meta, tensors })).experts).toMatchObject({ count: 1, used: 1 })
  })
})

interface HfChanges {
  readonly config?: Readonly<Record<string, unknown>>
  readonly tensors?: Readonly<Record<string, Dims | undefined>>
}

function mixtureHf(arch: string, { config = {}, tensors = {} }: HfChanges = {}): File[] {
  const mixtral = arch.startsWith('Mixtral')
  const fields: Record<string, unknown> = {
    architectures: [arch],
    hidden_act: 'silu',
    hidden_size: HIDDEN,
    intermediate_size: arch.startsWith('Qwen') ? 99 : WIDTH,
    moe_intermediate_size: arch.startsWith('Qwen') ? WIDTH : undefined,
    shared_expert_intermediate_size: arch.startsWith('Qwen2') ? 24 : undefined,
    [mixtral ? 'num_local_experts' : 'num_experts']: EXPERTS,
    num_experts_per_tok: 2,
    num_hidden_layers: 1,
    num_attention_heads: HEADS,
    num_key_value_heads: KV_HEADS,
    max_position_embeddings: 128,
    rms_norm_eps: 1e-5,
    rope_theta: 10_000,
    tie_word_embeddings: true,
    ...config,
  }
  const [q, kv] = [HEADS * DIM, KV_HEADS * DIM]
  const all = new Map<string, Dims>([
    ['model.embed_tokens.weight', [VOCAB, HIDDEN]],
    ['model.norm.weight', [HIDDEN]],
  ])
  const put = (name: string, ...dims: number[]) => all.set(`model.layers.0.${name}.weight`, dims)
  put('input_layernorm', HIDDEN)
  put('post_attention_layernorm', HIDDEN)
  put('self_attn.q_proj', q, HIDDEN)
  put('self_attn.k_proj', kv, HIDDEN)
  put('self_attn.v_proj', kv, HIDDEN)
  put('self_attn.o_proj', HIDDEN, q)
  const wide = arch.startsWith('Olmoe')
  if (wide || arch.startsWith('Qwen3')) {
    put('self_attn.q_norm', wide ? q : DIM)
    put('self_attn.k_norm', wide ? kv : DIM)
  }
  const block = mixtral ? 'block_sparse_moe' : 'mlp'
  const [gate, up, down] = mixtral ? ['w1', 'w3', 'w2'] : ['gate_proj', 'up_proj', 'down_proj']
  put(`${block}.gate`, EXPERTS, HIDDEN)
  for (let e = 0; e < EXPERTS; e++) {
    put(`${block}.experts.${e}.${gate}`, WIDTH, HIDDEN)
    put(`${block}.experts.${e}.${up}`, WIDTH, HIDDEN)
    put(`${block}.experts.${e}.${down}`, HIDDEN, WIDTH)
  }
  if (arch.startsWith('Qwen2')) {
    put('mlp.shared_expert_gate', 1, HIDDEN)
    put('mlp.shared_expert.gate_proj', 24, HIDDEN)
    put('mlp.shared_expert.up_proj', 24, HIDDEN)
    put('mlp.shared_expert.down_proj', HIDDEN, 24)
  }
  for (const [name, dims] of Object.entries(tensors)) {
    if (dims) all.set(name, dims)
    else all.delete(name)
  }
  const list: Record<string, HfTensor> = {}
  for (const [name, dims] of all) {
    const bytes = dims.reduce((a, b) => a * b, 2)
    list[name] = { dtype: 'BF16', shape: [...dims], data: new Uint8Array(bytes) }
  }
  return [
    new File([JSON.stringify(fields)], 'config.json'),
    new File([buildSafetensors(list)], 'model.safetensors'),
  ]
}

describe('Hugging Face', () => {
  const readHf = async (arch: string, changes?: HfChanges) =>
    readConfig(await openModel(mixtureHf(arch, changes)))

  test.each([
    ['MixtralForCausalLM', 'llama', true],
    ['Qwen3MoeForCausalLM', 'qwen3moe', false],
    ['OlmoeForCausalLM', 'olmoe', false],
    ['Qwen2MoeForCausalLM', 'qwen2moe', false],
  ] as const)('%s renormalises unless it says otherwise: %s, %s', async (arch, ours, normalise) => {
    const config = await readHf(arch)
    expect(config).toMatchObject({ architecture: ours, ffn: WIDTH, ropePairing: 'neox' })
    expect(config.experts).toMatchObject({ count: EXPERTS, used: 2, normalise, scale: 1 })
    expect(config.experts?.shared).toEqual(
      ours === 'qwen2moe' ? { ffn: 24, gated: true } : undefined,
    )
    const said = await readHf(arch, { config: { norm_topk_prob: !normalise } })
    expect(said.experts?.normalise).toBe(!normalise)
  })

  test.each([
    ['decoder_sparse_step', 2],
    ['mlp_only_layers', [0]],
    ['n_group', 4],
    ['scoring_func', 'noaux'],
  ])('%s that changes the maths is refused by name', async (key, value) => {
    const error = await failure('UNSUPPORTED_FEATURE', () =>
      readHf('Qwen3MoeForCausalLM', { config: { [key]: value } }),
    )
    expect(error.message).toContain(key)
  })

  test('more experts used than there are: BAD_HYPERPARAMS', async () => {
    const config = { num_experts_per_tok: 7 }
    await failure('BAD_HYPERPARAMS', () => readHf('OlmoeForCausalLM', { config }))
  })

  test.each([
    ['MixtralForCausalLM', 'block_sparse_moe.experts.5.w2', 'blk.0.ffn_down_exps.5.weight'],
    ['Qwen3MoeForCausalLM', 'mlp.experts.0.up_proj', 'blk.0.ffn_up_exps.0.weight'],
    ['Qwen2MoeForCausalLM', 'mlp.shared_expert.down_proj', 'blk.0.ffn_down_shexp.weight'],
    ['Qwen2MoeForCausalLM', 'mlp.shared_expert_gate', 'blk.0.ffn_gate_inp_shexp.weight'],
  ])('%s without %s: MISSING_TENSOR', async (arch, name, ours) => {
    const tensors = { [`model.layers.0.${name}.weight`]: undefined }
    const error = await failure('MISSING_TENSOR', () => readHf(arch, { tensors }))
    expect(error.message).toContain(ours)
  })

  test('an expert too many, or of another shape, is refused by its name', async () => {
    const at = 'model.layers.0.mlp.experts.'
    const more = { [`${at}6.up_proj.weight`]: [WIDTH, HIDDEN] }
    const error = await failure('UNSUPPORTED_FEATURE', () =>
      readHf('OlmoeForCausalLM', { tensors: more }),
    )
    expect(error.message).toContain(`${at}6.up_proj.weight`)
    const other = { [`${at}5.up_proj.weight`]: [WIDTH, 16] }
    await failure('SHAPE_MISMATCH', () => readHf('OlmoeForCausalLM', { tensors: other }))
  })

  test('experts in one tensor are refused by name', async () => {
    const name = 'model.layers.0.mlp.experts.gate_up_proj'
    const error = await failure('UNSUPPORTED_FEATURE', () =>
      readHf('Qwen3MoeForCausalLM', { tensors: { [name]: [EXPERTS, HIDDEN, 2 * WIDTH] } }),
    )
    expect(error.message).toContain(name)
  })
})
