// Each field of stats() against a run that provokes it, with the built package in Chromium. A field that has
// no row in FIELDS fails the last test: what stats() tells must have happened.
import { clearModels, type EngineStats, type LoadOptions, load } from 'ryzanstein'
import { beforeAll, expect, test } from 'vitest'

const MODEL = '/demo/public/models/ryz-tales-tq2_0-embq8_0.gguf'
const BYTES = 2_150_592
/** 70 ids: two whole blocks of 32 tokens and six more. */
const PROMPT = Array.from({ length: 70 }, (_, i) => 300 + i)
const ANSWER = 20
const LAYERS = 4

interface Facts {
  readonly stats: EngineStats
  /** While two requests ran and one waited. */
  readonly during: EngineStats
  readonly warm: EngineStats
  /** What the page saw: of load(), and of all requests. */
  readonly loadMs: number
  readonly requestsMs: number
}

const OPTIONS = {
  variant: 'simd128',
  threads: 2,
  kv: 'int8',
  contextLength: 100_000,
  maxSequences: 2,
  queueLimit: 1,
  activations: 'int8',
} satisfies LoadOptions

let facts: Facts

const codeOf = (result: Promise<unknown>): Promise<string> =>
  result.then(
    () => 'served',
    error => error.code,
  )

beforeAll(async () => {
  await clearModels()
  let start = performance.now()
  const engine = await load(MODEL, OPTIONS)
  const loadMs = performance.now() - start
  const greedy = { temperature: 0, maxTokens: ANSWER, ignoreEos: true }
  start = performance.now()
  await engine.generate(PROMPT, greedy).result
  await engine.generate(PROMPT, greedy).result
  const leave = new AbortController()
  const long = { temperature: 0, maxTokens: 400, ignoreEos: true, signal: leave.signal }
  const busy = [1, 2].map(id => engine.generate([id, id], long))
  await Promise.all(busy.map(stream => stream[Symbol.asyncIterator]().next()))
  const waits = codeOf(engine.generate([3], { ...greedy, queueTimeoutMs: 20 }).result)
  const during = await engine.stats()
  expect(await codeOf(engine.generate([4], greedy).result)).toBe('QUEUE_FULL')
  expect(await waits).toBe('QUEUE_TIMEOUT')
  leave.abort()
  expect(await Promise.all(busy.map(stream => codeOf(stream.result)))).toEqual([
    'ABORTED',
    'ABORTED',
  ])
  const tooLong = Array.from({ length: 513 }, () => 5)
  expect(await codeOf(engine.generate(tooLong, greedy).result)).toBe('CONTEXT_FULL')
  const stats = await engine.stats()
  const requestsMs = performance.now() - start
  await engine.close()
  const again = await load(MODEL, { head: 'int4' })
  const warm = await again.stats()
  await again.close()
  facts = { stats, during, warm, loadMs, requestsMs }
}, 60_000)

const rate = ({ tokens, ms, tokensPerSecond }: EngineStats['decode']) => {
  expect(ms).toBeGreaterThan(0)
  expect(tokensPerSecond).toBeCloseTo((tokens * 1000) / ms, 6)
}

