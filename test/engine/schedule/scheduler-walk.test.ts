// Random walks through the engine: whatever is asked, cancelled or failing, every request ends once,
// survivors get the tokens they get alone, all memory comes back, and the books add up.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Engine } from '../../../src/engine/engine.ts'
import { RyzError } from '../../../src/errors.ts'
import { FakeNetwork, fakeParts, until } from '../fakes.ts'

interface Request {
  prompt: number
  maxTokens: number
  /** Cancelled after this many tokens; -1 never. */
  cancelAfter: number
  /** Its row fails when it holds this many tokens; 0 never. */
  failAt: number
  scores: boolean
  startAt: number
  priority: number
  reuse: boolean
}

const request: fc.Arbitrary<Request> = fc.record({
  prompt: fc.integer({ min: 1, max: 80 }),
  maxTokens: fc.integer({ min: 1, max: 50 }),
  cancelAfter: fc.constantFrom(-1, -1, -1, 0, 1, 7),
  failAt: fc.constantFrom(0, 0, 0, 0, 5, 60),
  scores: fc.constantFrom(false, false, false, true),
  startAt: fc.integer({ min: 0, max: 40 }),
  priority: fc.integer({ min: -10, max: 10 }),
  reuse: fc.constantFrom(true, true, true, false),
})

/**
 * Requests whose rows fail begin with a token of their own; the others begin like every third one, so
 * that they share blocks, and end on their own.
 */
const promptOf = (r: Request, i: number) => {
  const own = r.failAt > 0
  const begin = Array.from({ length: Math.max(0, r.prompt - 1) }, (_, k) => {
    return own && k === 0 ? 200 + i : (k * 31 + (own ? i : i % 3)) % 200
  })
  return [...begin, own && r.prompt === 1 ? 200 + i : i]
}

const alone = new Map<string, number[]>()

/** What a request gets when it has the engine for itself. */
async function tokensAlone(r: Request, i: number): Promise<number[]> {
  const key = `${i} ${r.prompt} ${r.maxTokens} ${r.failAt > 0}`
  if (!alone.has(key)) {
    const engine = new Engine(fakeParts(new FakeNetwork()))
    const tokens = await new Promise<number[]>((resolve, reject) => {
      const options = { maxTokens: r.maxTokens, seed: i, temperature: 1 }
      engine.generate({ kind: 'tokens', tokens: promptOf(r, i) }, options, {
        token: () => undefined,
        done: result => resolve(result.tokens),
        error: reject,
      })
    })
    await engine.close()
    alone.set(key, tokens)
  }
  return alone.get(key)!
}

describe.each([
  { network: 'a network that waits', ready: false },
  { network: 'a network that does not wait', ready: true },
  { network: 'a network that draws, read behind 3 steps', ready: false, ahead: 3 },
])('random walks on $network', ({ ready, ahead }) => {
  it('end every request once and keep the books', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(request, { minLength: 1, maxLength: 14 }),
        fc.record({
          blocks: fc.integer({ min: 5, max: 14 }),
          maxSequences: fc.integer({ min: 1, max: 5 }),
          queueLimit: fc.integer({ min: 0, max: 6 }),
          prefillPiece: fc.constantFrom(1, 7, 128),
          maxWantedRows: fc.constantFrom(1, 3, 8),
        }),
        async (requests, { blocks, maxWantedRows, ...options }) => {
          const network: FakeNetwork = new FakeNetwork({
            blocks,
            maxWantedRows,
            ready,
            ...(ahead !== undefined && {
              draws: () => new Promise<void>(resolve => setImmediate(resolve)),
            }),
            onStep: rows => {
              for (const row of rows) {
                const first =
                  network.tokensOf(row.seq)[0] ?? rows.find(r => r.seq === row.seq)!.token
                const failAt = requests[first - 200]?.failAt ?? 0
                if (failAt > 0 && row.seq.length >= failAt) {
                  throw new RyzError('BAD_WEIGHTS', 'planted')
                }
              }
            },
          })
          const engine = new Engine(
            fakeParts(network),
            { ...options, ...(ahead && { speculation: 'off' }) },
            { ahead },
          )
          const ends = requests.map(() => [] as (string | number[])[])
          const streamed = requests.map(() => [] as number[])
          const begin = (r: Request, i: number): void => {
            const error = (e: RyzError) => ends[i]!.push(e.code)
            const input = { kind: 'tokens', tokens: promptOf(r, i) } as const
            if (r.scores) {
              const scored = () => ends[i]!.push([])
              const handle = engine.score(input, {}, { scored, error })
              if (r.cancelAfter === 0) handle.cancel()
              return
            }
            const handle = engine.generate(
              input,
              {
                maxTokens: r.maxTokens,
                seed: i,
                temperature: 1,
                priority: r.priority,
                reuse: r.reuse,
              },
              {
                token: chunk => {
                  streamed[i]!.push(...chunk.tokens)
                  if (streamed[i]!.length === r.cancelAfter) handle.cancel()
                },
                done: result => ends[i]!.push(result.tokens),
                error,
              },
            )
            if (r.cancelAfter === 0) handle.cancel()
          }
          for (let step = 0; step <= 40; step++) {
            for (const [i, r] of requests.entries()) if (r.startAt === step) begin(r, i)
            await new Promise(resolve => setImmediate(resolve))
          }
          await until(() => ends.every(end => end.length > 0), 'every request ended')
          await until(() => network.kv.usedBlocks === 0, 'all blocks came back')
          for (const [i, r] of requests.entries()) {
            expect(ends[i]).toHaveLength(1)
            const [end] = ends[i]!
            if (typeof end === 'string' || r.scores) continue
            const expected = await tokensAlone(r, i)
            expect(streamed[i]).toEqual(end)
            expect(end).toEqual(expected)
          }
          const { queue } = engine.stats()
          const count = (code: string) => ends.filter(([end]) => end === code).length
          expect(queue).toEqual({
            waiting: 0,
            running: 0,
            timedOut: 0,
            served: ends.filter(([end]) => Array.isArray(end)).length,
            refused: count('QUEUE_FULL'),
            cancelled: count('ABORTED'),
            failed: count('BAD_WEIGHTS'),
          })
          await engine.close()
        },
      ),
      { numRuns: 100 },
    )
  })
})
