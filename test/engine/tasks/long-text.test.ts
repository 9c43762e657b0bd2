// Texts of megabytes beside a stream that runs: it goes on, a cancel is heard, closing ends them, and what
// cannot fit is refused without being read to its end.
import { afterEach, describe, expect, test } from 'vitest'
import { Engine } from '../../../src/engine/engine.ts'
import type { Input } from '../../../src/options/input.ts'
import { tokenizerFromGguf } from '../../../src/tokenizer/from-gguf.ts'
import type { GenerateOptions } from '../../../src/types/index.ts'
import { BYTE_TOKENS, bytePairMetadata } from '../../tokenizer/small-vocabulary.ts'
import { run, slow } from '../driver.ts'
import { FakeNetwork, type FakeOptions, fakeParts, VOCAB } from '../fakes.ts'

const open: Engine[] = []
afterEach(async () => {
  for (const engine of open.splice(0)) await engine.close()
})

/** Tokens are bytes; counts the slices of texts. */
function start(fake: FakeOptions = {}) {
  const tokenizer = tokenizerFromGguf(bytePairMetadata({ tokens: BYTE_TOKENS, merges: [] }))
  let slices = 0
  const counting: typeof tokenizer = {
    ...tokenizer,
    *encodeInSlices(...args) {
      for (const _ of tokenizer.encodeInSlices(...args)) {
        slices++
        yield
      }
    },
  }
  const parts = { ...fakeParts(new FakeNetwork(fake)), tokenizer: counting }
  const engine = new Engine(parts)
  open.push(engine)
  return { engine, slices: () => slices }
}

const MEGABYTE = 'ab cd '.repeat(180_000)

function failure(engine: Engine, input: Input, options: GenerateOptions = {}) {
  return new Promise<{ code: string; message: string; detail: unknown }>(resolve => {
    engine.generate(input, options, { token() {}, done() {}, error: resolve as never })
  })
}

describe('a text of a megabyte', () => {
  test('is counted while a stream goes on', async () => {
    const { engine } = start(slow)
    const stream = run(engine, [1], { maxTokens: 400, ignoreEos: true })
    expect(await engine.countTokens({ kind: 'text', text: MEGABYTE })).toBe(MEGABYTE.length)
    expect(stream.chunks.length).toBeGreaterThan(5)
    stream.cancel()
    await stream.ended
  })

  test('comes back from its ids', async () => {
    const { engine } = start()
    const ids = await engine.tokenize(MEGABYTE)
    expect(ids).toHaveLength(MEGABYTE.length)
    expect(await engine.detokenize(ids)).toBe(MEGABYTE)
  })

  test('ends with CLOSED when the engine closes', async () => {
    const { engine, slices } = start()
    const count = engine.countTokens({ kind: 'text', text: MEGABYTE.repeat(8) })
    await engine.close()
    await expect(count).rejects.toMatchObject({ code: 'CLOSED' })
    const done = slices()
    await new Promise(resolve => setTimeout(resolve, 30))
    expect(slices()).toBe(done)
  })

  test('is no prompt: CONTEXT_FULL from its length, before a slice of it is read', async () => {
    const { engine, slices } = start()
    const error = await failure(engine, { kind: 'text', text: MEGABYTE })
    expect(error).toMatchObject({
      code: 'CONTEXT_FULL',
      detail: { atLeast: MEGABYTE.length, contextLength: 512 },
    })
    expect(error.message).toMatch(/1080000 characters has at least 1080000 tokens.*512/)
    expect(slices()).toBe(0)
    await expect(
      new Promise((_, error) =>
        engine.score({ kind: 'text', text: MEGABYTE }, {}, { scored() {}, error }),
      ),
    ).rejects.toMatchObject({ code: 'CONTEXT_FULL' })
    await expect(engine.saveSession({ kind: 'text', text: MEGABYTE })).rejects.toMatchObject({
      code: 'CONTEXT_FULL',
    })
    expect(slices()).toBe(0)
  })

  test('is read no further than it fits where its length tells nothing', async () => {
    const tokenizer = tokenizerFromGguf(
      bytePairMetadata({ tokens: BYTE_TOKENS.slice(0, 250), merges: [] }),
    )
    expect(tokenizer.fewestTokens(1e6)).toBe(0)
    const other = new Engine({ ...fakeParts(new FakeNetwork()), tokenizer })
    open.push(other)
    const error = await failure(other, { kind: 'text', text: MEGABYTE })
    expect(error.code).toBe('CONTEXT_FULL')
    expect((error.detail as { atLeast: number }).atLeast).toBeLessThan(MEGABYTE.length / 2)
  })

  test('slides: the answer is that to the same tokens', async () => {
    const { engine } = start()
    const options: GenerateOptions = {
      overflow: 'slide',
      maxTokens: 20,
      seed: 1,
      repetitionPenalty: 1.2,
    }
    const text = await run(engine, MEGABYTE, options).ended
    const ids = await run(engine, await engine.tokenize(MEGABYTE), options).ended
    expect(text.result?.tokens).toEqual(ids.result?.tokens)
    expect(text.result?.slides).toBe(ids.result?.slides)
  })

  test('is given up at a cancel', async () => {
    const { engine, slices } = start()
    const request = run(engine, MEGABYTE.repeat(4), { overflow: 'slide' })
    await new Promise(resolve => setTimeout(resolve, 20))
    request.cancel()
    expect((await request.ended).error?.code).toBe('ABORTED')
    const done = slices()
    await new Promise(resolve => setTimeout(resolve, 30))
    expect(slices()).toBe(done)
  })
})

test('ids of rows that only pad the table have no text', async () => {
  const { engine } = start()
  expect(await engine.detokenize([97, VOCAB - 1, 98])).toBe('ab')
  await expect(engine.detokenize([VOCAB])).rejects.toMatchObject({ code: 'BAD_OPTION' })
})
