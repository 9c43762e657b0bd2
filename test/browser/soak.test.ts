// Long use of one page in a real Chromium: mixed requests (chats, functions, JSON, scores, embeddings, sessions and
// what goes wrong) until 50,000 tokens came back, and loading and closing twenty times. The short form of `make soak`. Memory, KV blocks and books must end where they began. Seeds are printed.
import { type LoadOptions, load, type Ryzanstein } from 'ryzanstein'
import { describe, expect, test } from 'vitest'
import { PLAIN_KINDS, RICH_KINDS, TEMPLATE } from '../../e2e/soak/requests.ts'
import { discrepancies, runTraffic, settled, sumOf } from '../../e2e/soak/traffic.ts'

const MODEL = '/demo/public/models/ryz-tales-tq2_0-embq8_0.gguf'
const CONTEXT = 256
/** What the collector may leave behind, in bytes; a leaked engine would be 50 MB. */
const SLACK = 6e6

declare global {
  interface Performance {
    measureUserAgentSpecificMemory?(): Promise<{ bytes: number }>
  }
}

/** Bytes of page and workers after a collection, or undefined where the browser does not tell. */
async function memoryBytes(): Promise<number | undefined> {
  return (await performance.measureUserAgentSpecificMemory?.())?.bytes
}

/** Chromium takes 2 s to end a worker that waits in wasm; a measurement begun meanwhile never ends. */
const workersEnded = () => new Promise(resolve => setTimeout(resolve, 5000))

test('the browser tells how much memory page and workers use', () => {
  expect(typeof performance.measureUserAgentSpecificMemory).toBe('function')
})

/** Loads, sends traffic after a tenth of it as a warm-up, checks the books. @returns bytes gained */
async function soak(options: LoadOptions, tokens: number, measured: boolean): Promise<number> {
  const seed = Math.floor(Math.random() * 2 ** 31)
  const engine = await load(MODEL, {
    contextLength: CONTEXT,
    queueLimit: 4,
    cache: 'off',
    chatTemplate: TEMPLATE,
    ...options,
  })
  try {
    const before = await engine.stats()
    // The first tokens warm caches, JIT and pools.
    const traffic = { contextLength: CONTEXT, seed, rich: true, answers: new Map<string, string>() }
    const warm = await runTraffic(engine, { ...traffic, tokens: tokens / 10 })
    await settled(engine)
    const start = measured ? await memoryBytes() : 0
    const began = performance.now()
    const rest = await runTraffic(engine, { ...traffic, seed: seed + 1, tokens: 0.9 * tokens })
    const seconds = (performance.now() - began) / 1000
    const stats = await settled(engine)
    const end = measured ? await memoryBytes() : 0
    const rate = Math.round(rest.tokens / seconds)
    const tally = sumOf(warm, rest)
    console.log(
      `soak: seed ${seed}, ${JSON.stringify(tally)}, ${rate} tok/s, ${start} -> ${end} bytes`,
    )

    expect(discrepancies(tally, stats), `seed ${seed}`).toEqual([])
    expect(tally.tokens).toBeGreaterThanOrEqual(tokens)
    for (const key of ['served', 'cancelled', 'refused', 'timedOut', 'failed'] as const) {
      expect(tally[key], key).toBeGreaterThan(0)
    }
    for (const kind of [...PLAIN_KINDS, ...RICH_KINDS]) {
      // How it ends depends on who else waits: the books above say that each ended as it may.
      const asked = Object.keys(tally.kinds).filter(key => key.startsWith(`${kind.name} `))
      expect(asked, kind.name).not.toEqual([])
    }
    expect(stats.reuse.tokens).toBeGreaterThan(0)
    expect(stats.memory.kvBlocksCached).toBeLessThanOrEqual(stats.memory.kvBlocks)
    expect(stats.memory.total).toBe(before.memory.total)
    return end! - start!
  } finally {
    // Also after a failure: what it leaves behind would keep the tests below from measuring.
    await engine.close()
    await workersEnded()
  }
}

describe('50,000 tokens of mixed requests', () => {
  test('on all threads keep exact books and give every block back', {
    timeout: 240_000,
  }, async () => {
    await soak({}, 25_000, false)
  })

  // A measurement waits a minute for pool workers, which never leave the kernels: one thread here.
  test('on one thread leave nothing behind in memory either', { timeout: 240_000 }, async () => {
    expect(await soak({ threads: 1 }, 25_000, true)).toBeLessThan(SLACK)
  })
})

test('close() and load twenty times end where they began', { timeout: 120_000 }, async () => {
  const cycle = async (): Promise<void> => {
    const engine: Ryzanstein = await load(MODEL, { contextLength: CONTEXT, cache: 'off' })
    await engine.generate('Once upon a time', { maxTokens: 8 }).text()
    await engine.close()
  }
  for (let i = 0; i < 3; i++) await cycle()
  await workersEnded()
  const start = await memoryBytes()
  const began = performance.now()
  for (let i = 0; i < 20; i++) await cycle()
  const ms = (performance.now() - began) / 20
  await workersEnded()
  const end = await memoryBytes()
  console.log(`reload: ${Math.round(ms)} ms a cycle, ${start} -> ${end} bytes`)
  expect(end! - start!).toBeLessThan(SLACK)
})
