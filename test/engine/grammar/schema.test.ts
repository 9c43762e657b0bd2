// What schemas mean as text: white space, order, names, numbers, strings, and every keyword, with texts
// that belong to it and texts that do not. schema-fuzz.test.ts holds random ones against ajv.
import { describe, expect, it } from 'vitest'
import { GrammarFault } from '../../../src/engine/grammar/work.ts'
import { accepts, schema } from './support.ts'

type Case = [name: string, schema: unknown, takes: string[], bars: string[]]
const closed = (properties: object, required: string[] = [], more: object = {}) => ({
  type: 'object',
  properties,
  required,
  additionalProperties: false,
  ...more,
})
const A = { a: { type: 'integer' } }
const many = (char: string) => char.repeat(60)

const CASES: Case[] = [
  // Text around values
  [
    'white space',
    closed(A, ['a']),
    ['{"a":1}', '{ "a" : 1 }', '{\n  "a": 1\n}', '{\r\n\t"a":1}', ' {"a":1}'],
    [
      `{${many(' ')}"a":1}`,
      `{${many('\n')}"a":1}`,
      `{"a":1${many('\t')}}`,
      '{"a":1} ',
      '{"a":1}\n\n',
      '﻿{"a":1}',
      'Sure: {"a":1}',
      '{"a":1}{"a":1}',
    ],
  ],
  [
    'any value',
    true,
    ['null', '[1,{"a":[]}]', '"x"', '-0.5e3', '{}'],
    ['', 'nul', '[1,]', "{'a':1}", '01', '+1', '.5', '1.', '"\n"', 'NaN'],
  ],
  // Numbers
  [
    'numbers as RFC 8259 writes them',
    { type: 'number' },
    ['0', '-0', '1.50', '1e05', '10E-2', '1E+9'],
    ['01', '1.', '.5', '1e', '+1', '0x1', '1e999'],
  ],
  [
    'integers',
    { type: 'integer' },
    ['0', '-12', '123456789012345678901234567890'],
    ['1.0', '1e3', '00', '-'],
  ],
  [
    'bounds over digits and signs',
    { type: 'integer', minimum: -20, maximum: 305 },
    ['-20', '-3', '0', '99', '305'],
    ['-21', '306', '1000', '-100', '3050'],
  ],
  [
    'exclusive bounds',
    { exclusiveMinimum: 1, exclusiveMaximum: 2, type: 'number' },
    ['1.5', '1.0000001', '1.9999'],
    ['1', '2', '1.0', '2.0', '0.9'],
  ],
  [
    'bounds of doubles that round',
    { type: 'number', exclusiveMaximum: 1 },
    ['0.9999999999999999', '-5'],
    ['0.99999999999999999', '1'],
  ],
  [
    'negative bounds',
    { type: 'number', maximum: -0.5, minimum: -10 },
    ['-0.5', '-10', '-9.99', '-0.50'],
    ['-0.49', '-10.01', '0', '-11'],
  ],
  [
    'multiples',
    { type: 'number', multipleOf: 0.25 },
    ['0', '0.25', '1.50', '-3.75', '12'],
    ['0.1', '0.255', '1.2'],
  ],
  [
    'multiples and bounds',
    { type: 'integer', multipleOf: 7, minimum: 10, maximum: 30 },
    ['14', '21', '28'],
    ['7', '15', '35'],
  ],
  ['bounds without a type', { minimum: 5 }, ['5', '"x"', 'null', '[4]'], ['4', '4.9']],
  // Strings
  [
    'lengths in characters',
    { type: 'string', minLength: 2, maxLength: 3 },
    ['"ab"', '"é😀"', '"\\n\\u0041\\uD83D\\uDE00"', '"\\"\\\\"'],
    ['"a"', '"abcd"', '"😀"', '""'],
  ],
  [
    'no half of a pair',
    { type: 'string' },
    ['"\\ud83d\\ude00"', '"\\u00e9"'],
    ['"\\ud83d"', '"\\ude00"', '"\\ud83dx"', '"\\x"', '"\\u12g4"', '"a\tb"'],
  ],
  [
    'a pattern is a search',
    { type: 'string', pattern: 'a.c' },
    ['"abc"', '"xxa😀cxx"', '"a\\"c"'],
    ['"ac"', '"abx"', '"a\\nc"'],
  ],
  [
    'anchors bind to their branch',
    { type: 'string', pattern: '^a|b$' },
    ['"ax"', '"xb"', '"a"'],
    ['"xa"', '"bx"', '""'],
  ],
  [
    'word boundaries',
    { type: 'string', pattern: '\\bcat\\b' },
    ['"a cat!"', '"cat"'],
    ['"cats"', '"concat"'],
  ],
  [
    'look-ahead at the start',
    { type: 'string', pattern: '^(?=.*\\d)(?!.*x)[a-z\\d]{3}$' },
    ['"a1b"'],
    ['"abc"', '"x12"', '"a1"'],
  ],
  [
    'pattern and length',
    { type: 'string', pattern: '^(ab)+$', minLength: 3, maxLength: 6 },
    ['"abab"', '"ababab"'],
    ['"ab"', '"abababab"', '"aba"'],
  ],
  [
    'quotes that a pattern wants',
    { type: 'string', pattern: '^"\\\\\\n$' },
    ['"\\"\\\\\\n"'],
    ['""\\\n"', '"\\"\\\\"'],
  ],
  [
    'dates',
    { type: 'string', format: 'date' },
    ['"2024-02-29"', '"2000-02-29"'],
    ['"2023-02-29"', '"1900-02-29"', '"2024-04-31"', '"2024-13-01"'],
  ],
  [
    'times',
    { type: 'string', format: 'date-time' },
    ['"2024-02-29T23:59:59Z"', '"2024-01-01T00:00:00.123+05:30"'],
    ['"2024-02-30T00:00:00Z"', '"2024-01-01 00:00"'],
  ],
  [
    'other formats',
    {
      anyOf: [{ format: 'email' }, { format: 'ipv4' }, { format: 'uuid' }, { format: 'ipv6' }],
      type: 'string',
    },
    ['"a.b@x.org"', '"127.0.0.1"', '"::1"', '"123e4567-e89b-12d3-a456-426614174000"'],
    ['"a@b"', '"256.0.0.1"', '":::"'],
  ],
  [
    'URIs',
    { type: 'string', format: 'uri' },
    ['"https://a.test/b?c=%20#d"', '"mailto:a@b.test"', '"urn:x:y"'],
    ['"/a/b"', '"a b:c"', '"https://a.test/%zz"'],
  ],
  ['formats that nobody knows', { type: 'string', format: 'password' }, ['"x"'], ['1']],
  // Values
  [
    'enum by value',
    { enum: ['a/b', 'a', 'ab', '"', 'é', 0, 1.5, null, false, [1, 'x'], { k: [] }] },
    [
      '"a/b"',
      '"a"',
      '"ab"',
      '"\\""',
      '"é"',
      '0',
      '1.5',
      '1.50',
      'null',
      'false',
      '[1, "x"]',
      '{"k":[]}',
    ],
    ['"b"', 'true', '1', '"a/"', '[1]', '{}', '{"k":[1]}'],
  ],
  ['const and enum', { const: 'a', enum: ['a', 'b'] }, ['"a"'], ['"b"']],
  // Objects
  [
    'optional ones in declared order',
    closed({ a: true, b: true, c: true }, ['b']),
    ['{"b":1}', '{"a":1,"b":1}', '{"b":1,"c":1}', '{"a":1,"b":1,"c":1}'],
    ['{}', '{"a":1}', '{"c":1,"b":1}', '{"b":1,}', '{,"b":1}', '{"b":1,"b":2}'],
  ],
  [
    'names as they are',
    closed({
      'a/b': true,
      'ü"': true,
      '': true,
      $ref: true,
      ['__proto__']: { const: 1 },
      'a-b': true,
    }),
    ['{"a/b":1,"ü\\"":1,"":1,"$ref":1,"a-b":1}', '{"__proto__":1}'],
    ['{"__proto__":2}', '{"ab":1}'],
  ],
  [
    'names like integers come first',
    { properties: { b: true, 2: { const: 2 } }, required: ['b', '2'], type: 'object' },
    ['{"2":2,"b":1}'],
    ['{"b":1,"2":2}'],
  ],
  [
    'others after the declared',
    { type: 'object', properties: A },
    ['{}', '{"a":1,"x":null}', '{"x":1,"y":2}', '{"ab":1}'],
    ['{"a":"x"}', '{"x":1,"a":1}', '{"x":1,"x":2}', '{"x":1,"\\u0078":2}', '{"a\\"":1}'],
  ],
  [
    'a map',
    { type: 'object', additionalProperties: { type: 'integer' } },
    ['{}', '{"é":1,"":2}', '{"a\\"b":1}'],
    ['{"a":"1"}', '{"a":1,"b":null}'],
  ],
  [
    'patterns of names',
    {
      type: 'object',
      patternProperties: { '^n_': { type: 'number' }, _s$: { type: 'string' } },
      additionalProperties: false,
    },
    ['{"n_a":1}', '{"a_s":"x"}', '{"n_a":1,"b_s":""}'],
    ['{"n_s":1}', '{"n_s":"x"}', '{"x":1}'],
  ],
  [
    'names by a schema',
    { type: 'object', propertyNames: { pattern: '^[a-c]+$', maxLength: 2 } },
    ['{}', '{"a":1,"bc":2}'],
    ['{"d":1}', '{"abc":1}', '{"":1}'],
  ],
  [
    'names by their count',
    {
      type: 'object',
      propertyNames: { enum: ['a', 'b', 'c'] },
      minProperties: 2,
      maxProperties: 2,
    },
    ['{"a":1,"b":2}', '{"c":1,"a":2}'],
    ['{"a":1}', '{"a":1,"b":2,"c":3}', '{"a":1,"a":2}'],
  ],
  [
    'counts over declared ones',
    closed({ a: true, b: true, c: true }, ['c'], { minProperties: 2, maxProperties: 2 }),
    ['{"a":1,"c":1}', '{"b":1,"c":1}'],
    ['{"c":1}', '{"a":1,"b":1}', '{"a":1,"b":1,"c":1}'],
  ],
  [
    'required without properties',
    { type: 'object', required: ['x', 'y'] },
    ['{"x":1,"y":2}', '{"x":1,"y":2,"z":3}'],
    ['{"x":1}', '{}'],
  ],
  [
    'dependent names',
    closed({ card: true, street: true, zip: true }, [], {
      dependentRequired: { card: ['street', 'zip'] },
    }),
    ['{}', '{"street":1}', '{"card":1,"street":1,"zip":1}'],
    ['{"card":1}', '{"card":1,"zip":1}'],
  ],
  [
    'dependent schemas',
    {
      type: 'object',
      properties: { a: true, b: true },
      dependentSchemas: { a: { required: ['b'], properties: { b: { const: 1 } } } },
    },
    ['{"b":2}', '{"a":0,"b":1}'],
    ['{"a":0}', '{"a":0,"b":2}'],
  ],
  // Lists
  [
    'items and counts',
    { type: 'array', items: { type: 'integer' }, minItems: 1, maxItems: 2 },
    ['[1]', '[1, 2]'],
    ['[]', '[1,2,3]', '["a"]'],
  ],
  [
    'tuples',
    {
      type: 'array',
      prefixItems: [{ const: 'x' }, { type: 'integer' }],
      items: { type: 'null' },
      minItems: 1,
    },
    ['["x"]', '["x",1]', '["x",1,null,null]'],
    ['[]', '[1]', '["x","y"]', '["x",1,2]'],
  ],
  [
    'tuples of earlier drafts',
    { type: 'array', items: [{ const: 1 }], additionalItems: false },
    ['[]', '[1]'],
    ['[2]', '[1,1]'],
  ],
  [
    'contains',
    { type: 'array', contains: { const: 'x' }, minContains: 2, maxContains: 3 },
    ['["x","x"]', '[1,"x",2,"x"]', '["x","x","x"]'],
    ['["x"]', '[]', '["x","x","x","x"]'],
  ],
  [
    'contains with counts',
    { type: 'array', items: { enum: [1, 2] }, contains: { const: 2 }, maxItems: 2 },
    ['[2]', '[1,2]', '[2,2]'],
    ['[1]', '[1,1]', '[1,1,2]'],
  ],
  [
    'items that differ by value',
    { type: 'array', uniqueItems: true, items: { type: ['string', 'number', 'null'] } },
    ['[]', '["1",1,null,"a"]', '[1.5,1.25]'],
    ['["a","a"]', '["a","\\u0061"]', '[1,1]', '[null,null]'],
  ],
  [
    'as many that differ as there are',
    { type: 'array', uniqueItems: true, items: { enum: ['a', 'b', true] }, minItems: 3 },
    ['["b","a",true]'],
    ['["a","b"]', '["a","b",true,"a"]'],
  ],
  // Together
  [
    'neighbours of $ref',
    { $defs: { i: { type: 'integer' } }, $ref: '#/$defs/i', maximum: 5 },
    ['5'],
    ['6', '"x"'],
  ],
  [
    'neighbours of anyOf',
    { type: 'string', maxLength: 2, anyOf: [{ pattern: '^a' }, { minLength: 2 }] },
    ['"a"', '"xy"'],
    ['"x"', '"abc"'],
  ],
  [
    'allOf over objects, in order',
    {
      allOf: [
        { $ref: '#/$defs/base' },
        { properties: { size: { type: 'integer' } }, required: ['size'] },
      ],
      $defs: { base: { type: 'object', properties: { id: { type: 'string' } }, required: ['id'] } },
    },
    ['{"id":"a","size":1}'],
    ['{"id":"a"}', '{"size":1,"id":"a"}', '[]'],
  ],
  [
    'exactly one of numbers',
    { type: 'integer', minimum: 0, maximum: 15, oneOf: [{ multipleOf: 3 }, { multipleOf: 5 }] },
    ['3', '5', '9', '10'],
    ['0', '15', '1'],
  ],
  [
    'exactly one of objects',
    { type: 'object', oneOf: [{ required: ['a'] }, { required: ['b'] }] },
    ['{"a":1}', '{"b":1}', '{"a":1,"c":1}'],
    ['{}', '{"a":1,"b":1}'],
  ],
  [
    'not',
    { type: ['string', 'integer'], not: { enum: ['a', 1] } },
    ['"b"', '"ab"', '2', '10'],
    ['"a"', '1', 'null'],
  ],
  [
    'not a shape',
    {
      type: 'object',
      properties: { k: { enum: ['x', 'y'] } },
      required: ['k'],
      not: { properties: { k: { const: 'x' } } },
    },
    ['{"k":"y"}'],
    ['{"k":"x"}', '{}'],
  ],
  [
    'if, then and else',
    {
      type: 'object',
      properties: { kind: { enum: ['a', 'b'] }, n: true },
      required: ['kind'],
      if: { properties: { kind: { const: 'a' } } },
      // biome-ignore lint/suspicious/noThenProperty: the keyword is called so
      then: { required: ['n'] },
      else: { properties: { n: false } },
    },
    ['{"kind":"a","n":1}', '{"kind":"b"}'],
    ['{"kind":"a"}', '{"kind":"b","n":1}'],
  ],
  [
    'unevaluated properties',
    {
      allOf: [{ properties: { a: true } }],
      properties: { b: true },
      type: 'object',
      unevaluatedProperties: false,
    },
    ['{"a":1,"b":1}', '{}'],
    ['{"c":1}', '{"a":1,"c":1}'],
  ],
  [
    'unevaluated by branch',
    {
      type: 'object',
      anyOf: [
        { properties: { a: { const: 1 } }, required: ['a'] },
        { properties: { b: true }, required: ['b'] },
      ],
      unevaluatedProperties: false,
    },
    ['{"a":1}', '{"b":1}', '{"a":1,"b":2}'],
    ['{"a":2,"b":2}', '{"c":1}'],
  ],
  [
    'unevaluated items',
    { type: 'array', prefixItems: [{ const: 1 }], unevaluatedItems: { type: 'string' } },
    ['[]', '[1]', '[1,"a"]'],
    ['[1,2]', '["a"]'],
  ],
  [
    'a tree',
    {
      $ref: '#/$defs/n',
      $defs: {
        n: closed(
          { v: { type: 'integer' }, kids: { type: 'array', items: { $ref: '#/$defs/n' } } },
          ['v', 'kids'],
        ),
      },
    },
    ['{"v":1,"kids":[{"v":2,"kids":[]}]}'],
    ['{"v":1}', '{"v":1,"kids":[1]}'],
  ],
  [
    '$anchor, $id and pointers with escapes',
    {
      $id: 'https://x.test/root',
      type: 'object',
      properties: {
        a: { $ref: '#pos' },
        b: { $ref: 'https://x.test/root#/$defs/a~1b%20c' },
        c: { $ref: 'part' },
      },
      $defs: {
        p: { $anchor: 'pos', const: 1 },
        'a/b c': { const: 2 },
        d: { $id: 'part', const: 3 },
      },
    },
    ['{"a":1,"b":2,"c":3}'],
    ['{"a":2}', '{"b":1}', '{"c":1}'],
  ],
  [
    'annotations',
    {
      title: 'x',
      description: 'y',
      default: 1,
      examples: [1],
      $comment: 'z',
      deprecated: true,
      readOnly: true,
      'x-own': 1,
      nullable: true,
      type: 'null',
    },
    ['null'],
    ['1'],
  ],
]

