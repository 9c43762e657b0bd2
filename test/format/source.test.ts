// ByteSources against a real local HTTP server: with ranges, without, cut, missing, an error page.
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import type { ByteSource } from '../../src/format/model-file.ts'
import { openModel } from '../../src/format/open.ts'
import { blobSource, readRange } from '../../src/format/source.ts'
import { httpSource } from '../../src/net/http-source.ts'
import { buildGguf, buildSafetensors, failure } from './fixtures.ts'

const servers: Server[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    await new Promise(done => server.close(done))
  }
})

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  servers.push(server)
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
}

interface Served {
  url: string
  ranges: (string | undefined)[]
}

/** A server of named files, with or without ranges, and with what it was asked. */
async function files(
  content: Readonly<Record<string, Uint8Array>>,
  options: { ranges: boolean; length?: boolean },
): Promise<Served> {
  const ranges: (string | undefined)[] = []
  const url = await serve((request, response) => {
    ranges.push(request.headers.range)
    const body = content[decodeURIComponent(request.url!.slice(1).replace(/\?.*/, ''))]
    if (!body) {
      response.writeHead(404, { 'content-type': 'text/html' }).end('<html>not here</html>')
      return
    }
    const match = options.ranges && /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '')
    if (!match) {
      response.writeHead(200, options.length === false ? {} : { 'content-length': body.length })
      response.end(body)
      return
    }
    const start = Number(match[1])
    const end = match[2] === '' ? body.length : Math.min(Number(match[2]) + 1, body.length)
    if (start >= body.length) {
      response.writeHead(416, { 'content-range': `bytes */${body.length}` }).end()
      return
    }
    response.writeHead(206, {
      'content-range': `bytes ${start}-${end - 1}/${body.length}`,
      'content-length': end - start,
    })
    response.end(body.subarray(start, end))
  })
  return { url, ranges }
}

const data = Uint8Array.from({ length: 1_000_000 }, (_, i) => (i * 31 + (i >> 8)) & 255)
const read = (source: ByteSource, start: number, end?: number) =>
  readRange(source, start, end, 10_000_000)

/** Reads the first bytes and leaves, as a header reader does. */
async function begin(source: ByteSource): Promise<void> {
  for await (const piece of source.stream(0, undefined)) {
    expect(piece.length).toBeGreaterThan(0)
    break
  }
}

describe('a server with ranges', () => {
  test('is asked for bytes=0- first, then for what is needed', async () => {
    const { url, ranges } = await files({ m: data }, { ranges: true })
    const source = httpSource(`${url}m`)
    expect(source.size).toBeUndefined()
    await begin(source)
    expect(source.size).toBe(data.length)
    expect(await read(source, 500_000, 500_100)).toEqual(data.slice(500_000, 500_100))
    expect(await read(source, 999_990)).toEqual(data.slice(999_990))
    expect(ranges).toEqual(['bytes=0-', 'bytes=500000-500099', 'bytes=999990-'])
  })

  test('an empty file is an empty file', async () => {
    const { url } = await files({ m: new Uint8Array(0) }, { ranges: true })
    expect(await read(httpSource(`${url}m`), 0)).toEqual(new Uint8Array(0))
    await failure('NOT_A_MODEL', () => openModel(`${url}m`))
  })

  test('a read past the end is truncated', async () => {
    const { url } = await files({ m: data }, { ranges: true })
    const error = await failure('TRUNCATED', () => read(httpSource(`${url}m`), 999_000, 1_000_100))
    expect(error.message).toContain('1000000 of 1000100')
  })

  test('an answer that begins elsewhere is refused', async () => {
    const url = await serve((_, response) => {
      response.writeHead(206, { 'content-range': 'bytes 7-9/10', 'content-length': 3 }).end('abc')
    })
    await failure('NETWORK', () => read(httpSource(url), 2, 5))
  })

  test('a file that changes its size between requests is refused', async () => {
    let size = 1000
    const url = await serve((request, response) => {
      const start = Number(/\d+/.exec(request.headers.range!)![0])
      response.writeHead(206, { 'content-range': `bytes ${start}-${size - 1}/${size}` })
      response.end(data.subarray(start, size))
      size += 10
    })
    const source = httpSource(url)
    await read(source, 0)
    await failure('NETWORK', () => read(source, 500))
  })
})

