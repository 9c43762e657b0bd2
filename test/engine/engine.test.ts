// The engine over a network without weights: what a request gets, whatever runs beside it. Queue,
// time limits, cancel, memory, failures, accounting.
import { describe, expect, it } from 'vitest'
import { RyzError } from '../../src/errors.ts'
import type { GenerateOptions } from '../../src/types/index.ts'
import { type Run, run, score, slow, start, tokens } from './driver.ts'
import { BOS, EOS, spelling, until, VOCAB } from './fakes.ts'

const textOf = (r: Run) => r.chunks.map(c => c.text).join('')

describe('one request', () => {
  it('streams the text token by token and ends at the end token', async () => {
    const { engine } = start({ logits: spelling('héllo', 3) })
    const r = await run(engine, 'ab').ended
    expect(r.result).toMatchObject({ text: 'héllo', finishReason: 'eos', promptTokens: 3 })
    expect(textOf(r)).toBe('héllo')
    expect(r.chunks.map(c => c.text)).toEqual(['h', '', 'é', 'l', 'l', 'o'])
    expect(r.result!.tokens).toEqual(r.chunks.flatMap(c => c.tokens))
    expect(r.result!.tokens).not.toContain(EOS)
  })

  it('puts bos before a text once, and never before token ids', async () => {
    const { engine, network } = start()
    await run(engine, 'ab', { maxTokens: 1 }).ended
    await run(engine, 'ab', { maxTokens: 1, noBos: true }).ended
    await run(engine, [1, 2], { maxTokens: 1 }).ended
    expect(network.steps.map(rows => rows.map(r => r.token))).toEqual([
      [BOS, 97, 98],
      [97, 98],
      [1, 2],
    ])
  })

  it('goes past end tokens with ignoreEos', async () => {
    const { engine } = start({ logits: spelling('ok', 1) })
    const r = await run(engine, [1], { ignoreEos: true, maxTokens: 4 }).ended
    expect(r.result).toMatchObject({ finishReason: 'length', tokens: [111, 107, EOS, EOS] })
  })

  it('stops before a stop string that spans tokens, and shows none of it', async () => {
    const { engine } = start({ logits: spelling('one\n\nUser: two', 1) })
    const r = await run(engine, [1], { stop: ['\n\nUser:', 'zzz'] }).ended
    expect(r.result).toMatchObject({
      text: 'one',
      finishReason: 'stop',
      stopString: '\n\nUser:',
    })
    expect(textOf(r)).toBe('one')
  })

  it('shows the held-back text when the answer ends first', async () => {
    const { engine } = start({ logits: spelling('abc\n', 1) })
    const r = await run(engine, [1], { stop: ['\n\n'] }).ended
    expect(r.result).toMatchObject({ text: 'abc\n', finishReason: 'eos' })
    expect(textOf(r)).toBe('abc\n')
  })

  it('reports log-probabilities only when asked', async () => {
    const { engine } = start()
    const without = await run(engine, [1], { maxTokens: 1 }).ended
    expect(without.chunks[0]).not.toHaveProperty('logprobs')
    const r = await run(engine, [1], { maxTokens: 2, temperature: 0, logprobs: 3 }).ended
    for (const { tokens, logprobs } of r.chunks) {
      expect(logprobs).toHaveLength(1)
      expect(logprobs![0]).toHaveLength(4)
      expect(logprobs![0]![0]!.token).toBe(tokens[0])
      expect(logprobs![0]![1]!.token).toBe(tokens[0]) // greedy takes the likeliest
    }
  })

  it('ends as context when prompt and answer fill it', async () => {
    const { engine, network } = start({ contextLength: 32, blocks: 1 })
    const r = await run(engine, tokens(30), { maxTokens: 99 }).ended
    expect(r.result).toMatchObject({ finishReason: 'context' })
    expect(r.result!.tokens).toHaveLength(2)
    expect(network.kv.usedBlocks).toBe(0)
  })

  it.each([32, 33, 500])('refuses a prompt of %i tokens in a context of 32', async n => {
    const { engine } = start({ contextLength: 32 })
    const r = await run(engine, tokens(n)).ended
    expect(r.error).toMatchObject({
      code: 'CONTEXT_FULL',
      detail: { tokens: n, contextLength: 32 },
    })
    expect(engine.stats().queue).toMatchObject({ failed: 1, served: 0 })
  })

  it.each([
    ['a token id beyond the vocabulary', [VOCAB], {}],
    ['a token id that is no whole number', [1.5], {}],
    ['an empty prompt', [], {}],
    ['maxTokens 0', [1], { maxTokens: 0 }],
    ['an empty stop string', [1], { stop: [''] }],
    ['too many logprobs', [1], { logprobs: 21 }],
    ['a negative queueTimeoutMs', [1], { queueTimeoutMs: -1 }],
    ['a priority beyond 10', [1], { priority: 11 }],
    ['a priority that is no whole number', [1], { priority: 0.5 }],
    ['a negative keep', [1], { keep: -1 }],
    ['an unknown overflow', [1], { overflow: 'wrap' as 'stop' }],
    ['a reuse that is no boolean', [1], { reuse: 1 as unknown as boolean }],
  ] as [string, number[], GenerateOptions][])('refuses %s', async (_, prompt, options) => {
    const { engine } = start()
    expect((await run(engine, prompt, options).ended).error).toMatchObject({ code: 'BAD_OPTION' })
    expect(engine.stats().queue.failed).toBe(1)
  })

  it('reports the seed it drew, and the same seed gives the same text', async () => {
    const { engine } = start()
    const options = { temperature: 2, topK: 0, maxTokens: 30 }
    const first = (await run(engine, 'x', options).ended).result!
    const again = (await run(engine, 'x', { ...options, seed: first.seed }).ended).result!
    expect(again.text).toBe(first.text)
  })

  it('fails alone with BAD_WEIGHTS when the logits are no numbers', async () => {
    const { engine } = start({
      logits: (out, held) => {
        out.fill(held[0] === 1 ? Number.NaN : 0)
      },
    })
    const [bad, good] = [run(engine, [1]), run(engine, [2], { maxTokens: 3 })]
    expect((await bad.ended).error).toMatchObject({ code: 'BAD_WEIGHTS' })
    expect((await good.ended).result!.tokens).toHaveLength(3)
  })
})

