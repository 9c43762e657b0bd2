// What requests may ask for, on the GPU path (SwiftShader in Node): structured output, log-probabilities,
// sessions. Few tokens, as a dispatch takes half a millisecond there.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { BackendFactory } from '../../src/backend/factory.ts'
import { webGpuFactory } from '../../src/backend/webgpu/webgpu-factory.ts'
import { Engine } from '../../src/engine/engine.ts'
import { grammarPart } from '../../src/engine/grammar/part.ts'
import { openEngineParts } from '../../src/engine/load/open-parts.ts'
import type { GenerateOptions, GenerateResult, LoadOptions } from '../../src/types/index.ts'
import { CASES, caseFiles } from '../golden/load.ts'
import { wasmFactory } from '../support/wasm.ts'
import { adapterHere, nodeGpu } from '../support/webgpu.ts'

const adapter = await adapterHere()
const SMALL = caseFiles(CASES.find(c => c.name === 'b158-x86')!)[0]!
/** One activation that rounds the other way moves a logit by as much. */
const LOGPROB = 0.2

describe.skipIf(adapter === undefined)(`WebGPU on ${adapter ?? 'no adapter'}`, () => {
  let gpu: Engine
  let cpu: Engine

  /** One device for both models, and what was compiled on it. */
  const factory = webGpuFactory(() => nodeGpu(), { allowSoftwareAdapter: true })

  async function open(
    model: File,
    path: BackendFactory,
    ahead?: number,
    speculation?: LoadOptions['speculation'],
  ): Promise<Engine> {
    const options = { contextLength: 128, maxSequences: 2, speculation }
    const hooks = { progress: () => undefined, signal: new AbortController().signal }
    const parts = await openEngineParts(model, options, hooks, [path])
    return new Engine(parts, options, { grammar: async () => grammarPart, ahead })
  }

  beforeAll(async () => {
    gpu = await open(SMALL, factory)
    cpu = await open(SMALL, wasmFactory('simd128', 1))
    expect(gpu.stats().backend).toBe('webgpu')
  }, 120_000)
  afterAll(async () => {
    expect(gpu.stats()).toMatchObject({ backend: 'webgpu', faults: { recomputed: 0, ended: 0 } })
    await gpu.close()
    await cpu.close()
  })

  function run(engine: Engine, prompt: string | readonly number[], options: GenerateOptions) {
    const input =
      typeof prompt === 'string'
        ? ({ kind: 'text', text: prompt } as const)
        : ({ kind: 'tokens', tokens: prompt } as const)
    const logprobs: number[] = []
    return new Promise<GenerateResult & { logprobs: number[] }>((resolve, reject) => {
      engine.generate(input, options, {
        token: chunk => logprobs.push(...(chunk.logprobs ?? []).map(([chosen]) => chosen!.logprob)),
        done: result => resolve({ ...result, logprobs }),
        error: reject,
      })
    })
  }

  it('holds an answer to its format', async () => {
    const { text, complete } = await run(gpu, 'a b c', {
      responseFormat: { type: 'regex', pattern: '[abc]{2}(red|b)' },
      seed: 3,
      maxTokens: 12,
    })
    expect(text).toMatch(/^[abc]{2}(red|b)$/)
    expect(complete).toBe(true)
  })

  it('writes the text that it writes when each token is read, greedy and sampled', async () => {
    const ahead = await open(SMALL, factory, 3)
    for (const options of [
      { temperature: 0 },
      { seed: 11 },
      { seed: 12, topK: 9, temperature: 1.2 },
    ]) {
      const given = { ...options, maxTokens: 12, ignoreEos: true }
      const want = await run(gpu, 'a b c d', { ...given, logprobs: 0 })
      expect((await run(ahead, 'a b c d', given)).tokens).toEqual(want.tokens)
    }
    const { drawing, submits } = ahead.stats().gpu!
    expect(drawing).toMatchObject({ ahead: 3, drawn: 3 * 11, read: [] })
    expect(submits).toBeGreaterThan(33)
    expect(gpu.stats().gpu!.drawing!.read).toContainEqual({ reason: 'logprobs', tokens: 33 })
    await ahead.close()
  })

  it('writes the same with guessed tokens, where an object asks for them', async () => {
    const guessing = await open(SMALL, factory, undefined, { maxTokens: 3, adaptive: false })
    // A text that repeats itself, so that there is something to guess.
    const prompt = 'a b c d a b c d a b c d a b'
    const repeats = { repetitionPenalty: 0.5, maxTokens: 16, ignoreEos: true }
    const regex = { responseFormat: { type: 'regex', pattern: '(ab){6}' }, maxTokens: 16 } as const
    for (const options of [
      { ...repeats, temperature: 0 },
      { ...repeats, seed: 5 },
      { ...regex, seed: 3 },
    ]) {
      const want = await run(gpu, prompt, options)
      expect((await run(guessing, prompt, options)).tokens).toEqual(want.tokens)
    }
    const { backend, speculation } = guessing.stats()
    expect(backend).toBe('webgpu')
    expect(speculation).toMatchObject({ on: true })
    expect(speculation.proposed).toBeGreaterThan(5)
    expect(speculation.accepted).toBeGreaterThan(0)
    await guessing.close()
  }, 120_000)

  it('guesses nothing on a GPU where "auto" asks, as a row there depends on how many there are', async () => {
    const auto = await open(SMALL, factory, undefined, 'auto')
    expect(auto.stats().speculation).toMatchObject({ on: false, proposed: 0 })
    expect(auto.stats().speculation.reason).toContain('an object as speculation')
    await auto.close()
  }, 120_000)

  it('tells the log-probabilities that the kernels tell', async () => {
    const options = { temperature: 0, maxTokens: 3, logprobs: 2, ignoreEos: true } as const
    const [got, want] = [await run(gpu, 'a b c d', options), await run(cpu, 'a b c d', options)]
    expect(got.logprobs).toHaveLength(3)
    for (const [i, logprob] of got.logprobs.entries()) {
      expect(Math.abs(logprob - want.logprobs[i]!)).toBeLessThan(LOGPROB)
    }
  })

  it('saves a session for itself, and the kernels refuse it', async () => {
    const input = { kind: 'text', text: 'a b c d '.repeat(6) } as const
    const session = await gpu.saveSession(input)
    gpu.forgetPrefixes()
    const restored = await gpu.restoreSession(session)
    expect(restored.restoredTokens).toBeGreaterThanOrEqual(32)
    const { reusedTokens } = await run(gpu, input.text, { temperature: 0, maxTokens: 1 })
    expect(reusedTokens).toBe(restored.restoredTokens)
    await expect(cpu.restoreSession(session)).rejects.toMatchObject({ code: 'BAD_OPTION' })
  })
})
