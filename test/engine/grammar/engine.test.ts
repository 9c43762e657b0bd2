// Structured output through the engine, over a network without weights whose logits want letters: masks,
// ends, faults, cancel, and what happens while a grammar is compiled.
import { describe, expect, it } from 'vitest'
import { grammarPart } from '../../../src/engine/grammar/part.ts'
import type { GenerateOptions, ResponseFormat } from '../../../src/types/index.ts'
import { run, slow, start } from '../driver.ts'
import { EOS, spelling } from '../fakes.ts'
import { judge } from './judge.ts'

const grammar = async () => grammarPart

const PERSON = {
  type: 'object',
  properties: {
    name: { type: 'string', minLength: 1, maxLength: 8 },
    age: { type: 'integer', minimum: 0, maximum: 130 },
    tags: { type: 'array', items: { enum: ['a', 'b', 'c'] }, uniqueItems: true, maxItems: 3 },
  },
  required: ['name', 'age'],
  additionalProperties: false,
} as const
const person: ResponseFormat = { type: 'json_schema', schema: PERSON }

function open(fake = {}, options = {}) {
  return start({ contextLength: 4096, blocks: 256, ...fake }, options, { grammar }).engine
}

const ask = (engine: ReturnType<typeof open>, options: GenerateOptions, prompt = 'x') =>
  run(engine, prompt, { maxTokens: 2000, ...options }).ended

describe('a format', () => {
  const validates = judge(PERSON)!

  it.each([0, 1, 2, 3, 4])('holds greedy (0) and sampled answers, seed %i', async seed => {
    const sampling = seed === 0 ? { temperature: 0 } : { temperature: 1.5, topK: 0, topP: 1, seed }
    const { result, chunks } = await ask(open(), { ...sampling, responseFormat: person })
    expect(result?.complete).toBe(true)
    expect(result?.finishReason).toBe('eos')
    expect(validates(JSON.parse(result!.text))).toBe(true)
    expect(chunks.map(chunk => chunk.text).join('')).toBe(result!.text)
  })

  it('gives the same text alone and beside others, with penalties, too', async () => {
    const options: GenerateOptions[] = [
      { seed: 5, responseFormat: person, repetitionPenalty: 1.3, temperature: 1 },
      { seed: 6, responseFormat: { type: 'regex', pattern: '[a-m]{3,9}-\\d{2}' }, temperature: 1 },
      { seed: 7, responseFormat: { type: 'grammar', ebnf: 'root ::= "yes" | "no" " maybe"*' } },
      { seed: 8, maxTokens: 30 },
    ]
    const alone = []
    for (const o of options) alone.push((await ask(open(), o)).result!.text)
    const engine = open()
    const together = await Promise.all(options.map(o => ask(engine, o)))
    expect(together.map(r => r.result!.text)).toEqual(alone)
    expect(alone[1]).toMatch(/^[a-m]{3,9}-\d{2}$/)
    expect(alone[2]).toMatch(/^(yes|no( maybe)*)$/)
    expect(together[3].result!.complete).toBeUndefined()
  })

  it('does nothing with the type text', async () => {
    const plain = await ask(open(), { seed: 3, maxTokens: 20 })
    const text = await ask(open(), { seed: 3, maxTokens: 20, responseFormat: { type: 'text' } })
    expect(text.result!.text).toBe(plain.result!.text)
    expect(text.result!.complete).toBeUndefined()
  })

  it('that allows nothing but the end needs no further step', async () => {
    const { engine, network } = start({}, {}, { grammar })
    const responseFormat = { type: 'regex', pattern: 'abc' } as const
    const { result } = await ask(engine, { responseFormat }, 'p')
    expect(result!.text).toBe('abc')
    expect(result!.finishReason).toBe('eos')
    expect(network.steps.flat().filter(row => row.wants === 'logits')).toHaveLength(3)
  })

  it('lets the model end where it may, and not before', async () => {
    // The model wants to end after "ab" at once: the pattern wants three letters at least.
    const logits = (out: Float32Array) => {
      out.fill(0)
      out[97] = 1
      out[EOS] = 9
    }
    const responseFormat = { type: 'regex', pattern: '[ab]{3,}' } as const
    const { result } = await ask(open({ logits }), { temperature: 0, responseFormat })
    expect(result!.text).toBe('aaa')
    expect(result!.complete).toBe(true)
  })

  it('cut by maxTokens says so and closes nothing', async () => {
    const { result } = await ask(open(), { maxTokens: 9, seed: 1, responseFormat: person })
    expect(result!.finishReason).toBe('length')
    expect(result!.complete).toBe(false)
    expect(result!.tokens).toHaveLength(9)
    expect(() => JSON.parse(result!.text)).toThrow()
  })

  it('cut by a stop string is not complete', async () => {
    const { result } = await ask(open(), { stop: ['"age"'], seed: 1, responseFormat: person })
    expect(result!.finishReason).toBe('stop')
    expect(result!.complete).toBe(false)
  })

  it('goes on over a slide', async () => {
    const responseFormat = { type: 'regex', pattern: '(?:[a-z]{7} ){20}end' } as const
    const { result } = await ask(open({ contextLength: 64 }), {
      responseFormat,
      overflow: 'slide',
      seed: 2,
    })
    expect(result!.slides).toBeGreaterThan(1)
    expect(result!.text).toMatch(/^(?:[a-z]{7} ){20}end$/)
  })

  it('keeps letters of several bytes whole', async () => {
    const responseFormat = { type: 'regex', pattern: '[é-ü]{4}😀' } as const
    const { result } = await ask(open(), { responseFormat, seed: 4 })
    expect(result!.text).toMatch(/^[é-ü]{4}😀$/u)
  })

  it('leaves log-probabilities to be those of the model', async () => {
    const responseFormat = { type: 'regex', pattern: 'Q' } as const
    const logits = spelling('hello', 3)
    const { chunks } = await ask(open({ logits }), { responseFormat, logprobs: 1 }, 'p')
    const [[chosen, likeliest]] = chunks[0].logprobs!
    expect(chosen.token).toBe(81)
    expect(chosen.logprob).toBeLessThan(-40)
    expect(likeliest.logprob).toBeGreaterThan(-1)
  })

  it('names what strict: false lets pass', async () => {
    const schema = { type: 'string', pattern: '^(?<=x)a', maxLength: 3 }
    const { error } = await ask(open(), { responseFormat: { type: 'json_schema', schema } })
    expect(error).toMatchObject({ code: 'BAD_OPTION', detail: { place: '/pattern' } })
    const responseFormat = { type: 'json_schema', schema, strict: false } as const
    const { result } = await ask(open(), { responseFormat, seed: 1 })
    expect(JSON.parse(result!.text).length).toBeLessThan(4)
    expect(result!.unenforced).toEqual([
      { path: '/pattern', keyword: 'pattern', reason: expect.stringContaining('look-behind') },
    ])
  })
})