describe('several requests', () => {
  it('gives each the same tokens as alone', async () => {
    const prompts = [tokens(1, 3), tokens(40, 5), tokens(100, 9), tokens(7, 1), tokens(65, 2)]
    const options = { maxTokens: 40, temperature: 1, seed: 11 }
    const alone: number[][] = []
    for (const prompt of prompts) {
      const { engine } = start()
      alone.push((await run(engine, prompt, options).ended).result!.tokens)
    }
    for (const prefillPiece of [1, 7, 128]) {
      const { engine } = start({}, { maxSequences: 3, prefillPiece })
      const together = prompts.map(prompt => run(engine, prompt, options))
      for (const [i, r] of together.entries()) {
        expect((await r.ended).result!.tokens).toEqual(alone[i])
      }
    }
  })

  it('puts one piece of one prompt and one row of every live sequence into a step', async () => {
    const { engine, network } = start({}, { maxSequences: 3, prefillPiece: 4 })
    const short = run(engine, [1], { maxTokens: 30 })
    const other = run(engine, [2], { maxTokens: 30 })
    const long = run(engine, tokens(20), { maxTokens: 2 })
    await Promise.all([short.ended, other.ended, long.ended])
    for (const rows of network.steps) {
      const bySeq = new Map<number, number>()
      for (const { seq } of rows) bySeq.set(seq, (bySeq.get(seq) ?? 0) + 1)
      const pieces = [...bySeq.values()].filter(n => n > 1)
      expect(pieces.length).toBeLessThanOrEqual(1)
      expect(Math.max(...bySeq.values())).toBeLessThanOrEqual(4)
      expect(bySeq.size).toBeLessThanOrEqual(3)
    }
    const full = network.steps.find(rows => rows.length === 6)
    expect(full?.map(r => r.seq)).toEqual([1, 2, 3, 3, 3, 3])
  })

  it('lets prompts take turns, so that a short one does not wait for a long one', async () => {
    const { engine } = start({}, { prefillPiece: 4 })
    const order: string[] = []
    const long = run(engine, tokens(400), { maxTokens: 1 }).ended.then(() => order.push('long'))
    const short = run(engine, tokens(8), { maxTokens: 1 }).ended.then(() => order.push('short'))
    await Promise.all([long, short])
    expect(order).toEqual(['short', 'long'])
  })

  it('keeps the streams going while a long prompt is read', async () => {
    const { engine, network } = start(slow, { prefillPiece: 4 })
    const stream = run(engine, [1], { maxTokens: 200 })
    await until(() => stream.chunks.length >= 3, 'the stream started')
    const before = stream.chunks.length
    const long = run(engine, tokens(200), { maxTokens: 1 })
    await long.ended
    expect(stream.chunks.length - before).toBeGreaterThanOrEqual(45) // 50 pieces
    stream.cancel()
    expect(network.kv.usedBlocks).toBe(0)
  })

  it('takes nothing that has to wait when queueLimit is 0', async () => {
    const { engine } = start({}, { maxSequences: 1, queueLimit: 0 })
    const [first, second] = [run(engine, [1], { maxTokens: 2 }), run(engine, [2])]
    expect((await second.ended).error).toMatchObject({ code: 'QUEUE_FULL' })
    expect((await first.ended).result).toBeDefined()
  })

  it('counts what waits for memory against the queue, too', async () => {
    const { engine } = start({ blocks: 4 }, { maxSequences: 4, queueLimit: 2 })
    const runs = Array.from({ length: 6 }, (_, i) => run(engine, tokens(90, i), { maxTokens: 2 }))
    await Promise.all(runs.map(r => r.ended))
    expect(runs.map(r => r.error?.code ?? 'served')).toEqual([
      'served',
      'served',
      'served',
      'QUEUE_FULL',
      'QUEUE_FULL',
      'QUEUE_FULL',
    ])
    const { engine: none } = start({ blocks: 4 }, { maxSequences: 4, queueLimit: 0 })
    const [first, second] = [run(none, tokens(90)), run(none, tokens(90))]
    expect((await second.ended).error).toMatchObject({ code: 'QUEUE_FULL' })
    first.cancel()
  })

  it('never gives the network more rows or logits than it takes', async () => {
    const { engine } = start({ maxRows: 3, maxWantedRows: 2 }, { maxSequences: 8 })
    const runs = Array.from({ length: 8 }, (_, i) => run(engine, tokens(20, i), { maxTokens: 6 }))
    const scored = score(engine, tokens(30)) // the fake throws when it gets too many
    for (const r of runs) expect((await r.ended).result!.tokens).toHaveLength(6)
    expect((await scored).logprobs).toHaveLength(30)
    expect(engine.stats().maxSequences).toBe(2)
  })
})

