// Hugging Face directories: names, packing, shards, the side files, and damaged headers.
import { describe, expect, test } from 'vitest'
import type { ErrorCode } from '../../../src/errors.ts'
import type { HfModelFile } from '../../../src/format/model-file.ts'
import { openHf } from '../../../src/format/safetensors/safetensors.ts'
import { blobSource } from '../../../src/format/source.ts'
import { buildSafetensors, failure, type HfTensor, rawSafetensors } from '../fixtures.ts'
import { smallHf } from '../small-models.ts'

const HOSTILE_MS = 2000

type Content = Readonly<Record<string, string | Uint8Array<ArrayBuffer>>>

/** Opens a directory given as file names and contents. */
const open = (content: Content): Promise<HfModelFile> =>
  openHf(async name =>
    Object.hasOwn(content, name) ? blobSource(new Blob([content[name]]), name) : undefined,
  )
const withWeights = (weights: Uint8Array<ArrayBuffer>): Promise<HfModelFile> =>
  open({ 'config.json': '{}', 'model.safetensors': weights })

const tensor = (dtype: string, shape: number[], bytes: number): HfTensor => ({
  dtype,
  shape,
  data: new Uint8Array(bytes),
})
const norm = tensor('F32', [8], 32)

describe('a directory', () => {
  test('gives canonical names, logical shapes and absolute offsets', async () => {
    const weights = buildSafetensors({
      'model.embed_tokens.weight': tensor('BF16', [10, 8], 160),
      'model.layers.11.self_attn.q_proj.weight': tensor('U8', [4, 8], 32),
      'model.layers.11.self_attn.q_proj.weight_scale': tensor('BF16', [], 2),
      'model.layers.11.mlp.ffn_sub_norm.weight': tensor('F16', [6], 12),
      'lm_head.weight': tensor('F32', [10, 8], 320),
      'something.else': norm,
    })
    const model = await withWeights(weights)
    const list = [...model.tensors.values()].map(t => [t.name, t.type, t.rows, t.cols, t.bytes])
    expect(list).toEqual([
      ['token_embd.weight', 'BF16', 10, 8, 160],
      ['blk.11.attn_q.weight', 'HF_T2', 16, 8, 32],
      ['blk.11.attn_q.scale', 'BF16', 1, 1, 2],
      ['blk.11.ffn_sub_norm.weight', 'F16', 1, 6, 12],
      ['output.weight', 'F32', 10, 8, 320],
      ['something.else', 'F32', 1, 8, 32],
    ])
    expect(model.tensors.get('something.else')!.offset).toBe(weights.length - 32)
    expect(model.tensors.get('blk.11.attn_q.weight')!.sourceName).toBe(
      'model.layers.11.self_attn.q_proj.weight',
    )
  })

  test('gives its side files, and none where there is none', async () => {
    const base = { 'config.json': '{"a":1}', 'model.safetensors': buildSafetensors({ x: norm }) }
    const bare = await open(base)
    expect(bare.tokenizerJson).toBeUndefined()
    expect(bare.generationConfig).toBeUndefined()
    const full = await open({
      ...base,
      'generation_config.json': '{"eos_token_id":[1,2]}',
      'tokenizer.json': '{"model":{}}',
      'tokenizer_config.json': '{"b":2}',
      'chat_template.jinja': '{{ x }}',
    })
    expect(full.config).toEqual({ a: 1 })
    expect(full.generationConfig).toEqual({ eos_token_id: [1, 2] })
    expect(full.tokenizerJson).toBe('{"model":{}}')
    expect(full.tokenizerConfigJson).toBe('{"b":2}')
    expect(full.chatTemplate).toBe('{{ x }}')
  })

  test('side files that a server answers with web pages count as missing, and are told', async () => {
    const content: Content = {
      'config.json': '{}',
      'model.safetensors': buildSafetensors({ x: norm }),
      'tokenizer.json': '<!doctype html>',
      'generation_config.json': '\n<html>',
      'chat_template.jinja': '<!DOCTYPE html>',
    }
    const model = await openHf(async name => {
      if (!Object.hasOwn(content, name)) return undefined
      return { ...blobSource(new Blob([content[name]]), `https://x.test/${name}`), local: false }
    })
    expect(model.tokenizerJson).toBeUndefined()
    expect(model.generationConfig).toBeUndefined()
    expect(model.chatTemplate).toBeUndefined()
    expect([...model.odd!.keys()].sort()).toEqual([
      'chat_template.jinja',
      'generation_config.json',
      'tokenizer.json',
    ])
    expect(model.odd!.get('tokenizer.json')).toBe('https://x.test/tokenizer.json is a web page')
  })

  const base = { 'config.json': '{}', 'model.safetensors': buildSafetensors({ x: norm }) }

  test('chosen files that are web pages, pointers or archives are refused by name', async () => {
    const page = await failure('TOKENIZER_INVALID', () =>
      open({ ...base, 'tokenizer.json': '<!doctype html>' }),
    )
    expect(page.message).toContain('tokenizer.json is a web page')
    const pointer = 'version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n'
    const lfs = await failure('TOKENIZER_INVALID', () =>
      open({ ...base, 'tokenizer.json': pointer }),
    )
    expect(lfs.message).toContain('Git LFS pointer')
    await failure('BAD_CONFIG', () => open({ ...base, 'generation_config.json': '<html>' }))
    await failure('BAD_CONFIG', () => open({ ...base, 'chat_template.jinja': pointer }))
  })

  test('a template may begin like a tag', async () => {
    for (const template of ['<|im_start|>{{ x }}', '<s>{{ x }}', '<start_of_turn>']) {
      const model = await open({ ...base, 'chat_template.jinja': template })
      expect(model.chatTemplate).toBe(template)
    }
  })

  test('the file that was named is opened, not its neighbour', async () => {
    const other = buildSafetensors({ y: norm })
    const content: Content = { ...base, 'other.safetensors': other }
    const opener = async (name: string) =>
      Object.hasOwn(content, name) ? blobSource(new Blob([content[name]]), name) : undefined
    const model = await openHf(opener, { named: 'other.safetensors' })
    expect([...model.tensors.keys()]).toEqual(['y'])
    const missing = await failure('NOT_A_MODEL', () => openHf(opener, { named: 'x.safetensors' }))
    expect(missing.message).toContain('x.safetensors')
  })

  test('__proto__ in any JSON is a name like any other', async () => {
    const header = `{"__proto__":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`
    const model = await open({
      'config.json': '{"__proto__":{"hidden_size":7}}',
      'model.safetensors': rawSafetensors(header, [new Uint8Array(8)]),
    })
    expect([...model.tensors.keys()]).toEqual(['__proto__'])
    expect(Object.hasOwn(model.config, 'hidden_size')).toBe(false)
    expect(({} as Record<string, unknown>).hidden_size).toBeUndefined()
  })
})

