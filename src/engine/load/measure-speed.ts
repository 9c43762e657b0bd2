// How fast a loaded network is: a piece of a prompt and a few tokens, timed. Called by open-parts.ts.
import type { Network } from '../../model/network.ts'
import type { ExpectedSpeed } from '../../types/index.ts'

/** Tokens of the prompt that is measured. */
const PROMPT = 32
/** Tokens that are written at most. */
const WRITTEN = 8
/** Milliseconds that measuring may take beside the first, recording steps. */
const BUDGET_MS = 250

/** Speeds of a loaded network, steps sent ahead where it draws tokens itself. */
export async function measureSpeed(
  network: Network,
  now: () => number = () => performance.now(),
): Promise<ExpectedSpeed> {
  const { kv, maxRows, drawer } = network
  const tokens = Math.min(PROMPT, maxRows, kv.contextLength)
  const prompt = async (): Promise<number> => {
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
  const write = async (count: number): Promise<number> => {
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
      return (now() - began) / count
    } finally {
      kv.close(seq)
    }
  }
  // The first of each records its plan.
  await write(1)
  let tokenMs = await write(1)
  const count = Math.min(WRITTEN, kv.contextLength, Math.floor(BUDGET_MS / tokenMs))
  if (count > 1) tokenMs = Math.min(tokenMs, await write(count))
  const firstMs = await prompt()
  const promptMs = firstMs > BUDGET_MS ? firstMs : await prompt()
  return {
    decodeTokensPerSecond: 1000 / tokenMs,
    prefillTokensPerSecond: (1000 * tokens) / promptMs,
  }
}

const GREEDY = { temperature: 0, topK: 1, topP: 1, minP: 0, random: 0 }
