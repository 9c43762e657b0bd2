// Mixed requests from several callers at once, as a busy page sends them (requests.ts). Seeded. Keeps its own
// books, to be held against the engine's. Runs in a page: the soak test's and soak.ts's.
import type { EngineStats, Ryzanstein } from '../../src/index.ts'
import { ALL_KINDS, type Kind, type Outcome, PLAIN_KINDS, type Sender } from './requests.ts'

/** What became of the requests, as the page saw it. */
export interface Tally extends Record<Outcome, number> {
  asked: number
  /** Received, those of cancelled requests too. */
  tokens: number
  /** Requests by kind and end: { 'chat served': 12 }. */
  kinds: Record<string, number>
  /** Answers and ends that must not be, in words; the first twenty. */
  wrong: string[]
}

export interface TrafficOptions {
  /** Ends when this many tokens were received. */
  tokens: number
  seed: number
  /** Context of the engine. */
  contextLength: number
  /** Callers at once; more than the engine takes, so that some wait and some are refused. */
  callers?: number
  /** Chats, functions, JSON, scores, embeddings and sessions too; the engine needs a chat template. */
  rich?: boolean
  /** Answers that must come out the same, from earlier traffic; undefined: they need not. Grows. */
  answers?: Map<string, string> | undefined
  /** Kinds that come before any other, so that no run lacks one by chance: all of them when absent. Shrinks. */
  due?: Kind[] | undefined
  /** Length of prompts and answers, and of bursts, beside a busy page's; 1 when absent. */
  length?: number
}

/** Ends by the code of the error; any other is wrong. */
const CODES: Readonly<Record<string, Outcome>> = {
  ABORTED: 'cancelled',
  QUEUE_FULL: 'refused',
  QUEUE_TIMEOUT: 'timedOut',
  BAD_OPTION: 'failed',
  CONTEXT_FULL: 'failed',
}
/** Codes that end the engine: nothing is sent after them. */
const ENDS = ['WORKER_DIED', 'KERNEL_TRAP', 'DEVICE_LOST', 'GPU_OOM', 'CLOSED']
const MOST_WRONG = 20

export function noTally(): Tally {
  const ends = { served: 0, cancelled: 0, refused: 0, timedOut: 0, failed: 0 }
  return { asked: 0, ...ends, tokens: 0, kinds: {}, wrong: [] }
}

/** The books of both together. */
export function sumOf(a: Tally, b: Tally): Tally {
  const sum = noTally()
  for (const { kinds, wrong, ...counts } of [a, b]) {
    for (const key of Object.keys(counts) as (keyof typeof counts)[]) sum[key] += counts[key]
    for (const [key, n] of Object.entries(kinds)) sum.kinds[key] = (sum.kinds[key] ?? 0) + n
    sum.wrong.push(...wrong)
  }
  return sum
}

/** Sends requests until enough tokens came back and every request has ended. */
export async function runTraffic(engine: Ryzanstein, options: TrafficOptions): Promise<Tally> {
  const random = mulberry32(options.seed)
  const tally = noTally()
  const { vocab } = engine.model
  let dead = false
  const wrong = (what: string): void => {
    if (tally.wrong.length < MOST_WRONG) tally.wrong.push(what)
  }
  const sender: Sender = {
    engine,
    contextLength: options.contextLength,
    length: options.length ?? 1,
    upTo: n => Math.floor(random() * n),
    ids: (n, from) =>
      Array.from({ length: n }, (_, i) => 10 + ((from * 977 + i * 31) % (vocab - 20))),
    received: tokens => {
      tally.tokens += tokens
    },
    same: (question, answer) => {
      const { answers } = options
      const before = answers?.get(question)
      if (before === undefined) answers?.set(question, answer)
      else if (before !== answer) wrong(`${question}: not the answer of before`)
    },
    wrong,
  }
  const kinds = options.rich ? ALL_KINDS : PLAIN_KINDS
  const weights = kinds.reduce((sum, kind) => sum + kind.weight, 0)

  async function send(kind: Kind): Promise<void> {
    tally.asked++
    let outcome: Outcome = 'served'
    try {
      await kind.send(sender)
    } catch (caught) {
      const code = (caught as { code?: string }).code ?? ''
      const known = CODES[code]
      if (known === undefined) wrong(`${kind.name}: ${code} ${caught}`)
      dead ||= ENDS.includes(code)
      outcome = known ?? 'failed'
    }
    tally[outcome]++
    const key = `${kind.name} ${outcome}`
    tally.kinds[key] = (tally.kinds[key] ?? 0) + 1
    const mayBe = [...kind.ends, 'refused', 'timedOut'].includes(outcome)
    if (!mayBe) wrong(`${kind.name}: ${outcome}`)
  }

  const due = options.due ?? [...kinds]
  function chosen(): Kind {
    const next = due.shift()
    if (next !== undefined) return next
    let left = random() * weights
    for (const kind of kinds) {
      left -= kind.weight
      if (left < 0) return kind
    }
    return kinds[0]!
  }

  async function caller(): Promise<void> {
    while (tally.tokens < options.tokens && !dead) {
      const kind = chosen()
      const count = Math.ceil(sender.length * (kind.burst ?? 1))
      await Promise.all(Array.from({ length: count }, () => send(kind)))
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
  const found = [...tally.wrong]
  const equal = (what: string, page: number, engine: number) => {
    if (page !== engine) found.push(`${what}: ${page} in the page, ${engine} in the engine`)
  }
  // Saving computes what is not in the cache, as a request of its own; the first one also reads the model's numbers.
  const sessions = Object.entries(tally.kinds).reduce(
    (sum, [key, n]) => (key.startsWith('session ') ? sum + n : sum),
    0,
  )
  equal('refused', tally.refused, queue.refused)
  equal('timedOut', tally.timedOut, queue.timedOut)
  equal('failed', tally.failed, queue.failed)
  const [page, done] = [tally.served + tally.cancelled, queue.served + queue.cancelled]
  if (done < page || done > page + (sessions > 0 ? sessions + 1 : 0)) {
    equal('served and cancelled', page, done)
  }
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