describe('a server without ranges', () => {
  test('is read once, the header first and the rest behind it', async () => {
    const { url, ranges } = await files({ m: data }, { ranges: false })
    const source = httpSource(`${url}m`)
    await begin(source)
    expect(await read(source, 400_000, 400_050)).toEqual(data.slice(400_000, 400_050))
    expect(await read(source, 400_050, 900_000)).toEqual(data.slice(400_050, 900_000))
    expect(await read(source, 900_000)).toEqual(data.slice(900_000))
    expect(ranges.length).toBe(1)
  })

  test('is read again from the start for what lies before', async () => {
    const { url, ranges } = await files({ m: data }, { ranges: false, length: false })
    const source = httpSource(`${url}m`)
    expect(await read(source, 700_000, 700_010)).toEqual(data.slice(700_000, 700_010))
    expect(source.size).toBeUndefined()
    expect(await read(source, 10, 20)).toEqual(data.slice(10, 20))
    expect(ranges).toEqual(['bytes=700000-700009', undefined])
    source.close()
    source.close()
  })
})

describe('failures', () => {
  test('a connection cut in the middle is NETWORK', async () => {
    const url = await serve((_, response) => {
      response.writeHead(200, { 'content-length': data.length })
      response.write(data.subarray(0, 1000), () => response.destroy())
    })
    await failure('NETWORK', () => read(httpSource(url), 0))
  })

  test('a body that ends early without a length is TRUNCATED', async () => {
    const url = await serve((_, response) => response.end(data.subarray(0, 1000)))
    await failure('TRUNCATED', () => read(httpSource(url), 0, 2000))
  })

  test.each([404, 403, 500, 302])('status %i is NETWORK and names the status', async status => {
    const url = await serve((_, response) => response.writeHead(status).end('no'))
    const error = await failure('NETWORK', () => openModel(`${url}m.gguf`))
    expect(error.message).toContain(String(status))
  })

  test('a server that falls silent is NETWORK, before its answer and inside it', async () => {
    const mute = await serve(() => undefined)
    const read = (url: string) =>
      readRange(httpSource(url, { stallMs: 50, attempts: 1 }), 0, 100, 100)
    await expect(read(mute)).rejects.toMatchObject({
      code: 'NETWORK',
      message: `50 ms passed without an answer of ${mute}; try again`,
    })
    const stalled = await serve((_, response) => {
      response.writeHead(206, { 'content-range': 'bytes 0-99/100', 'content-length': 100 })
      response.write(new Uint8Array(40))
    })
    await expect(read(stalled)).rejects.toMatchObject({
      code: 'NETWORK',
      message: `50 ms passed without the next bytes of ${stalled}; try again`,
    })
  })

  test('a server that is not there is NETWORK', () =>
    failure('NETWORK', () => read(httpSource('http://127.0.0.1:1/'), 0)))

  test('an HTML page with status 200 is no model', async () => {
    const url = await serve((_, response) =>
      response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><p>Sorry'),
    )
    const error = await failure('NOT_A_MODEL', () => openModel(`${url}m.gguf`))
    expect(error.message).toContain('web page')
    await failure('NOT_A_MODEL', () => openModel(url))
  })

  test('cancelling before, during and between reads is ABORTED and ends the request', async () => {
    let closed = 0
    const url = await serve((request, response) => {
      request.on('close', () => closed++)
      response.writeHead(200)
      response.write(data.subarray(0, 1000))
    })
    await failure('ABORTED', () =>
      readRange(httpSource(url), 0, undefined, 1e6, AbortSignal.abort()),
    )
    const controller = new AbortController()
    setTimeout(() => controller.abort(), 50)
    await failure('ABORTED', () => readRange(httpSource(url), 0, undefined, 1e6, controller.signal))
    await expect.poll(() => closed).toBe(1)
  })
})

