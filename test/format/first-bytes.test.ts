// What is no model is named by its first bytes, in both containers.
import { describe, expect, test } from 'vitest'
import { look } from '../../src/format/first-bytes.ts'
import { openModel } from '../../src/format/open.ts'
import { buildSafetensors, failure } from './fixtures.ts'

const latin = (text: string) => Uint8Array.from(text, c => c.charCodeAt(0))
const tar = new Uint8Array(512)
tar.set(latin('model.gguf'))
tar.set(latin('ustar'), 257)

const CASES: readonly (readonly [string, Uint8Array<ArrayBuffer>])[] = [
  ['empty', new Uint8Array(0)],
  ['a web page', latin('\n <!doctype html><p>Sorry')],
  ['a web page', latin('<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>')],
  ['a picture', latin('<svg xmlns="http://www.w3.org/2000/svg"></svg>')],
  ['a picture', latin('\x89PNG\r\n\x1a\n')],
  ['gzip-compressed', latin('\x1f\x8b\x08\0\0\0\0\0')],
  ['a zip archive, as PyTorch', latin('PK\x03\x04\x14\0\0\0archive/data.pkl')],
  ['zstd-compressed', latin('\x28\xb5\x2f\xfd\x24\0\0\0')],
  ['a tar archive', tar],
  ['a Python pickle', latin('\x80\x02}q\0(X\x04\0\0\0')],
  ['a Python pickle', latin('\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19')],
  ['an ONNX model', latin('\x08\x08\x12\x07pytorch\x1a\x052.1.0')],
  ['an HDF5', latin('\x89HDF\r\n\x1a\n')],
  ['a TensorFlow Lite file', latin('\x1c\0\0\0TFL3\x14\0')],
  ['a NumPy array', latin('\x93NUMPY\x01\0v\0{')],
  ['a ggml file from before GGUF', latin('tjgg\x03\0\0\0')],
  ['a ggml file from before GGUF', latin('lmgg\0\0\0\0')],
  ['a ggml adapter', latin('algg\x01\0\0\0')],
  ['bytes swapped', latin('FUGG\0\0\0\x03')],
  ['a Git LFS pointer', latin('version https://git-lfs.github.com/spec/v1\noid sha256:4\n')],
  ['JSON ("{\\"error\\":\\"Repository not found\\"}")', latin('{"error":"Repository not found"}')],
  ['text ("Not Found")', latin('Not Found\n')],
  ['a WebAssembly module', latin('\0asm\x01\0\0\0')],
]

describe('as a GGUF file', () => {
  test.each(CASES)('%s', async (what, bytes) => {
    const error = await failure('NOT_A_MODEL', () => openModel(new File([bytes], 'm.gguf')))
    expect(error.message).toContain(`m.gguf is ${what === 'bytes swapped' ? 'a GGUF' : what}`)
  })

  test('safetensors', async () => {
    const norm = { dtype: 'F32', shape: [8], data: new Uint8Array(32) }
    const bytes = buildSafetensors({ 'model.norm.weight': norm })
    const error = await failure('NOT_A_MODEL', () => openModel(new File([bytes], 'm')))
    expect(error.message).toContain('a safetensors file without its directory')
    expect(error.message).toContain('config.json')
  })

  test('bytes like nothing known', async () => {
    const bytes = Uint8Array.from({ length: 64 }, (_, i) => 200 + (i % 50))
    expect(look(bytes)).toBeUndefined()
    const error = await failure('NOT_A_MODEL', () => openModel(new File([bytes], 'm')))
    expect(error.message).toContain('does not begin with GGUF')
  })
})

describe('as safetensors', () => {
  const config = new File(['{"model_type":"llama"}'], 'config.json')

  test.each(CASES)('%s', async (what, bytes) => {
    const files = [config, new File([bytes], 'model.safetensors')]
    const error = await failure('NOT_A_MODEL', () => openModel(files))
    expect(error.message).toContain(what === 'bytes swapped' ? 'a GGUF' : what)
  })

  test('a GGUF file', async () => {
    const files = [config, new File(['GGUF\x03\0\0\0\0\0\0\0\0'], 'model.safetensors')]
    const error = await failure('NOT_A_MODEL', () => openModel(files))
    expect(error.message).toContain('a GGUF file')
  })
})

describe('over HTTP', () => {
  const answer = (body: string, type: string, url?: string) => async () => {
    const response = new Response(body, { headers: { 'content-type': type } })
    if (url) Object.defineProperties(response, { redirected: { value: true }, url: { value: url } })
    return response
  }

  test('a login page is named with where it came from', async () => {
    const fetch = answer('<html>', 'text/html; charset=utf-8', 'https://x.test/login?next=m')
    const error = await failure('NOT_A_MODEL', () =>
      openModel('https://x.test/m.gguf', { http: { fetch } }),
    )
    expect(error.message).toBe(
      'https://x.test/m.gguf is a web page, not a model (it was redirected to https://x.test/login?next=m and was answered with Content-Type: text/html); check the URL',
    )
  })

  test.each([
    ['https://huggingface.co/a/b/blob/main/m.gguf', '/a/b/resolve/'],
    ['https://github.com/a/b/blob/main/m.gguf', '/a/b/raw/'],
    ['https://x.test/models/tiny', 'the URL of a directory ends in /'],
  ])('the page at %s has a hint', async (url, hint) => {
    const fetch = answer('<!doctype html>', 'text/html')
    const error = await failure('NOT_A_MODEL', () => openModel(url, { http: { fetch } }))
    expect(error.message).toContain(hint)
  })
})
