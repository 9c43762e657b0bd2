// Chats with tools and reasoning through the engine, over a network without weights that writes what a test says:
// what a stream tells, what the result holds, what is held to schemas, and how it ends.
import { describe, expect, it } from 'vitest'
import { Engine } from '../../../src/engine/engine.ts'
import { grammarPart } from '../../../src/engine/grammar/part.ts'
import type { RyzError } from '../../../src/errors.ts'
import { openChat } from '../../../src/tokenizer/chat/open-chat.ts'
import type { ChatOptions, ChatTool, GenerateResult, TokenChunk } from '../../../src/types/index.ts'
import { byteTokenizer, FakeNetwork, type FakeOptions, fakeParts, spelling } from '../fakes.ts'

const PLAIN = "{{ tools | tojson if tools }}{{ messages[0]['content'] }}<tool_call>"
const THINKS = `${PLAIN}{{ '' if enable_thinking is undefined else '<think>\\n\\n</think>\\n\\n' }}{# </think> #}`
const OPENS = '{{ messages[0].content }}:<think>\n{# </think> #}'

const light: ChatTool = {
  type: 'function',
  function: {
    name: 'light',
    parameters: {
      type: 'object',
      properties: {
        room: { enum: ['hall', 'attic'] },
        level: { type: 'integer', minimum: 0, maximum: 9 },
      },
      required: ['room', 'level'],
      additionalProperties: false,
    },
  },
}
const now: ChatTool = { type: 'function', function: { name: 'now' } }
const tools = [light, now]
const ON = '<tool_call>\n{"name": "light", "arguments": {"room": "hall", "level": 1}}\n</tool_call>'

interface Asked {
  chunks: TokenChunk[]
  result?: GenerateResult
  error?: RyzError
  /** What was joined of the chunks. */
  text: string
  reasoning: string
}

async function ask(
  template: string,
  answer: string | FakeOptions,
  options: ChatOptions = {},
): Promise<Asked> {
  const chat = openChat(byteTokenizer, template)
  const {
    tools,
    toolChoice,
    parallelToolCalls,
    reasoning,
    maxReasoningTokens,
    templateOptions,
    ...generate
  } = options
  const read = {
    tools,
    toolChoice,
    parallelToolCalls,
    reasoning,
    maxReasoningTokens,
    templateOptions,
  }
  const input = { kind: 'chat', messages: [{ role: 'user', content: 'x' }], ...read } as const
  const { length } = (await chat.render({ messages: input.messages, tools, templateOptions })).text
  const fake = typeof answer === 'string' ? { logits: spelling(answer, length + 1) } : answer
  const network = new FakeNetwork({ contextLength: 4096, blocks: 256, ...fake })
  const engine = new Engine(
    { ...fakeParts(network), chat },
    {},
    { grammar: async () => grammarPart },
  )
  const asked = await new Promise<Asked>(resolve => {
    const chunks: TokenChunk[] = []
    const end = (more: Partial<Asked>) => {
      const text = chunks.map(chunk => chunk.text).join('')
      resolve({
        chunks,
        text,
        reasoning: chunks.map(chunk => chunk.reasoning ?? '').join(''),
        ...more,
      })
    }
    const settings = { temperature: 0, maxTokens: 400, ...generate }
    engine.generate(input, settings, {
      token: chunk => chunks.push(chunk),
      done: result => end({ result }),
      error: error => end({ error }),
    })
  })
  await engine.close()
  return asked
}

const callsOf = ({ result }: Asked) =>
  result?.toolCalls?.map(call => [call.function.name, call.function.arguments])

