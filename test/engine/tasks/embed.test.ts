// embed() in the engine, over a network whose hidden states tell all tokens: pooling, order, batches, cuts, places in
// the queue, ends. Its values against goldens: test/parity/embeddings.test.ts.
import { describe, expect, it } from 'vitest'
import type { RyzError } from '../../../src/errors.ts'
import { embed, run, slow, start, tokens } from '../driver.ts'
import { BOS, EOS, pseudoHidden, until } from '../fakes.ts'

const bytes = (text: string) => [BOS, ...new TextEncoder().encode(text), EOS]
const f32 = (values: readonly number[]) => Float32Array.from(values)

/** The mean of the hidden states of every prefix. */
function meanOf(ids: readonly number[]): Float32Array {
  const sum = [0, 0]
  for (let n = 1; n <= ids.length; n++) {
    const [a, b] = f32(pseudoHidden(ids.slice(0, n)))
    sum[0]! += a!
    sum[1]! += b!
  }
  return f32(sum.map(value => value / ids.length))
}

async function failure(work: Promise<unknown>): Promise<RyzError> {
  return work.then(
    () => {
      throw new Error('it did not fail')
    },
    (error: RyzError) => error,
  )
}

describe('embed', () => {
  const raw = { normalize: false }

  it('pools the last, the first, or the mean of all hidden states', async () => {
    const { engine } = start()
    const ids = bytes('some text')
    const last = await embed(engine, ['some text'], { ...raw, pooling: 'last' })
    expect(last).toEqual({
      embeddings: [f32(pseudoHidden(ids))],
      tokens: [ids.length],
      truncated: [],
      pooling: 'last',
      poolingFrom: 'option',
      normalized: false,
    })
    const cls = await embed(engine, ['some text'], { ...raw, pooling: 'cls' })
    expect(cls.embeddings).toEqual([f32(pseudoHidden([BOS]))])
    expect(cls.tokens).toEqual([ids.length])
    const mean = await embed(engine, ['some text'], { ...raw, pooling: 'mean' })
    expect(mean.embeddings).toEqual([meanOf(ids)])
  })

  it('takes the mean where neither the call nor the file names a pooling, and says so', async () => {
    const { engine } = start()
    const result = await embed(engine, ['x'], raw)
    expect(result).toMatchObject({ pooling: 'mean', poolingFrom: 'default' })
    expect(result.embeddings).toEqual([meanOf(bytes('x'))])
    const { engine: made } = start({}, {}, {}, { pooling: 'last' })
    const named = await embed(made, ['x'], raw)
    expect(named).toMatchObject({ pooling: 'last', poolingFrom: 'file' })
    expect(named.embeddings).toEqual([f32(pseudoHidden(bytes('x')))])
  })

  it('gives vectors of length 1 unless told otherwise', async () => {
    const { engine } = start()
    const { embeddings, normalized } = await embed(engine, ['abc', 'de'])
    expect(normalized).toBe(true)
    for (const vector of embeddings) expect(Math.hypot(...vector)).toBeCloseTo(1, 6)
    const [a, b] = meanOf(bytes('abc'))
    expect(embeddings[0]![0]! / embeddings[0]![1]!).toBeCloseTo(a! / b!, 5)
  })

  it('gives each text of a hundred what it gives it alone, in order', async () => {
    const { engine } = start()
    const texts = Array.from({ length: 100 }, (_, i) => `text ${i} `.repeat(1 + (i % 37)))
    for (const pooling of ['mean', 'last'] as const) {
      const { embeddings, tokens: counts } = await embed(engine, texts, { ...raw, pooling })
      for (const [i, text] of texts.entries()) {
        const ids = bytes(text)
        expect(counts[i]).toBe(ids.length)
        expect(embeddings[i]).toEqual(pooling === 'mean' ? meanOf(ids) : f32(pseudoHidden(ids)))
      }
    }
    expect(engine.stats().queue).toMatchObject({ served: 2, running: 0, waiting: 0 })
  })

  it('takes token ids as they are', async () => {
    const { engine } = start()
    const { embeddings } = await embed(engine, [[5, 6], 'x'], { ...raw, pooling: 'last' })
    expect(embeddings[0]).toEqual(f32(pseudoHidden([5, 6])))
    expect(embeddings[1]).toEqual(f32(pseudoHidden(bytes('x'))))
    const { tokens: counts } = await embed(engine, ['x'], { noBos: true })
    expect(counts).toEqual([2])
    expect(await failure(embed(engine, [[]]))).toMatchObject({ code: 'BAD_OPTION' })
    expect(await failure(embed(engine, [[1], [999]]))).toMatchObject({ code: 'BAD_OPTION' })
  })

  it('puts short texts side by side in one step', async () => {
    const { engine, network } = start({}, { maxSequences: 4 })
    await embed(engine, ['the first step learns how long a row takes'])
    network.steps.length = 0
    await embed(engine, ['one', 'two', 'three', 'four', 'five'])
    const texts = network.steps.map(rows => new Set(rows.map(row => row.seq)).size)
    expect(texts).toEqual([4, 1])
  })

  it('refuses a text that is too long by its index, and cuts it when asked to', async () => {
    const { engine } = start({ contextLength: 64 })
    const long = 'x'.repeat(100)
    const error = await failure(embed(engine, ['short', long]))
    expect(error.code).toBe('CONTEXT_FULL')
    expect(error.detail).toEqual({ index: 1, tokens: 102, contextLength: 64 })
    const huge = await failure(embed(engine, ['y', 'x'.repeat(70_000)]))
    expect(huge).toMatchObject({ code: 'CONTEXT_FULL', detail: { index: 1, contextLength: 64 } })
    const cut = await embed(engine, ['short', long, 'x'.repeat(70_000), tokens(65)], {
      ...raw,
      truncate: true,
      pooling: 'last',
    })
    expect(cut.truncated).toEqual([1, 2, 3])
    expect(cut.tokens).toEqual([7, 64, 64, 64])
    // The end token, which is what is pooled, stays.
    const kept = [...bytes(long).slice(0, 63), EOS]
    expect(cut.embeddings[1]).toEqual(f32(pseudoHidden(kept)))
    expect(cut.embeddings[2]).toEqual(cut.embeddings[1])
    expect(cut.embeddings[3]).toEqual(f32(pseudoHidden(tokens(65).slice(0, 64))))
    // What just fits is not cut, with bos and without.
    const fits = await embed(engine, ['x'.repeat(62), 'x'.repeat(63)], {
      truncate: true,
      noBos: true,
    })
    expect([fits.truncated, fits.tokens]).toEqual([[], [63, 64]])
    expect(engine.stats().queue).toMatchObject({ served: 2, failed: 2 })
  })

  it('needs one place in the queue, however many texts it has', async () => {
    const { engine } = start(slow, { maxSequences: 1, queueLimit: 1 })
    const first = run(engine, 'a', { maxTokens: 30 })
    await until(() => engine.stats().queue.running === 1, 'running')
    const told: number[] = []
    const many = embed(engine, Array(20).fill('abc'), {}, event => told.push(event.position))
    await until(() => engine.stats().queue.waiting === 1, 'waiting')
    expect(await failure(embed(engine, ['no place']))).toMatchObject({ code: 'QUEUE_FULL' })
    expect((await many).embeddings).toHaveLength(20)
    expect(told).toEqual([1])
    await first.ended
    expect(engine.stats().queue).toMatchObject({ served: 2, refused: 1 })
  })

  it('gives up its place in time, and no later text is sent away', async () => {
    const { engine } = start(slow, { maxSequences: 1 })
    const first = run(engine, 'a', { maxTokens: 40 })
    const late = embed(engine, ['x', 'y'], { queueTimeoutMs: 5 })
    expect(await failure(late)).toMatchObject({ code: 'QUEUE_TIMEOUT' })
    await first.ended
    const texts = Array(30).fill('a text')
    expect((await embed(engine, texts, { queueTimeoutMs: 5 })).embeddings).toHaveLength(30)
    expect(engine.stats().queue).toMatchObject({ served: 2, timedOut: 1 })
  })

  it('leaves seats to others while it goes on', async () => {
    const { engine } = start(slow, { maxSequences: 2 })
    let done = false
    const many = embed(engine, Array(200).fill('some words'))
    many.then(() => {
      done = true
    })
    await until(() => engine.stats().queue.running === 2, 'two texts side by side')
    const answer = await run(engine, 'hi', { maxTokens: 5 }).ended
    expect(answer.result?.tokens).toHaveLength(5)
    expect(done).toBe(false)
    await many
  })

  it('ends all its texts when it is cancelled, and counts once', async () => {
    const { engine, network } = start(slow, { maxSequences: 4 })
    const many = embed(engine, Array(50).fill('some words'))
    await until(() => engine.stats().queue.running === 4, 'running')
    many.cancel()
    expect(await failure(many)).toMatchObject({ code: 'ABORTED' })
    await until(() => network.kv.usedBlocks === 0, 'memory is back')
    expect(engine.stats().queue).toMatchObject({ cancelled: 1, failed: 0, running: 0, waiting: 0 })
    many.cancel()
    expect(engine.stats().queue.cancelled).toBe(1)
  })

  it('is heard when it is cancelled while its texts are tokenized', async () => {
    const { engine } = start()
    const many = embed(engine, Array(2000).fill('x'.repeat(400)))
    many.cancel()
    expect(await failure(many)).toMatchObject({ code: 'ABORTED' })
    expect(engine.stats().queue).toMatchObject({ cancelled: 1, running: 0 })
  })

  it('ends with the engine', async () => {
    const { engine } = start(slow)
    const many = embed(engine, Array(50).fill('some words'))
    await until(() => engine.stats().queue.running > 1, 'running')
    await engine.close()
    expect(await failure(many)).toMatchObject({ code: 'CLOSED' })
    expect(await failure(embed(engine, ['x']))).toMatchObject({ code: 'CLOSED' })
  })

  it('fails as a whole with the step that fails for one text', async () => {
    const bad = 250
    const { engine, network } = start({
      onStep: rows => {
        if (rows.some(row => row.token === bad)) throw new TypeError('weights')
      },
    })
    const error = await failure(embed(engine, ['a', [1, bad], 'b', 'c', 'd', 'e', 'f']))
    expect(error.code).toBe('KERNEL_TRAP')
    expect(network.kv.usedBlocks).toBe(0)
  })

  it('begins with what was read before, unless it needs every state', async () => {
    const { engine } = start()
    const shared = 'a long instruction that all texts begin with, more than a block of it. '
    await embed(engine, [`${shared}one`], { pooling: 'last' })
    const before = engine.stats().reuse.tokens
    const found = await embed(engine, [`${shared}two`], { ...raw, pooling: 'last' })
    expect(engine.stats().reuse.tokens - before).toBe(64)
    expect(found.embeddings[0]).toEqual(f32(pseudoHidden(bytes(`${shared}two`))))
  })

  it('checks what it is told, in the engine too', async () => {
    const { engine } = start()
    for (const options of [
      { pooling: 'max' },
      { normalize: 1 },
      { dimensions: 3 },
      { priority: 99 },
    ]) {
      expect(await failure(embed(engine, ['x'], options as object))).toMatchObject({
        code: 'BAD_OPTION',
      })
    }
  })
})
