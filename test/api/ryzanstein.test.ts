// The SDK against the real worker code over MessageChannels: streams, signals, close, and every way a
// worker can die.
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { Heartbeat } from '../../src/api/link/connection.ts'
import { connect, load, type Ryzanstein } from '../../src/api/ryzanstein.ts'
import { willItRun } from '../../src/api/will-it-run.ts'
import { RyzError } from '../../src/errors.ts'
import { tokenizerFromGguf } from '../../src/tokenizer/from-gguf.ts'
import type { LoadOptions, LoadProgress, TokenChunk } from '../../src/types/index.ts'
import type { OpenParts } from '../../src/worker/engine-api.ts'
import {
  byteTokenizer,
  FakeNetwork,
  type FakeOptions,
  fakeParts,
  spelling,
  until,
  VOCAB,
} from '../engine/fakes.ts'
import { PACKAGE_BASE, stubPackageUrls } from '../support/package-urls.ts'
import { FakeWorker } from './fake-worker.ts'

const quick: Heartbeat = { intervalMs: 5, silenceMs: 40, loadSilenceMs: 80 }
const slow: FakeOptions = { onStep: () => new Promise(resolve => setTimeout(resolve, 1)) }

const opened: { engine?: Ryzanstein; worker: FakeWorker }[] = []
afterEach(async () => {
  vi.unstubAllGlobals()
  for (const { engine, worker } of opened.splice(0)) {
    await engine?.close()
    worker.terminate()
  }
})

async function start(fake: FakeOptions = {}, options: LoadOptions = {}, beat?: Heartbeat) {
  const worker = new FakeWorker(fake)
  const engine = await connect(worker, 'fake.gguf', options, beat)
  opened.push({ engine, worker })
  return { worker, engine }
}

function failing(openParts: OpenParts): FakeWorker {
  const worker = new FakeWorker({}, openParts)
  opened.push({ worker })
  return worker
}

async function collect(stream: AsyncIterable<TokenChunk>): Promise<TokenChunk[]> {
  const chunks: TokenChunk[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return chunks
}

const readableFrom = (stream: AsyncIterable<unknown>): ReadableStream =>
  (ReadableStream as unknown as { from(from: typeof stream): ReadableStream }).from(stream)

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'no error',
    error => (error instanceof RyzError ? error.code : `not a RyzError: ${error}`),
  )