describe('time limits and cancel', () => {
  it('ends a request that waits too long with QUEUE_TIMEOUT, on the clock it was given', async () => {
    let clock = 0
    const options = { maxSequences: 1, queueTimeoutMs: 1000 }
    const { engine } = start(slow, options, { now: () => clock })
    const busy = run(engine, [1], { maxTokens: 400 })
    const waits = run(engine, [2], { maxTokens: 1 })
    const patient = run(engine, [3], { maxTokens: 1, queueTimeoutMs: 50_000 })
    await until(() => busy.chunks.length > 5, 'the first one runs')
    clock = 999
    const seen = busy.chunks.length
    await until(() => busy.chunks.length > seen + 5, 'more steps')
    expect(waits.error).toBeUndefined()
    clock = 1000
    await waits.ended
    expect(waits.error).toMatchObject({ code: 'QUEUE_TIMEOUT', detail: { waitedMs: 1000 } })
    busy.cancel()
    expect((await patient.ended).result).toMatchObject({ queueMs: 1000 })
    expect(engine.stats().queue).toMatchObject({ timedOut: 1, cancelled: 1, served: 1, failed: 0 })
  })

  it('hears a cancel between two prefill pieces and frees the memory', async () => {
    const { engine, network } = start(slow, { prefillPiece: 2 })
    const r = run(engine, tokens(300))
    await until(() => network.steps.length >= 3, 'three pieces')
    r.cancel()
    expect(r.error).toMatchObject({ code: 'ABORTED' })
    expect(r.chunks).toEqual([])
    await until(() => network.kv.usedBlocks === 0, 'blocks are back')
    const steps = network.steps.length
    await new Promise(resolve => setTimeout(resolve, 5))
    expect(network.steps.length).toBe(steps)
  })

  it.each([false, true])(
    'gives the event loop a turn after a prompt, after an end, and every 4 ms of short steps, ready: %s',
    async ready => {
      let clock = 0
      const turns: number[] = []
      const turn = {
        next: (resume: () => void) => {
          turns.push(network.steps.length)
          setImmediate(resume)
        },
        close: () => undefined,
      }
      const { engine, network } = start(
        {
          ready,
          onStep: () => {
            clock++
          },
        },
        {},
        { now: () => clock, turn },
      )
      await run(engine, tokens(6), { maxTokens: 12 }).ended
      // The prompt's step, then decode steps of a millisecond each, the last of them the twelfth token's.
      await until(() => turns.length === 5, 'the turn after the end')
      expect(turns).toEqual([0, 1, 5, 9, 12])
    },
  )

  it('hears a cancel while it decodes; others go on', async () => {
    const { engine, network } = start(slow)
    const [a, b] = [run(engine, [1], { maxTokens: 100 }), run(engine, [2], { maxTokens: 100 })]
    await until(() => a.chunks.length >= 5, 'five tokens')
    a.cancel()
    a.cancel()
    const seen = a.chunks.length
    expect((await b.ended).result!.tokens).toHaveLength(100)
    expect(a.chunks.length).toBe(seen)
    expect(a.ends).toBe(1)
    expect(network.kv.usedBlocks).toBe(0)
  })

  it('frees the memory after the step when cancelled inside it', async () => {
    let cancel: (() => void) | undefined
    const { engine, network } = start({
      onStep: async (_, step) => {
        if (step !== 3) return
        cancel?.()
        expect(network.kv.usedBlocks).toBe(1) // the step still uses it
      },
    })
    const r = run(engine, [1])
    cancel = () => r.cancel()
    expect((await r.ended).error).toMatchObject({ code: 'ABORTED' })
    await until(() => network.kv.usedBlocks === 0, 'blocks are back')
    expect(engine.stats().queue).toMatchObject({ cancelled: 1, failed: 0 })
  })

  it('cancels what waits', async () => {
    const { engine } = start(slow, { maxSequences: 1 })
    const [busy, waits] = [run(engine, [1], { maxTokens: 50 }), run(engine, [2])]
    await until(() => busy.chunks.length > 0, 'the first one runs')
    waits.cancel()
    expect((await waits.ended).error).toMatchObject({ code: 'ABORTED' })
    expect((await busy.ended).result).toBeDefined()
  })

  it('cancels before the request was even queued', async () => {
    const { engine, network } = start()
    const r = run(engine, [1])
    r.cancel()
    expect((await r.ended).error).toMatchObject({ code: 'ABORTED' })
    expect(network.steps).toEqual([])
    expect(engine.stats().queue.cancelled).toBe(1)
  })
})