describe('a format that is refused', () => {
  it.each<[string, ResponseFormat, string]>([
    [
      'a schema that nothing meets',
      { type: 'json_schema', schema: { minimum: 3, maximum: 1, type: 'number' } },
      '',
    ],
    [
      'a $ref to another document',
      { type: 'json_schema', schema: { $ref: 'https://x.test/a' } },
      '/$ref',
    ],
    ['a type that is none', { type: 'json_schema', schema: { type: 'strnig' } }, '/type'],
    ['a rule that is not defined', { type: 'grammar', ebnf: 'root ::= "a" b' }, '1:14'],
    ['a root that is not there', { type: 'grammar', ebnf: 'root ::= "a"', root: 'top' }, '1:1'],
    ['a wrong pattern', { type: 'regex', pattern: '(' }, ''],
  ])('is BAD_OPTION with the place: %s', async (_, responseFormat, place) => {
    const { error, chunks } = await ask(open(), { responseFormat })
    expect(error?.code).toBe('BAD_OPTION')
    expect(error?.detail).toMatchObject({ option: 'responseFormat', place })
    expect(chunks).toEqual([])
  })

  it('a hundred times, and the engine answers', async () => {
    const engine = open()
    for (let i = 0; i < 100; i++) {
      const pattern = `(?<!${i})`
      const { error } = await ask(engine, { responseFormat: { type: 'regex', pattern } })
      expect(error?.code).toBe('BAD_OPTION')
    }
    const { result } = await ask(engine, { responseFormat: person, seed: 1 })
    expect(result!.complete).toBe(true)
    expect(engine.stats().queue.failed).toBe(100)
    expect(engine.stats().memory.kvBlocksUsed).toBe(0)
  })

  it('is one with ignoreEos, or whose tokens logitBias forbids', async () => {
    const both = await ask(open(), { responseFormat: person, ignoreEos: true })
    expect(both.error?.code).toBe('BAD_OPTION')
    const logitBias = { 97: Number.NEGATIVE_INFINITY }
    const responseFormat = { type: 'regex', pattern: 'a+' } as const
    const { error } = await ask(open(), { responseFormat, logitBias })
    expect(error?.message).toContain('responseFormat')
  })

  it('is one where the engine came without the grammar engine', async () => {
    const { error } = await ask(start().engine, { responseFormat: person })
    expect(error?.code).toBe('BAD_OPTION')
  })
})

