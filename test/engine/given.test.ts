// A request that goes on in another engine: its answer begins with the tokens that were delivered, and what follows is
// what this engine would have written behind them, whatever kind of request it is.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Engine } from '../../src/engine/engine.ts'
import { grammarPart } from '../../src/engine/grammar/part.ts'
import type { RyzError } from '../../src/errors.ts'
import type { GenerateOptions, GenerateResult } from '../../src/types/index.ts'
import { EMBEDDED, fileOf, openParts } from '../support/open.ts'
import { wasmFactory } from '../support/wasm.ts'

const KINDS: Record<string, GenerateOptions> = {
  greedy: { temperature: 0 },
  sampled: { seed: 7, temperature: 1.1, topK: 0, topP: 0.95 },
  'with penalties': { seed: 8, repetitionPenalty: 1.3, presencePenalty: 0.4, penaltyWindow: 16 },
  'with log-probabilities': { seed: 9, logprobs: 2 },
  'with a stop string': { temperature: 0, stop: ['three sons'] },
  'that slides': { seed: 10, overflow: 'slide', keep: 4, maxTokens: 120 },
  'held to a format': {
    seed: 11,
    responseFormat: { type: 'regex', pattern: '[a-z]{3} (red|blue|green) [a-z ]{20}' },
    ignoreEos: false,
  },
}

describe('an answer that begins with given tokens', () => {
  let engine: Engine
  beforeAll(async () => {
    const options = { contextLength: 96 }
    const parts = await openParts([fileOf(EMBEDDED)], wasmFactory('simd128', 1), options)
    engine = new Engine(parts, {}, { grammar: async () => grammarPart })
  })
  afterAll(() => engine?.close())

  function run(options: GenerateOptions, given?: readonly number[]) {
    const tokens: number[] = []
    let text = ''
    return new Promise<GenerateResult & { streamed: number[]; streamedText: string }>(
      (resolve, reject) => {
        engine.generate(
          { kind: 'text', text: 'Once upon a time' },
          { maxTokens: 40, ignoreEos: true, ...options },
          {
            token: chunk => {
              tokens.push(...chunk.tokens)
              text += chunk.text
            },
            done: result => resolve({ ...result, streamed: tokens, streamedText: text }),
            error: reject,
          },
          given,
        )
      },
    )
  }

  it.each(Object.entries(KINDS))('%s: the same answer, wherever it was cut', async (_, options) => {
    const want = await run(options)
    const { length } = want.tokens
    // A stop string, or a character of several tokens, may be half-way over any place.
    const some = [1, 2, length >> 1, length - 1, length]
    const cuts = options.stop || options.responseFormat ? [...want.tokens.keys()].slice(1) : some
    for (const cut of cuts) {
      const got = await run(options, want.tokens.slice(0, cut))
      expect(got.tokens).toEqual(want.tokens)
      expect(got.text).toBe(want.text)
      expect(got.streamed).toEqual(want.streamed)
      expect(got.streamedText).toBe(want.streamedText)
      expect(got.finishReason).toBe(want.finishReason)
      expect(got.slides).toBe(want.slides)
    }
  })

  it('goes on behind tokens that this engine would not have drawn', async () => {
    const other = await run({ temperature: 0 })
    const given = other.tokens.slice(0, 5).map(token => token + 1)
    const got = await run({ temperature: 0 }, given)
    expect(got.tokens.slice(0, 5)).toEqual(given)
    // What a prompt of all of that is followed by.
    const ids = [...(await engine.tokenize('Once upon a time')), ...given]
    const bos = engine.stats().model.addsBos ? [engine.stats().model.bos!] : []
    const follows = await new Promise<GenerateResult>((resolve, reject) => {
      engine.generate(
        { kind: 'tokens', tokens: [...bos, ...ids] },
        { temperature: 0, maxTokens: 35, ignoreEos: true, noBos: true },
        { token: () => undefined, done: resolve, error: reject },
      )
    })
    expect(got.tokens.slice(5)).toEqual(follows.tokens)
  })

  it('tells a log-probability for each token that it draws, and none for what is known', async () => {
    const options = { seed: 9, logprobs: 2, maxTokens: 12 }
    const told = async (given?: readonly number[]) => {
      const logprobs: number[] = []
      await new Promise((resolve, reject) => {
        engine.generate(
          { kind: 'text', text: 'Once upon a time' },
          { ignoreEos: true, ...options },
          {
            token: chunk => void logprobs.push(...chunk.logprobs!.map(entries => entries.length)),
            done: resolve,
            error: reject,
          },
          given,
        )
      })
      return logprobs
    }
    const { tokens } = await run(options)
    expect(await told()).toEqual(Array(12).fill(3))
    // The last known one is computed, as it may end the answer.
    expect(await told(tokens.slice(0, 5))).toEqual([0, 0, 0, 0, ...Array(8).fill(3)])
  })

  it('reads what is known along with the prompt, where no grammar needs every token', async () => {
    const want = await run({ temperature: 0 })
    const before = engine.stats().decode.tokens
    await run({ temperature: 0 }, want.tokens.slice(0, 30))
    expect(engine.stats().decode.tokens - before).toBe(10)
  })

  it('is refused with the figures where this engine has no room for it', async () => {
    const given = (await run({ temperature: 0, maxTokens: 60 })).tokens
    const parts = await openParts([fileOf(EMBEDDED)], wasmFactory('simd128', 1), {
      contextLength: 32,
    })
    const small = new Engine(parts)
    const error = await new Promise<RyzError>((resolve, reject) => {
      small.generate(
        { kind: 'text', text: 'Once upon a time' },
        { temperature: 0, maxTokens: 80, ignoreEos: true },
        { token: () => undefined, done: () => reject(new Error('it ended')), error: resolve },
        given,
      )
    })
    expect(error).toMatchObject({ code: 'CONTEXT_FULL', detail: { contextLength: 32 } })
    expect(error.message).toContain('the next one has room for 32 tokens')
    await small.close()
  })

  it('is not refused by a queue that is full: it had its place', async () => {
    const parts = await openParts([fileOf(EMBEDDED)], wasmFactory('simd128', 1))
    const crowded = new Engine(parts, { maxSequences: 1, queueLimit: 1 })
    const ask = (given?: readonly number[]) =>
      new Promise<number | string>(resolve => {
        crowded.generate(
          { kind: 'text', text: 'Once upon a time' },
          { temperature: 0, maxTokens: 20, ignoreEos: true },
          {
            token: () => undefined,
            done: result => resolve(result.tokens.length),
            error: error => resolve(error.code),
          },
          given,
        )
      })
    // One runs, one waits; of those that come again one has no token yet.
    const asked = [ask(), ask(), ask(), ask([]), ask([5, 6])]
    expect(await Promise.all(asked)).toEqual([20, 20, 'QUEUE_FULL', 20, 20])
    await crowded.close()
  })
})
