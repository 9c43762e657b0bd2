// The forecast against real headers: what it tells is what a load then does, it fetches no weight, and
// what would be refused is told as such.
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { BackendFactory } from '../../../src/backend/factory.ts'
import type { StoredFile } from '../../../src/cache/stored-file.ts'
import type { Arrange } from '../../../src/engine/load/arrange.ts'
import { withContest } from '../../../src/engine/load/contest.ts'
import { forecast } from '../../../src/engine/load/forecast.ts'
import { openGguf } from '../../../src/format/gguf/gguf.ts'
import { blobSource, readRange } from '../../../src/format/source.ts'
import { httpSource } from '../../../src/net/http-source.ts'
import type { BackendChoice, Calibration, LoadOptions } from '../../../src/types/index.ts'
import { EMBEDDED, fileOf, openParts, ROOT, referenceFactory } from '../../support/open.ts'
import { wasmFactory } from '../../support/wasm.ts'

const URL_OF = 'https://models.test/m.gguf'
const bytes = readFileSync(resolve(ROOT, EMBEDDED))
const relaxed = wasmFactory('relaxed', 2)
const asTheyAre: Arrange = async factories => ({ factories })

/** A server with Range requests that notes what it was asked for. */
function server(body: Uint8Array, ranges = true) {
  const asked: [number, number][] = []
  const fetch = async (_: string, init: RequestInit) => {
    const range = /^bytes=(\d+)-(\d*)$/.exec(new Headers(init.headers).get('range') ?? '')!
    const from = Number(range[1])
    const end = Math.min(range[2] === '' ? body.length : Number(range[2]) + 1, body.length)
    if (!ranges) {
      asked.push([0, body.length])
      return new Response(body.slice(), { headers: { 'content-length': String(body.length) } })
    }
    asked.push([from, end])
    return new Response(body.slice(from, end), {
      status: 206,
      headers: { 'content-range': `bytes ${from}-${end - 1}/${body.length}` },
    })
  }
  return { asked, fetch }
}

function ask(
  source: string | File,
  options: LoadOptions = {},
  {
    fetch = server(bytes).fetch,
    factories = [relaxed, referenceFactory],
    arrange = asTheyAre,
    stored = async (): Promise<StoredFile | undefined> => undefined,
  } = {},
) {
  const { signal } = new AbortController()
  const network = { fetch, attempts: 1 }
  return forecast(source, options, signal, factories, arrange, { network, stored })
}

