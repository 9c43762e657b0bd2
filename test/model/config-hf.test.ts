// Hyper-parameters of Hugging Face directories, and that everything which would change the maths is
// refused by name. config.test.ts has the GGUF side.
import { describe, expect, test } from 'vitest'
import type { ErrorCode } from '../../src/errors.ts'
import { openModel } from '../../src/format/open.ts'
import { readConfig } from '../../src/model/config.ts'
import type { ModelConfig } from '../../src/model/model-config.ts'
import { failure } from '../format/fixtures.ts'
import { type HfArch, smallHf } from '../format/small-models.ts'

const hf = async (arch: HfArch, options?: Parameters<typeof smallHf>[1]): Promise<ModelConfig> =>
  readConfig(await openModel(smallHf(arch, options).files))

describe('Hugging Face', () => {
  const auto = { quant_method: 'bitnet', linear_class: 'autobitlinear' }
  const divide = { quant_method: 'bitnet', linear_class: 'bitlinear' }

  test.each([
    [
      'BitNetForCausalLM',
      {
        architecture: 'bitnet-b1.58',
        activation: 'relu2',
        subNorms: true,
        qkNorm: false,
        masters: true,
      },
    ],
    [
      'BitnetForCausalLM',
      { architecture: 'bitnet', activation: 'silu', subNorms: true, qkNorm: false, masters: true },
    ],
    [
      'LlamaForCausalLM',
      { architecture: 'llama', activation: 'silu', subNorms: false, qkNorm: false, masters: false },
    ],
    [
      'Qwen3ForCausalLM',
      { architecture: 'qwen3', activation: 'silu', subNorms: false, qkNorm: true, masters: false },
    ],
  ] as const)('%s has its own particulars, and NEOX pairing', async (arch, expected) => {
    expect(await hf(arch)).toMatchObject({
      ...expected,
      container: 'safetensors',
      ropePairing: 'neox',
      layers: 2,
      hidden: 64,
      headDim: 16,
      vocab: 50,
      contextLength: 128,
      ropeTheta: 500_000,
      normEps: 1e-5,
      tiedHead: true,
      scaleTensors: 'none',
      notes: [],
    })
  })

  test('model_type serves where architectures is missing', async () => {
    const config = { architectures: undefined, model_type: 'bitnet' }
    expect((await hf('BitNetForCausalLM', { config })).architecture).toBe('bitnet-b1.58')
  })

  test('packed weights multiply or divide as linear_class says; its default divides', async () => {
    const scales = async (quantization_config: unknown) =>
      (await hf('BitNetForCausalLM', { packed: true, config: { quantization_config } }))
        .scaleTensors
    expect(await scales(auto)).toBe('multiply')
    expect(await scales(divide)).toBe('divide')
    expect(await scales({ quant_method: 'bitnet' })).toBe('divide')
  })

  test('a llama with a bitnet quantisation config has masters', async () => {
    const config = { quantization_config: auto }
    expect((await hf('LlamaForCausalLM', { config })).masters).toBe(true)
  })

  test('the head is tied by tie_word_embeddings, else by lm_head', async () => {
    expect((await hf('LlamaForCausalLM', { untied: true })).tiedHead).toBe(false)
    const tie = { untied: true, config: { tie_word_embeddings: true } }
    expect((await hf('LlamaForCausalLM', tie)).tiedHead).toBe(true)
    const silent = { config: { tie_word_embeddings: undefined } }
    const config = await hf('LlamaForCausalLM', silent)
    expect(config.tiedHead).toBe(true)
    expect(config.notes.join()).toContain('tied')
    await failure('MISSING_TENSOR', () =>
      hf('LlamaForCausalLM', { config: { tie_word_embeddings: false } }),
    )
  })

  test('head_dim may differ from hidden / heads, or be missing', async () => {
    expect((await hf('Qwen3ForCausalLM', { headDim: 32 })).headDim).toBe(32)
    expect((await hf('LlamaForCausalLM', { config: { head_dim: null } })).headDim).toBe(16)
  })

  test('rope_parameters of newer files are read', async () => {
    const config = {
      rope_theta: undefined,
      rope_parameters: { rope_theta: 1e6, rope_type: 'default' },
    }
    expect((await hf('LlamaForCausalLM', { config })).ropeTheta).toBe(1e6)
    const linear = { rope_scaling: { type: 'linear', factor: 1 } }
    expect((await hf('LlamaForCausalLM', { config: linear })).ropeTheta).toBe(500_000)
  })

  test('Qwen3 files with a window that is not used are fine', async () => {
    const config = { sliding_window: 64, use_sliding_window: false }
    expect((await hf('Qwen3ForCausalLM', { config })).qkNorm).toBe(true)
  })

  test.each([
    ['rope_scaling', { rope_scaling: { rope_type: 'llama3', factor: 8 } }],
    ['rope_scaling', { rope_scaling: { type: 'linear', factor: 2 } }],
    ['rope_parameters', { rope_parameters: { rope_type: 'yarn', factor: 4 } }],
    ['attention_bias', { attention_bias: true }],
    ['mlp_bias', { mlp_bias: true }],
    ['use_sliding_window', { use_sliding_window: true }],
    ['sliding_window', { sliding_window: 32 }],
    ['layer_types', { layer_types: ['full_attention', 'sliding_attention'] }],
    ['final_logit_softcapping', { final_logit_softcapping: 30 }],
    ['embedding_multiplier', { embedding_multiplier: 12 }],
    ['residual_multiplier', { residual_multiplier: 0.2 }],
    ['logits_scaling', { logits_scaling: 8 }],
    ['num_local_experts', { num_local_experts: 8 }],
    ['hidden_act', { hidden_act: 'gelu' }],
    ['quant_method', { quantization_config: { quant_method: 'gptq' } }],
    [
      'linear_class',
      { quantization_config: { quant_method: 'bitnet', linear_class: 'bitlinear4' } },
    ],
    ['use_rms_norm', { quantization_config: { ...divide, use_rms_norm: true } }],
    [
      'modules_to_not_convert',
      { quantization_config: { ...auto, modules_to_not_convert: ['lm_head', 'model.layers.0'] } },
    ],
  ])('%s that changes the maths is refused by name', async (key, config) => {
    const error = await failure('UNSUPPORTED_FEATURE', () => hf('LlamaForCausalLM', { config }))
    expect(error.message).toContain(key)
  })

  const vector = { dtype: 'BF16', shape: [64], data: new Uint8Array(128) }
  test.each([
    'model.layers.0.self_attn.q_proj.bias',
    'model.layers.0.mlp.experts.0.w1.weight',
    'model.layers.2.input_layernorm.weight',
  ])('the tensor %s is refused by name', async name => {
    const error = await failure('UNSUPPORTED_FEATURE', () =>
      hf('LlamaForCausalLM', { tensors: { [name]: vector } }),
    )
    expect(error.message).toContain(name)
  })

  test('1bitLLM names of the sub-norms are known, saved inverse frequencies ignored', async () => {
    const ffn = { dtype: 'BF16', shape: [96], data: new Uint8Array(192) }
    const tensors: Record<string, typeof vector | undefined> = {}
    for (const l of [0, 1]) {
      const at = `model.layers.${l}.`
      tensors[`${at}self_attn.attn_sub_norm.weight`] = undefined
      tensors[`${at}mlp.ffn_sub_norm.weight`] = undefined
      tensors[`${at}self_attn.inner_attn_ln.weight`] = vector
      tensors[`${at}mlp.ffn_layernorm.weight`] = ffn
      tensors[`${at}self_attn.rotary_emb.inv_freq`] = vector
    }
    expect((await hf('BitnetForCausalLM', { tensors })).subNorms).toBe(true)
  })

  test('a packed matrix without its scale is MISSING_TENSOR, without its config BAD_CONFIG', async () => {
    const name = 'model.layers.1.mlp.up_proj.weight_scale'
    const config = { quantization_config: auto }
    const tensors = { [name]: undefined }
    await failure('MISSING_TENSOR', () =>
      hf('BitNetForCausalLM', { packed: true, config, tensors }),
    )
    await failure('BAD_CONFIG', () => hf('BitNetForCausalLM', { packed: true }))
  })

  test.each([
    ['hidden_size', null, 'BAD_HYPERPARAMS'],
    ['hidden_size', '64', 'BAD_HYPERPARAMS'],
    ['num_hidden_layers', 1e9, 'BAD_HYPERPARAMS'],
    ['num_key_value_heads', 3, 'BAD_HYPERPARAMS'],
    ['rms_norm_eps', undefined, 'BAD_HYPERPARAMS'],
    ['rope_theta', -1, 'BAD_HYPERPARAMS'],
    ['partial_rotary_factor', 0.1, 'BAD_HYPERPARAMS'],
    ['tie_word_embeddings', 'yes', 'BAD_HYPERPARAMS'],
    ['quantization_config', [1], 'BAD_HYPERPARAMS'],
    ['architectures', ['GPT2LMHeadModel'], 'UNSUPPORTED_ARCH'],
    ['architectures', [{}], 'UNSUPPORTED_ARCH'],
    ['intermediate_size', 100, 'SHAPE_MISMATCH'],
  ] as [string, unknown, ErrorCode][])('%s = %j is %s', async (key, value, code) => {
    await failure(code, () => hf('LlamaForCausalLM', { config: { [key]: value } }))
  })

  test('fields of a prototype do not count', async () => {
    const { files, weights } = smallHf('LlamaForCausalLM', { config: { hidden_size: undefined } })
    const text = (await files[0].text()).replace('{', '{"__proto__":{"hidden_size":64},')
    const model = await openModel([
      new File([text], 'config.json'),
      new File([weights], 'model.safetensors'),
    ])
    await failure('BAD_HYPERPARAMS', () => readConfig(model))
    expect(({} as Record<string, unknown>).hidden_size).toBeUndefined()
  })
})

