// What a grammar leaves no choice about: the text up to the next choice, with the white space that was written before.
import { describe, expect, it } from 'vitest'
import { compileGuide } from '../../../src/engine/grammar/compile.ts'
import type { Place, Tokens } from '../../../src/engine/grammar/run/place.ts'
import { Budget, finish } from '../../../src/engine/grammar/work.ts'

const utf8 = new TextEncoder()
const OPEN = 256
const CLOSE = 257
/** Bytes, two tags, and the end of an answer. */
const TOKENS: Tokens = {
  endTokens: new Set([258]),
  bytesOf: id => (id < 256 ? Uint8Array.of(id) : new Uint8Array()),
  isText: id => id < 256,
}

type Spec = Parameters<typeof compileGuide>[0]
const guideOf = (spec: Spec) => finish(compileGuide(spec, TOKENS, new Budget())).begin() as Place
const schema = (value: unknown) =>
  guideOf({ kind: 'schema', schema: value as never, strict: false })

/** Goes on with a text, as drawn tokens do. */
function write(place: Place, text: string): Place {
  for (const byte of utf8.encode(text)) expect(place.follow(byte), `${text}: ${byte}`).toBe(true)
  return place
}
const textOf = ({
  pieces,
}: {
  pieces: Place['likely'] extends () => infer L
    ? L extends { pieces: infer P }
      ? P
      : never
    : never
}) => pieces.map(piece => (typeof piece === 'string' ? piece : `<${piece.token}>`)).join('')
const likely = (place: Place, text = '') => textOf(write(place, text).likely())

const PERSON = {
  type: 'object',
  properties: {
    name: { type: 'string' },
    age: { type: 'integer' },
    kind: { enum: ['private', 'work'] },
    tags: { type: 'array', items: { type: 'string' } },
  },
  required: ['name', 'age', 'kind', 'tags'],
  additionalProperties: false,
}

describe('the text up to the next choice', () => {
  it('is the signs and names of an object, with blanks as models write them', () => {
    const place = schema(PERSON)
    expect(likely(place)).toBe('{"name": "')
    expect(likely(place, '{"na')).toBe('me": "')
    expect(likely(place, 'me": "')).toBe('')
    expect(place.inText).toBe(true)
    expect(textOf(place.closing())).toBe('", "age":')
    // A blank before a number belongs to the number's token.
    expect(likely(place, 'Ann", "age":')).toBe('')
  })

  it('goes on behind a number if that is at its end', () => {
    const place = write(schema(PERSON), '{"name": "Ann", "age": 4')
    expect(place.likely()).toEqual({ pieces: [', "kind": "'], ends: true, whole: true })
    expect(likely(place, '2')).toBe(', "kind": "')
  })

  it('is the rest of the one word that is left of a list', () => {
    const place = write(schema(PERSON), '{"name": "Ann", "age": 4, "kind": "')
    expect(likely(place)).toBe('')
    expect(likely(place, 'w')).toBe('ork", "tags": [')
    expect(place.inText).toBe(false)
  })

  it('says where it stops within a word', () => {
    const place = schema({
      type: 'object',
      properties: { note_a: { type: 'string' }, note_b: { type: 'string' } },
      minProperties: 1,
      additionalProperties: false,
    })
    expect(place.likely()).toEqual({ pieces: ['{"note_'], ends: false, whole: false })
  })

  it('is nothing where a text is free, may end, or has several ways to go on', () => {
    expect(likely(guideOf({ kind: 'regex', pattern: '[a-z]+' }))).toBe('')
    expect(likely(guideOf({ kind: 'regex', pattern: 'yes( sir)?' }))).toBe('yes')
    expect(likely(guideOf({ kind: 'ebnf', ebnf: 'root ::= "left" | "right"', root: 'root' }))).toBe(
      '',
    )
    const place = schema({ type: 'object', additionalProperties: false })
    expect(likely(place)).toBe('{}')
    expect(likely(place, '{}')).toBe('')
  })

  it('has the white space that was written behind such signs before', () => {
    const compiled = finish(
      compileGuide(
        { kind: 'schema', schema: PERSON as never, strict: false },
        TOKENS,
        new Budget(),
      ),
    )
    const first = compiled.begin() as Place
    write(first, '{"name":"Ann","age":4,"kind":"work","tags":[]}')
    expect(likely(compiled.begin() as Place)).toBe('{"name":"')
    const lines = compiled.begin() as Place
    write(lines, '{\n  "name": "Ann",\n  "age": 4,\n  "kind": "work",\n  "tags": []\n}')
    const again = compiled.begin() as Place
    expect(likely(again)).toBe('{\n  "name": "')
    write(again, '{\n  "name": "Bob')
    expect(textOf(again.closing())).toBe('",\n  "age":')
  })
})

