// Tools and formats together with everything else that a request can have: neighbours, penalties, bias, slides, saved
// sessions, guessed tokens. With the chat model, through the SDK.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Ryzanstein } from '../../src/api/ryzanstein.ts'
import type {
  ChatMessage,
  ChatOptions,
  ChatTool,
  GenerateResult,
  LoadOptions,
} from '../../src/types/index.ts'
import { chatEngine } from '../support/chat-engine.ts'

const weather: ChatTool = {
  type: 'function',
  function: {
    name: 'get_weather',
    description: 'Get the weather of a certain location on a date',
    parameters: {
      type: 'object',
      properties: {
        city: { type: 'string', maxLength: 30 },
        date: { type: 'string', maxLength: 30 },
      },
      required: ['city', 'date'],
      additionalProperties: false,
    },
  },
}
const note: ChatTool = {
  type: 'function',
  function: {
    name: 'note',
    parameters: {
      type: 'object',
      properties: { text: { type: 'string', minLength: 400, maxLength: 420 } },
      required: ['text'],
      additionalProperties: false,
    },
  },
}
const PERSON = {
  type: 'object',
  properties: {
    name: { type: 'string', minLength: 1, maxLength: 20 },
    age: { type: 'integer', minimum: 0, maximum: 130 },
  },
  required: ['name', 'age'],
  additionalProperties: false,
}
const say = (content: string): ChatMessage[] => [{ role: 'user', content }]
const asksWeather = say('What is the weather like in Paris tomorrow?')
const asksForm = say('Fill in the form as JSON: I am Anna, 34 years old.')

/** What a request gives, without its figures. */
function told({ text, tokens, toolCalls, finishReason, complete }: GenerateResult) {
  return { text, tokens, toolCalls, finishReason, complete }
}
const parsed = ({ toolCalls }: GenerateResult) =>
  toolCalls!.map(({ function: { name, arguments: args } }) => [name, JSON.parse(args)] as const)

const requests: [ChatMessage[], ChatOptions][] = [
  [asksWeather, { tools: [weather], temperature: 0, seed: 1 }],
  [asksWeather, { tools: [weather, note], toolChoice: { name: 'get_weather' }, seed: 2 }],
  [asksForm, { responseFormat: { type: 'json_schema', schema: PERSON }, seed: 3 }],
  [asksForm, { responseFormat: { type: 'regex', pattern: '[A-Z][a-z]{2,9}, \\d{1,3}' }, seed: 4 }],
  [say('Hello! Who are you?'), { seed: 5, maxTokens: 30 }],
]
const ask = (engine: Ryzanstein, [messages, options]: (typeof requests)[number]) =>
  engine.chat(messages, { temperature: 1, maxTokens: 120, ...options }).result

async function using<T>(
  options: LoadOptions,
  work: (engine: Ryzanstein) => Promise<T>,
): Promise<T> {
  const engine = await chatEngine(options)
  try {
    return await work(engine)
  } finally {
    await engine.close()
  }
}

let engine: Ryzanstein
let alone: GenerateResult[]
beforeAll(async () => {
  engine = await chatEngine({ maxSequences: 5 })
  alone = []
  for (const request of requests) alone.push(await ask(engine, request))
})
afterAll(() => engine.close())

describe('calls and formats', () => {
  it('are what was asked for', () => {
    expect(parsed(alone[0]!)).toEqual([
      ['get_weather', { city: 'Paris', date: expect.any(String) }],
    ])
    expect(parsed(alone[1]!)[0]![0]).toBe('get_weather')
    expect(JSON.parse(alone[2]!.text)).toEqual({
      name: expect.any(String),
      age: expect.any(Number),
    })
    expect(alone[3]!.text).toMatch(/^[A-Z][a-z]{2,9}, \d{1,3}$/)
  })

  it('are the same beside each other as alone, ids of calls too', async () => {
    const together = await Promise.all(requests.map(request => ask(engine, request)))
    expect(together.map(told)).toEqual(alone.map(told))
  })

  it('are the same where no tokens are guessed ahead', async () => {
    await using({ speculation: 'off' }, async other => {
      for (const [i, request] of requests.entries()) {
        expect(told(await ask(other, request))).toEqual(told(alone[i]!))
      }
    })
  })

  it.each([1, 2, 3])('hold under penalties and bias, which they obey (seed %i)', async seed => {
    // Of the digits that age could have none but 7 is left.
    const ids = Array.from({ length: engine.model.vocab }, (_, id) => id)
    const texts = await Promise.all(ids.map(id => engine.detokenize([id], { continuation: true })))
    const others = ids.filter(id => /[0-689]/.test(texts[id]!))
    const logitBias = Object.fromEntries(others.map(id => [id, Number.NEGATIVE_INFINITY]))
    const penalties = { repetitionPenalty: 1.5, frequencyPenalty: 1, presencePenalty: 1 }
    const common = { ...penalties, logitBias, seed, temperature: 1.2, topK: 0 }
    const form = { responseFormat: { type: 'json_schema', schema: PERSON } as const, ...common }
    const { text, complete } = await ask(engine, [asksForm, form])
    expect(complete).toBe(true)
    expect(String(JSON.parse(text).age)).toMatch(/^7+$/)
    const tools = { tools: [weather], toolChoice: 'required', parallelToolCalls: false } as const
    const called = await ask(engine, [asksWeather, { ...tools, ...common }])
    expect(called).toMatchObject({ finishReason: 'tool_calls', complete: true })
    expect(parsed(called)[0]![1]).toEqual({ city: expect.any(String), date: expect.any(String) })
    expect(JSON.stringify(called.toolCalls![0]!.function.arguments)).not.toMatch(/[0-689]/)
  })

  it('go on over a slide', async () => {
    await using({ contextLength: 96 }, async small => {
      const slides = { overflow: 'slide', maxTokens: 2000, seed: 1 } as const
      const tools = { tools: [note], toolChoice: 'required', parallelToolCalls: false } as const
      const called = await ask(small, [say('Write a note.'), { ...tools, ...slides }])
      expect(called.slides).toBeGreaterThan(0)
      expect(called).toMatchObject({ finishReason: 'tool_calls', complete: true })
      const [[name, { text }]] = parsed(called) as [[string, { text: string }]]
      expect([name, text.length >= 400]).toEqual(['note', true])
      const schema = note.function.parameters!
      const responseFormat = { type: 'json_schema', schema } as const
      const filled = await ask(small, [say('Write a note.'), { responseFormat, ...slides }])
      expect(filled.slides).toBeGreaterThan(0)
      expect(filled.complete).toBe(true)
      expect(JSON.parse(filled.text).text.length).toBeGreaterThanOrEqual(400)
    })
  })

  it('follow a saved session, which holds the tools of its prompt', async () => {
    const tools = [weather, note]
    const request = [asksWeather, { tools, seed: 6, toolChoice: 'required' }] as const
    const first = await ask(engine, [...request])
    const saved = await engine.saveSession(asksWeather, { tools })
    await using({}, async other => {
      const { tokens } = await other.restoreSession(saved)
      expect(tokens).toBeGreaterThanOrEqual(32)
      const again = await ask(other, [...request])
      expect(again.reusedTokens).toBeGreaterThanOrEqual(32)
      expect(told(again)).toEqual(told(first))
    })
  })
})
