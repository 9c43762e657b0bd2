// Guessing changes no token: random requests on the embedded model, alone and up to eight at once, with and
// without speculation. Greedy and sampled, penalties, bias, formats, stop strings, log-probabilities, slides,
// cancels. 150 requests; SPECULATION_REQUESTS=2000 runs as many, SPECULATION_SEED others.
import { beforeAll, describe, expect, test } from 'vitest'
import { Engine } from '../../src/engine/engine.ts'
import { grammarPart } from '../../src/engine/grammar/part.ts'
import { Random } from '../../src/engine/sampling/random.ts'
import type {
  GenerateOptions,
  GenerateResult,
  LoadOptions,
  ResponseFormat,
  TokenLogprob,
} from '../../src/types/index.ts'
import { loadRyzTales } from '../golden/load.ts'
import { EMBEDDED, fileOf, openParts } from '../support/open.ts'
import { wasmFactory } from '../support/wasm.ts'

const COUNT = Number(process.env.SPECULATION_REQUESTS ?? 150)
const SEED = Number(process.env.SPECULATION_SEED ?? 17)
/** Short, so that answers meet its end inside a guess. */
const CONTEXT = 96
const IDS = loadRyzTales().perplexity.ids

interface Request {
  prompt: number[]
  options: GenerateOptions
  /** Cancelled in the event of this token; 0 never. */
  cancelAfter: number
}

interface Told {
  result?: Partial<GenerateResult>
  tokens: number[]
  text: string
  logprobs: TokenLogprob[][]
  error?: string
}

const FORMATS: readonly ResponseFormat[] = [
  {
    type: 'json_schema',
    schema: {
      type: 'object',
      properties: {
        name: { type: 'string', maxLength: 6 },
        more: { type: 'array', items: { enum: ['one', 'two'] }, maxItems: 4 },
      },
      required: ['name', 'more'],
      additionalProperties: false,
    },
  },
  { type: 'regex', pattern: '(the cat and the dog, )+ran\\.' },
  { type: 'grammar', ebnf: 'root ::= ("a" | "b" | " once") root | "."' },
  { type: 'json_object' },
]

/** A text that repeats itself here and there, with what it is asked to be. */
function randomRequest(random: Random): Request {
  const upTo = (n: number) => Math.floor(random.uniform() * n)
  const pick = <T>(...of: readonly T[]): T => of[upTo(of.length)]!
  const passage = IDS.slice(upTo(400)).slice(0, 4 + upTo(20))
  const prompt = [IDS[0]!]
  for (let n = 1 + upTo(3); n > 0; n--) prompt.push(...passage.slice(upTo(3)))
  const options: GenerateOptions = {
    maxTokens: 1 + upTo(60),
    seed: upTo(1000),
    temperature: pick(0, 0, 0.3, 0.8, 1.2),
    topK: pick(0, 1, 5, 40),
    topP: pick(1, 0.95, 0.5),
    minP: pick(0, 0, 0.1),
    overflow: pick('stop', 'slide'),
    keep: upTo(40),
    reuse: pick(true, true, false),
    ignoreEos: pick(false, true),
  }
  if (upTo(4) === 0) options.logprobs = upTo(4)
  if (upTo(3) === 0) {
    options.repetitionPenalty = pick(1, 1.1, 1.5)
    options.frequencyPenalty = pick(0, 0.3, -0.5)
    options.presencePenalty = pick(0, 0.5)
    options.penaltyWindow = pick(0, 5, 64, 1000)
  }
  if (upTo(4) === 0) options.logitBias = { [upTo(300)]: 3, [upTo(300)]: Number.NEGATIVE_INFINITY }
  if (upTo(3) === 0) options.stop = [pick('.', ' the', 'and', ' b', '"')]
  if (upTo(4) === 0) {
    options.responseFormat = pick(...FORMATS)
    options.ignoreEos = false
  }
  return { prompt, options, cancelAfter: upTo(6) === 0 ? 1 + upTo(20) : 0 }
}

/** Runs them, `batch` at once. */
async function runAll(engine: Engine, requests: readonly Request[], batch: number) {
  const told: Told[] = []
  for (let i = 0; i < requests.length; i += batch) {
    const some = requests.slice(i, i + batch)
    told.push(...(await Promise.all(some.map(request => runOne(engine, request)))))
  }
  return told
}

function runOne(engine: Engine, { prompt, options, cancelAfter }: Request): Promise<Told> {
  return new Promise(resolve => {
    const told: Told = { tokens: [], text: '', logprobs: [] }
    const request = engine.generate({ kind: 'tokens', tokens: prompt }, options, {
      token: chunk => {
        told.tokens.push(...chunk.tokens)
        told.text += chunk.text
        told.logprobs.push(...(chunk.logprobs ?? []))
        if (cancelAfter > 0 && told.tokens.length >= cancelAfter) request.cancel()
      },
      done: ({ tokens, text, finishReason, stopString, slides, complete, seed }) => {
        told.result = { tokens, text, finishReason, stopString, slides, complete, seed }
        resolve(told)
      },
      error: error => {
        told.error = `${error.code}: ${error.message}`
        resolve(told)
      },
    })
  })
}

async function open(
  speculation: LoadOptions['speculation'],
  maxSequences: number,
  draft?: LoadOptions['draft'],
) {
  const load: LoadOptions = { contextLength: CONTEXT, maxSequences, queueLimit: 16, draft }
  const parts = await openParts([fileOf(EMBEDDED)], wasmFactory('simd128', 1), load)
  const engine = new Engine(parts, { ...load, speculation }, { grammar: async () => grammarPart })
  await engine.measure()
  return engine
}

describe.each([1, 2, 3, 5, 8])('%i at once', batch => {
  const random = new Random(SEED + batch)
  const requests = Array.from({ length: Math.ceil(COUNT / 5) }, () => randomRequest(random))
  let plain: Told[]
  beforeAll(async () => {
    const engine = await open('off', batch)
    plain = await runAll(engine, requests, batch)
    expect(engine.stats().speculation).toMatchObject({ on: false, proposed: 0 })
    await engine.close()
  }, 600_000)

  const every = { lookup: true, maxTokens: 7, adaptive: false }
  test.each([
    ['guesses whatever it costs', every],
    ['guesses where it pays', 'auto' as const],
    ['guesses one token', { ...every, maxTokens: 1 }],
    // The model itself, so that its guesses are right where the draw is greedy, and often wrong elsewhere.
    ['a draft model guesses', { ...every, lookup: false, maxTokens: 3 }, fileOf(EMBEDDED)],
    ['a draft model guesses where it pays', 'auto' as const, fileOf(EMBEDDED)],
  ])('%s', { timeout: 600_000 }, async (_, speculation, draft?) => {
    const engine = await open(speculation, batch, draft)
    const told = await runAll(engine, requests, batch)
    for (const [i, one] of told.entries()) {
      expect(one, `request ${i} of seed ${SEED + batch}: ${JSON.stringify(requests[i])}`).toEqual(
        plain[i],
      )
    }
    const { speculation: stats, memory, decode } = engine.stats()
    expect(stats.on).toBe(true)
    expect(memory.kvBlocksUsed).toBe(0)
    expect(stats.accepted).toBeLessThanOrEqual(stats.proposed)
    if (speculation !== 'auto') {
      expect(stats.accepted).toBeGreaterThan(requests.length / 4)
      expect(stats.proposed).toBeGreaterThan(stats.accepted) // wrong guesses were among them
    }
    expect(decode.tokens).toBeGreaterThan(0)
    await engine.close()
  })
})