describe('load', () => {
  it('reports progress, ends in ready, and knows the model', async () => {
    const seen: LoadProgress[] = []
    const worker = failing(async (_, __, hooks) => {
      hooks.progress({ phase: 'weights', loadedBytes: 5, totalBytes: 5, bytesPerSecond: 1 })
      return fakeParts(new FakeNetwork())
    })
    const engine = await connect(worker, 'x', { onProgress: p => seen.push(p) })
    expect(engine.model.name).toBe('fake')
    expect(seen.map(p => p.phase)).toEqual(['weights', 'ready'])
    expect(seen[1]).toMatchObject({ loadedBytes: 5, totalBytes: 5 })
  })

  it('hands source and options over, without signal and callback', async () => {
    let got: unknown[] = []
    const worker = failing(async (source, options) => {
      got = [source, options]
      return fakeParts(new FakeNetwork())
    })
    const options = { strict: true, signal: new AbortController().signal, onProgress: () => {} }
    await connect(worker, new URL('https://x.test/m.gguf'), options)
    expect(got).toEqual(['https://x.test/m.gguf', { strict: true }])
  })

  it('rejects with the error of the engine and ends the worker', async () => {
    const worker = failing(async () => {
      throw new RyzError('NOT_A_MODEL', 'a web page', { bytes: 4 })
    })
    const loading = connect(worker, 'x', {})
    await expect(loading).rejects.toMatchObject({ code: 'NOT_A_MODEL', detail: { bytes: 4 } })
    expect(worker.terminated).toBe(1)
  })

  it('gives the parts back when the options for requests are wrong', async () => {
    const network = new FakeNetwork()
    const worker = failing(async () => fakeParts(network))
    expect(await codeOf(connect(worker, 'x', { queueLimit: -1 }))).toBe('BAD_OPTION')
    expect(network.closed).toBe(1)
  })

  it('refuses options that cannot be sent', async () => {
    const worker = failing(async () => fakeParts(new FakeNetwork()))
    const options = { kv: (() => 'f16') as unknown as 'f16' }
    expect(await codeOf(connect(worker, 'x', options))).toBe('BAD_OPTION')
  })

  it('is cancelled by its signal and ends the worker', async () => {
    const worker = failing(() => new Promise(() => undefined))
    const abort = new AbortController()
    const loading = codeOf(connect(worker, 'x', { signal: abort.signal }))
    setTimeout(() => abort.abort(), 5)
    expect(await loading).toBe('ABORTED')
    expect(worker.terminated).toBe(1)
  })

  it('does not even start a worker for a signal that has fired', async () => {
    expect(await codeOf(load('x', { signal: AbortSignal.abort() }))).toBe('ABORTED')
  })

  it('starts the worker of the package by name and type', async () => {
    const made: unknown[][] = []
    class Recorded extends FakeWorker {
      constructor(...args: unknown[]) {
        super()
        made.push(args)
        opened.push({ worker: this })
      }
    }
    vi.stubGlobal('Worker', Recorded)
    stubPackageUrls()
    const engine = await load('x')
    await engine.close()
    expect(made).toEqual([[`${PACKAGE_BASE}worker.js`, { type: 'module', name: 'ryzanstein' }]])
  })

  it('rejects with NO_WORKER where there are none, and with WORKER_DIED where none may start', async () => {
    expect(await codeOf(load('x'))).toBe('NO_WORKER')
    expect(await codeOf(willItRun('x'))).toBe('NO_WORKER')
    class Refused {
      constructor() {
        throw new DOMException('another origin', 'SecurityError')
      }
    }
    vi.stubGlobal('Worker', Refused)
    stubPackageUrls()
    await expect(load('x')).rejects.toMatchObject({
      code: 'WORKER_DIED',
      message: expect.stringContaining('another origin'),
    })
  })

  it('rejects with WORKER_DIED when the worker dies or falls silent', async () => {
    const dying = failing(() => new Promise(() => undefined))
    setTimeout(() => dying.die('no such script'), 5)
    await expect(connect(dying, 'x', {})).rejects.toMatchObject({
      code: 'WORKER_DIED',
      message: expect.stringContaining('no such script'),
    })
    const silent = failing(() => new Promise(() => undefined))
    silent.hang()
    expect(await codeOf(connect(silent, 'x', {}, quick))).toBe('WORKER_DIED')
    expect(silent.terminated).toBe(1)
  })
})