describe('memory', () => {
  it('admits what fits and lets the rest wait', async () => {
    const { engine, network } = start({ blocks: 4 }, { maxSequences: 4 })
    const runs = [90, 60, 30, 90].map(n => run(engine, tokens(n), { maxTokens: 3 }))
    for (const r of runs) expect((await r.ended).result!.tokens).toHaveLength(3)
    expect(network.kv.usedBlocks).toBe(0)
  })

  it('makes the youngest wait when blocks run short, and gives it the same text', async () => {
    const options = { maxTokens: 60, temperature: 1, seed: 5 }
    const alone: number[][] = []
    for (let i = 0; i < 3; i++) {
      const { engine } = start()
      alone.push((await run(engine, tokens(30, i), options).ended).result!.tokens)
    }
    const { engine, network } = start({ blocks: 6 }, { maxSequences: 3 })
    const runs = [0, 1, 2].map(i => run(engine, tokens(30, i), options))
    for (const [i, r] of runs.entries()) {
      const { result } = await r.ended
      expect(result!.tokens).toEqual(alone[i])
      expect(result!.finishReason).toBe('length')
      expect(r.chunks.flatMap(c => c.tokens)).toEqual(alone[i]) // nothing was sent twice
    }
    const sequences = new Set(network.steps.flat().map(r => r.seq))
    expect(sequences.size).toBeGreaterThan(3) // someone did begin again
    expect(network.kv.usedBlocks).toBe(0)
  })

  it('ends as context when it is alone and no block is left', async () => {
    const { engine } = start({ blocks: 2, contextLength: 512 })
    const r = await run(engine, tokens(40), { maxTokens: 100 }).ended
    expect(r.result).toMatchObject({ finishReason: 'context' })
    expect(r.result!.tokens).toHaveLength(64 - 40 + 1) // the last one needs no block
  })
})

