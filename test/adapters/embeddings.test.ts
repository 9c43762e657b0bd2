// embeddings.create() of the openai facade over the real engine API, without weights: shapes, base64, refusals.

import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { engineFetch } from '../../src/adapters/openai/engine-fetch.ts'
import { openai } from '../../src/adapters/openai/openai.ts'
import { connect, type Ryzanstein } from '../../src/api/ryzanstein.ts'
import { RyzError } from '../../src/errors.ts'
import { FakeWorker } from '../api/fake-worker.ts'

let engine: Ryzanstein
beforeAll(async () => {
  engine = await connect(new FakeWorker({ ready: true }), 'fake.gguf', {})
})
afterAll(() => engine.close())

const create = (request: unknown, init?: { signal?: AbortSignal }) =>
  openai(engine).embeddings.create(request as never, init)

describe('embeddings.create', () => {
  it('gives a vector for each text, in order, and counts tokens', async () => {
    const { embeddings, tokens } = await engine.embed(['one', 'another'])
    const all = tokens[0]! + tokens[1]!
    expect(await create({ model: 'any', input: ['one', 'another'], user: 'u' })).toEqual({
      object: 'list',
      data: embeddings.map((vector, index) => ({
        object: 'embedding',
        index,
        embedding: [...vector],
      })),
      model: 'any',
      usage: { prompt_tokens: all, total_tokens: all },
    })
  })

  it('takes one text, token ids, and lists of them', async () => {
    const { model, data } = await create({ input: 'one', dimensions: null })
    expect([model, data.length]).toEqual(['fake', 1])
    const ids = [5, 6, 7]
    const [vector] = (await engine.embed([ids])).embeddings
    expect((await create({ input: ids })).data[0]!.embedding).toEqual([...vector!])
    expect((await create({ input: [ids, ids] })).data).toHaveLength(2)
  })

  it('writes base64 as little-endian f32', async () => {
    const { embeddings } = await engine.embed(['one'])
    const { data } = await create({ input: 'one', encoding_format: 'base64' })
    const bytes = Uint8Array.from(atob(data[0]!.embedding as string), c => c.charCodeAt(0))
    const view = new DataView(bytes.buffer)
    const read = Array.from({ length: bytes.length / 4 }, (_, i) => view.getFloat32(4 * i, true))
    expect(read).toEqual([...embeddings[0]!])
  })

  it.each([
    [{}, 'input'],
    [{ input: [] }, 'input'],
    [{ input: ['x', 5] }, 'texts[1]'],
    [{ input: [5, 'x'] }, 'texts[0][1]'],
    [{ input: 'x', encoding_format: 'int8' }, 'encoding_format'],
    [{ input: 'x', dimensions: 8 }, 'dimensions'],
    [{ input: 'x', normalise: true }, 'normalise'],
    [null, 'the request'],
  ] as const)('refuses %j, naming %s', async (request, name) => {
    const error = await create(request).catch((caught: unknown) => caught as RyzError)
    expect(error).toBeInstanceOf(RyzError)
    const { code, detail } = error as RyzError
    expect([code, detail.option]).toEqual(['BAD_OPTION', name])
  })

  it('serves the official client over engineFetch, whatever form it asks for', async () => {
    const fetch = engineFetch(engine)
    const client = new OpenAI({ baseURL: 'http://local/v1', apiKey: '-', fetch, maxRetries: 0 })
    const { embeddings } = await engine.embed(['one', 'another'])
    const model = engine.model.name
    const want = embeddings.map(vector => [...vector])
    // Without a format the client asks for base64 and reads it.
    const asked = await client.embeddings.create({ model, input: ['one', 'another'] })
    expect(asked.data.map(({ embedding }) => [...embedding])).toEqual(want)
    const floats = await client.embeddings.create({
      model,
      input: ['one', 'another'],
      encoding_format: 'float',
    })
    expect(floats.data.map(({ embedding }) => embedding)).toEqual(want)
    const refused = await client.embeddings
      .create({ model, input: 'x', dimensions: 7 })
      .catch((caught: unknown) => caught)
    expect(refused).toBeInstanceOf(OpenAI.BadRequestError)
    expect(refused).toMatchObject({ status: 400, param: 'dimensions' })
  })

  it('refuses what stands in for an engine and has none', async () => {
    const { model } = engine
    const chat = engine.chat.bind(engine)
    const bare = openai({ chat, model, stats: () => engine.stats() })
    const error = await bare.embeddings.create({ input: 'x' } as never).catch((c: unknown) => c)
    expect(error).toMatchObject({ code: 'BAD_OPTION', detail: { option: 'engine' } })
  })

  it('hears its signal', async () => {
    const error = await create({ input: 'x' }, { signal: AbortSignal.abort() }).catch(
      (caught: unknown) => caught as RyzError,
    )
    expect((error as RyzError).code).toBe('ABORTED')
  })
})
