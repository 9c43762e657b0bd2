// A hybrid: the GPU reads prompts, the CPU writes answers. The GPU here is a path of kernels that calls itself one, so
// that the text must be the CPU's to the bit; test/parity/webgpu-hybrid.test.ts does it with shaders. Counted is
// what goes from one side to the other: each block of a prompt once.
import { afterEach, describe, expect, it, vi } from 'vitest'
import { Engine } from '../../../src/engine/engine.ts'
import { decide } from '../../../src/engine/load/contest.ts'
import { openEngineParts } from '../../../src/engine/load/open-parts.ts'
import type { GenerateOptions, GenerateResult, LoadOptions } from '../../../src/types/index.ts'
import { EMBEDDED, fileOf, referenceFactory } from '../../support/open.ts'
import { wasmFactory } from '../../support/wasm.ts'
import { mortal } from './mortal.ts'

const CPU = wasmFactory('simd128', 2)
const READER = { decodeTokensPerSecond: 10, prefillTokensPerSecond: 900 }
const WRITER = { decodeTokensPerSecond: 20, prefillTokensPerSecond: 100 }
const hooks = { progress: () => {}, signal: new AbortController().signal }
const guards = { reference: referenceFactory }

const open: Engine[] = []
afterEach(async () => {
  for (const engine of open.splice(0)) await engine.close()
})

async function cpuEngine(options: LoadOptions = {}): Promise<Engine> {
  const given = { contextLength: 256, ...options }
  const parts = await openEngineParts(fileOf(EMBEDDED), given, hooks, [CPU], undefined, guards)
  const engine = new Engine(parts, options)
  open.push(engine)
  return engine
}

async function hybridEngine(options: LoadOptions = {}) {
  const gpu = mortal()
  const arrange = async () => ({
    factories: [gpu.factory, CPU],
    contest: {
      measure: async (_: unknown, side: 'webgpu' | 'wasm') => (side === 'webgpu' ? READER : WRITER),
      decide,
      keep: async () => undefined,
    },
  })
  const given = { contextLength: 256, ...options }
  const parts = await openEngineParts(fileOf(EMBEDDED), given, hooks, [], arrange, guards)
  const engine = new Engine(parts, options)
  open.push(engine)
  expect(engine.stats().choice!.backend).toBe('hybrid')
  return { engine, gpu }
}

interface Run extends GenerateResult {
  readonly streamed: number[]
}

function generate(
  engine: Engine,
  text: string,
  maxTokens: number,
  options: GenerateOptions = { temperature: 0 },
  onToken: (count: number) => void = () => undefined,
): Promise<Run> {
  const streamed: number[] = []
  return new Promise((resolve, reject) => {
    engine.generate(
      { kind: 'text', text },
      { maxTokens, ignoreEos: true, ...options },
      {
        token: chunk => {
          streamed.push(...chunk.tokens)
          onToken(streamed.length)
        },
        done: result => resolve({ ...result, streamed }),
        error: reject,
      },
    )
  })
}

const LONG = 'A king had a daughter who was afraid of the dark. '.repeat(8)
const blocksOf = (tokens: number) => Math.ceil(tokens / 32)

