// Grammars of tool calls: in tags that are tokens or text, with text before, by name, several; and
// reasoning before a constrained text.
import { describe, expect, it } from 'vitest'
import type { CallForm, CallsSpec } from '../../../src/engine/grammar/calls.ts'
import { compile } from '../../../src/engine/grammar/compile.ts'
import { Budget, finish } from '../../../src/engine/grammar/work.ts'
import { accepts, compiled, vocabularyFrom } from './support.ts'
import { randomFrom, walk } from './walk.ts'

const utf8 = new TextEncoder()
/** Bytes, then two tags that are tokens of their own, then the end. */
const OPEN = 256
const CLOSE = 257
const TAGGED = vocabularyFrom({
  size: 259,
  endTokens: new Set([258]),
  bytes: id => (id < 256 ? Uint8Array.of(id) : new Uint8Array()),
  isText: id => id < 256,
})

const hermes = (open: { token: number } | string, close: typeof open): CallForm => ({
  open: [],
  call: [[open, '\n{"name": '], ', "arguments": ', ['}\n', close]],
  between: ['\n'],
  close: [],
})
const MISTRAL: CallForm = {
  open: ['[TOOL_CALLS]['],
  call: [['{"name": '], ', "arguments": ', ['}']],
  between: [', '],
  close: [']'],
}
const tools: CallsSpec['tools'] = [
  {
    name: 'get_weather',
    parameters: {
      type: 'object',
      properties: { city: { type: 'string' }, days: { type: 'integer' } },
      required: ['city'],
      additionalProperties: false,
    },
  },
  { name: 'calendar.now' },
]
const spec = (form: CallForm, rest: Partial<CallsSpec> = {}): CallsSpec => ({
  kind: 'calls',
  tools,
  form,
  choice: 'required',
  parallel: false,
  strict: true,
  ...rest,
})

const CALL = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Oslo"}}\n</tool_call>'
const NOW = '<tool_call>\n{"name": "calendar.now", "arguments": {}}\n</tool_call>'
const tags = hermes('<tool_call>', '</tool_call>')

describe('calls in tags of text', () => {
  it('required: a call at once, and nothing else', () => {
    const grammar = compiled(spec(tags))
    expect(accepts(grammar, CALL)).toBe(true)
    expect(accepts(grammar, NOW)).toBe(true)
    expect(accepts(grammar, `Sure. ${CALL}`)).toBe(false)
    expect(accepts(grammar, `${CALL}\n${NOW}`)).toBe(false)
    expect(accepts(grammar, CALL.replace('get_weather', 'get_news'))).toBe(false)
    expect(accepts(grammar, CALL.replace('"Oslo"', '1'))).toBe(false)
    expect(accepts(grammar, NOW.replace('{}', '{"a": 1}'))).toBe(false)
    expect(accepts(grammar, '')).toBe(false)
  })

  it('parallel: several', () => {
    const grammar = compiled(spec(tags, { parallel: true }))
    expect(accepts(grammar, `${CALL}\n${NOW}\n${CALL}`)).toBe(true)
    expect(accepts(grammar, `${CALL}\n`)).toBe(false)
  })

  it('auto: text, and a call or none; the tag is no text', () => {
    const grammar = compiled(spec(tags, { choice: 'auto' }))
    for (const text of ['', 'Hello <there> ü', CALL, `Let me see.\n${CALL}`]) {
      expect([text, accepts(grammar, text)]).toEqual([text, true])
    }
    expect(accepts(grammar, 'See <tool_call> for that')).toBe(false)
    expect(accepts(grammar, `${CALL} and more`)).toBe(false)
  })

  it('by name: that tool only', () => {
    const grammar = compiled(spec(tags, { choice: { name: 'calendar.now' } }))
    expect(accepts(grammar, NOW)).toBe(true)
    expect(accepts(grammar, CALL)).toBe(false)
  })

  it('in a list, as Mistral writes it', () => {
    const grammar = compiled(spec(MISTRAL, { parallel: true }))
    const one = '{"name": "get_weather", "arguments": {"city": "a]b"}}'
    expect(accepts(grammar, `[TOOL_CALLS][${one}]`)).toBe(true)
    expect(accepts(grammar, `[TOOL_CALLS][${one}, ${one}]`)).toBe(true)
    expect(accepts(grammar, `[TOOL_CALLS][${one}`)).toBe(false)
  })

  it('a wrong schema names its tool', () => {
    const wrong = [...tools, { name: 'odd', parameters: { type: 'objekt' } }]
    expect(() => compiled(spec(tags, { tools: wrong }))).toThrow(
      expect.objectContaining({ place: '/type of the tool "odd"' }),
    )
  })
})

describe('calls in tags that are tokens', () => {
  const form = hermes({ token: OPEN }, { token: CLOSE })

  it('walk through the tokens, and never through their letters', () => {
    const { grammar } = finish(compile(spec(form, { choice: 'auto' }), TAGGED, new Budget()))
    const filter = grammar.begin()
    expect(filter.complete).toBe(true)
    for (const byte of utf8.encode('Hi. ')) filter.accept(byte)
    expect(filter.allows(OPEN)).toBe(true)
    expect(filter.allows(CLOSE)).toBe(false)
    const before = filter.fork()
    filter.accept(OPEN)
    expect(filter.complete).toBe(false)
    expect(filter.allows(OPEN)).toBe(false)
    for (const byte of utf8.encode('\n{"name": "calendar.now", "arguments": {}}\n'))
      filter.accept(byte)
    expect(filter.allows(CLOSE)).toBe(true)
    filter.accept(CLOSE)
    expect(filter.complete).toBe(true)
    expect(filter.ended).toBe(true)
    filter.restore(before)
    expect(filter.allows(OPEN)).toBe(true)
    expect(filter.ended).toBe(false)
  })

  it('end in a call when one is required, whatever is drawn', () => {
    const { grammar } = finish(compile(spec(form), TAGGED, new Budget()))
    for (let seed = 0; seed < 5; seed++) {
      const { tokens, complete } = walk(grammar, randomFrom(seed), 30)
      expect(complete).toBe(true)
      expect(tokens[0]).toBe(OPEN)
      expect(tokens.at(-1)).toBe(CLOSE)
    }
  })
})

describe('reasoning first', () => {
  const schema = {
    type: 'object',
    properties: { a: { type: 'null' } },
    required: ['a'],
    additionalProperties: false,
  }
  const lead = { open: ['<think>'], close: ['</think>'], required: false }

  it('is free between its tags, and the grammar begins after it', () => {
    const grammar = compiled({ kind: 'schema', schema, strict: true, lead })
    expect(accepts(grammar, '{"a":null}')).toBe(true)
    expect(accepts(grammar, '<think>Hm, {"b": or so.\n</think>\n\n{"a":null}')).toBe(true)
    expect(accepts(grammar, '<think></think>{"a":null}')).toBe(true)
    expect(accepts(grammar, '<think>{"a":null}')).toBe(false)
    expect(accepts(grammar, '<think>a</think>b</think>{"a":null}')).toBe(false)
    const always = compiled({
      kind: 'schema',
      schema,
      strict: true,
      lead: { ...lead, required: true },
    })
    expect(accepts(always, '{"a":null}')).toBe(false)
  })

  it('goes with calls, too', () => {
    const grammar = compiled({ ...spec(tags), lead })
    expect(accepts(grammar, `<think>Weather.</think>\n${CALL}`)).toBe(true)
  })
})
