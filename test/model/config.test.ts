// Hyper-parameters of every GGUF architecture, and that everything which would change the maths is refused
// by name. config-hf.test.ts has the Hugging Face side.
import { openAsBlob } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { openModel } from '../../src/format/open.ts'
import { readConfig, requiredTensors } from '../../src/model/config.ts'
import type { ModelConfig } from '../../src/model/model-config.ts'
import { failure, type MetaValue } from '../format/fixtures.ts'
import { type GgufArch, smallGguf, smallHf } from '../format/small-models.ts'

const MODEL = fileURLToPath(
  new URL('../../demo/public/models/ryz-tales-tq2_0-embq8_0.gguf', import.meta.url),
)

type GgufOptions = Parameters<typeof smallGguf>[1]

const gguf = async (arch: GgufArch, options?: GgufOptions): Promise<ModelConfig> =>
  readConfig(await openModel(new Blob([smallGguf(arch, options)])))

test('the embedded model has the hyper-parameters of its card', async () => {
  const config = readConfig(await openModel(await openAsBlob(MODEL)))
  expect(config).toMatchObject({
    name: 'Ryzanstein fairy-tale BitNet',
    architecture: 'bitnet',
    container: 'gguf',
    layers: 4,
    hidden: 256,
    ffn: 768,
    heads: 4,
    kvHeads: 4,
    headDim: 64,
    vocab: 4096,
    contextLength: 512,
    ropeTheta: 10_000,
    ropeDim: 64,
    ropePairing: 'neox',
    normEps: Math.fround(1e-5),
    activation: 'silu',
    subNorms: true,
    qkNorm: false,
    tiedHead: true,
    masters: true,
    scaleTensors: 'none',
    notes: [],
  })
})

