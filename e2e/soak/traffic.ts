// Mixed requests from several callers at once, as a busy page sends them: short, long, cancelled,
// impossible, impatient, in bursts, past the end of the context. Seeded. Keeps its own books, to be held
// against the engine's. Runs in a page: the soak test's and soak.ts's.
import type { EngineStats, GenerateOptions, Ryzanstein } from '../../src/index.ts'

/** What became of the requests, as the page saw it. */
export interface Tally {
  asked: number
  served: number
  cancelled: number
  refused: number
  timedOut: number
  failed: number
  /** Received, those of cancelled requests too. */
  tokens: number
}

export interface TrafficOptions {
  /** Ends when this many tokens were received. */
  tokens: number
  seed: number
  /** Context of the engine. */
  contextLength: number
  /** Callers at once; more than the engine takes, so that some wait and some are refused. */
  callers?: number
  /** Called now and then; awaited, so it may look at the engine. */
  onProgress?: (tally: Tally) => unknown
}

const CODES: Readonly<Record<string, keyof Tally>> = {
  ABORTED: 'cancelled',
  QUEUE_FULL: 'refused',
  QUEUE_TIMEOUT: 'timedOut',
  BAD_OPTION: 'failed',
  CONTEXT_FULL: 'failed',
}

/** Sends requests until enough tokens came back and every request has ended. */
export async function runTraffic(engine: Ryzanstein, options: TrafficOptions): Promise<Tally> {
  const { tokens, contextLength, onProgress } = options
  const random = mulberry32(options.seed)
  const upTo = (n: number) => Math.floor(random() * n)
  const tally: Tally = {
    asked: 0,
    served: 0,
    cancelled: 0,
    refused: 0,
    timedOut: 0,
    failed: 0,
    tokens: 0,
  }
  const vocab = engine.model.vocab
  const ids = (n: number, from: number) =>
    Array.from({ length: n }, (_, i) => 10 + ((from * 977 + i * 31) % (vocab - 20)))
  const systems = [0, 1, 2].map(i => ids(70, i))

  async function send(prompt: number[], wish: GenerateOptions, leaveAfter = Infinity) {
    tally.asked++
    const stream = engine.generate(prompt, { seed: upTo(1e6), ignoreEos: true, ...wish })
    try {
      let received = 0
      for await (const chunk of stream) {
        tally.tokens += chunk.tokens.length
        received += chunk.tokens.length
        if (received >= leaveAfter) break
      }
      await stream.result
      tally.served++
    } catch (caught) {
      const outcome = CODES[(caught as { code?: string }).code ?? '']
      if (outcome === undefined) throw caught
      tally[outcome]++
    }
  }

  /** One request, or a few at once. */
  function one(): Promise<unknown> {
    const chat = [...systems[upTo(3)]!, ...ids(1 + upTo(60), upTo(1000))]
    const kind = random()
    if (kind < 0.4) return send(chat, { maxTokens: 4 + upTo(20) })
    if (kind < 0.6) return send(chat, { maxTokens: 60 + upTo(120), priority: upTo(5) })
    if (kind < 0.7)
      return send(ids(contextLength - 20, upTo(5)), { maxTokens: 60, overflow: 'slide' })
    if (kind < 0.82) return send(chat, { maxTokens: 200 }, 1 + upTo(30))
    if (kind < 0.86) return send([vocab], {})
    if (kind < 0.9) return send(ids(contextLength, 1), {})
    if (kind < 0.95) return send(chat, { maxTokens: 8, queueTimeoutMs: 0 })
    return Promise.all(Array.from({ length: 6 }, () => send(chat, { maxTokens: 3, reuse: false })))
  }

  async function caller(): Promise<void> {
    while (tally.tokens < tokens) {
      const before = tally.asked
      await one()
      if (before % 20 === 0) await onProgress?.(tally)
    }
  }
  await Promise.all(Array.from({ length: options.callers ?? 6 }, caller))
  return tally
}

/**
 * What is wrong with the books: a cancel may cross the engine's last message, so served and cancelled
 * are compared as a sum, and everything else one by one.
 */
export function discrepancies(tally: Tally, { queue, memory }: EngineStats): string[] {
  const found: string[] = []
  const equal = (what: string, page: number, engine: number) => {
    if (page !== engine) found.push(`${what}: ${page} in the page, ${engine} in the engine`)
  }
  equal('refused', tally.refused, queue.refused)
  equal('timedOut', tally.timedOut, queue.timedOut)
  equal('failed', tally.failed, queue.failed)
  equal('served and cancelled', tally.served + tally.cancelled, queue.served + queue.cancelled)
  equal('waiting', 0, queue.waiting)
  equal('running', 0, queue.running)
  equal('KV blocks in use', 0, memory.kvBlocksUsed)
  const ended = tally.served + tally.cancelled + tally.refused + tally.timedOut + tally.failed
  if (ended !== tally.asked) found.push(`${tally.asked} requests, ${ended} ends`)
  if (queue.served < tally.served) found.push('the engine served fewer than the page received')
  return found
}

/** Waits until the engine has heard the last cancels. */
export async function settled(engine: Ryzanstein): Promise<EngineStats> {
  for (;;) {
    const stats = await engine.stats()
    if (stats.queue.running + stats.queue.waiting === 0) return stats
    await new Promise(resolve => setTimeout(resolve, 10))
  }
}

/** A small seeded generator (T. Ettinger's mulberry32, public domain), for tests only. */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}
