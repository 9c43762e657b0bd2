// A file that was refused never stands in the way of a repaired one: with the same size and ETag, warm, partly
// stored, offline, and where an option was to blame.
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import 'fake-indexeddb/auto'
import { type FaultServer, startFaultServer } from '../../../e2e/faults/server.mjs'
import { isRefusal } from '../../../src/cache/session.ts'
import { openStore } from '../../../src/cache/store.ts'
import { forecast } from '../../../src/engine/load/forecast.ts'
import { openEngineParts } from '../../../src/engine/load/open-parts.ts'
import { RyzError } from '../../../src/errors.ts'
import type { LoadOptions } from '../../../src/types/index.ts'
import { tensor, transcode } from '../../format/fixtures.ts'
import { EMBEDDED, ROOT, referenceFactory } from '../../support/open.ts'
import { wasmFactory } from '../../support/wasm.ts'

const CHUNK = 1 << 18
const relaxed = wasmFactory('relaxed', 1)
const GOOD = readFileSync(resolve(ROOT, EMBEDDED))
let server: FaultServer
let url: string
let count = 0

beforeAll(async () => {
  server = await startFaultServer()
})
beforeEach(() => {
  url = server.serve(`m${count++}.gguf`, GOOD)
  server.setFaults()
  server.takeServed()
})
afterEach(() => server.setFaults())
afterAll(() => server.close())

const { signal } = new AbortController()

async function load(options: LoadOptions = {}) {
  const hooks = { progress: () => undefined, signal }
  const parts = await openEngineParts(url, { cacheChunkBytes: CHUNK, ...options }, hooks, [
    relaxed,
    referenceFactory,
  ])
  parts.close()
  return parts
}

const serve = (bytes: Uint8Array) => server.serve(url.replace(/.*\/model\//, ''), bytes)
const fetched = () => server.takeServed().filter(s => s.end - s.start > 1).length
const stored = async () => (await openStore()).readFile(url)

/** The embedded model with one text of its header overwritten by another of the same length. */
function with_(from: string, to: string): Buffer {
  const bytes = Buffer.from(GOOD)
  const at = bytes.indexOf(from)
  expect(at).toBeGreaterThan(0)
  bytes.write(to, at, 'latin1')
  return bytes
}

/** Its last tensor's last scale is no number: seen when all has been poured. */
function withBadWeights(): Buffer {
  const bytes = Buffer.from(GOOD)
  bytes.fill(0xff, bytes.length - 4096)
  return bytes
}

const BROKEN: readonly (readonly [string, () => Buffer])[] = [
  ['UNSUPPORTED_ARCH', () => with_('bitnet', 'bitnex')],
  ['BAD_HYPERPARAMS', () => with_('bitnet.block_count', 'bitnet.block_counx')],
  ['MISSING_TENSOR', () => with_('blk.0.attn_q.weight', 'blk.0.attn_x.weight')],
  ['TOKENIZER_INVALID', () => with_('tokenizer.ggml.merges', 'tokenizer.ggml.mergex')],
  ['BAD_WEIGHTS', withBadWeights],
]

describe.each(BROKEN)('a file refused with %s', (code, broken) => {
  test('is not kept, and the repaired one loads although size and ETag are the same', async () => {
    serve(broken())
    await expect(load()).rejects.toMatchObject({ code })
    expect(await stored()).toBeUndefined()
    serve(GOOD)
    expect((await load()).cache?.state).toBe('cold')
    expect((await load()).cache?.state).toBe('warm')
  })

  test('from stored bytes is fetched anew once; the server has the repaired one', async () => {
    await storeAsItIs(broken())
    serve(GOOD)
    const parts = await load()
    expect(parts.cache).toMatchObject({ state: 'cold', hits: 0 })
    expect(parts.fallbacks).toContainEqual({
      from: 'the stored model',
      to: 'a new download',
      reason: expect.stringContaining('it was refused'),
    })
    expect((await load()).cache?.state).toBe('warm')
  })

  test('from stored bytes, and again from the server, is not kept', async () => {
    await storeAsItIs(broken())
    serve(broken())
    server.takeServed()
    await expect(load()).rejects.toMatchObject({ code })
    expect(await stored()).toBeUndefined()
    expect(fetched()).toBeLessThanOrEqual(Math.ceil(GOOD.length / CHUNK))
  })

  test('from stored bytes offline is refused as before and stays', async () => {
    await storeAsItIs(broken())
    for (const options of [{}, { cache: 'only' }] as const) {
      server.setFaults({ offline: true })
      await expect(load(options)).rejects.toMatchObject({ code })
      expect((await stored())?.size).toBe(GOOD.length)
    }
  }, 120_000)
})

test('a forecast asks the server when stored bytes are refused', async () => {
  await storeAsItIs(with_('bitnet', 'bitnex'))
  const ask = () => forecast(url, {}, signal, [relaxed], async factories => ({ factories }))
  serve(GOOD)
  expect(await ask()).toMatchObject({ fits: true })
  server.setFaults({ offline: true })
  expect(await ask()).toMatchObject({ fits: false, refusal: { code: 'UNSUPPORTED_ARCH' } })
})

test('where an option is to blame, the file is not judged by it', () => {
  const info = tensor('I2_S', 4, 128, 4 * 32 + 32)
  const codes = new Uint8Array(info.bytes).fill(0xff)
  const caught = (i2sLayout: 'x86' | 'rows4'): unknown => {
    try {
      return transcode(info, codes, { i2sLayout })
    } catch (error) {
      return error
    }
  }
  expect(caught('rows4')).toMatchObject({ code: 'BAD_WEIGHTS', detail: { option: 'i2sLayout' } })
  expect(isRefusal(caught('rows4'))).toBe(false)
  expect(isRefusal(caught('x86'))).toBe(true)
  expect(isRefusal(new RyzError('MEMORY_BUDGET', 'too large'))).toBe(false)
})

/** As an earlier version of this package left it: whole, and with the server's ETag. */
async function storeAsItIs(bytes: Uint8Array): Promise<void> {
  const { importModel } = await import('../../../src/cache/manage.ts')
  await importModel(new Blob([bytes as Uint8Array<ArrayBuffer>]), url)
  const store = await openStore()
  const record = await store.readFile(url)
  await store.writeFile({ ...record!, etag: '"v1"' })
}
