// The option headers: what can be sent reaches every request of a load and of a forecast; what cannot is refused
// by name, and a secret is never repeated.

import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { resolve } from 'node:path'
import 'fake-indexeddb/auto'
import { describe, expect, test } from 'vitest'
import { forecast } from '../../../src/engine/load/forecast.ts'
import { openEngineParts } from '../../../src/engine/load/open-parts.ts'
import { openTokenizer } from '../../../src/engine/load/open-tokenizer.ts'
import { checkLoadOptions } from '../../../src/engine/load/options.ts'
import { openModel } from '../../../src/format/open.ts'
import type { ModelConfig } from '../../../src/model/model-config.ts'
import type { LoadOptions } from '../../../src/types/index.ts'
import { EMBEDDED, ROOT, referenceFactory } from '../../support/open.ts'

const headers = { Authorization: 'Bearer secret' }
const { signal } = new AbortController()

describe('a model that needs access', () => {
  const body = readFileSync(resolve(ROOT, EMBEDDED))

  test.each([{}, { cache: 'off' }] as LoadOptions[])('loads with %j and headers', async more => {
    let refused = 0
    const server = createServer((request, response) => {
      if (request.headers.authorization !== 'Bearer secret') {
        refused++
        response.writeHead(401).end()
        return
      }
      const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? []
      const end = to === '' ? body.length : Math.min(Number(to) + 1, body.length)
      response.writeHead(206, { 'content-range': `bytes ${from}-${end - 1}/${body.length}` })
      response.end(body.subarray(Number(from), end))
    })
    await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
    const url = `http://localhost:${(server.address() as AddressInfo).port}/m.gguf`
    const load = (options: LoadOptions) =>
      openEngineParts(url, options, { progress: () => undefined, signal }, [referenceFactory])
    const ask = (options: LoadOptions) =>
      forecast(url, options, signal, [referenceFactory], async factories => ({ factories }))
    await expect(load(more)).rejects.toMatchObject({ code: 'NETWORK', detail: { status: 401 } })
    await expect(ask(more)).rejects.toThrow('give the option headers')
    refused = 0
    expect(await ask({ ...more, headers })).toMatchObject({ fits: true })
    const parts = await load({ ...more, headers })
    parts.close()
    expect(refused).toBe(0)
    server.closeAllConnections()
    server.close()
  })
})

describe('what cannot be sent', () => {
  test.each<[string, unknown]>([
    ['Range', '1'],
    ['cookie', 'a=b'],
    ['Sec-Fetch-Mode', 'cors'],
    ['a b', 'x'],
    ['X-A', 'two\nlines'],
    ['X-A', 7],
    ['X-A', 'ж'],
  ])('%s: %j is BAD_OPTION', (name, value) => {
    const options = { headers: { [name]: value } } as LoadOptions
    expect(() => checkLoadOptions(options)).toThrow(expect.objectContaining({ code: 'BAD_OPTION' }))
  })

  test('a secret is not repeated', () => {
    const options = { headers: { Authorization: 'secret\n' } }
    expect(() => checkLoadOptions(options)).toThrow(/^(?!.*secret)/)
    expect(() => checkLoadOptions({ headers: [['a', 'b']] as never })).toThrow('headers')
    expect(() => checkLoadOptions({ headers })).not.toThrow()
  })
})

test('a tokenizer.json that a server answers with a page is named as what it is', async () => {
  const files: Record<string, string> = {
    'config.json': '{}',
    'model.safetensors': '\x02\0\0\0\0\0\0\0{}',
    'tokenizer.json': '<!doctype html>',
  }
  const fetch = async (url: string) => {
    const body = files[url.replace('https://x.test/m/', '')]
    return new Response(body ?? null, { status: body === undefined ? 404 : 200 })
  }
  const file = await openModel('https://x.test/m/', { http: { fetch } })
  const config = { name: 'm' } as ModelConfig
  const failed = openTokenizer(file, config)
  await expect(failed).rejects.toMatchObject({ code: 'TOKENIZER_MISSING' })
  await expect(failed).rejects.toThrow('https://x.test/m/tokenizer.json is a web page')
})
