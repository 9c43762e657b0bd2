// Guesses in the scheduler, over a network without weights whose KV blocks hold what was computed: when they
// are made, that wrong ones leave nothing behind, and what becomes of them when memory, rows or time end.
import { describe, expect, it } from 'vitest'
import { EXACT } from '../../../src/backend/factory.ts'
import { Engine, type EngineOptions } from '../../../src/engine/engine.ts'
import { RyzError } from '../../../src/errors.ts'
import type { GenerateOptions } from '../../../src/types/index.ts'
import { type Run, run, score, slow, start } from '../driver.ts'
import { EOS, FakeNetwork, type FakeOptions, fakeParts, VOCAB } from '../fakes.ts'

const EVERY: EngineOptions = { speculation: { adaptive: false, maxTokens: 6 } }
const OFF: EngineOptions = { speculation: 'off' }

/** What follows depends on the last three tokens, of three letters: texts that repeat themselves, not always. */
function babble(out: Float32Array, tokens: readonly number[]): void {
  let hash = 17
  for (const token of tokens.slice(-3)) hash = Math.imul(hash ^ token, 0x9e3779b1) >>> 0
  out.fill(-30)
  for (let i = 0; i < 3; i++) out[97 + ((hash >> i) % 3)] = 4 - i
  if (tokens.length % 61 === 0) out[97 + (hash % 3)] = 9
}

/** Repeats what stands 8 tokens before, so that every guess of a text with that period is right. */
function cycle(out: Float32Array, tokens: readonly number[]): void {
  out.fill(0)
  out[tokens[tokens.length - 8] ?? 97] = 9
}

const PROMPT = [...'abcabca bacab cabcab'].map(c => c.charCodeAt(0))
const CYCLE = [...'abcdefghabcdefgh'].map(c => c.charCodeAt(0))
const greedy: GenerateOptions = { maxTokens: 100, temperature: 0 }

const told = ({ result, error, chunks }: Run) => ({
  tokens: result?.tokens,
  text: chunks.map(c => c.text).join(''),
  finish: result?.finishReason,
  slides: result?.slides,
  error: error?.message,
})

/** Runs the same with and without guesses, and expects the same. */
async function same(
  fake: FakeOptions,
  requests: readonly { prompt?: number[]; options?: GenerateOptions }[],
  options: EngineOptions = {},
) {
  const runAll = async (more: EngineOptions) => {
    const { engine, network } = start({ logits: babble, ...fake }, { ...options, ...more })
    const runs = requests.map(r => run(engine, r.prompt ?? PROMPT, { ...greedy, ...r.options }))
    const ended = await Promise.all(runs.map(r => r.ended))
    return { engine, network, told: ended.map(told) }
  }
  const without = await runAll(OFF)
  const guessing = await runAll(EVERY)
  expect(guessing.told).toEqual(without.told)
  expect(guessing.network.kv.usedBlocks).toBe(0)
  expect(guessing.engine.stats().speculation.accepted).toBeGreaterThan(0)
  expect(guessing.network.steps.length).toBeLessThan(without.network.steps.length)
  return guessing
}