describe('tools', () => {
  it('a call is told when it is whole, and is no part of the text', async () => {
    const { chunks, result, text } = await ask(PLAIN, `I will.\n${ON}\nDone.`, { tools })
    expect(result).toMatchObject({ text: 'I will.\nDone.', finishReason: 'tool_calls' })
    expect(text).toBe('I will.\nDone.')
    const told = chunks.flatMap(chunk => chunk.toolCalls ?? [])
    expect(told).toEqual([
      {
        index: 0,
        id: expect.stringMatching(/^call_[A-Za-z0-9]{24}$/),
        type: 'function',
        function: { name: 'light', arguments: '{"room": "hall", "level": 1}' },
      },
    ])
    const { index: _, ...call } = told[0]!
    expect(result!.toolCalls).toEqual([call])
    expect(chunks.flatMap(chunk => chunk.tokens)).toEqual(result!.tokens)
  })

  it('ids follow from the request: the same again, others for another prompt or seed', async () => {
    const id = async (options: ChatOptions) =>
      (await ask(PLAIN, ON, { tools, ...options })).result!.toolCalls![0]!.id
    const first = await id({ seed: 1 })
    expect(await id({ seed: 1 })).toBe(first)
    expect(await id({ seed: 2 })).not.toBe(first)
    expect(await id({ seed: 1, tools: [light] })).not.toBe(first)
  })

  it("toolChoice 'none', or no tools, leave the text whole", async () => {
    for (const options of [{ tools, toolChoice: 'none' as const }, {}]) {
      const { result } = await ask(PLAIN, ON, options)
      expect(result).toMatchObject({ text: ON, finishReason: 'eos' })
      expect(result!.toolCalls).toBeUndefined()
    }
  })

  it('what is no call of an offered function stays text, and is counted', async () => {
    const other = ON.replace('light', 'dark')
    const { result, text } = await ask(PLAIN, other, { tools })
    expect(result).toMatchObject({ text: other, finishReason: 'eos', unreadCalls: 1 })
    expect(text).toBe(other)
  })

  it('parallelToolCalls: false ends the answer with the first call', async () => {
    const several = await ask(PLAIN, `${ON}\n${ON}`, { tools })
    expect(callsOf(several)).toHaveLength(2)
    const one = await ask(PLAIN, `${ON}\n${ON}`, { tools, parallelToolCalls: false })
    expect(callsOf(one)).toHaveLength(1)
    expect(one.result!.finishReason).toBe('tool_calls')
    expect(one.result!.tokens.length).toBeLessThan(several.result!.tokens.length / 2 + 10)
  })

  it('a call that the length cut is told as what it is', async () => {
    const { result, text } = await ask(PLAIN, `Yes. ${ON}`, { tools, maxTokens: 40 })
    expect(result).toMatchObject({ text: 'Yes.', finishReason: 'length' })
    expect(result!.partialToolCall).toBe(`Yes. ${ON}`.slice(5, 40))
    expect(result!.toolCalls).toBeUndefined()
    expect(text).toBe('Yes.')
  })

  it('a stop string ends the answer, not a call or reasoning', async () => {
    const stop = ['hall']
    const called = await ask(PLAIN, `${ON} The hall is lit`, { tools, stop })
    expect(called.result).toMatchObject({ text: 'The ', finishReason: 'stop', stopString: 'hall' })
    expect(callsOf(called)).toHaveLength(1)
    const thought = await ask(THINKS, '<think>hall</think>The hall', { stop })
    expect(thought.result).toMatchObject({ text: 'The ', reasoning: 'hall', finishReason: 'stop' })
  })
})

