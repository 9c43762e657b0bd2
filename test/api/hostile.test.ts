// Every public function with values of every type, as an argument and as each of its options: the answer is
// a RyzError or a right result, at once or as a rejection, and the engine answers as before.
import 'fake-indexeddb/auto'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { openai } from '../../src/adapters/openai/openai.ts'
import { REQUEST_RULES } from '../../src/adapters/openai/request.ts'
import { connect, load, type Ryzanstein } from '../../src/api/ryzanstein.ts'
import { sessions } from '../../src/api/sessions.ts'
import { willItRun } from '../../src/api/will-it-run.ts'
import {
  deleteModel,
  evictionCandidates,
  exportModel,
  importModel,
} from '../../src/cache/manage.ts'
import { RyzError } from '../../src/errors.ts'
import { EMBED_RULES, GENERATE_RULES, SCORE_RULES } from '../../src/options/generate.ts'
import { CHAT_INPUT_RULES } from '../../src/options/input.ts'
import { LOAD_RULES } from '../../src/options/load.ts'
import { hostileValues } from '../support/hostile.ts'
import { stubPackageUrls } from '../support/package-urls.ts'
import { FakeWorker } from './fake-worker.ts'

type Call = (...args: unknown[]) => unknown

let engine: Ryzanstein
let worker: FakeWorker
let before: string

beforeAll(async () => {
  class Stubbed extends FakeWorker {}
  vi.stubGlobal('Worker', Stubbed)
  stubPackageUrls()
  vi.stubGlobal('reportError', () => undefined)
  worker = new FakeWorker({ ready: true })
  // No second life: whatever ends this engine fails the tests.
  engine = await connect(worker, 'fake.gguf', {})
  before = await answer()
})
afterAll(async () => {
  await engine.close()
  vi.unstubAllGlobals()
})

const answer = () => engine.generate('abc', { maxTokens: 8, seed: 1, temperature: 1 }).text()

/** 'right', or the code of the RyzError; anything else is a failure. */
async function outcome(run: () => unknown): Promise<string> {
  try {
    await run()
    return 'right'
  } catch (caught) {
    if (caught instanceof RyzError) return caught.code
    throw new Error(`not a RyzError: ${caught instanceof Error ? caught.stack : typeof caught}`)
  }
}

async function closing(engine: Promise<Ryzanstein>): Promise<void> {
  await (await engine).close()
}

const quick = { maxTokens: 2, seed: 1 }
const messages = [{ role: 'user', content: 'x' }]
const blob = new Blob(['x'])
/** The model without weights has no template: its chats are texts. */
const chatty = {
  chat: (_: unknown, options?: object) => engine.generate('x', options),
  stats: () => engine.stats(),
  get model() {
    return engine.model
  },
}
const create = (...args: unknown[]) =>
  (openai(chatty).chat.completions.create as unknown as Call)(...args)