describe('scoring', () => {
  it('gives log p of every token, whatever the pieces are', async () => {
    const text = tokens(50)
    const { engine } = start({ maxWantedRows: 8 })
    const all = await score(engine, text, { logits: true })
    expect(all.logits).toHaveLength(50 * VOCAB)
    expect(all.logprobs[0]).toBe(0)
    for (let i = 1; i < 50; i++) {
      const row = all.logits!.subarray((i - 1) * VOCAB, i * VOCAB)
      const norm = Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0))
      expect(all.logprobs[i]).toBeCloseTo(row[text[i]!]! - norm, 4)
    }
    const { engine: single } = start({ maxWantedRows: 1 }, { maxSequences: 1 })
    expect((await score(single, text)).logprobs).toEqual(all.logprobs)
  })

  it('runs beside generation without changing it', async () => {
    const { engine } = start()
    const alone = (await run(engine, [5], { maxTokens: 20, seed: 1 }).ended).result!.tokens
    const generating = run(engine, [5], { maxTokens: 20, seed: 1 })
    await score(engine, tokens(60))
    expect((await generating.ended).result!.tokens).toEqual(alone)
    expect(engine.stats().queue.served).toBe(3)
  })

  it('takes a text that fills the context and the token after it, which is not fed', async () => {
    const { engine } = start({ contextLength: 64 })
    expect((await score(engine, tokens(65))).logprobs).toHaveLength(65)
    const full = { code: 'CONTEXT_FULL' }
    await expect(score(engine, tokens(66))).rejects.toMatchObject(full)
    await expect(score(engine, tokens(65), { logits: true })).rejects.toMatchObject(full)
  })

  it('from a token on: the same bits, and the context is read once', async () => {
    const { engine, network } = start()
    const context = tokens(100)
    const whole = await score(engine, [...context, 5, 6, 7], { logits: true })
    for (const [i, end] of [[5, 6, 7], [5, 9], [8]].entries()) {
      const fed = network.steps.flat().length
      const scored = await score(engine, [...context, ...end], { from: 100 })
      expect(scored.tokens).toEqual([...context, ...end])
      expect(scored.logprobs.subarray(0, 100)).toEqual(new Float32Array(100))
      expect(scored.logprobs[100]).toBe((await score(engine, [...context, ...end])).logprobs[100])
      if (i > 0) continue
      expect(scored.logprobs.subarray(100)).toEqual(whole.logprobs.subarray(100))
      expect(network.steps.flat().length - fed).toBeGreaterThanOrEqual(102)
    }
    const fed = network.steps.flat().length
    await score(engine, [...context, 1, 2], { from: 100 })
    expect(network.steps.flat().length - fed).toBe(101 - 96)
    const { logits } = await score(engine, [...context, 5, 6, 7], { from: 101, logits: true })
    expect(logits).toEqual(whole.logits!.subarray(100 * VOCAB))
  })

  it('says what greedy sampling takes, and how likely other tokens would be', async () => {
    const { engine } = start({ logits: spelling('cab', 3) })
    const ids = [1, 2, 3, ...Array.from('cat', c => c.charCodeAt(0))]
    const scored = await score(engine, ids, { from: 3, alternatives: [99, 98, 0] })
    expect([...scored.likeliest]).toEqual([-1, -1, -1, 99, 97, 98])
    expect(scored.alternatives![0]).toBe(scored.logprobs[3])
    expect(scored.alternatives![1]).toBeCloseTo(-50, 3)
    expect(scored.alternatives![2]).toBe(scored.alternatives![1])
    // Of equals greedy sampling takes the lowest id.
    const { engine: flat } = start({ logits: out => out.fill(0) })
    expect([...(await score(flat, [7, 0, 1])).likeliest]).toEqual([-1, 0, 0])
  })

  it.each([
    [[1, 2, 3], { from: 3 }, 'from is 3'],
    [[1], { from: 1 }, 'left out'],
    [[1], { alternatives: [1] }, 'left out'],
    [[1, 2], { alternatives: [VOCAB] }, 'below'],
  ])('refuses %j with %j', async (ids, options, message) => {
    const { engine } = start()
    const refused = { code: 'BAD_OPTION', message: expect.stringContaining(message) }
    await expect(score(engine, ids, options)).rejects.toMatchObject(refused)
  })

  it('refuses to return more logits than the page can hold', async () => {
    const { engine } = start({ contextLength: 200_000, blocks: 10_000 })
    const tooMany = score(engine, tokens(130_000), { logits: true })
    await expect(tooMany).rejects.toMatchObject({ code: 'BAD_OPTION' })
  })
})