describe('calls', () => {
  const spec: Spec = {
    kind: 'calls',
    tools: [
      {
        name: 'set_timer',
        parameters: {
          type: 'object',
          properties: { minutes: { type: 'integer' }, label: { type: 'string' } },
          required: ['minutes', 'label'],
        },
      },
      { name: 'send' },
    ],
    form: {
      open: [],
      call: [[{ token: OPEN }, '\n{"name": '], ', "arguments": ', ['}\n', { token: CLOSE }]],
      between: ['\n'],
      close: [],
    },
    choice: 'auto',
    parallel: true,
    strict: false,
  }

  it('are certain from the tag on, and nothing is before it', () => {
    const place = guideOf(spec)
    expect(likely(place)).toBe('')
    expect(likely(place, 'Let me see. ')).toBe('')
    expect(place.follow(OPEN)).toBe(true)
    expect(likely(place)).toBe('\n{"name": "se')
    expect(likely(place, '\n{"name": "set')).toBe('_timer", "arguments": {"minutes":')
    expect(likely(place, '_timer", "arguments": {"minutes": 12')).toBe(', "label": "')
    write(place, ', "label": "tea')
    // More properties may follow; what came last in their place is likely.
    expect(textOf(place.closing())).toBe('"')
    expect(likely(place, '"}')).toBe('}\n<257>')
    write(place, '}\n')
    expect(place.follow(CLOSE)).toBe(true)
    expect(likely(place)).toBe('')
  })

  it('are followed no further where an answer is none of theirs', () => {
    const place = guideOf(spec)
    place.follow(OPEN)
    write(place, '\n{"name": "')
    expect(place.follow('x'.charCodeAt(0))).toBe(false)
    expect(likely(place)).toBe('se')
  })
})

describe('forms that answers are only guessed by', () => {
  const tools = [
    {
      name: 'set_timer',
      parameters: {
        type: 'object',
        properties: { minutes: { type: 'integer' }, label: { type: 'string' } },
        required: ['minutes'],
      },
    },
    { name: 'now' },
  ]
  const base = { kind: 'calls', tools, choice: 'auto', parallel: true, strict: false } as const

  it('parameters in tags', () => {
    const place = guideOf({
      ...base,
      form: {
        open: [],
        call: [[{ token: OPEN }, '\n<function='], '>\n', ['</function>\n', { token: CLOSE }]],
        between: ['\n'],
        close: [],
        bareName: true,
        parameters: ['<parameter=', '>\n', '</parameter>\n'],
      },
    })
    place.follow(OPEN)
    expect(likely(place)).toBe('\n<function=')
    expect(likely(place, '\n<function=set')).toBe('_timer>\n<parameter=minutes>\n')
    expect(likely(place, '_timer>\n<parameter=minutes>\n5\n</parameter>\n')).toBe('<')
    expect(likely(place, '</')).toBe('function>\n<257>')
  })

  it('a name without quotes, and a tag behind it', () => {
    const form = {
      open: [],
      call: [[{ token: OPEN }], [{ token: CLOSE }], []],
      between: [],
      close: [],
      bareName: true,
    } as const
    const place = guideOf({ ...base, form })
    place.follow(OPEN)
    expect(likely(place)).toBe('')
    expect(likely(place, 'n')).toBe('ow<257>{}')
  })
})

it('remembers by which token a string was closed', () => {
  const tokens: Tokens = {
    ...TOKENS,
    bytesOf: id => (id === 300 ? utf8.encode('"}') : TOKENS.bytesOf(id)),
    isText: id => id === 300 || id < 256,
  }
  const compiled = finish(
    compileGuide(
      {
        kind: 'schema',
        schema: { type: 'object', properties: { a: { type: 'string' } }, required: ['a'] },
        strict: false,
      },
      tokens,
      new Budget(),
    ),
  )
  const first = write(compiled.begin() as Place, '{"a": "x')
  expect(textOf(first.closing())).toBe('"')
  expect(first.follow(300)).toBe(true)
  expect(textOf(write(compiled.begin() as Place, '{"a": "yz').closing())).toBe('<300>')
})
