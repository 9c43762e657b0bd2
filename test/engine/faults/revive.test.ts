// A GPU that is lost at any point: the answer goes on with the kernels, the text is what they give for the
// tokens so far, nothing is lost or repeated, and stats() says why. The GPU here is a backend of kernels that
// says of itself what a GPU says, and dies when told; test/parity/webgpu-loss.test.ts does it with a real one.
import { afterEach, describe, expect, it } from 'vitest'
import type { BackendFactory } from '../../../src/backend/factory.ts'
import { Engine } from '../../../src/engine/engine.ts'
import { openEngineParts } from '../../../src/engine/load/open-parts.ts'
import type { GenerateResult, LoadOptions, TokenChunk } from '../../../src/types/index.ts'
import { EMBEDDED, fileOf, referenceFactory } from '../../support/open.ts'
import { wasmFactory } from '../../support/wasm.ts'
import { mortal } from './mortal.ts'

const CPU = wasmFactory('simd128', 2)
const open: Engine[] = []
afterEach(async () => {
  for (const engine of open.splice(0)) await engine.close()
})

async function openEngine(
  factories: readonly BackendFactory[],
  options: LoadOptions = {},
): Promise<Engine> {
  const hooks = { progress: () => {}, signal: new AbortController().signal }
  const guards = { reference: referenceFactory }
  const parts = await openEngineParts(
    fileOf(EMBEDDED),
    { contextLength: 256, ...options },
    hooks,
    factories,
    undefined,
    guards,
  )
  const engine = new Engine(parts, options)
  open.push(engine)
  return engine
}

interface Run {
  readonly chunks: TokenChunk[]
  readonly result: GenerateResult
}

function generate(
  engine: Engine,
  prompt: string,
  maxTokens: number,
  onToken: (count: number) => void = () => undefined,
  seed = 0,
): Promise<Run> {
  const chunks: TokenChunk[] = []
  let tokens = 0
  const options = { maxTokens, ignoreEos: true, temperature: seed === 0 ? 0 : 0.9, seed }
  return new Promise((resolve, reject) => {
    engine.generate({ kind: 'text', text: prompt }, options, {
      token: chunk => {
        chunks.push(chunk)
        tokens += chunk.tokens.length
        onToken(tokens)
      },
      done: result => resolve({ chunks, result }),
      error: reject,
    })
  })
}

