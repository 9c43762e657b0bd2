// The option responseFormat on the page: its shape, and schemas as plain JSON.
import { describe, expect, it } from 'vitest'
import { plainFormat, responseFormat } from '../../src/options/response-format.ts'
import type { JsonSchema, ResponseFormat } from '../../src/types/index.ts'

describe('responseFormat', () => {
  it.each<ResponseFormat>([
    { type: 'text' },
    { type: 'json_object' },
    { type: 'json_schema', schema: true },
    { type: 'json_schema', schema: {}, strict: false },
    { type: 'grammar', ebnf: 'root ::= "a"' },
    { type: 'grammar', ebnf: 'top ::= "a"', root: 'top' },
    { type: 'regex', pattern: '' },
  ])('takes %j', format => {
    expect(responseFormat(format)).toBeUndefined()
  })

  it.each<[unknown, string]>([
    ['json', 'an object'],
    [null, 'an object'],
    [[], 'an object'],
    [{}, 'type'],
    [{ type: 'xml' }, 'type'],
    [{ type: 'toString' }, 'type'],
    [{ type: 'json_object', schema: {} }, '"schema" is none'],
    [{ type: 'json_schema' }, 'JSON Schema'],
    [{ type: 'json_schema', schema: '{"type": "obj' }, 'JSON Schema'],
    [{ type: 'json_schema', schema: [] }, 'JSON Schema'],
    [{ type: 'json_schema', schema: {}, strict: 1 }, 'strict'],
    [{ type: 'grammar', ebnf: 1 }, 'ebnf'],
    [{ type: 'grammar', ebnf: '', root: 1 }, 'root'],
    [{ type: 'regex', pattern: /a/ }, 'pattern'],
    [{ type: 'regex', pattern: 'x'.repeat(5e6) }, 'characters'],
  ])('says what %j must be', (format, wanted) => {
    expect(responseFormat(format)).toContain(wanted)
  })
})

describe('plainFormat', () => {
  const of = (schema: unknown) => plainFormat({ type: 'json_schema', schema: schema as JsonSchema })

  it('copies a schema, names of all kinds included, and leaves undefined members out', () => {
    const schema = JSON.parse(
      '{"properties": {"__proto__": {"const": [1, null, "a"]}, "10": true}}',
    )
    const copy = of({ ...schema, title: undefined })
    expect(copy).toEqual({ type: 'json_schema', schema })
    expect(Object.keys((copy as { schema: typeof schema }).schema.properties)).toEqual([
      '10',
      '__proto__',
    ])
    expect(plainFormat({ type: 'regex', pattern: 'a' })).toEqual({ type: 'regex', pattern: 'a' })
  })

  const circle: Record<string, unknown> = {}
  circle.properties = { again: circle }
  class Library {
    readonly type = 'object'
  }
  it.each<[string, unknown, string]>([
    ['a function', { properties: { a: () => true } }, 'responseFormat.schema.properties.a'],
    ['a class', { items: new Library() }, 'responseFormat.schema.items'],
    ['a date', { enum: ['a', new Date(0)] }, 'responseFormat.schema.enum[1]'],
    ['a number without end', { minimum: Number.NaN }, 'responseFormat.schema.minimum'],
    ['a bigint', { minimum: 1n }, 'responseFormat.schema.minimum'],
    ['a circle', circle, 'responseFormat.schema.properties.again'],
  ])('refuses %s by its place', (_, schema, place) => {
    expect(() => of(schema)).toThrow(
      expect.objectContaining({ code: 'BAD_OPTION', message: expect.stringContaining(place) }),
    )
  })
})
