// Guessing changes no token: random requests on the embedded model, alone and up to eight at once, with and
// without speculation. Greedy and sampled, penalties, bias, formats, stop strings, log-probabilities, slides,
// cancels; and a fifth as many chats with functions, in every way of choosing them, on the chat model. 150 requests;
// SPECULATION_REQUESTS=2000 runs as many, SPECULATION_SEED others.
import { beforeAll, describe, expect, test } from 'vitest'
import { Engine } from '../../src/engine/engine.ts'
import { grammarPart } from '../../src/engine/grammar/part.ts'
import { Random } from '../../src/engine/sampling/random.ts'
import type { Input } from '../../src/options/input.ts'
import type {
  ChatTool,
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

const CHAT = 'demo/public/models/ryz-chat-tq2_0-embq8_0.gguf'
const CHAT_DRAFT = 'demo/public/models/ryz-chat-draft-tq2_0-embq8_0.gguf'

interface Request {
  input: Input
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
  const input: Input = { kind: 'tokens', tokens: prompt }
  return { input, options, cancelAfter: upTo(6) === 0 ? 1 + upTo(20) : 0 }
}

const TOOLS: readonly ChatTool['function'][] = [
  {
    name: 'set_timer',
    description: 'Start a timer',
    parameters: {
      type: 'object',
      properties: { minutes: { type: 'integer' }, label: { type: 'string' } },
      required: ['minutes'],
    },
  },
  {
    name: 'send_message',
    parameters: {
      type: 'object',
      properties: { to: { enum: ['Ann', 'Anna', 'Bob'] }, text: { type: 'string', maxLength: 30 } },
      required: ['to', 'text'],
      additionalProperties: false,
    },
  },
  { name: 'get_time' },
  {
    name: 'add_items',
    parameters: {
      type: 'object',
      properties: {
        items: { type: 'array', items: { type: 'string' } },
        urgent: { type: 'boolean' },
      },
      minProperties: 1,
    },
  },
]
type Choice = 'auto' | 'required' | { readonly name: string }
const SAID = [
  'Set a timer for 12 minutes for the pasta.',
  'Tell Anna that the train to Graz is late.',
  'Put milk, bread and tea on my list.',
  'What time is it?',
  'Hello! Tell me a story.',
]

/** A chat with some of the functions, which may be called, must be, or one of them. */
function randomChat(random: Random): Request {
  const upTo = (n: number) => Math.floor(random.uniform() * n)
  const pick = <T>(...of: readonly T[]): T => of[upTo(of.length)]!
  const strict = upTo(4) === 0
  const tools = TOOLS.slice(upTo(2), 3 + upTo(2)).map(
    (made): ChatTool => ({ type: 'function', function: { ...made, ...(strict && { strict }) } }),
  )
  const options: GenerateOptions = {
    maxTokens: 1 + upTo(60),
    seed: upTo(1000),
    temperature: pick(0, 0, 0.6, 1),
    topK: pick(0, 40),
    reuse: pick(true, false),
  }
  if (upTo(5) === 0) options.logprobs = 1
  if (upTo(5) === 0) options.repetitionPenalty = 1.2
  if (upTo(6) === 0) options.stop = [pick('.', '"', 'the')]
  if (upTo(6) === 0) options.responseFormat = FORMATS[0]
  const { name } = pick(...tools).function
  const input: Input = {
    kind: 'chat',
    messages: [{ role: 'user', content: pick(...SAID) }],
    tools,
    toolChoice: pick<Choice>('auto', 'auto', 'required', { name }),
    parallelToolCalls: pick(true, false),
  }
  return { input, options, cancelAfter: upTo(8) === 0 ? 1 + upTo(20) : 0 }
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

function runOne(engine: Engine, { input, options, cancelAfter }: Request): Promise<Told> {
  return new Promise(resolve => {
    const told: Told = { tokens: [], text: '', logprobs: [] }
    const request = engine.generate(input, options, {
      token: chunk => {
        told.tokens.push(...chunk.tokens)
        told.text += chunk.text
        told.logprobs.push(...(chunk.logprobs ?? []))
        if (cancelAfter > 0 && told.tokens.length >= cancelAfter) request.cancel()
      },
      done: result => {
        const { tokens, text, finishReason, stopString, slides, complete, seed } = result
        const { toolCalls, partialToolCall, unreadCalls } = result
        const calls = { toolCalls, partialToolCall, unreadCalls }
        told.result = { tokens, text, finishReason, stopString, slides, complete, seed, ...calls }
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
  model: string,
  speculation: LoadOptions['speculation'],
  maxSequences: number,
  draft?: LoadOptions['draft'],
) {
  const contextLength = model === CHAT ? 256 : CONTEXT
  const load: LoadOptions = { contextLength, maxSequences, queueLimit: 16, draft }
  const parts = await openParts([fileOf(model)], wasmFactory('simd128', 1), load)
  const engine = new Engine(parts, { ...load, speculation }, { grammar: async () => grammarPart })
  await engine.measure()
  return engine
}

/** Each is told what it is without guesses, and they leave nothing behind. */
async function expectSame(
  engine: Engine,
  requests: readonly Request[],
  batch: number,
  plain: readonly Told[],
) {
  const told = await runAll(engine, requests, batch)
  for (const [i, one] of told.entries()) {
    const { seed } = requests[i]!.options
    expect(one, `request ${i}, seed ${seed}: ${JSON.stringify(requests[i])}`).toEqual(plain[i])
  }
  const { speculation, memory, decode } = engine.stats()
  expect(speculation.on).toBe(true)
  expect(memory.kvBlocksUsed).toBe(0)
  expect(speculation.accepted).toBeLessThanOrEqual(speculation.proposed)
  expect(decode.tokens).toBeGreaterThan(0)
  return speculation
}

async function runPlain(model: string, requests: readonly Request[], batch: number) {
  const engine = await open(model, 'off', batch)
  const plain = await runAll(engine, requests, batch)
  expect(engine.stats().speculation).toMatchObject({ on: false, proposed: 0 })
  await engine.close()
  return plain
}

const EVERY = { lookup: true, maxTokens: 7, adaptive: false }

describe.each([1, 2, 3, 5, 8])('%i at once', batch => {
  const random = new Random(SEED + batch)
  const requests = Array.from({ length: Math.ceil(COUNT / 5) }, () => randomRequest(random))
  let plain: Told[]
  beforeAll(async () => {
    plain = await runPlain(EMBEDDED, requests, batch)
  }, 600_000)

  test.each([
    ['guesses whatever it costs', EVERY],
    ['guesses where it pays', 'auto' as const],
    ['guesses one token', { ...EVERY, maxTokens: 1 }],
    // The model itself, so that its guesses are right where the draw is greedy, and often wrong elsewhere.
    ['a draft model guesses', { ...EVERY, lookup: false, maxTokens: 3 }, fileOf(EMBEDDED)],
    ['a draft model guesses where it pays', 'auto' as const, fileOf(EMBEDDED)],
  ])('%s', { timeout: 600_000 }, async (_, speculation, draft?) => {
    const engine = await open(EMBEDDED, speculation, batch, draft)
    const { accepted, proposed } = await expectSame(engine, requests, batch, plain)
    if (speculation !== 'auto') {
      expect(accepted).toBeGreaterThan(requests.length / 4)
      expect(proposed).toBeGreaterThan(accepted) // wrong guesses were among them
    }
    await engine.close()
  })
})

describe.each([1, 4])('chats with functions, %i at once', batch => {
  const random = new Random(SEED + 100 + batch)
  const requests = Array.from({ length: Math.ceil(COUNT / 10) }, () => randomChat(random))
  let plain: Told[]
  beforeAll(async () => {
    plain = await runPlain(CHAT, requests, batch)
    const called = plain.filter(told => told.result?.toolCalls !== undefined)
    expect(called.length).toBeGreaterThan(requests.length / 5)
  }, 600_000)

  test.each([
    ['guesses whatever it costs', EVERY],
    ['guesses where it pays', 'auto' as const],
    ['a draft model guesses where it pays', 'auto' as const, fileOf(CHAT_DRAFT)],
  ])('%s', { timeout: 600_000 }, async (_, speculation, draft?) => {
    const engine = await open(CHAT, speculation, batch, draft)
    const { accepted } = await expectSame(engine, requests, batch, plain)
    expect(accepted).toBeGreaterThan(requests.length)
    await engine.close()
  })
})