describe('generate', () => {
  it('streams chunks whose text is the text of the result', async () => {
    const { engine } = await start({ logits: spelling('hello', 3) })
    const stream = engine.generate('ab')
    const chunks = await collect(stream)
    const result = await stream.result
    expect(chunks.map(c => c.text).join('')).toBe('hello')
    expect(result).toMatchObject({ text: 'hello', finishReason: 'eos', promptTokens: 3 })
    expect(await stream.text()).toBe('hello')
  })

  it('takes token ids, typed or not', async () => {
    const { engine } = await start()
    const options = { maxTokens: 5, seed: 1 }
    const listed = await engine.generate([1, 2, 3], options).text()
    const typed = Int32Array.of(1, 2, 3) as unknown as number[]
    expect(await engine.generate(typed, options).text()).toBe(listed)
  })

  it('keeps chunks for a reader that comes late', async () => {
    const { engine } = await start()
    const stream = engine.generate('x', { maxTokens: 9 })
    const { tokens } = await stream.result
    expect((await collect(stream)).flatMap(c => c.tokens)).toEqual(tokens)
  })

  it('refuses a second iteration', async () => {
    const { engine } = await start()
    const stream = engine.generate('x', { maxTokens: 1 })
    await collect(stream)
    expect(await codeOf(collect(stream))).toBe('BAD_OPTION')
  })

  it('gives the error of the engine to the loop, to result and to text()', async () => {
    const { engine } = await start()
    const stream = engine.generate([VOCAB])
    expect(await codeOf(collect(stream))).toBe('BAD_OPTION')
    expect(await codeOf(stream.result)).toBe('BAD_OPTION')
    expect(await codeOf(stream.text())).toBe('BAD_OPTION')
  })

  it('yields what came before the error, then throws it', async () => {
    const { engine } = await start({
      logits: (out, held) => {
        out.fill(held.length > 3 ? Number.NaN : 0)
      },
    })
    const seen: number[] = []
    const reading = (async () => {
      for await (const { tokens } of engine.generate([1])) seen.push(...tokens)
    })()
    expect(await codeOf(reading)).toBe('BAD_WEIGHTS')
    expect(seen).toHaveLength(3)
  })

  it('cancels when the loop is left, and frees the memory', async () => {
    const { engine, worker } = await start(slow)
    const stream = engine.generate('x', { maxTokens: 400 })
    let count = 0
    for await (const _ of stream) if (++count === 3) break
    expect(await codeOf(stream.result)).toBe('ABORTED')
    await until(() => worker.network!.kv.usedBlocks === 0, 'blocks are back')
    expect((await engine.stats()).queue).toMatchObject({ cancelled: 1, running: 0 })
  })

  const ways: [string, (stream: AsyncIterable<TokenChunk>) => Promise<unknown>][] = [
    ['returned before it is read', stream => stream[Symbol.asyncIterator]().return!()],
    ['thrown into', stream => codeOf(stream[Symbol.asyncIterator]().throw!(new Error('mine')))],
    ['cancelled as a ReadableStream', stream => readableFrom(stream).cancel()],
    [
      'read through a ReadableStream and then cancelled',
      async stream => {
        const reader = readableFrom(stream).getReader()
        await reader.read()
        await reader.cancel()
      },
    ],
    [
      'left while it is asked',
      async stream => {
        const iterator = stream[Symbol.asyncIterator]()
        const asked = Array.from({ length: 40 }, () => iterator.next())
        await iterator.return!()
        expect((await Promise.all(asked)).at(-1)!.done).toBe(true)
      },
    ],
  ]
  it.each(ways)('cancels when it is %s, and nothing rejects unheard', async (_, leave) => {
    const { engine, worker } = await start(slow)
    await leave(engine.generate('x', { maxTokens: 400 }))
    await vi.waitFor(async () => {
      expect((await engine.stats()).queue).toMatchObject({ cancelled: 1, running: 0 })
    })
    expect(worker.network!.kv.usedBlocks).toBe(0)
  })

  it('cancels when its signal fires, before and during', async () => {
    const { engine, worker } = await start(slow)
    const fired = engine.generate('x', { signal: AbortSignal.abort() })
    expect(await codeOf(collect(fired))).toBe('ABORTED')
    const abort = new AbortController()
    const stream = engine.generate('x', { maxTokens: 400, signal: abort.signal })
    setTimeout(() => abort.abort(), 10)
    expect(await codeOf(collect(stream))).toBe('ABORTED')
    await until(() => worker.network!.kv.usedBlocks === 0, 'blocks are back')
    expect((await engine.stats()).queue).toMatchObject({ cancelled: 1, running: 0 })
  })

  it('does nothing when a signal fires after the end', async () => {
    const { engine } = await start()
    const abort = new AbortController()
    const stream = engine.generate('x', { maxTokens: 2, signal: abort.signal })
    await stream.result
    abort.abort()
    expect((await stream.result).tokens).toHaveLength(2)
    expect((await engine.stats()).queue).toMatchObject({ served: 1, cancelled: 0 })
  })

  it('accounts for 64 requests at once with a queue of 16', async () => {
    const { engine } = await start({}, { maxSequences: 4, queueLimit: 16 })
    const texts = Array.from({ length: 64 }, (_, i) =>
      codeOf(engine.generate([i], { maxTokens: 40 }).result),
    )
    const codes = await Promise.all(texts)
    const { queue } = await engine.stats()
    expect(codes.filter(code => code === 'no error').length).toBe(queue.served)
    expect(codes.filter(code => code === 'QUEUE_FULL').length).toBe(queue.refused)
    expect(queue.served + queue.refused).toBe(64)
    expect(queue.served).toBeGreaterThanOrEqual(20)
  })

  it('refuses options that cannot be sent', async () => {
    const { engine } = await start()
    const options = { seed: (() => 1) as unknown as number }
    expect(await codeOf(engine.generate('x', options).result)).toBe('BAD_OPTION')
    expect(await engine.generate('x', { maxTokens: 1 }).text()).toHaveLength(1)
  })
})