describe('shards', () => {
  const index = (map: Record<string, unknown>) => JSON.stringify({ weight_map: map })
  const shard = (name: string) => buildSafetensors({ [name]: norm })

  test('are read as one model', async () => {
    const model = await open({
      'config.json': '{}',
      'model.safetensors.index.json': index({ b: 'm-2.safetensors', a: 'm-1.safetensors' }),
      'm-1.safetensors': shard('a'),
      'm-2.safetensors': shard('b'),
    })
    expect([...model.tensors.values()].map(t => [t.name, t.file])).toEqual([
      ['a', 0],
      ['b', 1],
    ])
  })

  test('that are missing are TRUNCATED, tensors in two of them BAD_TENSOR_INFO', async () => {
    const files = {
      'config.json': '{}',
      'model.safetensors.index.json': index({ a: 'm-1.safetensors', b: 'm-2.safetensors' }),
      'm-1.safetensors': shard('a'),
    }
    const error = await failure('TRUNCATED', () => open(files))
    expect(error.message).toContain('m-2.safetensors')
    await failure('BAD_TENSOR_INFO', () => open({ ...files, 'm-2.safetensors': shard('a') }))
  })

  test.each([
    ['../../secret.safetensors'],
    ['https://example.com/x.safetensors'],
    ['a/b.safetensors'],
    ['x.bin'],
    [7],
  ])('named %j are never opened', async name => {
    const asked: string[] = []
    await failure('BAD_CONFIG', () =>
      openHf(async file => {
        asked.push(file)
        if (file === 'config.json') return blobSource(new Blob(['{}']), file)
        if (!file.endsWith('.index.json')) return undefined
        return blobSource(new Blob([index({ a: name })]), file)
      }),
    )
    expect(asked).toEqual(['config.json', 'model.safetensors', 'model.safetensors.index.json'])
  })

  test('an index without files, or with a thousand, is BAD_CONFIG', async () => {
    const many = Object.fromEntries(
      Array.from({ length: 1000 }, (_, i) => [`t${i}`, `${i}.safetensors`]),
    )
    for (const text of ['{}', '{"weight_map":[]}', index({}), index(many), '[]', '{']) {
      await failure('BAD_CONFIG', () =>
        open({ 'config.json': '{}', 'model.safetensors.index.json': text }),
      )
    }
  })
})

