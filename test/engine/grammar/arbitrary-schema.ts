// Random schemas over every keyword that is enforced, and random values that often meet them: names,
// texts and numbers come from small pools. For schema-fuzz.test.ts.
import fc from 'fast-check'

export type JsonValue =
  | null
  | boolean
  | number
  | string
  | JsonValue[]
  | { [key: string]: JsonValue }
export type Schema = boolean | { [keyword: string]: unknown }

const NAMES = ['a', 'b', 'c', 'x-1', 'é"', '$ref']
const TEXTS = ['', 'a', 'ab', 'abc', 'x-1', 'é', '😀', '12', 'a"b', '2026-02-28', 'a@b.co']
const NUMBERS = [-3, -1, 0, 1, 2, 3, 5, 10, 0.5, 1.5, -0.25, 100]
const PATTERNS = ['^a', 'b$', '^[a-c]*$', '\\d', '^x-', '^(a|ab)(c|bcd)?$', '^.{1,3}$', '[^a]']
const FORMATS = ['date', 'email', 'uuid', 'ipv4', 'uri', 'date-time', 'unheard-of']
const TYPES = ['null', 'boolean', 'number', 'integer', 'string', 'array', 'object']

const name = fc.constantFrom(...NAMES)
const text = fc.constantFrom(...TEXTS)
const number = fc.constantFrom(...NUMBERS)
const count = fc.integer({ min: 0, max: 4 })

export const value: fc.Arbitrary<JsonValue> = fc.letrec<{ value: JsonValue }>(tie => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom<JsonValue>(null, true, false),
    number,
    text,
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(name, tie('value'), { maxKeys: 4, noNullPrototype: true }),
  ),
})).value

/** Some keywords of a kind, each now and then. */
function some(
  keywords: Record<string, fc.Arbitrary<unknown>>,
): fc.Arbitrary<Record<string, unknown>> {
  return fc.record(keywords, { requiredKeys: [], noNullPrototype: true })
}

const numbers = some({
  minimum: number,
  maximum: number,
  exclusiveMinimum: number,
  exclusiveMaximum: number,
  multipleOf: fc.constantFrom(1, 2, 3, 0.5, 0.25, 0.1),
})
const strings = some({
  minLength: count,
  maxLength: count,
  pattern: fc.constantFrom(...PATTERNS),
  format: fc.constantFrom(...FORMATS),
})

/** Draws at most two of the keywords, so that schemas can be met more often than not. */
function few(all: fc.Arbitrary<Record<string, unknown>>): fc.Arbitrary<Record<string, unknown>> {
  return fc.tuple(all, fc.infiniteStream(fc.nat())).map(([keywords, order]) => {
    const keys = Object.keys(keywords)
    const kept = new Set<string>()
    for (let i = 0; i < 2 && keys.length > 0; i++) {
      const at = order.next().value! % keys.length
      kept.add(keys.splice(at, 1)[0])
    }
    return Object.fromEntries(Object.entries(keywords).filter(([key]) => kept.has(key)))
  })
}

export const schema: fc.Arbitrary<Schema> = fc.letrec<{ schema: Schema }>(tie => {
  const sub = tie('schema')
  const subs = fc.array(sub, { minLength: 1, maxLength: 3 })
  const byName = fc.dictionary(name, sub, { maxKeys: 3, noNullPrototype: true })
  const names = fc.uniqueArray(name, { maxLength: 2 })
  const objects = some({
    properties: byName,
    patternProperties: fc.dictionary(fc.constantFrom(...PATTERNS), sub, {
      maxKeys: 2,
      noNullPrototype: true,
    }),
    additionalProperties: sub,
    required: names,
    propertyNames: fc.oneof(strings, sub),
    minProperties: fc.integer({ min: 0, max: 2 }),
    maxProperties: count,
    dependentRequired: fc.dictionary(name, names, { maxKeys: 2, noNullPrototype: true }),
    dependentSchemas: fc.dictionary(name, sub, { maxKeys: 1, noNullPrototype: true }),
    unevaluatedProperties: sub,
  })
  const arrays = some({
    prefixItems: subs,
    items: sub,
    contains: sub,
    minContains: fc.integer({ min: 0, max: 2 }),
    maxContains: fc.integer({ min: 0, max: 2 }),
    minItems: fc.integer({ min: 0, max: 2 }),
    maxItems: count,
    uniqueItems: fc.boolean(),
    unevaluatedItems: sub,
  })
  const combined = some({
    allOf: subs,
    anyOf: subs,
    oneOf: subs,
    not: sub,
    if: sub,
    // biome-ignore lint/suspicious/noThenProperty: the keyword is called so
    then: sub,
    else: sub,
    $ref: fc.constantFrom('#/$defs/d', '#anchor', '#'),
  })
  const typed = fc
    .oneof(
      fc.tuple(fc.constant('number'), few(numbers)),
      fc.tuple(fc.constant('integer'), few(numbers)),
      fc.tuple(fc.constant('string'), few(strings)),
      fc.tuple(fc.constant('array'), few(arrays)),
      fc.tuple(fc.constant('object'), few(objects)),
    )
    .map(([type, rest]) => ({ type, ...rest }))
  return {
    schema: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      { weight: 1, arbitrary: fc.boolean() },
      {
        weight: 2,
        arbitrary: fc.record({ type: fc.constantFrom(...TYPES) }, { noNullPrototype: true }),
      },
      {
        weight: 2,
        arbitrary: fc.record(
          { enum: fc.array(value, { minLength: 1, maxLength: 4 }) },
          { noNullPrototype: true },
        ),
      },
      { weight: 1, arbitrary: fc.record({ const: value }, { noNullPrototype: true }) },
      { weight: 6, arbitrary: typed },
      // Without a type, every keyword speaks of its own type only.
      {
        weight: 2,
        arbitrary: fc
          .tuple(few(numbers), few(strings), few(objects))
          .map(parts => Object.assign({}, ...parts)),
      },
      {
        weight: 3,
        arbitrary: fc
          .tuple(few(combined), fc.oneof(typed, fc.constant({})))
          .map(([a, b]) => ({ ...b, ...a })),
      },
    ),
  }
}).schema

/** A whole schema: one with definitions to refer to. */
export const document: fc.Arbitrary<Schema> = fc.tuple(schema, schema).map(([root, d]) =>
  typeof root === 'boolean'
    ? root
    : {
        ...root,
        $defs: { d: d === false ? true : d, e: { $anchor: 'anchor', type: ['string', 'null'] } },
      },
)