describe('failures', () => {
  it('ends only the request whose row fails, and the others as if nothing happened', async () => {
    const options = { maxTokens: 20, seed: 3 }
    const { engine: quiet } = start()
    const expected = (await run(quiet, [2], options).ended).result!.tokens
    const { engine, network } = start({
      onStep: (rows, step) => {
        if (step > 4 && rows.some(r => r.seq.id === 1)) {
          throw new RyzError('BAD_WEIGHTS', 'row of sequence 1')
        }
      },
    })
    const [bad, good] = [run(engine, [1], options), run(engine, [2], options)]
    expect((await bad.ended).error).toMatchObject({ code: 'BAD_WEIGHTS' })
    expect((await good.ended).result!.tokens).toEqual(expected)
    expect(engine.stats().queue).toMatchObject({ served: 1, failed: 1 })
    expect(network.kv.usedBlocks).toBe(0)
  })

  it('closes the engine after KERNEL_TRAP; everything open fails with it', async () => {
    const { engine, network } = start(
      {
        onStep: (_, step) => {
          if (step === 3) throw new WebAssembly.RuntimeError('unreachable')
        },
      },
      { maxSequences: 1 },
    )
    const [a, waits] = [run(engine, [1]), run(engine, [2])]
    expect((await a.ended).error).toMatchObject({ code: 'KERNEL_TRAP' })
    expect((await waits.ended).error).toMatchObject({ code: 'KERNEL_TRAP' })
    await until(() => network.closed === 1, 'memory is given back')
    expect((await run(engine, [3]).ended).error).toMatchObject({ code: 'CLOSED' })
    expect(() => engine.stats()).toThrow(expect.objectContaining({ code: 'CLOSED' }))
  })
})

describe('lifecycle', () => {
  it('fails every open request with CLOSED and gives the memory back once', async () => {
    const { engine, network } = start(slow, { maxSequences: 1 })
    const [a, waits] = [run(engine, [1]), run(engine, [2])]
    await until(() => a.chunks.length > 0, 'the first one runs')
    await Promise.all([engine.close(), engine.close()])
    expect(a.error).toMatchObject({ code: 'CLOSED' })
    expect(waits.error).toMatchObject({ code: 'CLOSED' })
    expect(network.closed).toBe(1)
    expect((await run(engine, [1]).ended).error).toMatchObject({ code: 'CLOSED' })
    await expect(engine.tokenize('x')).rejects.toMatchObject({ code: 'CLOSED' })
  })

  it('measures its speed with one token that leaves nothing behind', async () => {
    let clock = 0
    const { engine, network } = start(
      {
        onStep: rows => {
          clock += rows.length * 25
        },
      },
      {},
      { now: () => clock },
    )
    await engine.measure()
    expect(network.kv.usedBlocks).toBe(0)
    await run(engine, tokens(40), { maxTokens: 1 }).ended
    // 25 ms a token: eight of them fit the 200 ms that the piece of a prompt alone may take.
    expect(network.steps.slice(1).map(rows => rows.length)).toEqual([8, 8, 8, 8, 8])
    expect(engine.longestStepMs).toBe(200)
  })

  it('counts tokens and time of prefill and decode', async () => {
    let clock = 0
    const tick = () => {
      clock += 10
    }
    const { engine } = start({ onStep: tick }, {}, { now: () => clock })
    const { result } = await run(engine, tokens(6), { maxTokens: 5 }).ended
    const stats = engine.stats()
    expect(stats.prefill).toEqual({ tokens: 6, ms: 10, tokensPerSecond: 600 })
    expect(stats.decode).toEqual({ tokens: 4, ms: 40, tokensPerSecond: 100 })
    expect(stats.memory).toMatchObject({ total: 123, kvBlocksUsed: 0, kvBlocks: 64 })
    expect(result).toMatchObject({ queueMs: 0, prefillMs: 10, ttftMs: 10, decodeMs: 40 })
  })

  it('tokenizes, detokenizes and counts', async () => {
    const { engine } = start()
    expect(await engine.tokenize('hi')).toEqual([104, 105])
    expect(await engine.tokenize('hi', { bos: true })).toEqual([BOS, 104, 105])
    expect(await engine.detokenize([104, 105])).toBe('hi')
    expect(await engine.countTokens({ kind: 'text', text: 'hi' })).toBe(2)
    await expect(engine.detokenize([-1])).rejects.toMatchObject({ code: 'BAD_OPTION' })
    const messages = [{ role: 'user', content: 'x' }]
    await expect(engine.countTokens({ kind: 'chat', messages })).rejects.toMatchObject({
      code: 'TEMPLATE_ERROR',
    })
    await expect(engine.countTokens({ kind: 'chat', messages: [] })).rejects.toMatchObject({
      code: 'BAD_OPTION',
    })
  })
})
