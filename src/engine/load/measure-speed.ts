// How fast a loaded network is: a piece of a prompt and a few tokens, timed. Called by open-contested.ts at a load, and
// by faults/gpu-watch.ts later.
import type { Network } from '../../model/network.ts'
import type { ExpectedSpeed } from '../../types/index.ts'

/** Tokens of the prompt that is measured. */
const PROMPT = 32
/** Tokens that are written at most. */
const WRITTEN = 8
/** Milliseconds that measuring may take beside the first, recording steps. */
const BUDGET_MS = 250
/** The same, and tokens, where a request may come meanwhile: it waits for them. */
const IDLE_MS = 50
const IDLE_TOKENS = 32

type Clock = () => number
const clock: Clock = () => performance.now()

/** Speeds of a loaded network, steps sent ahead where it draws tokens itself. */
export async function measureSpeed(network: Network, now = clock): Promise<ExpectedSpeed> {
  const { kv, maxRows } = network
  const tokens = Math.min(PROMPT, maxRows, kv.contextLength)
  // The first of each records its plan.
  await write(network, 1, now)
  let tokenMs = await write(network, 1, now)
  const count = Math.min(WRITTEN, kv.contextLength, Math.floor(BUDGET_MS / tokenMs))
  if (count > 1) tokenMs = Math.min(tokenMs, (await write(network, count, now)) / count)
  const firstMs = await read(network, tokens, now)
  const promptMs = firstMs > BUDGET_MS ? firstMs : await read(network, tokens, now)
  return {
    decodeTokensPerSecond: 1000 / tokenMs,
    prefillTokensPerSecond: (1000 * tokens) / promptMs,
  }
}

/**
 * Tokens a second that it writes, without what waiting for the last of them takes.
 * @param tokenMs  what a token took lately; so many are tried as fit into 50 ms, or into two waits
 * @param stopped  asked before each part: whether to end there
 * @returns nothing where it was stopped
 */
export async function measureDecode(
  network: Network,
  tokenMs: number,
  stopped: () => boolean,
  now = clock,
): Promise<number | undefined> {
  await write(network, 1, now)
  if (stopped()) return undefined
  const { drawer, kv } = network
  let began = now()
  await drawer?.answer()
  const waitMs = drawer === undefined ? 0 : now() - began
  if (stopped()) return undefined
  const fitting = Math.floor(Math.max(IDLE_MS, 2 * waitMs) / tokenMs)
  const count = Math.max(1, Math.min(fitting, IDLE_TOKENS, kv.contextLength))
  began = now()
  const ms = await write(network, count, now)
  // Answers come at the ticks of a clock in some browsers.
  return (1000 * count) / Math.max(ms - waitMs, ms / 2)
}

/** Milliseconds of a prompt. */
async function read(network: Network, tokens: number, now: Clock): Promise<number> {
  const { kv } = network
  const seq = kv.open()
  try {
    if (!kv.reserve(seq, tokens)) return Number.POSITIVE_INFINITY
    const began = now()
    await network.forward(
      Array.from({ length: tokens }, (_, i) => ({
        seq,
        token: i,
        wants: i + 1 < tokens ? ('nothing' as const) : ('logits' as const),
      })),
    )
    return now() - began
  } finally {
    kv.close(seq)
  }
}

/** Milliseconds of so many tokens, one after the other. */
async function write(network: Network, count: number, now: Clock): Promise<number> {
  const { kv, drawer } = network
  const seq = kv.open()
  try {
    kv.reserve(seq, count)
    const began = now()
    const steps: Promise<unknown>[] = []
    for (let i = 0; i < count; i++) {
      if (drawer === undefined) await network.forward([{ seq, token: i, wants: 'logits' }])
      else steps.push(drawer.draw([{ seq, token: i > 0 ? ~0 : 0, wants: 'logits' }], [GREEDY]))
    }
    await Promise.all(steps)
    return now() - began
  } finally {
    kv.close(seq)
  }
}

const GREEDY = { temperature: 0, topK: 1, topP: 1, minP: 0, random: 0 }