describe('will it run', () => {
  it('tells what a load then takes', async () => {
    const told = await ask(URL_OF)
    const parts = await openParts([fileOf(EMBEDDED)], relaxed)
    const { weights, ...reserved } = parts.memory
    expect(told).toMatchObject({
      fits: true,
      downloadBytes: bytes.length,
      fileBytes: bytes.length,
      path: { backend: 'wasm', variant: 'relaxed', threads: 2, fallbacks: [] },
      peakBytes: { ...reserved, page: 170e6 },
      kv: parts.kvType,
      contextLength: parts.network.kv.contextLength,
      name: parts.info.name,
      architecture: 'bitnet',
      lowered: [],
    })
    // Block scales are planned as if they all differed.
    expect(weights).toBeGreaterThan(0)
    expect(weights).toBeLessThanOrEqual(told.peakBytes.weights)
    const { total, ...rest } = told.peakBytes
    expect(total).toBe(Object.values(rest).reduce((sum, part) => sum + part, 0))
    expect(told.refusal).toBeUndefined()
    parts.close()
  })

  it('asks the server for no more than the header', async () => {
    const { asked, fetch } = server(bytes)
    await ask(URL_OF, {}, { fetch })
    const file = await openGguf(blobSource(fileOf(EMBEDDED), 'm'), async () => undefined)
    const weights = Math.min(...[...file.tensors.values()].map(t => t.offset))
    expect(asked.length).toBeGreaterThan(1)
    for (const [from] of asked) expect(from).toBeLessThan(weights)
    // The last piece may reach past the header, by less than it is long.
    const [from, end] = asked.at(-1)!
    expect(end - weights).toBeLessThan(end - from)
  })

  it('counts what is stored: the rest of a broken download, and nothing of a whole one', async () => {
    const part = async () => ({ bytes: 1_000_000, whole: undefined })
    const half = await ask(URL_OF, {}, { stored: part })
    expect(half.downloadBytes).toBe(bytes.length - 1_000_000)
    const { asked, fetch } = server(bytes)
    const whole = blobSource(fileOf(EMBEDDED), URL_OF) as StoredFile['whole']
    const stored = async () => ({ bytes: bytes.length, whole })
    const told = await ask(URL_OF, {}, { fetch, stored })
    expect(told).toMatchObject({ fits: true, downloadBytes: 0, fileBytes: bytes.length })
    expect(asked).toEqual([])
    expect((await ask(URL_OF, { cache: 'off' }, { stored })).downloadBytes).toBe(bytes.length)
    expect(await ask(URL_OF, { cache: 'only' }, { stored })).toMatchObject({ downloadBytes: 0 })
    await expect(ask(URL_OF, { cache: 'only' }, { stored: part })).rejects.toMatchObject({
      code: 'NETWORK',
    })
  })

  it('costs nothing to download from this device', async () => {
    expect(await ask(fileOf(EMBEDDED))).toMatchObject({
      fits: true,
      downloadBytes: 0,
      fileBytes: bytes.length,
    })
  })

  it('also works where the server knows no ranges', async () => {
    const { asked, fetch } = server(bytes, false)
    expect(await ask(URL_OF, {}, { fetch })).toMatchObject({ fits: true })
    expect(asked).toHaveLength(1)
  })

  describe('where a GPU may compute', () => {
    const gpu: BackendFactory = {
      ...relaxed,
      path: { backend: 'webgpu', adapter: '' },
      scratchBytes: () => 5e6,
    }
    const GPU = { decodeTokensPerSecond: 50, prefillTokensPerSecond: 900 }
    const CPU = { decodeTokensPerSecond: 40, prefillTokensPerSecond: 100 }
    const EXPECTED = { decodeTokensPerSecond: 30, prefillTokensPerSecond: 90 }
    const calibration: Calibration = {
      source: 'measured',
      ms: 5,
      rates: [],
      expected: EXPECTED,
    }

    /** A forecast after a load that decided so; one without a load before, else. */
    function decided(backend?: BackendChoice['backend'], options: LoadOptions = {}) {
      const before: BackendChoice | undefined = backend && {
        backend,
        source: 'measured',
        reason: 'as it was measured',
        gpu: GPU,
        cpu: CPU,
        cpuSource: 'measured',
      }
      const parts = {
        gpu: async () => gpu,
        remembered: { get: async () => before, set: async () => undefined },
        machine: 'a browser',
      }
      const base: Arrange = async factories => ({ factories, calibration })
      // The embedded model is too small for a GPU to matter.
      const large = (arrange: Arrange): Arrange => {
        return (factories, work) => arrange(factories, { ...work, ternaryBytes: 1e9 })
      }
      return ask(URL_OF, options, { arrange: large(withContest(base, parts)) })
    }

    it('tells what the last load found: the GPU', async () => {
      expect(await decided('webgpu')).toMatchObject({
        fits: true,
        path: { backend: 'webgpu', fallbacks: [] },
        choice: { backend: 'webgpu', source: 'remembered', reason: 'as it was measured' },
        expectedDecodeTokensPerSecond: 50,
        expectedPrefillTokensPerSecond: 900,
      })
    })

    it('or the CPU', async () => {
      expect(await decided('wasm')).toMatchObject({
        path: { backend: 'wasm', fallbacks: [] },
        choice: { backend: 'wasm', source: 'remembered' },
        expectedDecodeTokensPerSecond: 30,
      })
    })

    it('or both, and what both take', async () => {
      const [both, alone] = [await decided('hybrid'), await decided('wasm')]
      expect(both).toMatchObject({
        path: { backend: 'wasm' },
        choice: { backend: 'hybrid', source: 'remembered' },
        expectedDecodeTokensPerSecond: 40,
        expectedPrefillTokensPerSecond: 900,
      })
      const { weights, kv, scratch, total } = both.peakBytes
      expect([weights, kv]).toEqual([2 * alone.peakBytes.weights, 2 * alone.peakBytes.kv])
      expect(scratch).toBeGreaterThan(alone.peakBytes.scratch + 5e6)
      expect(total).toBe(weights + kv + scratch + 170e6)
    })

    it('that it is not decided yet', async () => {
      expect(await decided()).toMatchObject({
        path: { backend: 'wasm', fallbacks: [] },
        choice: {
          backend: 'wasm',
          source: 'skipped',
          reason: expect.stringContaining('is measured when the model is loaded'),
        },
        expectedDecodeTokensPerSecond: 30,
      })
    })
  })

  it('tells the speed and the path that calibration chose', async () => {
    const arrange: Arrange = async factories => ({
      factories: [wasmFactory('simd128', 1), ...factories],
      calibration: {
        source: 'measured',
        ms: 5,
        rates: [],
        chosen: { variant: 'simd128', threads: 1 },
        expected: { decodeTokensPerSecond: 60, prefillTokensPerSecond: 300 },
      },
    })
    expect(await ask(URL_OF, {}, { arrange })).toMatchObject({
      path: { variant: 'simd128', threads: 1 },
      expectedDecodeTokensPerSecond: 60,
      expectedPrefillTokensPerSecond: 300,
      calibration: { source: 'measured' },
    })
  })

  it('names the rungs that cannot run here', async () => {
    const passed = { ...relaxed, unavailable: 'the page is not isolated' }
    const told = await ask(URL_OF, {}, { factories: [passed, referenceFactory] })
    expect(told.path).toEqual({
      backend: 'reference',
      variant: 'typescript',
      threads: 1,
      fallbacks: [
        {
          from: 'relaxed with 2 threads',
          to: 'reference (TypeScript)',
          reason: 'the page is not isolated',
        },
      ],
    })
    expect(told.expectedDecodeTokensPerSecond).toBe(0)
  })

  it('tells what would be lowered to fit', async () => {
    const { peakBytes } = await ask(URL_OF)
    const told = await ask(URL_OF, { memoryBudget: Math.ceil(peakBytes.total - peakBytes.kv / 4) })
    expect(told.fits).toBe(true)
    expect(told.lowered).toMatchObject([
      { from: 'logits of 32 rows a step', to: 'logits of 8 rows a step' },
      { from: 'KV f16', to: 'KV int8' },
    ])
    expect(told.kv).toBe('int8')
  })

  it('says with the figures why a budget is too small', async () => {
    const told = await ask(URL_OF, { memoryBudget: 121e6 })
    expect(told).toMatchObject({ fits: false, refusal: { code: 'MEMORY_BUDGET' } })
    expect(told.refusal!.message).toContain('121.0 MB')
    expect(told.peakBytes.total).toBeGreaterThan(121e6)
    expect(told.downloadBytes).toBe(bytes.length)
  })

  it('tells a file that is no model by the reason load() would give', async () => {
    const page = new TextEncoder().encode('<!doctype html><title>Not found</title>'.repeat(20))
    const told = await ask(URL_OF, {}, { fetch: server(page).fetch })
    expect(told).toMatchObject({ fits: false, refusal: { code: 'NOT_A_MODEL' } })
    const cut = await ask(URL_OF, {}, { fetch: server(bytes.subarray(0, 5000)).fetch })
    expect(cut).toMatchObject({ fits: false, refusal: { code: 'TRUNCATED' } })
  })

  it('tells a chat template that load() would refuse, with its line', async () => {
    const told = await ask(URL_OF, { chatTemplate: 'a\n{% include "x" %}' })
    expect(told).toMatchObject({ fits: false, refusal: { code: 'TEMPLATE_ERROR' } })
    expect(told.refusal!.message).toContain('line 2: {% include %}')
    expect((await ask(URL_OF, { chatTemplate: '{{ messages }}' })).refusal).toBeUndefined()
  })

  it('is an error only when the question cannot be put', async () => {
    const gone = async () => new Response('', { status: 500 })
    await expect(ask(URL_OF, {}, { fetch: gone })).rejects.toMatchObject({ code: 'NETWORK' })
    await expect(ask(URL_OF, { threads: 0 })).rejects.toMatchObject({ code: 'BAD_OPTION' })
    const stopped = AbortSignal.abort()
    const { fetch } = server(bytes)
    const asking = forecast(URL_OF, {}, stopped, [relaxed], asTheyAre, { network: { fetch } })
    await expect(asking).rejects.toMatchObject({ code: 'ABORTED' })
  })
})