describe('GGUF', () => {
  const bitnet = {
    subNorms: true,
    qkNorm: false,
    masters: true,
    tiedHead: true,
    ropePairing: 'neox',
  }
  test.each([
    ['bitnet', { ...bitnet, architecture: 'bitnet', activation: 'silu' }],
    ['bitnet-b1.58', { ...bitnet, architecture: 'bitnet-b1.58', activation: 'relu2' }],
    ['bitnet-25', { ...bitnet, architecture: 'bitnet-b1.58', activation: 'relu2' }],
    [
      'llama',
      {
        architecture: 'llama',
        activation: 'silu',
        subNorms: false,
        qkNorm: false,
        masters: false,
        tiedHead: false,
        ropePairing: 'norm',
      },
    ],
    [
      'qwen3',
      {
        architecture: 'qwen3',
        activation: 'silu',
        subNorms: false,
        qkNorm: true,
        masters: false,
        tiedHead: true,
        ropePairing: 'neox',
      },
    ],
  ] as const)('%s has its own particulars', async (arch, expected) => {
    expect(await gguf(arch)).toMatchObject({
      ...expected,
      container: 'gguf',
      hidden: 64,
      heads: 4,
      kvHeads: 2,
      headDim: 16,
      ropeDim: 16,
      vocab: 50,
      ropeTheta: 500_000,
      scaleTensors: 'none',
    })
  })

  test('the head size is independent of hidden / heads', async () => {
    expect(await gguf('llama', { headDim: 24 })).toMatchObject({ headDim: 24, ropeDim: 24 })
  })

  test('part of a head may be rotated', async () => {
    const config = await gguf('llama', { meta: { 'rope.dimension_count': { u32: 8 } } })
    expect(config).toMatchObject({ headDim: 16, ropeDim: 8 })
  })

  test('the head is tied when output.weight is missing and untied when it is there', async () => {
    expect((await gguf('llama', { tensors: { 'output.weight': undefined } })).tiedHead).toBe(true)
    expect((await gguf('qwen3', { tensors: { 'output.weight': [50, 64] } })).tiedHead).toBe(false)
  })

  test('scale tensors multiply', async () => {
    const config = await gguf('bitnet', { tensors: { 'blk.0.attn_q.scale': [1, 1] } })
    expect(config.scaleTensors).toBe('multiply')
  })

  test('a missing RoPE base is assumed and noted', async () => {
    const config = await gguf('llama', { meta: { 'rope.freq_base': undefined } })
    expect(config.ropeTheta).toBe(10_000)
    expect(config.notes.join()).toContain('10000')
  })

  test('a named activation counts, and RoPE scaling "linear, factor 1" is fine', async () => {
    const meta = {
      hidden_activation: 'relu2',
      'rope.scaling.type': 'linear',
      'rope.scaling.factor': { f32: 1 },
      'attention.sliding_window': { u32: 128 },
      expert_count: { u32: 0 },
      logit_scale: { f32: 1 },
    }
    expect((await gguf('bitnet', { meta })).activation).toBe('relu2')
  })

  test('head counts may be a list when all layers agree', async () => {
    const meta = { 'attention.head_count_kv': { u32s: [2, 2] } }
    expect((await gguf('llama', { meta })).kvHeads).toBe(2)
  })

  const refusals: [string, GgufArch, Record<string, MetaValue>][] = [
    ['rope.scaling.factor', 'llama', { 'rope.scaling.factor': { f32: 4 } }],
    ['rope.scaling.type', 'llama', { 'rope.scaling.type': 'yarn' }],
    ['attention.sliding_window', 'qwen3', { 'attention.sliding_window': { u32: 64 } }],
    ['final_logit_softcapping', 'llama', { final_logit_softcapping: { f32: 30 } }],
    ['attn_logit_softcapping', 'llama', { attn_logit_softcapping: { f32: 50 } }],
    ['logit_scale', 'llama', { logit_scale: { f32: 0.5 } }],
    ['embedding_scale', 'llama', { embedding_scale: { f32: 12 } }],
    ['residual_scale', 'llama', { residual_scale: { f32: 0.2 } }],
    ['attention.scale', 'llama', { 'attention.scale': { f32: 0.5 } }],
    ['expert_count', 'qwen3', { expert_count: { u32: 8 } }],
    ['hidden_activation', 'bitnet', { hidden_activation: 'gelu' }],
    ['attention.causal', 'qwen3', { 'attention.causal': { bool: false } }],
    ['attention.value_length', 'llama', { 'attention.value_length': { u32: 8 } }],
    ['attention.head_count_kv', 'llama', { 'attention.head_count_kv': { u32s: [2, 4] } }],
    ['prism.hadamard.block', 'qwen3', { 'prism.hadamard.block': { u32: 128 } }],
  ]
  test.each(refusals)('%s that changes the maths is refused by name', async (key, arch, meta) => {
    const error = await failure('UNSUPPORTED_FEATURE', () => gguf(arch, { meta }))
    expect(error.message).toContain(key)
    expect(error.detail.key).toContain(key)
  })

  test.each([
    ['blk.0.attn_q.bias', 'bias'],
    ['blk.0.ffn_gate_inp.weight', 'mixture of experts'],
    ['rope_freqs.weight', 'RoPE'],
    ['blk.0.attn_q_norm_in.weight', 'norm'],
    ['blk.2.attn_q.weight', '2 layers'],
  ])('the tensor %s is refused by name', async (name, what) => {
    const error = await failure('UNSUPPORTED_FEATURE', () =>
      gguf('llama', { tensors: { [name]: [1, 16] } }),
    )
    expect(error.message).toContain(name)
    expect(error.message).toContain(what)
  })

  test.each([
    'token_embd.weight',
    'output_norm.weight',
    'blk.1.attn_sub_norm.weight',
    'blk.0.ffn_down.weight',
  ])('%s missing is MISSING_TENSOR', async name => {
    const error = await failure('MISSING_TENSOR', () =>
      gguf('bitnet', { tensors: { [name]: undefined } }),
    )
    expect(error.detail.tensor).toBe(name)
  })

  test.each([
    ['blk.0.attn_q.weight', [64, 32]],
    ['blk.0.attn_norm.weight', [1, 63]],
    ['blk.1.ffn_down.weight', [96, 64]],
    ['token_embd.weight', [50, 65]],
    ['blk.0.attn_q.scale', [1, 2]],
  ] as const)('%s of another shape is SHAPE_MISMATCH', async (name, shape) => {
    await failure('SHAPE_MISMATCH', () => gguf('bitnet', { tensors: { [name]: shape } }))
  })

  const bad: [string, MetaValue | undefined][] = [
    ['block_count', undefined],
    ['block_count', { u32: 0 }],
    ['block_count', { u32: 100_000 }],
    ['block_count', '2'],
    ['embedding_length', { u32: 2 ** 31 }],
    ['embedding_length', { f32: 64.5 }],
    ['feed_forward_length', undefined],
    ['context_length', { u32: 0 }],
    ['attention.head_count', { u32: 0 }],
    ['attention.head_count', { u32: 3 }],
    ['attention.head_count_kv', { u32: 3 }],
    ['attention.head_count_kv', { i32: -2 }],
    ['attention.layer_norm_rms_epsilon', undefined],
    ['attention.layer_norm_rms_epsilon', { f32: Number.NaN }],
    ['attention.layer_norm_rms_epsilon', { f32: 0 }],
    ['rope.freq_base', { f32: Number.POSITIVE_INFINITY }],
    ['rope.freq_base', { f32: -1 }],
    ['rope.dimension_count', { u32: 15 }],
    ['rope.dimension_count', { u32: 32 }],
    ['attention.key_length', { u32: 0 }],
    ['attention.key_length', { u64: 2 ** 63 }],
  ]
  test('a number that is none is written as it is', async () => {
    const nan = await failure('BAD_HYPERPARAMS', () =>
      gguf('llama', { meta: { 'rope.freq_base': { f32: Number.NaN } } }),
    )
    expect(nan.message).toContain('rope.freq_base is NaN; it must be')
    const infinite = await failure('UNSUPPORTED_FEATURE', () =>
      gguf('llama', { meta: { logit_scale: { f32: Number.NEGATIVE_INFINITY } } }),
    )
    expect(infinite.message).toContain('logit_scale = -Infinity')
  })

  test.each(bad)('%s = %j is BAD_HYPERPARAMS', async (key, value) => {
    await failure('BAD_HYPERPARAMS', () => gguf('llama', { meta: { [key]: value } }))
  })

  test.each([['gpt2'], ['gemma3'], [''], [{ u32: 7 }], [undefined], ['__proto__']] as [
    MetaValue | undefined,
  ][])('architecture %j is UNSUPPORTED_ARCH', async value => {
    await failure('UNSUPPORTED_ARCH', () =>
      gguf('llama', { meta: { 'general.architecture': value } }),
    )
  })
})