describe('a GPU that is lost', () => {
  it.each([1, 2, 17])('after token %i: the text goes on, nothing is lost or repeated', async at => {
    const want = await generate(await openEngine([CPU]), 'Once upon a time', 40)
    const gpu = mortal()
    const engine = await openEngine([gpu.factory, CPU])
    expect(engine.stats().backend).toBe('webgpu')
    const got = await generate(engine, 'Once upon a time', 40, count => {
      if (count === at) gpu.kill()
    })
    expect(got.result.tokens).toEqual(want.result.tokens)
    expect(got.chunks.flatMap(c => c.tokens)).toEqual(want.result.tokens)
    expect(got.chunks.map(c => c.text).join('')).toBe(want.result.text)
    const stats = engine.stats()
    expect(stats).toMatchObject({ backend: 'wasm', threads: 2 })
    expect(stats.fallbacks).toContainEqual({
      from: 'WebGPU on of a test',
      to: 'simd128 with 2 threads',
      reason: 'the GPU device was lost (test)',
    })
    expect(gpu.closed).toHaveLength(2) // of the self-test, and the lost one
  })

  it('in the middle of a step, with no word before', async () => {
    const want = await generate(await openEngine([CPU]), 'Once upon a time', 24, undefined, 7)
    for (const [op, call] of [
      ['linear', 40],
      ['read', 9],
    ] as const) {
      const gpu = mortal()
      const engine = await openEngine([gpu.factory, CPU])
      gpu.dieAt(op, call)
      const got = await generate(engine, 'Once upon a time', 24, undefined, 7)
      expect(got.result.tokens).toEqual(want.result.tokens)
      expect(engine.stats().backend).toBe('wasm')
    }
  })

  it('with several requests, one of them still reading its prompt, and one that waits', async () => {
    const prompts = ['Once upon a time', 'The little rabbit', 'A king had a daughter '.repeat(8)]
    const cpu = await openEngine([CPU], { maxSequences: 2 })
    const want = await Promise.all(prompts.map(p => generate(cpu, p, 20)))
    const gpu = mortal()
    const engine = await openEngine([gpu.factory, CPU], { maxSequences: 2 })
    gpu.dieAt('read', 6)
    const got = await Promise.all(prompts.map(p => generate(engine, p, 20)))
    expect(got.map(g => g.result.tokens)).toEqual(want.map(w => w.result.tokens))
    expect(engine.stats().queue).toMatchObject({ served: 3, failed: 0 })
  })

  it('while scoring: every token is scored once', async () => {
    const score = (engine: Engine) =>
      new Promise<Float32Array>((resolve, reject) => {
        engine.score(
          { kind: 'text', text: 'Once upon a time there lived a king '.repeat(6) },
          {},
          { scored: result => resolve(result.logprobs), error: reject },
        )
      })
    const want = await score(await openEngine([CPU]))
    const gpu = mortal()
    const engine = await openEngine([gpu.factory, CPU])
    gpu.dieAt('read', 3)
    expect(await score(engine)).toEqual(want)
  })

  it('while a session is saved: it is the one that the kernels save', async () => {
    const input = { kind: 'text', text: 'Once upon a time there lived a king '.repeat(12) } as const
    const save = async (engine: Engine) =>
      new Uint8Array(await (await engine.saveSession(input)).arrayBuffer())
    const cpu = await openEngine([CPU])
    const want = await save(cpu)
    for (const call of [1, 2]) {
      const gpu = mortal()
      const engine = await openEngine([gpu.factory, CPU])
      gpu.dieAt('readBlock', call)
      expect(await save(engine)).toEqual(want)
      expect(engine.stats().backend).toBe('wasm')
    }
    expect((await cpu.restoreSession(new Blob([want]))).restoredTokens).toBeGreaterThan(64)
  })

  it('while a session is restored: it is refused, and nothing of it is believed', async () => {
    const text = 'Once upon a time there lived a king '.repeat(12)
    const input = { kind: 'text', text } as const
    const want = await generate(await openEngine([CPU]), text, 8)
    const gpu = mortal()
    const engine = await openEngine([gpu.factory, CPU])
    const session = await engine.saveSession(input)
    gpu.dieAt('writeBlock', 2)
    await expect(engine.restoreSession(session)).rejects.toMatchObject({ code: 'DEVICE_LOST' })
    const got = await generate(engine, text, 8)
    expect(got.result.tokens).toEqual(want.result.tokens)
    expect(got.result.reusedTokens).toBe(0)
    // It was of the GPU; the kernels compute otherwise.
    await expect(engine.restoreSession(session)).rejects.toMatchObject({ code: 'BAD_OPTION' })
  })

  it('while nothing runs: the next request finds the kernels', async () => {
    const gpu = mortal()
    const engine = await openEngine([gpu.factory, CPU])
    const first = await generate(engine, 'Once upon a time', 40)
    gpu.kill()
    const second = await generate(engine, 'Once upon a time', 40)
    expect(second.result.tokens).toEqual(first.result.tokens)
    // What the GPU had computed is not taken for computed.
    expect(second.result.reusedTokens).toBe(0)
    expect(engine.stats().backend).toBe('wasm')
  })

  it.each([
    ['alloc', 3],
    ['alloc', 60],
    ['settle', 1],
    ['read', 2],
    ['read', 30],
    ['linear', 30],
  ] as const)('while loading, in %s %i: the next path is poured', async (op, call) => {
    const gpu = mortal()
    gpu.dieAt(op, call)
    const engine = await openEngine([gpu.factory, CPU])
    expect(engine.stats()).toMatchObject({ backend: 'wasm' })
    expect(engine.stats().fallbacks[0]).toMatchObject({ reason: 'the GPU device was lost (test)' })
    const { result } = await generate(engine, 'Once upon a time', 4)
    expect(result.tokens).toHaveLength(4)
  })

  it('with nothing behind it: open requests end with its code, and the engine says so', async () => {
    const gpu = mortal()
    const engine = await openEngine([gpu.factory])
    const failing = generate(engine, 'Once upon a time', 40, count => {
      if (count === 3) gpu.kill('GPU_OOM')
    })
    await expect(failing).rejects.toMatchObject({ code: 'GPU_OOM' })
  })
})