/** Calls by name, with how to give one hostile value to each argument. */
const calls: Record<string, Call> = {
  'load(source)': x => closing(load(x as string)),
  'load(_, options)': x => closing(load('m.gguf', x as object)),
  'willItRun(source)': x => willItRun(x as string),
  'willItRun(_, options)': x => willItRun('m.gguf', x as object),
  'generate(prompt)': x => engine.generate(x as string, quick).result,
  'generate(_, options)': x => engine.generate('x', x as object).result,
  'chat(messages)': x => engine.chat(x as [], quick).result,
  'chat(_, options)': x => engine.chat(messages, x as object).result,
  'score(input)': x => engine.score(x as string),
  'score(_, options)': x => engine.score('x', x as object),
  'embed(texts)': x => engine.embed(x as string),
  'embed([text])': x => engine.embed(['x', x as string]),
  'embed([[id]])': x => engine.embed([[x as number]]),
  'embed(_, options)': x => engine.embed('x', x as object),
  'tokenize(text)': x => engine.tokenize(x as string),
  'tokenize(_, options)': x => engine.tokenize('x', x as object),
  'tokenize(_, { special })': x => engine.tokenize('x', { special: x as boolean }),
  'tokenize(_, { bos })': x => engine.tokenize('x', { bos: x as boolean }),
  'detokenize(ids)': x => engine.detokenize(x as number[]),
  'detokenize([id])': x => engine.detokenize([x as number]),
  'detokenize(_, options)': x => engine.detokenize([1], x as object),
  'detokenize(_, { special })': x => engine.detokenize([1], { special: x as boolean }),
  'countTokens(input)': x => engine.countTokens(x as string),
  'saveSession(input)': x => engine.saveSession(x as string),
  'saveSession(_, options)': x => engine.saveSession('x'.repeat(40), x as object),
  'saveSession(_, { noBos })': x => engine.saveSession('x'.repeat(40), { noBos: x as boolean }),
  'restoreSession(session)': x => engine.restoreSession(x as Blob),
  'chat([{ content }])': x => engine.chat([{ role: 'user', content: x as string }], quick).result,
  'chat([{ role }])': x => engine.chat([{ role: x as string, content: 'x' }], quick).result,
  'sessions.save(name)': x => sessions.save(x as string, blob),
  'sessions.save(_, session)': x => sessions.save('x', x as Blob),
  'sessions.load(name)': x => sessions.load(x as string),
  'sessions.delete(name)': x => sessions.delete(x as string),
  'deleteModel(url)': x => deleteModel(x as string),
  'exportModel(url)': x => exportModel(x as string),
  'importModel(file)': x => importModel(x as Blob, 'https://x.test/m.gguf'),
  'importModel(_, url)': x => importModel(blob, x as string),
  'evictionCandidates(bytes)': x => evictionCandidates(x as number),
  'openai(engine)': x => openai(x as Ryzanstein),
  'create(request)': x => create(x),
  'create(_, init)': x => create({ messages, max_tokens: 2 }, x),
  'create({ messages })': x => create({ messages: x, max_tokens: 2 }),
  'create({ messages: [{ content: [part] }] })': x =>
    create({ messages: [{ role: 'user', content: [x] }], max_tokens: 2 }),
}
for (const name of Object.keys(REQUEST_RULES)) {
  calls[`create({ ${name} })`] = x => create({ messages, max_tokens: 2, [name]: x })
  calls[`create({ stream, ${name} })`] = async x => {
    const stream = await create({ messages, max_tokens: 2, stream: true, [name]: x })
    if (x !== false && Symbol.asyncIterator in Object(stream))
      for await (const _ of stream as AsyncIterable<unknown>);
  }
}
for (const name of Object.keys(LOAD_RULES)) {
  if (name !== 'share') calls[`load(_, { ${name} })`] = x => closing(load('m.gguf', { [name]: x }))
}
for (const name of Object.keys(GENERATE_RULES)) {
  calls[`generate(_, { ${name} })`] = x => engine.generate('x', { ...quick, [name]: x }).result
}
for (const name of Object.keys(CHAT_INPUT_RULES)) {
  calls[`chat(_, { ${name} })`] = x => engine.chat(messages, { ...quick, [name]: x }).result
  calls[`countTokens(_, { ${name} })`] = x => engine.countTokens(messages, { [name]: x })
  calls[`saveSession(_, { ${name} })`] = x =>
    engine.saveSession([{ role: 'user', content: 'x'.repeat(40) }], { [name]: x })
}
const MESSAGE_FIELDS = ['name', 'tool_calls', 'tool_call_id', 'reasoning', 'trusted', 'more']
for (const name of MESSAGE_FIELDS) {
  calls[`chat([{ ${name} }])`] = x => engine.chat([{ ...messages[0]!, [name]: x }], quick).result
}
calls['chat([{ content: [part] }])'] = x =>
  engine.chat([{ role: 'user', content: [x as never] }], quick).result