describe('guessed tokens', () => {
  it('save steps, and every step counts what it gave', async () => {
    const { engine, network } = start({ logits: cycle }, EVERY)
    const { result } = await run(engine, CYCLE, greedy).ended
    expect(result!.tokens).toHaveLength(100)
    // The prompt in two pieces, of which the last brings six guesses along; then seven tokens a step.
    expect(network.steps.length).toBe(2 + Math.ceil((99 - 6) / 7))
    const { speculation, decode } = engine.stats()
    expect(speculation.accepted).toBe(speculation.proposed)
    expect(speculation).toMatchObject({ on: true, steps: 14, length: expect.closeTo(6, 0) })
    expect(decode.tokens).toBe(99)
  })

  it('are the rows of one sequence, whose logits are all wanted', async () => {
    const { engine, network } = start({ logits: cycle }, EVERY)
    await run(engine, CYCLE, { ...greedy, maxTokens: 20 }).ended
    const [, prompt, step] = network.steps
    const text = (rows: typeof step) => rows!.map(row => String.fromCharCode(row.token)).join('')
    // Behind the prompt's last piece, and behind the token that was drawn.
    const wanted = prompt!.filter(row => row.wants === 'logits')
    expect(text(wanted)).toBe('habcdef')
    expect(prompt!.slice(-7)).toEqual(wanted)
    expect(text(step)).toBe('ghabcde')
    expect(new Set(step!.map(row => `${row.seq} ${row.wants}`)).size).toBe(1)
  })

  it('never reach behind maxTokens or the context', async () => {
    for (const maxTokens of [1, 2, 3, 7, 8, 9]) {
      const { engine, network } = start({ logits: cycle }, EVERY)
      await run(engine, CYCLE, { ...greedy, maxTokens }).ended
      const rows = network.steps.reduce((sum, step) => sum + step.length, 0)
      expect(rows).toBe(CYCLE.length + maxTokens - 1)
    }
    const { engine, network } = start({ logits: cycle, contextLength: 40, blocks: 2 }, EVERY)
    const { result } = await run(engine, CYCLE, greedy).ended
    expect(result).toMatchObject({ finishReason: 'context' })
    expect(result!.tokens).toHaveLength(40 - CYCLE.length)
    expect(network.kv.usedBlocks).toBe(0)
  })

  it('change nothing: wrong ones, ends, stop strings, slides, short blocks, one row a prompt', async () => {
    const options: GenerateOptions[] = [
      { temperature: 1, seed: 3, topK: 3 },
      { stop: ['cc', 'bab'] },
      { repetitionPenalty: 1.2, penaltyWindow: 9 },
      { overflow: 'slide', maxTokens: 300, keep: 5 },
      { logprobs: 2, temperature: 0.7, seed: 9 },
      { reuse: false },
    ]
    const requests = options.map(o => ({ options: o }))
    await same({ contextLength: 128 }, requests)
    await same({ contextLength: 128, ready: true }, requests, { maxSequences: 8 })
    await same({ contextLength: 96, blocks: 7 }, requests)
    await same({ contextLength: 96, blocks: 3 }, requests, { prefillPiece: 1 })
    await same({ contextLength: 64, blocks: 2, maxWantedRows: 5 }, requests, { maxSequences: 3 })
    const ends = (out: Float32Array, tokens: readonly number[]) => {
      babble(out, tokens)
      if (tokens.length % 50 === 0) out[EOS] = 50
    }
    await same({ logits: ends }, requests)
    // The end is guessed, too.
    await same({ logits: ends }, [{ prompt: [...PROMPT, EOS, 98, 99, 97, ...PROMPT] }])
  })

  it('that were wrong are in no block that others begin with', async () => {
    const { engine, network } = start({ logits: babble }, EVERY)
    const plain = start({ logits: babble }, OFF)
    let chat = PROMPT
    for (let turn = 0; turn < 5; turn++) {
      const { result } = await run(engine, chat, greedy).ended
      const wanted = (await run(plain.engine, chat, greedy).ended).result!
      expect(result!.tokens).toEqual(wanted.tokens)
      expect(result!.reusedTokens).toBe(wanted.reusedTokens)
      chat = [...chat, ...result!.tokens, 120 + turn]
    }
    const { accepted, proposed } = engine.stats().speculation
    expect(accepted).toBeLessThan(proposed)
    // The last block of the answer is computed again and found: a saved session has what was drawn.
    const session = await engine.saveSession({ kind: 'tokens', tokens: chat })
    expect(session.size).toBe(
      (await plain.engine.saveSession({ kind: 'tokens', tokens: chat })).size,
    )
    expect(network.kv.usedBlocks).toBe(0)
  })

  it('leave every sequence its row in each step, and a prompt its piece', async () => {
    const { engine, network } = start({ ...slow, logits: cycle, maxWantedRows: 8 }, EVERY)
    const prompts = [0, 1, 2].map(i => [...CYCLE.slice(i), ...CYCLE.slice(i)])
    const runs = prompts.map(prompt => run(engine, prompt, greedy))
    for (const r of runs) await r.ended
    const decoding = network.steps.filter(step => step.every(row => row.wants === 'logits'))
    const full = decoding.filter(step => new Set(step.map(row => row.seq)).size === 3)
    expect(full.length).toBeGreaterThan(5)
    for (const step of decoding) expect(step.length).toBeLessThanOrEqual(8)
    expect(runs.every(r => r.result!.tokens.length === 100)).toBe(true)
    // With a prompt in the step there are no guesses.
    for (const step of network.steps) {
      const wanted = step.filter(row => row.wants === 'logits').length
      if (step.some(row => row.wants === 'nothing')) expect(wanted).toBeLessThanOrEqual(3)
    }
  })

  it('end with their request when it is cancelled in the middle of them', async () => {
    const { engine, network } = start({ logits: cycle }, EVERY)
    const request = run(engine, CYCLE, greedy)
    const chunks = request.chunks
    const push = chunks.push.bind(chunks)
    chunks.push = (...more) => {
      const length = push(...more)
      if (length === 10) request.cancel()
      return length
    }
    expect((await request.ended).error).toMatchObject({ code: 'ABORTED' })
    expect(chunks).toHaveLength(10)
    expect(network.kv.usedBlocks).toBe(0)
  })

  it('take the blame for a step that fails: it is computed again without them', async () => {
    const onStep: FakeOptions['onStep'] = rows => {
      const wanted = rows.filter(row => row.wants === 'logits').length
      if (wanted > 1) throw new RyzError('BAD_WEIGHTS', 'not finite')
    }
    for (const ready of [true, false]) {
      const { engine } = start({ logits: cycle, onStep, ready }, EVERY)
      const { result, error } = await run(engine, CYCLE, greedy).ended
      expect(error).toBeUndefined()
      expect(result!.tokens).toHaveLength(100)
      expect(engine.stats().speculation.accepted).toBe(0)
      expect(engine.stats().decode.tokens).toBe(99)
    }
  })

  it('are none of scores, which know their tokens', async () => {
    const { engine } = start({ logits: cycle }, EVERY)
    expect((await score(engine, CYCLE)).logprobs).toHaveLength(16)
    expect(engine.stats().speculation.proposed).toBe(0)
  })
})