describe('hostile files', () => {
  const one = (entry: unknown, data = 32) =>
    rawSafetensors(JSON.stringify({ x: entry }), [new Uint8Array(data)])
  const good = { dtype: 'F32', shape: [8], data_offsets: [0, 32] }
  const length = (bytes: bigint) => {
    const file = buildSafetensors({ x: norm })
    new DataView(file.buffer).setBigUint64(0, bytes, true)
    return file
  }

  const cases: [string, ErrorCode, () => Uint8Array<ArrayBuffer>][] = [
    ['an empty file', 'NOT_A_MODEL', () => new Uint8Array(0)],
    ['five bytes', 'TRUNCATED', () => new Uint8Array(5)],
    ['an HTML page', 'NOT_A_MODEL', () => new TextEncoder().encode('<html><body>not found')],
    ['a pickle', 'NOT_A_MODEL', () => new TextEncoder().encode('PK\u0003\u0004 a pytorch file')],
    ['a header of 2^63 bytes', 'CORRUPT_HEADER', () => length(2n ** 63n)],
    ['a header of 80 MB', 'CORRUPT_HEADER', () => length(80_000_000n)],
    ['a header of 16 MB in 100 bytes', 'TRUNCATED', () => length(16_000_000n)],
    ['a header of 0 bytes', 'CORRUPT_HEADER', () => length(0n)],
    ['a header that is cut', 'CORRUPT_HEADER', () => length(20n)],
    ['a header that is no JSON', 'CORRUPT_HEADER', () => rawSafetensors('{nope')],
    ['a header 100,000 deep', 'CORRUPT_HEADER', () => rawSafetensors(`{"x":${'['.repeat(1e5)}`)],
    ['no entry', 'BAD_TENSOR_INFO', () => one(null)],
    ['an entry without offsets', 'BAD_TENSOR_INFO', () => one({ dtype: 'F32', shape: [8] })],
    ['a negative offset', 'BAD_TENSOR_INFO', () => one({ ...good, data_offsets: [-32, 0] })],
    ['offsets back to front', 'BAD_TENSOR_INFO', () => one({ ...good, data_offsets: [32, 0] })],
    ['a fractional offset', 'BAD_TENSOR_INFO', () => one({ ...good, data_offsets: [0.5, 32.5] })],
    ['an offset of 1e300', 'BAD_TENSOR_INFO', () => one({ ...good, data_offsets: [0, 1e300] })],
    ['another size than the shape', 'BAD_TENSOR_INFO', () => one({ ...good, shape: [9] })],
    [
      'a dimension of 0',
      'BAD_TENSOR_INFO',
      () => one({ ...good, shape: [0], data_offsets: [0, 0] }),
    ],
    ['a shape of text', 'BAD_TENSOR_INFO', () => one({ ...good, shape: ['8'] })],
    ['a huge shape', 'BAD_TENSOR_INFO', () => one({ ...good, shape: [2e9, 2e9, 2e9, 2e9] })],
    ['an unknown dtype', 'UNSUPPORTED_TYPE', () => one({ ...good, dtype: 'F8_E4M3' })],
    ['a dtype from a prototype', 'UNSUPPORTED_TYPE', () => one({ ...good, dtype: '__proto__' })],
    [
      'U8 that is no linear matrix',
      'UNSUPPORTED_TYPE',
      () => one({ ...good, dtype: 'U8', shape: [32] }),
    ],
    ['data that is cut', 'TRUNCATED', () => one(good, 31)],
    [
      'overlapping tensors',
      'BAD_TENSOR_INFO',
      () => rawSafetensors(JSON.stringify({ x: good, y: good }), [new Uint8Array(32)]),
    ],
    [
      'two names of one tensor',
      'BAD_TENSOR_INFO',
      () =>
        buildSafetensors({
          'model.layers.0.self_attn.attn_sub_norm.weight': norm,
          'model.layers.0.self_attn.inner_attn_ln.weight': norm,
        }),
    ],
  ]

  test.each(cases)('%s: %s', async (_, code, make) => {
    const bytes = make()
    const started = performance.now()
    await failure(code, () => withWeights(bytes))
    expect(performance.now() - started).toBeLessThan(HOSTILE_MS)
  })

  test('no config.json or no weights is no model', async () => {
    await failure('NOT_A_MODEL', () => open({}))
    await failure('NOT_A_MODEL', () => open({ 'config.json': '<html>' }))
    await failure('NOT_A_MODEL', () => open({ 'config.json': '{}' }))
  })

  test.each(['', '{', '[1]', 'null', '"x"'])('config.json = %j is BAD_CONFIG', async text => {
    await failure('BAD_CONFIG', () =>
      open({ 'config.json': text, 'model.safetensors': buildSafetensors({ x: norm }) }),
    )
  })

  test('a config.json of 5 MB is refused', () =>
    failure('CORRUPT_HEADER', () => open({ 'config.json': ' '.repeat(5_000_000) })))

  test('a real header cut anywhere fails with a code', async () => {
    const { weights } = smallHf('BitNetForCausalLM', { packed: true })
    const header = Number(new DataView(weights.buffer).getBigUint64(0, true))
    for (const cut of [1, 7, 8, 9, 100, header + 7, header + 8, weights.length - 1]) {
      await failure('TRUNCATED', () => withWeights(weights.slice(0, cut)))
    }
  })
})