describe('what is required', () => {
  // The model wants letters; the grammar wants calls.
  const sampled = { temperature: 1.5, topK: 0, topP: 1 }
  it.each([1, 2, 3, 4, 5])(
    'at least one call, of the schemas that were given (seed %i)',
    async seed => {
      const asked = await ask(
        PLAIN,
        {},
        { tools, toolChoice: 'required', seed, ...sampled, maxTokens: 2000 },
      )
      expect(asked.result).toMatchObject({ text: '', finishReason: 'tool_calls', complete: true })
      for (const [name, args] of callsOf(asked)!) {
        const given = JSON.parse(args!)
        if (name === 'now') expect(given).toEqual({})
        else {
          expect(['hall', 'attic']).toContain(given.room)
          expect(given.level).toBeGreaterThanOrEqual(0)
          expect(given.level).toBeLessThanOrEqual(9)
        }
      }
    },
  )

  it('one of a name', async () => {
    const toolChoice = { name: 'light' }
    const asked = await ask(PLAIN, {}, { tools, toolChoice, seed: 3, ...sampled })
    expect(callsOf(asked)!.map(([name]) => name)).toEqual(['light'])
  })

  it("'auto' is held to the schemas where a tool says so", async () => {
    const strict = { ...light, function: { ...light.function, strict: true } }
    const wrong = ON.replace('"level": 1', '"level": 1x')
    const loose = await ask(PLAIN, wrong, { tools })
    expect(loose.result!.unreadCalls).toBe(1)
    const held = await ask(PLAIN, wrong, { tools: [strict, now], maxTokens: 120 })
    const [name, args] = callsOf(held)![0]!
    expect(name).toBe('light')
    expect(JSON.parse(args!)).toMatchObject({ room: 'hall', level: expect.any(Number) })
  })

  it('in the form of each family', async () => {
    const templates = [
      '{# [TOOL_CALLS] #}x',
      '{# <|python_tag|> #}x',
      '{# <function= <parameter= <tool_call> #}x',
    ]
    for (const template of templates) {
      const toolChoice = { name: 'light' }
      const asked = await ask(template, {}, { tools, toolChoice, seed: 3, ...sampled })
      expect(
        callsOf(asked)?.map(([name]) => name),
        template,
      ).toEqual(['light'])
      const id = template.includes('TOOL_CALLS') ? /^[A-Za-z0-9]{9}$/ : /^call_/
      expect(asked.result!.toolCalls![0]!.id).toMatch(id)
    }
  })

  it('a schema that cannot be met is refused with the name of its tool', async () => {
    const bad: ChatTool = {
      type: 'function',
      function: {
        name: 'bad',
        parameters: { type: 'object', required: ['a'], additionalProperties: false },
      },
    }
    const { error } = await ask(PLAIN, {}, { tools: [now, bad], toolChoice: 'required' })
    expect(error).toMatchObject({ code: 'BAD_OPTION', detail: { option: 'tools' } })
    expect(error!.message).toMatch(/^tools .*of the tool "bad" cannot be met by any text/)
  })

  it.each<[string, ChatOptions, string]>([
    ['a name that is not offered', { tools, toolChoice: { name: 'off' } }, 'toolChoice'],
    ['without tools', { toolChoice: 'required' }, 'toolChoice'],
  ])('%s is refused', async (_, options, option) => {
    const { error } = await ask(PLAIN, 'x', options)
    expect(error).toMatchObject({ code: 'BAD_OPTION', detail: { option } })
  })
})