describe('a model for embeddings', () => {
  const module = (name: string, path = '') => ({
    type: `sentence_transformers.models.${name}`,
    path,
  })
  const modules = [module('Transformer'), module('Pooling', '1_Pooling'), module('Normalize')]
  /** A chosen folder: what lies deeper has the same name as the file at the top. */
  const folder = (list: unknown, pooling?: object, options?: Parameters<typeof smallHf>[1]) => {
    const files = [...smallHf('Qwen3ForCausalLM', options).files]
    const add = (path: string, content: unknown) => {
      const file = new File([JSON.stringify(content)], path.slice(path.lastIndexOf('/') + 1))
      files.push(Object.defineProperty(file, 'webkitRelativePath', { value: `model/${path}` }))
    }
    add('modules.json', list)
    if (pooling) add('1_Pooling/config.json', pooling)
    return openModel(files)
  }

  test.each([
    [{ pooling_mode_lasttoken: true, pooling_mode_mean_tokens: false }, 'last'],
    [{ pooling_mode_mean_tokens: true }, 'mean'],
    [{ pooling_mode_cls_token: true, include_prompt: true }, 'cls'],
    [{ pooling_mode: 'lasttoken' }, 'last'],
    [{ pooling_mode: 'mean' }, 'mean'],
  ] as const)('has the pooling that its files name: %o', async (pooling, want) => {
    expect(readConfig(await folder(modules, pooling)).pooling).toBe(want)
  })

  test('whose files name none has none', async () => {
    expect(readConfig(await folder([module('Transformer')])).pooling).toBeUndefined()
    expect(readConfig(await folder(modules)).pooling).toBeUndefined()
    expect((await hf('Qwen3ForCausalLM')).pooling).toBeUndefined()
  })

  test.each([
    ['UNSUPPORTED_FEATURE', [...modules, module('Dense', '2_Dense')], {}, 'Dense'],
    ['UNSUPPORTED_FEATURE', modules, { pooling_mode_max_tokens: true }, 'max_tokens'],
    ['UNSUPPORTED_FEATURE', modules, { pooling_mode: 'weightedmean' }, 'weightedmean'],
    [
      'UNSUPPORTED_FEATURE',
      modules,
      { pooling_mode_cls_token: true, pooling_mode_mean_tokens: true },
      'cls_token with',
    ],
    ['UNSUPPORTED_FEATURE', modules, {}, 'no pooling'],
    ['BAD_CONFIG', {}, {}, 'no list'],
    ['BAD_CONFIG', [module('Pooling', '../x')], {}, 'no folder'],
  ] as const)('is refused with %s where it asks for more', async (code, list, pooling, word) => {
    expect((await failure(code, () => folder(list, pooling))).message).toContain(word)
  })

  test('may be saved without its head and the names of one', async () => {
    const model = smallHf('Qwen3ForCausalLM')
    const weights = new TextDecoder('latin1').decode(model.weights)
    // The header keeps its length: spaces follow JSON as they may.
    const length = Number(new DataView(model.weights.buffer).getBigUint64(0, true))
    const header = weights.slice(8, 8 + length).replaceAll('"model.', '"')
    const bytes = new Uint8Array(model.weights)
    bytes.set(new TextEncoder().encode(header.padEnd(length)), 8)
    const config = { ...model.config, architectures: ['Qwen3Model'], tie_word_embeddings: false }
    const files = [
      new File([JSON.stringify(config)], 'config.json'),
      new File([bytes], 'model.safetensors'),
    ]
    const pooled = await openModel([...files, new File(['[]'], 'modules.json')])
    // Without a word on embeddings, a head that is missing is missing.
    await failure('MISSING_TENSOR', async () => readConfig(pooled))
    const read = readConfig({ ...pooled, pooling: 'last' } as typeof pooled)
    expect(read).toMatchObject({ architecture: 'qwen3', tiedHead: true, pooling: 'last' })
    expect(read.notes.join()).toContain('without its head')
  })
})