describe('a hybrid', () => {
  it('writes what the CPU writes, and hands a prompt over once', async () => {
    const cpu = await cpuEngine()
    const { engine, gpu } = await hybridEngine()
    for (const options of [{ temperature: 0 }, { temperature: 0.9, seed: 5 }] as const) {
      const want = await generate(cpu, LONG, 40, options)
      const before = gpu.count('linear')
      const read = gpu.count('readBlock')
      const got = await generate(engine, LONG, 40, options)
      expect(got.tokens).toEqual(want.tokens)
      expect(gpu.count('linear')).toBeGreaterThan(before)
      // The second prompt is known but for its last, partly filled block and the token before the answer.
      const blocks = blocksOf(got.promptTokens) - got.reusedTokens / 32
      expect(gpu.count('readBlock') - read).toBe(blocks)
    }
    const { hybrid, backend, threads, gpu: told, memory } = engine.stats()
    expect({ backend, threads }).toEqual({ backend: 'wasm', threads: 2 })
    expect(hybrid).toMatchObject({ prefill: 'webgpu', decode: 'wasm' })
    expect(hybrid!.toCpu.blocks).toBe(gpu.count('readBlock'))
    expect(hybrid!.toCpu.bytes).toBeGreaterThan(0)
    expect(told).toBeUndefined() // kernels have no GPU to tell of
    expect(memory.weights).toBe(2 * cpu.stats().memory.weights)
    expect(memory.kv).toBe(2 * cpu.stats().memory.kv)
    expect(memory.total).toBe(memory.weights + memory.kv + memory.scratch)
  })

  it('computes answers on the CPU alone', async () => {
    const { engine, gpu } = await hybridEngine()
    let [first, last] = [0, 0]
    await generate(engine, LONG, 40, { temperature: 0 }, count => {
      if (count === 2) first = gpu.count('linear')
      last = gpu.count('linear')
    })
    expect(first).toBeGreaterThan(0)
    expect(last).toBe(first)
  })

  it('goes on with a chat: what was answered goes back once, what is known to both never', async () => {
    const cpu = await cpuEngine()
    const { engine, gpu } = await hybridEngine()
    const answer = await generate(engine, LONG, 70)
    const more = `${LONG}${answer.text} And then the king said`
    const want = await generate(cpu, more, 20)
    expect(engine.stats().hybrid!.toGpu.blocks).toBe(0)
    const got = await generate(engine, more, 20)
    expect(got.tokens).toEqual(want.tokens)
    expect(got.reusedTokens).toBeGreaterThan(answer.promptTokens)
    const { toGpu } = engine.stats().hybrid!
    // Blocks that the answer filled, its first one shared with the prompt.
    const filled = got.reusedTokens / 32 - Math.floor(answer.promptTokens / 32)
    expect(toGpu.blocks).toBe(filled)
    expect(gpu.count('writeBlock')).toBe(filled)
  })

  it('serves several at once, prompts beside answers', async () => {
    const prompts = ['Once upon a time', LONG, 'The little rabbit', LONG.slice(30)]
    const cpu = await cpuEngine({ maxSequences: 3 })
    const { engine } = await hybridEngine({ maxSequences: 3 })
    const all = (one: Engine) =>
      Promise.all(prompts.map((p, i) => generate(one, p, 24, { temperature: i % 2, seed: 3 + i })))
    const want = await all(cpu)
    const got = await all(engine)
    expect(got.map(r => r.tokens)).toEqual(want.map(r => r.tokens))
    expect(engine.stats().queue).toMatchObject({ served: 4, failed: 0 })
  })

  it('computes evicted answers again on the GPU, with the same text', async () => {
    const options = { maxSequences: 4, contextLength: 128, kv: 'f32', memoryBudget: 260e6 } as const
    const cpu = await cpuEngine(options)
    const { engine, gpu } = await hybridEngine(options)
    const prompts = ['Once upon a time', 'The little rabbit', 'A fox', 'There was a']
    const all = (one: Engine) => Promise.all(prompts.map(p => generate(one, p, 90)))
    expect((await all(engine)).map(r => r.tokens)).toEqual((await all(cpu)).map(r => r.tokens))
    expect(gpu.count('linear')).toBeGreaterThan(0)
  })

  it('guesses, scores and embeds as the CPU does', async () => {
    const speculation = { lookup: true, adaptive: false, maxTokens: 4 }
    const cpu = await cpuEngine()
    const { engine } = await hybridEngine({ speculation })
    const want = await generate(cpu, LONG, 40)
    expect((await generate(engine, LONG, 40)).tokens).toEqual(want.tokens)
    expect(engine.stats().speculation.proposed).toBeGreaterThan(0)
    const score = (one: Engine) =>
      new Promise<Float32Array>((resolve, reject) => {
        const events = { scored: (r: { logprobs: Float32Array }) => resolve(r.logprobs) }
        one.score({ kind: 'text', text: LONG }, {}, { ...events, error: reject })
      })
    expect(await score(engine)).toEqual(await score(cpu))
    const embed = (one: Engine) =>
      new Promise<Float32Array[]>((resolve, reject) => {
        one.embed([{ kind: 'text', text: LONG }], {}, {
          embedded: r => resolve(r.embeddings as Float32Array[]),
          error: reject,
        } as Parameters<Engine['embed']>[2])
      })
    expect(await embed(engine)).toEqual(await embed(cpu))
  })

  it('saves and restores sessions, whichever side has their blocks', async () => {
    const { engine } = await hybridEngine()
    const answer = await generate(engine, LONG, 70)
    const text = LONG + answer.text
    const session = await engine.saveSession({ kind: 'text', text })
    engine.forgetPrefixes()
    const restored = await engine.restoreSession(session)
    expect(restored.restoredTokens).toBeGreaterThan(answer.promptTokens)
    const got = await generate(engine, `${text} And`, 16)
    expect(got.reusedTokens).toBe(restored.restoredTokens)
    expect(got.tokens).toEqual((await generate(await cpuEngine(), `${text} And`, 16)).tokens)
    // Of another engine of the same kind too, and of none that computes otherwise.
    const other = (await hybridEngine()).engine
    expect((await other.restoreSession(session)).restoredTokens).toBe(restored.restoredTokens)
    await expect((await cpuEngine()).restoreSession(session)).rejects.toMatchObject({
      code: 'BAD_OPTION',
    })
  })
})

