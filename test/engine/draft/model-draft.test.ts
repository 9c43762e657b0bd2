// A second model that guesses: what it reads, what it takes back, and what becomes of it when it fails. Both
// networks are without weights, over real KV books. How it is opened and counted: draft-load.test.ts.
import { afterEach, describe, expect, it } from 'vitest'
import { Engine, type EngineOptions } from '../../../src/engine/engine.ts'
import { grammarPart } from '../../../src/engine/grammar/part.ts'
import { RyzError } from '../../../src/errors.ts'
import type { GenerateOptions } from '../../../src/types/index.ts'
import { run, tokens } from '../driver.ts'
import { FakeNetwork, type FakeOptions, fakeParts, pseudoLogits, VOCAB } from '../fakes.ts'

const EVERY: EngineOptions = { speculation: { lookup: false, adaptive: false, maxTokens: 4 } }
const greedy: GenerateOptions = { maxTokens: 60, temperature: 0 }

const open: Engine[] = []
afterEach(async () => {
  for (const engine of open.splice(0)) await engine.close()
})

function start(draft: FakeOptions = {}, options: EngineOptions = EVERY, main: FakeOptions = {}) {
  const network = new FakeNetwork({ ready: true, ...main })
  const drafting = new FakeNetwork({ ready: true, ...draft })
  const parts = {
    ...fakeParts(network),
    draft: { name: 'small', bytes: 1000, network: drafting },
    close: () => {
      network.close()
      drafting.close()
    },
  }
  const engine = new Engine(parts, options, { grammar: async () => grammarPart })
  open.push(engine)
  return { engine, network, drafting }
}

async function plainTokens(prompt: number[], options: GenerateOptions, main: FakeOptions = {}) {
  const engine = new Engine(
    fakeParts(new FakeNetwork(main)),
    { speculation: 'off' },
    { grammar: async () => grammarPart },
  )
  open.push(engine)
  return (await run(engine, prompt, options).ended).result!.tokens
}

describe('a draft model', () => {
  it('that is as good as the model guesses everything', async () => {
    const { engine, network } = start()
    const prompt = tokens(50)
    const { result } = await run(engine, prompt, greedy).ended
    expect(result!.tokens).toEqual(await plainTokens(prompt, greedy))
    const { accepted, proposed, draft } = engine.stats().speculation
    expect(accepted).toBe(proposed)
    expect(draft).toMatchObject({ name: 'small' })
    // The prompt in pieces of 8 and more, then five tokens a step.
    const decoding = network.steps.filter(step => step.every(row => row.wants === 'logits'))
    expect(decoding.length).toBeLessThanOrEqual(Math.ceil(59 / 5) + 1)
    expect(engine.stats().memory).toMatchObject({ draft: 1000, total: 1123 })
  })

  it('reads each token of a text once, and what follows it in the next turn', async () => {
    const { engine, drafting } = start()
    const prompt = tokens(40)
    const { result } = await run(engine, prompt, greedy).ended
    const rows = () => drafting.steps.reduce((sum, step) => sum + step.length, 0)
    const before = rows()
    expect(before).toBeLessThan(40 + 60 + 15)
    await run(engine, [...prompt, ...result!.tokens, 7, 8], { ...greedy, maxTokens: 2 }).ended
    expect(rows() - before).toBeLessThan(15)
  })

  it('takes back what came otherwise: wrong guesses, sampling, slides, several at once', async () => {
    /** Right two times of three. */
    const often = (out: Float32Array, held: readonly number[]) => {
      pseudoLogits(out, held)
      if (held.length % 3 === 0) out[97] = 50
    }
    const options: GenerateOptions[] = [
      greedy,
      { ...greedy, temperature: 1, seed: 5 },
      { ...greedy, overflow: 'slide', maxTokens: 200 },
      { ...greedy, repetitionPenalty: 1.4 },
      { ...greedy, responseFormat: { type: 'regex', pattern: '([a-d]{3}, )*end' } },
    ]
    const main = { contextLength: 96, blocks: 24 }
    const { engine, drafting, network } = start({ ...main, logits: often }, EVERY, main)
    const runs = options.map((o, i) => run(engine, tokens(20, i), o))
    for (const [i, r] of runs.entries()) {
      const { result } = await r.ended
      expect(result!.tokens).toEqual(await plainTokens(tokens(20, i), options[i]!, main))
    }
    const { accepted, proposed } = engine.stats().speculation
    expect(accepted).toBeGreaterThan(proposed / 4)
    expect(accepted).toBeLessThan(proposed)
    expect(network.kv.usedBlocks).toBe(0)
    expect(drafting.kv.usedBlocks).toBeLessThanOrEqual(12)
  })

  it('looks through the mask of a format', async () => {
    const format: GenerateOptions = {
      ...greedy,
      responseFormat: { type: 'regex', pattern: '(x[0-9]y){9}' },
    }
    const { engine } = start()
    const { result } = await run(engine, tokens(9), format).ended
    expect(result).toMatchObject({ complete: true })
    const { accepted, proposed } = engine.stats().speculation
    expect(accepted).toBe(proposed)
    expect(accepted).toBeGreaterThan(15)
  })

  it('that fails, has a short context or little memory guesses no more, and says so', async () => {
    const wanted = await plainTokens(tokens(30), greedy)
    const throws: FakeOptions['onStep'] = (_, step) => {
      if (step === 4) throw new RyzError('BAD_WEIGHTS', 'not finite')
    }
    for (const draft of [
      { onStep: throws },
      { contextLength: 48 },
      { blocks: 1 },
      { ready: false },
    ]) {
      const { engine } = start(draft)
      const { result } = await run(engine, tokens(30), greedy).ended
      expect(result!.tokens).toEqual(wanted)
      const { draft: told } = engine.stats().speculation
      if ('onStep' in draft) expect(told!.failed).toBe('not finite')
      if ('ready' in draft) expect(told!.failed).toMatch(/finite/)
    }
  })

  it('rests where it takes more than it saves', async () => {
    let now = 0
    const cost = (ms: number): FakeOptions['onStep'] => {
      return rows => {
        now += ms * rows.length ** 0.5
      }
    }
    const timed = async (draftMs: number) => {
      now = 0
      const network = new FakeNetwork({
        ready: true,
        contextLength: 4096,
        blocks: 256,
        onStep: cost(10),
      })
      const small = { contextLength: 4096, blocks: 256, ready: true, onStep: cost(draftMs) }
      const drafting = new FakeNetwork(small)
      const draft = { name: 'small', bytes: 1, network: drafting }
      const engine = new Engine({ ...fakeParts(network), draft }, {}, { now: () => now })
      open.push(engine)
      await engine.measure()
      await run(engine, tokens(9), { ...greedy, maxTokens: 1000 }).ended
      return { ms: now, stats: engine.stats().speculation }
    }
    const cheap = await timed(0.5)
    expect(cheap.ms).toBeLessThan(6000)
    expect(cheap.stats.gain).toBeGreaterThan(1.6)
    const dear = await timed(12)
    expect(dear.ms).toBeLessThan(1000 * 10 * 1.1)
    expect(dear.stats.draft!.ms).toBeLessThan(1500)
  })

  it('guesses none of the tokens that it does not have', async () => {
    const { engine, drafting } = start()
    Object.assign(drafting.config, { vocab: VOCAB })
    const { result } = await run(engine, [...tokens(20), VOCAB - 1], greedy).ended
    expect(result!.tokens).toEqual(await plainTokens([...tokens(20), VOCAB - 1], greedy))
  })
})