describe('calls', () => {
  it('tokenize, detokenize and count', async () => {
    const { engine } = await start()
    expect(await engine.tokenize('hi', { bos: true })).toEqual([256, 104, 105])
    expect(await engine.detokenize([104, 105])).toBe('hi')
    expect(await engine.countTokens('hi')).toBe(2)
    expect(await codeOf(engine.detokenize([-1]))).toBe('BAD_OPTION')
  })

  it('the space before a SentencePiece text: its own ids give the text, an answer keeps it', async () => {
    const letter = (id: number) => (id > 96 && id < 123 ? `▁${String.fromCharCode(id)}` : `<${id}>`)
    const tokens = Array.from({ length: VOCAB }, (_, id) => letter(id))
    const tokenizer = tokenizerFromGguf(
      new Map<string, unknown>([
        ['tokenizer.ggml.model', 'llama'],
        ['tokenizer.ggml.tokens', [...tokens.slice(0, -1), '▁']],
        ['tokenizer.ggml.scores', tokens.map(() => 0)],
      ]),
    )
    const parts = async () => ({ ...fakeParts(new FakeNetwork()), tokenizer })
    const worker = new FakeWorker({}, parts)
    const engine = await connect(worker, 'x', {})
    opened.push({ engine, worker })
    const ids = await engine.tokenize('a b')
    expect(ids).toEqual([97, 98])
    expect(await engine.detokenize(ids)).toBe('a b')
    expect(await engine.detokenize(ids, { continuation: true })).toBe(' a b')
    const result = await engine.generate([97], { maxTokens: 5 }).result
    expect(result.text).toMatch(/^( [a-z]){5}$/)
    expect(await engine.detokenize(result.tokens)).toBe(result.text)
    expect(await engine.detokenize([...result.tokens])).toBe(result.text.slice(1))
  })

  it('score gives typed arrays', async () => {
    const { engine } = await start()
    const scored = await engine.score('abc', { logits: true })
    expect(scored.tokens).toEqual([256, 97, 98, 99])
    expect(scored.logprobs).toBeInstanceOf(Float32Array)
    expect(scored.logits).toHaveLength(4 * VOCAB)
    expect(scored.vocabSize).toBe(VOCAB)
  })

  it('score hears its signal', async () => {
    const { engine } = await start(slow)
    const abort = new AbortController()
    const scoring = engine.score(Array(400).fill(1), { signal: abort.signal })
    setTimeout(() => abort.abort(), 5)
    expect(await codeOf(scoring)).toBe('ABORTED')
    expect(await codeOf(engine.score('x', { signal: AbortSignal.abort() }))).toBe('ABORTED')
  })

  it('chat without a template is a TEMPLATE_ERROR', async () => {
    const { engine } = await start()
    expect(await codeOf(engine.chat([{ role: 'user', content: 'x' }]).text())).toBe(
      'TEMPLATE_ERROR',
    )
  })
})

describe('a fault of the package', () => {
  it('inside a call or a request fails it alone, with INTERNAL', async () => {
    const broken = { ...byteTokenizer }
    const worker = failing(async () => ({ ...fakeParts(new FakeNetwork(slow)), tokenizer: broken }))
    const engine = await connect(worker, 'x', {})
    const other = engine.generate('other', { maxTokens: 50, seed: 1 })
    await engine.stats() // it has its prompt
    broken.encodeInSlices = () => {
      throw new TypeError('undefined has no slice')
    }
    const codes = [engine.tokenize('x'), engine.score('x'), engine.generate('x').result].map(codeOf)
    expect(await Promise.all(codes)).toEqual(['INTERNAL', 'INTERNAL', 'INTERNAL'])
    expect((await other.result).tokens).toHaveLength(50)
    expect(await engine.detokenize([104, 105])).toBe('hi')
    expect(worker.terminated).toBe(0)
    await engine.close()
  })

  it("in the caller's own callback ends nothing", async () => {
    const reported = vi.fn()
    vi.stubGlobal('reportError', reported)
    const onProgress = () => {
      throw new Error('mine')
    }
    const worker = new FakeWorker()
    const engine = await connect(worker, 'x', { onProgress, maxSequences: 1 })
    opened.push({ engine, worker })
    const queued = { onQueue: onProgress, maxTokens: 3 }
    const both = [engine.generate('a', queued).text(), engine.generate('b', queued).text()]
    expect((await Promise.all(both)).map(text => text.length)).toEqual([3, 3])
    expect(reported.mock.calls.length).toBeGreaterThan(1)
  })
})