describe('a schema takes what meets it, and nothing else', () => {
  it.each(CASES)('%s', (_, given, takes, bars) => {
    const made = schema(given)
    expect(takes.filter(text => !accepts(made, text))).toEqual([])
    expect(bars.filter(text => accepts(made, text))).toEqual([])
  })
})

type Refusal = [name: string, schema: unknown, place: string, keyword?: string]
const REFUSALS: Refusal[] = [
  ['a value that cannot be', false, ''],
  [
    'bounds that cross',
    {
      properties: { a: { type: 'integer', minimum: 3, maximum: 2 } },
      required: ['a'],
      type: 'object',
    },
    '',
  ],
  ['an empty enum', { enum: [] }, '/enum'],
  ['a required name that is barred', closed(A, ['ghost']), ''],
  [
    'a reference that is not there',
    { properties: { a: { $ref: '#/$defs/b' } } },
    '/properties/a/$ref',
  ],
  ['another document', { $ref: 'other.json#/a' }, '/$ref'],
  ['a dynamic reference', { items: { $dynamicRef: '#node' } }, '/items/$dynamicRef', '$dynamicRef'],
  ['a loop', { allOf: [{ $ref: '#' }] }, ''],
  ['a list for properties', { properties: ['a'] }, '/properties'],
  ['a number for a schema', { items: 3 }, '/items'],
  ['a type that is none', { type: ['string', 'text'] }, '/type'],
  ['a negative length', { minLength: -1 }, '/minLength'],
  ['a pattern that is none', { pattern: '[' }, '/pattern'],
  ['a look-behind', { pattern: '(?<=a)b' }, '/pattern', 'pattern'],
  ['a back-reference', { pattern: '(a)\\1' }, '/pattern', 'pattern'],
  ['a format that no automaton knows', { format: 'regex' }, '/format', 'format'],
  [
    'lists that must differ',
    { type: 'array', items: { type: 'array' }, uniqueItems: true },
    '/uniqueItems',
    'uniqueItems',
  ],
  ['a step of too many digits', { multipleOf: 1234567.891 }, '/multipleOf', 'multipleOf'],
]

describe('what is refused', () => {
  it.each(REFUSALS)('%s, by its place', (_, given, place, keyword) => {
    let fault: unknown
    try {
      schema(given)
    } catch (caught) {
      fault = caught
    }
    expect(fault).toBeInstanceOf(GrammarFault)
    expect(fault).toMatchObject({ place, keyword })
  })

  it('passes with strict: false where only we cannot enforce it, and is named', () => {
    for (const [, given, place, keyword] of REFUSALS) {
      if (keyword === undefined) {
        expect(() => schema(given, false)).toThrow(GrammarFault)
        continue
      }
      const { unenforced } = schema(given, false)
      expect(unenforced).toEqual([{ path: place, keyword, reason: expect.any(String) }])
    }
  })

  it('under strict: false the opposite of what is not enforced passes, too', () => {
    const made = schema({ type: 'string', not: { pattern: '(?<=a)b' } }, false)
    expect(accepts(made, '"ab"')).toBe(true)
    expect(made.unenforced).toHaveLength(1)
  })
})