calls['chat([{ content: [{ text }] }])'] = x =>
  engine.chat([{ role: 'user', content: [{ type: 'text', text: x as string }] }], quick).result
calls['chat([{ tool_calls: [call] }])'] = x =>
  engine.chat([{ ...messages[0]!, tool_calls: [x as never] }], quick).result
calls['chat([{ tool_calls: [{ arguments }] }])'] = x =>
  engine.chat(
    [{ ...messages[0]!, tool_calls: [{ function: { name: 'f', arguments: x as string } }] }],
    quick,
  ).result
calls['chat(_, { tools: [tool] })'] = x =>
  engine.chat(messages, { ...quick, tools: [x as never] }).result
calls['chat(_, { tools: [{ parameters }] })'] = x => {
  const tools = [{ type: 'function' as const, function: { name: 'f', parameters: x as object } }]
  return engine.chat(messages, { ...quick, tools: tools as never }).result
}
calls['chat(_, { templateOptions: { x } })'] = x =>
  engine.chat(messages, { ...quick, templateOptions: { x } }).result
for (const name of Object.keys(SCORE_RULES)) {
  calls[`score(_, { ${name} })`] = x => engine.score('x', { [name]: x })
}

for (const name of Object.keys(EMBED_RULES)) {
  calls[`embed(_, { ${name} })`] = x => engine.embed('x', { [name]: x })
}

/** Fields of a server's concern, which change no answer. */
const IGNORED = /metadata|prediction|prompt_cache|safety_identifier|store|user }/

describe('hostile arguments', () => {
  it.each(Object.entries(calls))('%s', async (called, call) => {
    const seen: Record<string, string> = {}
    for (const [name, value] of Object.entries(hostileValues())) {
      seen[name] = await outcome(() => call(value)).catch(error => {
        throw new Error(`${name}: ${error.message}`)
      })
    }
    // An object of no known kind is right only where nothing is looked at.
    const unlike = ['revoked proxy', 'proxy that throws']
    if (!IGNORED.test(called)) for (const name of unlike) expect(seen[name], name).not.toBe('right')
    expect(await answer()).toBe(before)
    expect(worker.terminated).toBe(0)
  })

  it('anything at all, to every call', async () => {
    const anything = fc.anything({
      withBigInt: true,
      withDate: true,
      withMap: true,
      withNullPrototype: true,
      withObjectString: true,
      withSet: true,
      withSparseArray: true,
      withTypedArray: true,
    })
    const call = fc.constantFrom(...Object.keys(calls))
    await fc.assert(
      fc.asyncProperty(call, anything, async (name, value) => {
        await outcome(() => calls[name]!(value))
      }),
      { numRuns: 2000 },
    )
    expect(await answer()).toBe(before)
    expect(worker.terminated).toBe(0)
  })
})

async function thrown(run: () => unknown): Promise<RyzError> {
  try {
    await run()
  } catch (caught) {
    return caught as RyzError
  }
  throw new Error('nothing was thrown')
}

