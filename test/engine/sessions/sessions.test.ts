// Sessions over a network that reads its tokens from the KV blocks: what was saved goes on in another
// engine, what is damaged or foreign is refused by name, and no block is lost either way.
import { describe, expect, it } from 'vitest'
import { Engine } from '../../../src/engine/engine.ts'
import type { Input } from '../../../src/options/input.ts'
import type { GenerateOptions } from '../../../src/types/index.ts'
import { run, start, tokens } from '../driver.ts'
import { FakeNetwork, fakeParts } from '../fakes.ts'

const options: GenerateOptions = { maxTokens: 20, temperature: 1, seed: 2 }
const text = (ids: number[]): Input => ({ kind: 'tokens', tokens: ids })
const PROMPT = tokens(100)

describe('a saved session', () => {
  it('goes on in another engine, with the same answer and nothing read again', async () => {
    const first = start()
    const answer = (await run(first.engine, PROMPT, options).ended).result!
    const chat = [...PROMPT, ...answer.tokens, ...tokens(12, 5)]
    const expected = (await run(first.engine, chat, { ...options, reuse: false }).ended).result!
    const saved = await first.engine.saveSession(text([...PROMPT, ...answer.tokens]))
    await first.engine.close()

    const second = start()
    expect(await second.engine.restoreSession(saved)).toEqual({ tokens: 96, restoredTokens: 96 })
    expect(second.network.kv.usedBlocks).toBe(0)
    expect(second.engine.stats().memory.kvBlocksCached).toBe(3)
    const { result } = await run(second.engine, chat, options).ended
    expect(result!.tokens).toEqual(expected.tokens)
    expect(result!.reusedTokens).toBe(96)
  })

  it('computes what is not in the cache any more, once', async () => {
    const { engine, network } = start()
    const saved = await engine.saveSession(text(PROMPT))
    const again = await engine.saveSession(text(PROMPT))
    expect(new Uint8Array(await again.arrayBuffer())).toEqual(
      new Uint8Array(await saved.arrayBuffer()),
    )
    expect(engine.stats().prefill.tokens).toBe(8 + 96) // the probe, and the blocks
    expect(network.kv.usedBlocks).toBe(0)
  })

  it('of a text that fills the context is cut to what a prompt may hold', async () => {
    const { engine } = start({ contextLength: 64 })
    const saved = await engine.saveSession(text(tokens(500)))
    expect(await engine.restoreSession(saved)).toEqual({ tokens: 32, restoredTokens: 32 })
  })

  it('needs a whole block of tokens', async () => {
    const { engine } = start()
    await expect(engine.saveSession(text(tokens(31)))).rejects.toMatchObject({
      code: 'BAD_OPTION',
      detail: { tokens: 31 },
    })
  })

  it('is restored as far as there is room, and answers stay the same', async () => {
    const large = start()
    const prompt = tokens(300)
    const expected = (await run(large.engine, prompt.slice(0, 100), options).ended).result!
    const saved = await large.engine.saveSession(text(prompt))
    const small = start({ blocks: 4 })
    expect(await small.engine.restoreSession(saved)).toEqual({ tokens: 288, restoredTokens: 128 })
    const { result } = await run(small.engine, prompt.slice(0, 100), options).ended
    expect(result!.tokens).toEqual(expected.tokens)
    expect(result!.reusedTokens).toBe(96)
  })

  it('twice in one cache takes no more room', async () => {
    const { engine, network } = start()
    const saved = await engine.saveSession(text(PROMPT))
    await engine.restoreSession(saved)
    await engine.restoreSession(saved)
    expect(network.kv.cachedBlocks).toBe(3)
  })

  it('can be saved and restored while requests run', async () => {
    const { engine, network } = start({}, { maxSequences: 2 })
    const alone = (await run(start().engine, PROMPT, options).ended).result!.tokens
    const runs = [0, 1, 2].map(() => run(engine, PROMPT, options))
    const saved = await engine.saveSession(text(tokens(200, 9)))
    const restoring = engine.restoreSession(saved)
    for (const r of runs) expect((await r.ended).result!.tokens).toEqual(alone)
    expect(await restoring).toMatchObject({ restoredTokens: 192 })
    expect(network.kv.usedBlocks).toBe(0)
  })
})

describe('a session is refused', () => {
  it('when the model is another one, or runs with other options', async () => {
    const saved = await start().engine.saveSession(text(PROMPT))
    const other = start({
      logits: (out, held) => {
        out.fill(held.length)
      },
    })
    await expect(other.engine.restoreSession(saved)).rejects.toMatchObject({
      code: 'BAD_OPTION',
      detail: { differs: 'model' },
    })
    const cases = [
      [{ kvType: 'int8' as const }, 'kv'],
      [{ strict: true }, 'strict'],
      [{ head: 'int4' as const }, 'head'],
      [{ activations: 'float' as const }, 'activations'],
    ] as const
    for (const [change, differs] of cases) {
      const network = new FakeNetwork()
      const engine = new Engine({ ...fakeParts(network), ...change })
      await expect(engine.restoreSession(saved)).rejects.toMatchObject({
        code: 'BAD_OPTION',
        detail: { differs },
      })
      expect(network.kv.cachedBlocks).toBe(0)
      await engine.close()
    }
  })

  it('when another version saved it, whose blocks lie differently', async () => {
    const { engine } = start()
    const saved = new Uint8Array(await (await engine.saveSession(text(PROMPT))).arrayBuffer())
    saved[7] = '1'.charCodeAt(0)
    await expect(engine.restoreSession(new Blob([saved]))).rejects.toMatchObject({
      code: 'BAD_OPTION',
      message: 'the session was saved by another version; delete it and begin anew',
    })
  })

  it('when any of its bytes was flipped, or some are missing, and leaves nothing behind', async () => {
    const { engine, network } = start()
    const saved = new Uint8Array(await (await engine.saveSession(text(PROMPT))).arrayBuffer())
    engine.forgetPrefixes()
    for (let at = 0; at < saved.length; at += at < 400 ? 1 : 13) {
      const damaged = saved.slice()
      damaged[at]! ^= 1 << (at % 8)
      await expect(engine.restoreSession(new Blob([damaged])), `byte ${at}`).rejects.toMatchObject({
        code: 'BAD_OPTION',
      })
      expect(network.kv.cachedBlocks).toBe(0)
    }
    for (const size of [0, 7, 27, 40, saved.length - 1]) {
      const cut = engine.restoreSession(new Blob([saved.slice(0, size)]))
      await expect(cut, `${size} bytes`).rejects.toMatchObject({ code: 'BAD_OPTION' })
    }
    await expect(engine.restoreSession(new Blob([saved, 'x']))).rejects.toMatchObject({
      code: 'BAD_OPTION',
    })
    await expect(engine.restoreSession('text' as unknown as Blob)).rejects.toMatchObject({
      code: 'BAD_OPTION',
    })
    expect(network.kv.cachedBlocks).toBe(0)
    expect(await engine.restoreSession(new Blob([saved]))).toMatchObject({ restoredTokens: 96 })
  })

  it('by an engine that is closed, even half-way', async () => {
    const { engine } = start()
    const saved = await engine.saveSession(text(PROMPT))
    const restoring = engine.restoreSession(saved).catch(error => error)
    await engine.close()
    expect(await restoring).toMatchObject({ code: 'CLOSED' })
    await expect(engine.restoreSession(saved)).rejects.toMatchObject({ code: 'CLOSED' })
    await expect(engine.saveSession(text(PROMPT))).rejects.toMatchObject({ code: 'CLOSED' })
  })
})