describe('the end', () => {
  it('close fails open requests with CLOSED, gives memory back and may be called twice', async () => {
    const { engine, worker } = await start(slow)
    const stream = engine.generate('x', { maxTokens: 400 })
    const scoring = codeOf(engine.score(Array(300).fill(1)))
    await Promise.all([engine.close(), engine.close()])
    expect(await codeOf(stream.result)).toBe('CLOSED')
    expect(await scoring).toBe('CLOSED')
    expect(worker.network!.closed).toBe(1)
    expect(worker.terminated).toBe(1)
    expect(await codeOf(engine.stats())).toBe('CLOSED')
    expect(await codeOf(engine.generate('x').text())).toBe('CLOSED')
  })

  it.each([
    ['an error event', (w: FakeWorker) => w.die()],
    ['a message that cannot be read', (w: FakeWorker) => w.garble()],
    ['silence', (w: FakeWorker) => w.hang()],
  ])('every open call rejects with WORKER_DIED after %s', async (_, kill) => {
    const waits: FakeOptions = {
      onStep: (_, step) => (step > 3 ? new Promise(() => {}) : undefined),
    }
    const { engine, worker } = await start(waits, {}, quick)
    const stream = engine.generate('x')
    const codes = [codeOf(stream.text()), codeOf(collect(stream)), codeOf(engine.score('abc'))]
    kill(worker)
    codes.push(codeOf(engine.stats()))
    for (const code of codes) expect(await code).toBe('WORKER_DIED')
    expect(worker.terminated).toBe(1)
    expect(await codeOf(engine.generate('x').text())).toBe('WORKER_DIED')
    await engine.close()
  })

  it('a busy engine that answers pings is left alone, however long it takes', async () => {
    let go: () => void = () => undefined
    const gate = new Promise<void>(resolve => {
      go = resolve
    })
    const { engine } = await start(
      { onStep: (_, step) => (step === 2 ? gate : undefined) },
      {},
      quick,
    )
    const text = codeOf(engine.generate('x', { maxTokens: 2 }).text())
    setTimeout(go, 200)
    expect(await text).toBe('no error')
  })

  it('a rejected result that nobody looks at is no unhandled rejection', async () => {
    const seen: unknown[] = []
    const listen = (reason: unknown) => seen.push(reason)
    process.on('unhandledRejection', listen)
    const { engine } = await start(slow)
    engine.generate('x', { maxTokens: 400 })
    engine.generate([VOCAB])
    await engine.close()
    await new Promise(resolve => setTimeout(resolve, 10))
    process.off('unhandledRejection', listen)
    expect(seen).toEqual([])
  })
})

describe('the package', () => {
  it('can be imported where there is neither window nor Worker, and exports what it says', async () => {
    expect(globalThis).not.toHaveProperty('Worker')
    const { transferHandlers } = await import('comlink')
    const before = [...transferHandlers]
    const sdk = await import('../../src/index.ts')
    expect([...transferHandlers]).toEqual(before)
    expect(Object.keys(sdk).sort()).toEqual([
      'BACKENDS',
      'ERROR_CODES',
      'RyzError',
      'clearModels',
      'deleteModel',
      'evictionCandidates',
      'exportModel',
      'importModel',
      'isolate',
      'listModels',
      'load',
      'openai',
      'partialJson',
      'persistStorage',
      'sessions',
      'storageEstimate',
      'willItRun',
    ])
  })
})