describe('tools together with a format', () => {
  const schema = {
    type: 'object',
    properties: { said: { type: 'string' } },
    required: ['said'],
    additionalProperties: false,
  }
  const short = { ...schema, properties: { said: { enum: ['yes', 'no'] } } }
  const responseFormat = { type: 'json_schema', schema } as const
  const TEMPLATES = {
    hermes: PLAIN,
    'Qwen3-Coder': '{# <function= <parameter= <tool_call> #}x',
    Mistral: '{# [TOOL_CALLS] #}x',
    'Llama 3': '{# <|python_tag|> #}x',
  }

  it.each(Object.entries(TEMPLATES))(
    '%s: an answer is calls that meet their schemas, or a text that meets the format',
    async (_, template) => {
      const seen = new Set<string>()
      const format = { type: 'json_schema', schema: short } as const
      for (let seed = 0; seed < 12; seed++) {
        // The model wants nothing, so what is allowed is drawn evenly.
        const options = { tools, responseFormat: format, seed, temperature: 1, topK: 0, topP: 1 }
        const asked = await ask(template, {}, { ...options, maxTokens: 3000 })
        const { result } = asked
        if (!result!.complete) continue
        const calls = callsOf(asked)
        if (calls) {
          expect(result).toMatchObject({ text: '', finishReason: 'tool_calls' })
          for (const [name, args] of calls) {
            if (name === 'now') expect(JSON.parse(args!)).toEqual({})
            else expect(['hall', 'attic']).toContain(JSON.parse(args!).room)
          }
        } else {
          expect(result!.finishReason).toBe('eos')
          expect(JSON.parse(result!.text)).toEqual({ said: expect.stringMatching(/^yes|no$/) })
        }
        expect(result!.unreadCalls).toBeUndefined()
        seen.add(calls ? 'calls' : 'text')
      }
      expect([...seen].sort()).toEqual(['calls', 'text'])
    },
  )

  it('what the model wants decides; nothing stands around it', async () => {
    const said = '{"said": "Done."}'
    const text = await ask(PLAIN, said, { tools, responseFormat })
    expect(text.result).toMatchObject({ text: said, finishReason: 'eos', complete: true })
    const called = await ask(PLAIN, ON, { tools, responseFormat })
    expect(called.result).toMatchObject({ text: '', finishReason: 'tool_calls', complete: true })
    expect(callsOf(called)).toEqual([['light', '{"room": "hall", "level": 1}']])
    const both = await ask(PLAIN, `${ON}\n${ON}`, { tools, responseFormat })
    expect(callsOf(both)).toHaveLength(2)
    const single = { tools, responseFormat, parallelToolCalls: false }
    expect(callsOf(await ask(PLAIN, `${ON}\n${ON}`, single))).toHaveLength(1)
  })

  it('a call inside the text is text, byte for byte', async () => {
    const said = JSON.stringify({ said: `so: ${ON}` })
    const { result, text } = await ask(PLAIN, said, { tools, responseFormat })
    expect(result).toMatchObject({ text: said, finishReason: 'eos', complete: true })
    expect(text).toBe(said)
    const pattern = { type: 'regex', pattern: '<tool[^]*' } as const
    const odd = '<tool_calls> are none'
    expect((await ask(PLAIN, odd, { tools, responseFormat: pattern })).result!.text).toBe(odd)
  })

  it('with every kind of format, the empty answer too', async () => {
    const ebnf = 'root ::= "yes" | "no"'
    for (const [format, answer] of [
      [{ type: 'json_object' }, '{"a": [1]}'],
      [{ type: 'grammar', ebnf }, 'no'],
      [{ type: 'regex', pattern: '[a-c]*' }, ''],
      [{ type: 'regex', pattern: '[a-c]*' }, 'abc'],
    ] as const) {
      for (const wanted of [answer, ON]) {
        const { result } = await ask(PLAIN, wanted, { tools, responseFormat: format })
        expect(result!.complete).toBe(true)
        expect(result!.text).toBe(wanted === ON ? '' : answer)
        expect(result!.toolCalls?.length ?? 0).toBe(wanted === ON ? 1 : 0)
      }
    }
  })

  it('after reasoning', async () => {
    const thought = await ask(THINKS, `<think>Hm. ${ON}</think>\n${ON}`, { tools, responseFormat })
    expect(callsOf(thought)).toHaveLength(1)
    expect(thought.result!.reasoning).toContain('Hm.')
    const said = '{"said": ""}'
    const told = await ask(THINKS, `<think>Hm.</think>\n${said}`, { tools, responseFormat })
    expect(told.result).toMatchObject({ text: said, reasoning: 'Hm.', complete: true })
  })

  it('required and a name give calls; none gives the text', async () => {
    const said = '{"said": "x"}'
    for (const toolChoice of ['required', { name: 'light' }] as const) {
      const asked = await ask(PLAIN, said, { tools, responseFormat, toolChoice, maxTokens: 2000 })
      expect(asked.result).toMatchObject({ text: '', finishReason: 'tool_calls' })
    }
    const none = await ask(PLAIN, said, { tools, responseFormat, toolChoice: 'none' })
    expect(none.result).toMatchObject({ text: said, finishReason: 'eos' })
  })

  it('cut by length, neither is closed by guessing', async () => {
    const text = await ask(PLAIN, '{"said": "Done."}', { tools, responseFormat, maxTokens: 8 })
    expect(text.result).toMatchObject({ finishReason: 'length', complete: false })
    expect(text.result!.text).toBe('{"said":')
    const call = await ask(PLAIN, ON, { tools, responseFormat, maxTokens: 30 })
    expect(call.result).toMatchObject({ text: '', finishReason: 'length', complete: false })
    expect(call.result!.partialToolCall).toBe(ON.slice(0, 30))
  })

  it('what is wrong is refused by the option that it is in, also where a call is required', async () => {
    const never = { type: 'json_schema', schema: { type: 'objekt' } } as const
    const impossible = { type: 'json_schema', schema: false } as const
    const odd: ChatTool = { type: 'function', function: { name: 'odd', parameters: { type: 'x' } } }
    for (const toolChoice of ['auto', 'required'] as const) {
      for (const format of [never, impossible, { type: 'regex', pattern: '(' }] as const) {
        const { error } = await ask(PLAIN, 'x', { tools, toolChoice, responseFormat: format })
        expect(error).toMatchObject({ code: 'BAD_OPTION', detail: { option: 'responseFormat' } })
      }
      const { error } = await ask(PLAIN, 'x', { tools: [odd], toolChoice, responseFormat })
      expect(error).toMatchObject({ code: 'BAD_OPTION', detail: { option: 'tools' } })
      expect(error!.message).toContain('of the tool "odd"')
    }
  })
})