describe('blobs', () => {
  test('give any range', async () => {
    const source = blobSource(new Blob([data]), 'm')
    expect(source.size).toBe(data.length)
    expect(await read(source, 0)).toEqual(data)
    expect(await read(source, 300_000, 300_007)).toEqual(data.slice(300_000, 300_007))
    expect(await read(source, 5, 5)).toEqual(new Uint8Array(0))
  })

  test('a range past the end is TRUNCATED', () =>
    failure('TRUNCATED', () => read(blobSource(new Blob([data]), 'm'), 0, data.length + 1)))

  test('cancelling is ABORTED', () =>
    failure('ABORTED', () =>
      readRange(blobSource(new Blob([data]), 'm'), 0, undefined, 1e7, AbortSignal.abort()),
    ))

  test('a whole read has a limit', () =>
    failure('CORRUPT_HEADER', () =>
      readRange(blobSource(new Blob([data]), 'm'), 0, undefined, 1000),
    ))
})

describe('openModel', () => {
  const weights = new Uint8Array(32)
  const part = (no: number) =>
    buildGguf({
      metadata: [
        ['general.architecture', 'llama'],
        ['split.no', { u32: no }],
        ['split.count', { u32: 2 }],
        ['split.tensors.count', { u32: 2 }],
      ],
      tensors: [{ name: `t${no}`, dims: [8], typeId: 0, data: weights }],
    })
  const parts = { 'm x-00001-of-00002.gguf': part(0), 'm x-00002-of-00002.gguf': part(1) }

  test('finds the other parts of a split file by URL, with the query of the first', async () => {
    const asked: string[] = []
    const { url } = await files(parts, { ranges: true })
    const model = await openModel(`${url}m%20x-00001-of-00002.gguf?key=1`, {
      http: {
        fetch: (address, init) => {
          asked.push(address)
          return fetch(address, init)
        },
      },
    })
    expect([...model.tensors.keys()]).toEqual(['t0', 't1'])
    expect(model.tensors.get('t1')!.file).toBe(1)
    expect(asked).toEqual([
      `${url}m%20x-00001-of-00002.gguf?key=1`,
      `${url}m%20x-00002-of-00002.gguf?key=1`,
    ])
  })

  test('finds them among Files in any order', async () => {
    const list = Object.entries(parts).map(([name, bytes]) => new File([bytes], name))
    expect((await openModel(list.reverse())).tensors.size).toBe(2)
  })

  test('a missing part is named', async () => {
    const { url } = await files({ 'm-00001-of-00002.gguf': part(0) }, { ranges: true })
    const error = await failure('TRUNCATED', () => openModel(`${url}m-00001-of-00002.gguf`))
    expect(error.message).toContain('m-00002-of-00002.gguf')
  })

  test('opens a base URL with and without ranges', async () => {
    const directory = {
      'config.json': new TextEncoder().encode('{"model_type":"llama"}'),
      'tokenizer.json': new TextEncoder().encode('{"t":1}'),
      'model.safetensors': buildSafetensors({
        'model.norm.weight': { dtype: 'F32', shape: [8], data: weights },
      }),
    }
    for (const ranges of [true, false]) {
      const { url } = await files(directory, { ranges })
      const model = await openModel(url)
      expect(model.container).toBe('safetensors')
      expect([...model.tensors.keys()]).toEqual(['output_norm.weight'])
      if (model.container === 'safetensors') expect(model.tokenizerJson).toBe('{"t":1}')
      const same = await openModel(new URL('model.safetensors', url))
      expect(same.tensors.size).toBe(1)
    }
  })

  test('what is no source is a bad option', async () => {
    await failure('BAD_OPTION', () => openModel('not a url'))
    await failure('BAD_OPTION', () => openModel(7 as unknown as string))
    await failure('NOT_A_MODEL', () => openModel([]))
    const model = () => new File([buildGguf({ metadata: [], tensors: [] })], 'a.gguf')
    await failure('BAD_OPTION', () => openModel([model(), model()]))
  })
})
