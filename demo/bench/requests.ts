// Sends greedy requests with random prompts to an engine, all at once, and times what comes back.
import type { GenerateResult, Ryzanstein } from 'ryzanstein'
import type { Timeline } from './timeline.ts'

export type Engine = Pick<Ryzanstein, 'generate' | 'stats' | 'close' | 'model'>

export interface Answered {
  readonly timelines: readonly Timeline[]
  readonly results: readonly GenerateResult[]
  readonly wallMs: number
}

/** Random token ids, the same for the same sequence and vocabulary; special tokens are mostly avoided. */
export function randomPrompt(sequence: number, tokens: number, vocab: number): number[] {
  const low = Math.min(300, vocab >> 2)
  const high = Math.floor(vocab * 0.95)
  let state = Math.imul(sequence + 1, 0x9e3779b1) >>> 0 || 1
  const next = () => {
    // xorshift32 (Marsaglia 2003)
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state >>> 0
  }
  return Array.from({ length: tokens }, () => low + (next() % Math.max(1, high - low)))
}

/**
 * One request per prompt, all submitted before any is read.
 * @param reuse  with it a prompt that was read before costs nothing, and measures nothing
 */
export async function ask(
  engine: Engine,
  prompts: readonly (readonly number[])[],
  newTokens: number,
  reuse = false,
): Promise<Answered> {
  const options = { maxTokens: newTokens, temperature: 0, ignoreEos: true, reuse }
  const begin = performance.now()
  const answers = await Promise.all(
    prompts.map(async prompt => {
      const start = performance.now()
      const stream = engine.generate(prompt, options)
      const arrivals: number[] = []
      for await (const { tokens } of stream) {
        const at = performance.now()
        for (let i = 0; i < tokens.length; i++) arrivals.push(at)
      }
      const result = await stream.result
      return { timeline: { start, firstAt: start + result.ttftMs, arrivals }, result }
    }),
  )
  return {
    timelines: answers.map(a => a.timeline),
    results: answers.map(a => a.result),
    wallMs: performance.now() - begin,
  }
}

/** A fingerprint of what was written: FNV-1a over all token ids. */
export function fingerprint(results: readonly GenerateResult[]): string {
  let hash = 0x811c9dc5
  for (const { tokens } of results) {
    for (const id of tokens) hash = Math.imul(hash ^ id, 0x01000193)
  }
  return (hash >>> 0).toString(16).padStart(8, '0')
}