describe('reasoning', () => {
  it('is told apart, where the template knows it', async () => {
    const answer = '<think>\nHm. Well.\n</think>\n\nYes.'
    const { result, text, reasoning } = await ask(THINKS, answer)
    expect(result).toMatchObject({ text: 'Yes.', reasoning: 'Hm. Well.', finishReason: 'eos' })
    expect([text, reasoning]).toEqual(['Yes.', 'Hm. Well.'])
    expect((await ask(PLAIN, answer)).result!.text).toBe(answer)
    expect((await ask(THINKS, answer, { reasoning: false })).result!.text).toBe(answer)
  })

  it('that the template has begun, or closed', async () => {
    const begun = await ask(OPENS, 'Hm.\n</think>\n\nYes.')
    expect(begun.result).toMatchObject({ text: 'Yes.', reasoning: 'Hm.' })
    const closed = await ask(THINKS, 'So <think>', { templateOptions: { enable_thinking: false } })
    expect(closed.result).toMatchObject({ text: 'So <think>' })
  })

  it('comes before calls, and calls in it are none', async () => {
    const asked = await ask(THINKS, `<think>${ON}</think>${ON}`, { tools })
    expect(callsOf(asked)).toHaveLength(1)
    expect(asked.result!.reasoning).toBe(ON)
  })

  it('is bounded', async () => {
    // Thinks for ever; after the closing tag it wants the letter a.
    const logits = (out: Float32Array, tokens: readonly number[]) => {
      out.fill(0)
      const text = new TextDecoder().decode(Uint8Array.from(tokens.filter(id => id < 256)))
      const at = text.lastIndexOf('</think>')
      if (at < 0) out[104] = 50
      else out[text.length - at < 14 ? 97 : 257] = 50
    }
    const asked = await ask(OPENS, { logits }, { maxReasoningTokens: 10 })
    expect(asked.result).toMatchObject({ reasoning: 'h'.repeat(10), finishReason: 'eos' })
    expect(asked.result!.text).toMatch(/^a+$/)
    const none = await ask(OPENS, { logits }, { maxReasoningTokens: 0 })
    expect(none.result!.reasoning).toBeUndefined()
    expect(none.result!.text).toMatch(/^a+$/)
  })

  it('comes before a format, which holds the rest', async () => {
    const responseFormat = { type: 'regex', pattern: '[a-c]{3}' } as const
    for (const [template, answer] of [
      [OPENS, 'Hm.\n</think>\n\nxyz'],
      [THINKS, '<think>Hm.\n</think>\n\nxyz'],
    ] as const) {
      const { result } = await ask(template, answer, { responseFormat })
      expect(result).toMatchObject({ reasoning: 'Hm.', complete: true, finishReason: 'eos' })
      expect(result!.text).toMatch(/^[a-c]{3}$/)
    }
  })
})