test('a model is named by its file, its config or its URL', async () => {
  const { files, weights } = smallHf('LlamaForCausalLM')
  const named = smallHf('LlamaForCausalLM', { config: { _name_or_path: 'me/small' } })
  expect(readConfig(await openModel(files)).name).toBe('model.safetensors')
  expect(readConfig(await openModel(named.files)).name).toBe('me/small')
  const config = await files[0].text()
  const serve = async (url: string): Promise<Response> => {
    if (url.endsWith('/config.json')) return new Response(config)
    if (url.endsWith('/model.safetensors')) return new Response(weights)
    return new Response(null, { status: 404 })
  }
  for (const base of ['https://host/a/small/', 'https://host/small/resolve/main/']) {
    expect(readConfig(await openModel(base, { http: { fetch: serve } })).name).toBe('small')
  }
  expect((await gguf('llama')).name).toBe('small llama')
})

test('the list of tensors names each one once, with its role', async () => {
  const list = requiredTensors(await gguf('qwen3'))
  expect(new Set(list.map(t => t.name)).size).toBe(list.length)
  const roles = Object.fromEntries(list.map(t => [t.name, `${t.role} ${t.rows}x${t.cols}`]))
  expect(roles).toMatchObject({
    'token_embd.weight': 'table 50x64',
    'blk.1.attn_k.weight': 'linear 32x64',
    'blk.1.attn_k_norm.weight': 'vector 1x16',
    'blk.0.ffn_down.weight': 'linear 64x96',
    'output_norm.weight': 'vector 1x64',
  })
  expect(list.some(t => t.optional || t.name === 'output.weight')).toBe(false)
})

describe('the pooling of a GGUF', () => {
  test.each([
    [undefined, undefined],
    [0, undefined],
    [1, 'mean'],
    [2, 'cls'],
    [3, 'last'],
  ] as const)('%s is %s', async (number, pooling) => {
    const meta = number === undefined ? {} : { pooling_type: { u32: number } }
    expect((await gguf('qwen3', { meta })).pooling).toBe(pooling)
  })

  test.each([
    [4, 'a reranking model'],
    [5, 'this pooling'],
  ])('%s is refused by name', async (number, what) => {
    const refused = await failure('UNSUPPORTED_FEATURE', () =>
      gguf('qwen3', { meta: { pooling_type: { u32: number } } }),
    )
    expect(refused.message).toContain(what)
  })

  test('of the norms before the linears of BitNet embedding models none may be missing', async () => {
    const refused = await failure('MISSING_TENSOR', () =>
      gguf('qwen3', {
        meta: { pooling_type: { u32: 3 } },
        tensors: { 'blk.0.attn_q_norm_in.weight': [1, 64] },
      }),
    )
    expect(refused.message).toContain('blk.0.attn_k_norm_in.weight')
  })
})