describe('the GPU of a hybrid is lost', () => {
  const lostFallback = {
    from: 'simd128 with 2 threads, prompts on WebGPU on of a test',
    to: 'simd128 with 2 threads',
    reason: 'the GPU device was lost (test)',
  }

  it.each([1, 9])('after token %i: the text goes on, and nothing is poured again', async at => {
    const want = await generate(await cpuEngine(), LONG, 40)
    const { engine, gpu } = await hybridEngine()
    const got = await generate(engine, LONG, 40, { temperature: 0 }, count => {
      if (count === at) gpu.kill()
    })
    expect(got.tokens).toEqual(want.tokens)
    expect(got.streamed).toEqual(want.tokens)
    // Answers need no GPU: this one may be over before the loss is heard.
    await vi.waitFor(() => expect(engine.stats().hybrid).toBeUndefined())
    const stats = engine.stats()
    expect(stats).toMatchObject({ backend: 'wasm', queue: { served: 1, failed: 0 } })
    expect(stats.fallbacks).toContainEqual(lostFallback)
    expect(stats.memory.weights).toBe((await cpuEngine()).stats().memory.weights)
    expect((await generate(engine, LONG, 40)).tokens).toEqual(want.tokens)
  })

  it.each([
    ['linear', 5],
    ['read', 1],
    ['readBlock', 1],
    ['readBlock', 3],
    ['writeBlock', 1],
  ] as const)('in %s %i, in the middle of a step', async (op, call) => {
    const cpu = await cpuEngine({ maxSequences: 2 })
    const { engine, gpu } = await hybridEngine({ maxSequences: 2 })
    const first = await generate(engine, LONG, 70)
    gpu.dieAt(op, call)
    const prompts = [`${LONG}${first.text} And`, 'Once upon a time there lived a king '.repeat(4)]
    const got = await Promise.all(prompts.map(p => generate(engine, p, 24)))
    const want = await Promise.all(prompts.map(p => generate(cpu, p, 24)))
    expect(got.map(r => r.tokens)).toEqual(want.map(r => r.tokens))
    expect(got.map(r => r.streamed)).toEqual(want.map(r => r.tokens))
    expect(engine.stats().fallbacks).toContainEqual(lostFallback)
    expect(engine.stats().queue).toMatchObject({ served: 3, failed: 0 })
  })

  it('while nothing runs, and closes clean', async () => {
    const { engine, gpu } = await hybridEngine()
    const first = await generate(engine, LONG, 20)
    gpu.kill()
    const second = await generate(engine, LONG, 20)
    expect(second.tokens).toEqual(first.tokens)
    expect(engine.stats().hybrid).toBeUndefined()
    await engine.close()
    expect(gpu.closed.length).toBeGreaterThan(0)
  })
})