describe('the front of a file', () => {
  const source = (fetch: ReturnType<typeof server>['fetch']) =>
    httpSource('https://models.test/x', { fetch, bounded: true, attempts: 1 })

  it('is asked for in ranges that double up to 1 MiB, and only as they are read', async () => {
    const body = Uint8Array.from({ length: 300_000 }, (_, i) => i % 251)
    const { asked, fetch } = server(body)
    expect(await readRange(source(fetch), 10, undefined, 1e6)).toEqual(body.subarray(10))
    expect(asked[0]).toEqual([10, 10 + 65536])
    expect(asked[1]).toEqual([65546, 65546 + 131072])
    expect(asked.at(-1)![1]).toBe(300_000)
  })

  it('is one request where the end is known', async () => {
    const { asked, fetch } = server(new Uint8Array(100))
    await readRange(source(fetch), 5, 10, 1e6)
    expect(asked).toEqual([[5, 10]])
  })

  it('is refused when the file changes between two pieces', async () => {
    let size = 200_000
    const fetch = async (url: string, init: RequestInit) => {
      const response = await server(new Uint8Array(size)).fetch(url, init)
      size = 150_000
      return response
    }
    await expect(readRange(source(fetch), 0, undefined, 1e6)).rejects.toMatchObject({
      code: 'NETWORK',
      message: expect.stringContaining('changed'),
    })
  })
})