describe('BAD_OPTION names what is wrong', () => {
  const wrong: [string, () => unknown, string, string][] = [
    ['detokenize(undefined)', () => engine.detokenize(undefined as never), 'ids', 'undefined'],
    ['score(undefined)', () => engine.score(undefined as never), 'input', 'undefined'],
    ['embed([])', () => engine.embed([]), 'texts', 'a list'],
    ['embed(["x", 5])', () => engine.embed(['x', 5 as never]), 'texts[1]', '5'],
    ['embed pooling', () => engine.embed('x', { pooling: 'max' as never }), 'pooling', '"max"'],
    ['saveSession(undefined)', () => engine.saveSession(undefined as never), 'input', 'undefined'],
    ['tokenize(5)', () => engine.tokenize(5 as never), 'text', '5'],
    ['detokenize([1, -1])', () => engine.detokenize([1, -1]), 'ids[1]', '-1'],
    ['chat([])', () => engine.chat([]).result, 'messages', 'a list'],
    ['chat([null])', () => engine.chat([null as never]).result, 'messages[0]', 'null'],
    [
      'a picture',
      () => engine.chat([{ role: 'user', content: [{ type: 'image_url' } as never] }]).result,
      'messages[0].content[0].type',
      '"image_url"',
    ],
    [
      'a schema with a function',
      () =>
        engine.chat(messages, {
          tools: [{ type: 'function', function: { name: 'f', parameters: { a: { b: () => 1 } } } }],
        }).result,
      'tools[0].function.parameters.a.b',
      'a function',
    ],
    [
      'a tool without a name',
      () => engine.chat(messages, { tools: [{ type: 'function', function: {} } as never] }).result,
      'tools[0].function.name',
      'undefined',
    ],
    [
      'two tools of one name',
      () =>
        engine.chat(messages, {
          tools: ['f', 'g', 'f'].map(name => ({ type: 'function', function: { name } })),
        }).result,
      'tools[2].function.name',
      '"f"',
    ],
    [
      'messages as a variable',
      () => engine.chat(messages, { templateOptions: { messages: [] } }).result,
      'templateOptions.messages',
      'a list',
    ],
    [
      'continueLast after a question',
      () => engine.chat(messages, { continueLast: true }).result,
      'messages[0].role',
      '"user"',
    ],
    ['topK NaN', () => engine.generate('x', { topK: Number.NaN }).result, 'topK', 'NaN'],
    ['threads 0', () => load('m', { threads: 0 }), 'threads', '0'],
    ['speculation true', () => load('m', { speculation: true as never }), 'speculation', 'true'],
    [
      'speculation of 32 tokens',
      () => load('m', { speculation: { maxTokens: 32 } }),
      'speculation',
      'an object',
    ],
    [
      'speculation with another name',
      () => willItRun('m', { speculation: { tokens: 3 } as object }),
      'speculation',
      'an object',
    ],
    ['load(5)', () => load(5 as never), 'source', '5'],
    ['load([])', () => load([]), 'source', 'a list'],
    ["load('')", () => load(''), 'source', '""'],
    ['a list of a text', () => load(['x'] as never), 'source[0]', '"x"'],
  ]
  it.each(wrong)('%s', async (_, run, option, value) => {
    const caught = await thrown(run)
    expect(caught).toMatchObject({ code: 'BAD_OPTION', detail: { option, value } })
    expect(caught.message).toContain(option)
  })

  const unknown: [string, () => unknown, string, string | undefined][] = [
    [
      'temperatur',
      () => engine.generate('x', { temperatur: 1 } as object).result,
      'temperatur',
      'temperature',
    ],
    ['thread', () => load('x', { thread: 2 } as object), 'thread', 'threads'],
    [
      'max_tokens',
      () => engine.chat(messages, { max_tokens: 1 } as object).result,
      'max_tokens',
      'maxTokens',
    ],
    ['specials', () => engine.tokenize('x', { specials: true } as object), 'specials', 'special'],
    ['logit', () => engine.score('x', { logit: true } as object), 'logit', 'logits'],
    [
      'quantumLevel',
      () => willItRun('x', { quantumLevel: 3 } as object),
      'quantumLevel',
      undefined,
    ],
    ['nobos', () => engine.saveSession('x', { nobos: true } as object), 'nobos', 'noBos'],
  ]
  it.each(unknown)('the unknown name %s, with the nearest', async (_, run, option, nearest) => {
    const caught = await thrown(run)
    expect(caught).toMatchObject({ code: 'BAD_OPTION', detail: { option } })
    expect(caught.detail.nearest).toBe(nearest)
    expect(caught.message).toContain(nearest ?? 'leave it out')
  })

  it('a name whose value is undefined is as if left out', async () => {
    expect(
      await engine.generate('abc', { ...quick, other: undefined } as object).text(),
    ).toHaveLength(2)
  })
})