/** Fields, or parts of stats(), and what must be true of them. */
const FIELDS: Record<string, (f: Facts) => void> = {
  backend: ({ stats }) => expect(stats.backend).toBe('wasm'),
  variant: ({ stats }) => expect(stats.variant).toBe('simd128'),
  threads: ({ stats }) => expect(stats.threads).toBe(2),
  strict: ({ stats }) => expect(stats.strict).toBe(false),
  head: ({ stats, warm }) => {
    expect([stats.head, warm.head]).toEqual(['int8', 'int4'])
    // 4,096 rows of 256 columns: a byte each and a scale a row; half a byte, 16 group scales and a scale.
    expect(stats.memory.weights - warm.memory.weights).toBe(
      4096 * (256 + 4) - 4096 * (128 + 16 + 4),
    )
  },
  activations: ({ stats }) => expect(stats.activations).toBe('int8'),
  kv: ({ stats }) => expect(stats.kv).toBe('int8'),
  contextLength: ({ stats }) => expect(stats.contextLength).toBe(512),
  maxSequences: ({ stats }) => expect(stats.maxSequences).toBe(2),
  model: ({ stats }) =>
    expect(stats.model).toEqual({
      name: 'Ryzanstein fairy-tale BitNet',
      architecture: 'bitnet',
      container: 'gguf',
      layers: LAYERS,
      hidden: 256,
      ffn: 768,
      heads: 4,
      kvHeads: 4,
      headDim: 64,
      vocab: 4096,
      contextLength: 512,
      // <|endoftext|> and <|bos|>, as the file says.
      bos: 1,
      addsBos: true,
      endTokens: [0],
      // Embedding 4096 x 256; a layer 4 x 256^2 + 3 x 256 x 768 and its norms 256 + 256 + 256 + 768; a last norm.
      parameters: 4096 * 256 + 4 * (4 * 256 ** 2 + 3 * 256 * 768 + 3 * 256 + 768) + 256,
      layouts: { i8: 1, t2: 7 * LAYERS },
      notes: [],
    }),
  fallbacks: ({ stats, warm }) => {
    expect(stats.fallbacks).toMatchObject([{ from: 'context 100000', to: 'context 512' }])
    expect(warm.fallbacks).toEqual([])
  },
  memory: ({ stats: { memory }, during }) => {
    expect(memory.total).toBe(memory.weights + memory.kv + memory.scratch)
    // Two sequences of 512 tokens: K and V, 4 layers, 4 heads of 64 bytes with an f32 scale each.
    expect(memory.kvBlocks).toBe((2 * 512) / 32)
    expect(memory.kv).toBe(memory.kvBlocks * 32 * 2 * LAYERS * 4 * (64 + 4))
    expect(during.memory.kvBlocksUsed).toBeGreaterThanOrEqual(2)
    expect(memory.kvBlocksUsed).toBe(0)
    // The prompt's two blocks and what follows are kept.
    expect(memory.kvBlocksCached).toBeGreaterThanOrEqual(2)
  },
  pool: ({ stats: { pool, prefill, decode }, during, loadMs, requestsMs }) => {
    const sum = (values: readonly number[]) => values.reduce((all, n) => all + n, 0)
    const { active, msByActive, pieces, activeBySecond, waitMs, othersBusy } = pool!
    expect([1, 2]).toContain(active)
    expect(msByActive).toHaveLength(2)
    // Steps, without what stands between them.
    expect(sum(msByActive)).toBeGreaterThan(0.3 * (prefill.ms + decode.ms))
    expect(sum(msByActive)).toBeLessThan(loadMs + requestsMs)
    expect(pieces).toHaveLength(2)
    expect(pieces[0]).toBeGreaterThan(0)
    expect(sum(during.pool!.pieces)).toBeGreaterThan(0)
    // It never goes back; it stands where one thread works alone, as it may between the two looks.
    expect(sum(pieces)).toBeGreaterThanOrEqual(sum(during.pool!.pieces))
    expect(activeBySecond.length).toBeGreaterThan(0)
    for (const mean of activeBySecond) expect(mean === 0 || (mean >= 1 && mean <= 2)).toBe(true)
    expect(waitMs).toBeGreaterThanOrEqual(0)
    expect(waitMs).toBeLessThan(sum(msByActive) + 100)
    expect(typeof othersBusy).toBe('boolean')
  },
  speculation: ({ stats: { speculation } }) => {
    // Nobody asked for it.
    expect(speculation).toMatchObject({ on: false, steps: 0, proposed: 0, accepted: 0, gain: 1 })
    expect(speculation.reason).toBe("speculation is 'off'")
  },
  reuse: ({ stats }) => expect(stats.reuse).toEqual({ tokens: 64, requests: 1 }),
  prefill: ({ stats, during, requestsMs }) => {
    // 70, then the 6 that the cache had not, then 2 of each of the two that are cancelled.
    expect(during.prefill.tokens).toBe(70 + 6 + 2 + 2)
    rate(during.prefill)
    expect(stats.prefill.ms + stats.decode.ms).toBeLessThan(requestsMs)
  },
  decode: ({ during }) => {
    // The first token of an answer comes from the prompt's last row.
    expect(during.decode.tokens).toBeGreaterThanOrEqual(2 * (ANSWER - 1))
    rate(during.decode)
  },
  ops: ({ stats: { ops, prefill, decode } }) => {
    const names = [
      'embed',
      'norm',
      'qkv',
      'attend',
      'o',
      'add',
      'gate_up',
      'gate',
      'down',
      'logits',
    ]
    for (const name of names) expect(ops.find(o => o.op === name)?.calls).toBeGreaterThan(0)
    expect(ops.map(o => o.ms)).toEqual(ops.map(o => o.ms).toSorted((a, b) => b - a))
    const calls = (name: string) => ops.find(o => o.op === name)!.calls
    expect(calls('qkv')).toBe(LAYERS * calls('embed'))
    expect(calls('gate_up')).toBe(LAYERS * calls('embed'))
    // One step in 16 stands for all: rough on a busy machine, but of the same order as what all took.
    const share = ops.reduce((all, o) => all + o.ms, 0) / (prefill.ms + decode.ms)
    expect(share).toBeGreaterThan(0.1)
    expect(share).toBeLessThan(10)
  },
  queue: ({ stats, during }) => {
    expect(during.queue).toMatchObject({ running: 2, waiting: 1, served: 2, refused: 0 })
    expect(stats.queue).toEqual({
      waiting: 0,
      running: 0,
      served: 2,
      refused: 1,
      timedOut: 1,
      cancelled: 2,
      failed: 1,
    })
  },
  loadMs: ({ stats, loadMs }) => {
    expect(stats.loadMs).toBeGreaterThan(0)
    expect(stats.loadMs).toBeLessThanOrEqual(loadMs)
  },
  cache: ({ stats, warm }) => {
    const none = { repaired: 0, retries: 0 }
    const fetched = { fetched: 1, fetchedBytes: BYTES, hits: 0, hitBytes: 0 }
    expect(stats.cache).toMatchObject({ state: 'cold', ...none, ...fetched })
    const hit = { fetched: 0, fetchedBytes: 0, hits: 1, hitBytes: BYTES }
    expect(warm.cache).toMatchObject({ state: 'warm', ...none, ...hit })
    expect(warm.cache.verifyMs).toBeGreaterThan(0)
    expect(warm.cache.verifyMs).toBeLessThan(warm.loadMs)
  },
  calibration: ({ stats }) =>
    expect(stats.calibration).toMatchObject({ source: 'skipped', ms: 0, rates: [] }),
  faults: ({ stats }) =>
    expect(stats.faults).toEqual({ recomputed: 0, ended: 0, events: [], restarts: [] }),
}