/** Takes a second or so: many names that all have to be told apart. */
const heavy = (n: number): ResponseFormat => ({
  type: 'regex',
  pattern: `(?:[a-z]{1,40}|x${n}){1,150}\\p{Lu}`,
})

describe('while a grammar is compiled', () => {
  it('others get their tokens', async () => {
    const { engine } = start(slow, {}, { grammar })
    let compiled = false
    const constrained = ask(engine, { responseFormat: heavy(1), maxTokens: 3 }).then(r => {
      compiled = true
      return r
    })
    const plain = run(engine, 'beside', { maxTokens: 400, seed: 1 })
    while (!compiled && plain.chunks.length < 400)
      await new Promise(resolve => setTimeout(resolve, 1))
    expect(plain.chunks.length).toBeGreaterThan(5)
    plain.cancel()
    expect((await constrained).error ?? (await constrained).result).toBeDefined()
  })

  it('a cancel ends it at once, and the next request is served', async () => {
    const engine = open()
    const first = run(engine, 'x', { responseFormat: heavy(2) })
    await new Promise(resolve => setTimeout(resolve, 20))
    const before = performance.now()
    first.cancel()
    expect((await first.ended).error?.code).toBe('ABORTED')
    expect(performance.now() - before).toBeLessThan(200)
    expect((await ask(engine, { responseFormat: person, seed: 1 })).result!.complete).toBe(true)
    expect(engine.stats().queue.running).toBe(0)
  })

  it('preparing its masks is left off after some work, and answers are right without', async () => {
    let pieces = 0
    const endless = {
      ...grammarPart,
      *prepare() {
        for (; ; pieces++) yield
      },
    }
    const { engine } = start({}, {}, { grammar: async () => endless })
    for (const seed of [1, 2])
      expect((await ask(engine, { responseFormat: person, seed })).result?.complete).toBe(true)
    expect(pieces).toBeGreaterThan(100)
  })

  it('the prompt is read', async () => {
    let bring!: () => void
    const brought = new Promise<void>(resolve => {
      bring = resolve
    })
    const late = async () => {
      await brought
      return grammarPart
    }
    const { engine, network } = start({}, {}, { grammar: late })
    const request = run(engine, 'a prompt of some length', { responseFormat: person, seed: 1 })
    await new Promise(resolve => setTimeout(resolve, 30))
    // bos and 23 letters, of which the last waits for its grammar.
    expect(network.steps.flat()).toHaveLength(23)
    expect(network.steps.flat().every(row => row.wants === 'nothing')).toBe(true)
    bring()
    expect((await request.ended).result!.complete).toBe(true)
  })

  it('that cannot be loaded, the request fails with NETWORK, and the next tries again', async () => {
    let tries = 0
    const flaky = async () => {
      if (tries++ === 0) throw new TypeError('Failed to fetch')
      return grammarPart
    }
    const { engine } = start({}, {}, { grammar: flaky })
    expect((await ask(engine, { responseFormat: person })).error?.code).toBe('NETWORK')
    expect((await ask(engine, { responseFormat: person, seed: 1 })).result!.complete).toBe(true)
  })

  it('closing the engine ends the request with CLOSED', async () => {
    const { engine } = start({}, {}, { grammar: () => new Promise(() => undefined) })
    const request = run(engine, 'x', { responseFormat: person })
    await new Promise(resolve => setTimeout(resolve, 10))
    await engine.close()
    expect((await request.ended).error?.code).toBe('CLOSED')
  })
})
