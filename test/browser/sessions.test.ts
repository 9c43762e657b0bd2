// Sessions in a real Chromium: a text goes on in a new engine, out of IndexedDB, with the same bits and
// without being read again; on another kernel build too.
import { load, sessions, type TokenLogprob } from 'ryzanstein'
import { expect, test } from 'vitest'

const MODEL = '/demo/public/models/ryz-tales-tq2_0-embq8_0.gguf'
const TALE =
  'Once upon a time there was a fox who lived alone in a small house by the sea. Every morning he ' +
  'went down to the water and looked for something to eat, and every evening he came back with a ' +
  'heavy heart, for he had found nothing but stones. '

test('a text goes on from IndexedDB in a new engine, bit for bit', async () => {
  const options = { maxTokens: 24, temperature: 0.8, seed: 5, logprobs: 5 }
  const ask = async (engine: Awaited<ReturnType<typeof load>>, reuse: boolean) => {
    const logprobs: TokenLogprob[][] = []
    const stream = engine.generate(`${TALE}One day`, { ...options, reuse })
    for await (const chunk of stream) logprobs.push(...(chunk.logprobs ?? []))
    return { logprobs, reused: (await stream.result).reusedTokens }
  }
  const first = await load(MODEL, { cache: 'off' })
  const expected = await ask(first, false)
  await sessions.save('fox', await first.saveSession(TALE))
  await first.close()

  const [shelf] = await sessions.list()
  expect(shelf).toMatchObject({ name: 'fox' })
  const second = await load(MODEL, { variant: 'simd128', threads: 1, cache: 'off' })
  const { restoredTokens } = await second.restoreSession((await sessions.load('fox'))!)
  expect(restoredTokens).toBeGreaterThanOrEqual(32)
  const again = await ask(second, true)
  expect(again.reused).toBe(restoredTokens)
  expect(again.logprobs).toEqual(expected.logprobs)
  const other = await load(MODEL, { kv: 'int8', cache: 'off' })
  const foreign = other.restoreSession((await sessions.load('fox'))!)
  await expect(foreign).rejects.toMatchObject({ code: 'BAD_OPTION', detail: { differs: 'kv' } })
  await other.close()
  await second.close()
  await sessions.delete('fox')
})