test.each(Object.keys(FIELDS))('stats().%s tells what happened', name => FIELDS[name]!(facts))

test('a measured calibration tells what it measured and what it chose', async () => {
  // What another test's load has left behind.
  await new Promise((resolve, reject) => {
    const request = indexedDB.deleteDatabase('ryzanstein-notes')
    request.onsuccess = resolve
    request.onerror = () => reject(request.error)
  })
  const first = await load(MODEL, { calibrate: true, contextLength: 448 })
  const measured = (await first.stats()).calibration
  await first.close()
  expect(measured.source).toBe('measured')
  expect(measured.ms).toBeGreaterThan(0)
  expect(measured.rates.length).toBeGreaterThan(1)
  // The builds are measured on one thread; how many help is found while they work.
  const { variant, threads } = measured.chosen!
  expect(threads).toBe(navigator.hardwareConcurrency)
  expect(measured.rates).toContainEqual(expect.objectContaining({ variant, threads: 1 }))
})

test('strict, the reference and float activations are named when they run', async () => {
  const engine = await load(MODEL, { strict: true, backend: 'reference', activations: 'float' })
  expect(await engine.stats()).toMatchObject({
    strict: true,
    backend: 'reference',
    variant: 'typescript',
    threads: 1,
    head: 'file',
    kv: 'f32',
    activations: 'float',
  })
  await engine.close()
})

test('every field has a row above; gpu, tab and restarts have tests of their own', () => {
  // test/browser/webgpu.test.ts, e2e/tabs.spec.ts, e2e/failures.spec.ts
  expect(Object.keys(facts.stats).toSorted()).toEqual(Object.keys(FIELDS).toSorted())
})