describe('whether to guess', () => {
  /** An engine whose clock goes on by what a step of so many rows costs. */
  async function timed(cost: (rows: number) => number, logits: FakeOptions['logits'] = cycle) {
    let now = 0
    const onStep: FakeOptions['onStep'] = rows => {
      now += cost(rows.length)
    }
    const fake: FakeOptions = {
      logits,
      onStep,
      ready: true,
      contextLength: 2048,
      maxWantedRows: 32,
    }
    const { engine, network } = start(fake, { speculation: 'auto' }, { now: () => now })
    await engine.measure()
    const before = now
    const { result } = await run(engine, CYCLE, { ...greedy, maxTokens: 1000 }).ended
    return { engine, network, result: result!, ms: now - before, stats: engine.stats().speculation }
  }

  it('is decided by what rows cost: many where they are cheap', async () => {
    const { stats, ms } = await timed(rows => 10 + 0.5 * rows)
    expect(stats.length).toBeGreaterThan(20)
    expect(ms).toBeLessThan(1000 * 10.5 * 0.1)
    expect(stats.gain).toBeGreaterThan(8)
  })

  it('few where they are dear, and none where they cost a step each', async () => {
    const some = await timed(rows => 10 + 6 * (rows - 1))
    expect(some.stats.gain).toBeGreaterThan(1.2)
    const none = await timed(rows => 10 * rows)
    // It took some tries to know.
    expect(none.stats.proposed).toBeLessThan(200)
    expect(none.ms).toBeLessThan(1000 * 10 * 1.03)
  })

  it('none where they do not come true, after some tries', async () => {
    /** Pairs repeat, what follows them does not. */
    const never = (out: Float32Array, tokens: readonly number[]) => {
      const n = tokens.length
      out.fill(0)
      out[n % 3 === 2 ? (n * 7919) % VOCAB : 97 + (n % 3)] = 9
    }
    const { ms, stats } = await timed(rows => 10 + 3 * (rows - 1), never)
    expect(stats.gain).toBeGreaterThan(0.97)
    expect(ms).toBeLessThan((1000 * 10) / 0.97)
  })

  it('keeps a step to 200 ms, so that a cancel is heard', async () => {
    const { network, stats } = await timed(rows => 50 + 20 * (rows - 1))
    expect(stats.accepted).toBeGreaterThan(100)
    const longest = Math.max(...network.steps.slice(2).map(step => step.length))
    // Numbers of rows that were not seen yet are guessed.
    expect(50 + 20 * (longest - 1)).toBeLessThan(280)
  })

  it('is off where nobody asks for it', async () => {
    const { engine } = start({ logits: cycle })
    await run(engine, CYCLE, greedy).ended
    expect(engine.stats().speculation).toMatchObject({ on: false, proposed: 0 })
    expect(engine.stats().speculation.reason).toBe("speculation is 'off'")
  })

  it('is off where a row rounds by how many there are, unless it is asked for', async () => {
    const parts = () => ({
      ...fakeParts(new FakeNetwork({ logits: cycle })),
      traits: { ...EXACT, exact: false },
    })
    const auto = new Engine(parts(), { speculation: 'auto' })
    await run(auto, CYCLE, greedy).ended
    expect(auto.stats().speculation).toMatchObject({ on: false, proposed: 0, gain: 1 })
    expect(auto.stats().speculation.reason).toMatch(/rounds a row/)
    const asked = new Engine(parts(), EVERY)
    await run(asked, CYCLE, greedy).ended
    expect(asked.stats().speculation.accepted).toBeGreaterThan(50)
    await auto.close()
    await asked.close()
  })
})
