// Names on a hub, the choice among a repository's files, and what is asked of the hub itself.
import { describe, expect, test } from 'vitest'
import { hubSource } from '../../src/engine/load/hub-source.ts'
import { hubFileUrl, hubName, modelAmong } from '../../src/net/hub.ts'
import { modelUrl } from '../../src/net/model-url.ts'
import type { LoadOptions } from '../../src/types/index.ts'

const HUB = 'https://huggingface.co'

test.each(['javascript:alert(1)', 'mailto:a@b.test', 'about:blank', ' '])(
  '%s is no URL of a model',
  url => {
    const refused = expect.objectContaining({ code: 'BAD_OPTION' })
    expect(() => modelUrl(url, 'https://app.test/')).toThrow(refused)
  },
)

describe('a name', () => {
  test.each([
    ['hf:a/b', { repo: 'a/b', revision: 'main', path: '' }],
    ['hf://a/b.c-d/', { repo: 'a/b.c-d', revision: 'main', path: '' }],
    ['hf:a/b/m.gguf', { repo: 'a/b', revision: 'main', path: 'm.gguf' }],
    ['HF:a/b@v1.0/x y/m.gguf', { repo: 'a/b', revision: 'v1.0', path: 'x y/m.gguf' }],
    ['hf:a/b@refs%2Fpr%2F1/m.gguf', { repo: 'a/b', revision: 'refs%2Fpr%2F1', path: 'm.gguf' }],
    ['https://x.test/m.gguf', undefined],
    ['hf/models/m.gguf', undefined],
  ])('%s', (source, wanted) => {
    expect(hubName(source)).toEqual(wanted)
  })

  test.each(['hf:', 'hf:a', 'hf:a b/c', 'hf:a/b?x=1', 'hf:../../etc'])('%s is refused', source => {
    expect(() => hubName(source)).toThrow(expect.objectContaining({ code: 'BAD_OPTION' }))
  })

  test('is a URL, encoded once', () => {
    const url = `${HUB}/a/b/resolve/main/x%20y/m%2B.gguf`
    expect(hubFileUrl(hubName('hf:a/b/x y/m+.gguf')!, 'x y/m+.gguf')).toBe(url)
    expect(modelUrl('hf:a/b/x%20y/m+.gguf').href).toBe(url)
    expect(modelUrl('hf:a/b/dir/').href).toBe(`${HUB}/a/b/resolve/main/dir/`)
  })
})

describe('the model of a repository', () => {
  const hf = ['config.json', 'model.safetensors', 'tokenizer.json']
  test.each([
    [hf, ''],
    [['config.json', 'model.safetensors.index.json', 'model-00001-of-00002.safetensors'], ''],
    [['README.md', 'm.gguf', 'config.json'], 'm.gguf'],
    [['q/m-00001-of-00002.gguf', 'q/m-00002-of-00002.gguf'], 'q/m-00001-of-00002.gguf'],
    [['m.gguf', 'mmproj-m.gguf'], 'm.gguf'],
  ])('%j is %j', (files, wanted) => {
    expect(modelAmong('a/b', files)).toBe(wanted)
  })

  test('has to be named where there are several, and said where there is none', () => {
    expect(() => modelAmong('a/b', ['x.gguf', 'y.gguf'])).toThrow(
      'hf:a/b holds 2 models; name one: hf:a/b/x.gguf, hf:a/b/y.gguf',
    )
    expect(() => modelAmong('a/b', ['README.md'])).toThrow(
      expect.objectContaining({ code: 'NOT_A_MODEL' }),
    )
  })
})

describe('the hub', () => {
  const { signal } = new AbortController()

  function hub(answer: (url: string, headers: Headers) => Response) {
    const asked: string[] = []
    const kept = new Map<string, unknown>()
    const fetch = async (url: string, init: RequestInit) => {
      asked.push(url)
      return answer(url, new Headers(init.headers))
    }
    const remembered = {
      get: async (key: string) => kept.get(key),
      set: async (key: string, value: unknown) => void kept.set(key, value),
    }
    const open = (source: string, options: LoadOptions = {}) =>
      hubSource(source, options, signal, remembered, { fetch, attempts: 1 })
    return { asked, open }
  }
  const list = (...names: string[]) =>
    Response.json({ sha: 'x', siblings: names.map(rfilename => ({ rfilename })) })

  test('is asked for the files of a repository, with headers, at the host that was given', async () => {
    const { asked, open } = hub((_, headers) => {
      expect(headers.get('authorization')).toBe('Bearer x')
      return list('m.gguf')
    })
    const headers = { Authorization: 'Bearer x' }
    const options = { headers, hubUrl: 'https://mirror.test/' }
    expect(await open('hf:a/b@v2', options)).toBe('https://mirror.test/a/b/resolve/v2/m.gguf')
    expect(asked).toEqual(['https://mirror.test/api/models/a/b/revision/v2'])
  })

  test('is not asked for a file that is named, nor about a URL', async () => {
    const { asked, open } = hub(() => list())
    expect(await open('hf:a/b/m.gguf')).toBe(`${HUB}/a/b/resolve/main/m.gguf`)
    expect(await open('https://x.test/m.gguf')).toBe('https://x.test/m.gguf')
    expect(asked).toEqual([])
  })

  test('is remembered for when there is no network', async () => {
    let online = true
    const { open } = hub(() => {
      if (!online) throw new TypeError('Failed to fetch')
      return list('config.json', 'model.safetensors')
    })
    const url = `${HUB}/a/b/resolve/main/`
    expect(await open('hf:a/b')).toBe(url)
    online = false
    expect(await open('hf:a/b')).toBe(url)
    expect(await open('hf:a/b', { cache: 'only' })).toBe(url)
    await expect(open('hf:c/d')).rejects.toMatchObject({ code: 'NETWORK' })
    await expect(open('hf:c/d', { cache: 'only' })).rejects.toMatchObject({ code: 'NETWORK' })
  })

  test('that refuses says which option would help; one that is none is named', async () => {
    const locked = hub(() => new Response(null, { status: 401 }))
    await expect(locked.open('hf:a/b')).rejects.toThrow('give the option headers')
    const page = hub(() => new Response('<html>'))
    await expect(page.open('hf:a/b')).rejects.toThrow('is hubUrl a hub?')
  })
})
