// Grammars of one kind each, with a text that meets it: what the first masks of a process are measured with. Used by
// fresh.ts.
import type { GrammarSpec } from '../../src/engine/grammar/compile.ts'
import type { Json } from '../../src/engine/grammar/schema/document.ts'

interface Kind {
  readonly spec: GrammarSpec
  readonly text: string
}

const list = (items: Json, more: object = {}): Json => ({ type: 'array', items, ...more })

function schema(schema: Json, text: string): Kind {
  return { spec: { kind: 'schema', strict: true, schema }, text }
}

/** By name. */
export const KINDS: Readonly<Record<string, Kind>> = {
  'bounded strings': schema(
    {
      type: 'object',
      properties: {
        name: { type: 'string', minLength: 1, maxLength: 60 },
        about: { type: 'string', maxLength: 300 },
        code: { type: 'string', minLength: 5, maxLength: 5 },
      },
      required: ['name', 'about', 'code'],
      additionalProperties: false,
    },
    '{"name": "Anna Berg", "about": "She lives by the sea.", "code": "ab 12"}',
  ),
  patterns: schema(
    list({
      anyOf: [
        { type: 'string', pattern: '^[A-Z]{2}-\\d+$' },
        { type: 'string', pattern: '^[a-z ]+$', maxLength: 20 },
        { type: 'string', pattern: '[0-9]{3}-[0-9]{4}' },
      ],
    }),
    '["AB-1234", "abc def", "call 555-1234 now"]',
  ),
  formats: schema(
    list({ anyOf: ['email', 'uri', 'date-time'].map(format => ({ type: 'string', format })) }),
    '["joe.miller@example.org", "https://example.org/a/b?c=d", "2026-02-28T10:00:00Z"]',
  ),
  enums: schema(
    list({ enum: Array.from({ length: 2000 }, (_, i) => `value ${i * 7919}`) }),
    '["value 7919", "value 15838"]',
  ),
  'numbers with bounds': schema(
    list({
      anyOf: [
        { type: 'integer', minimum: -17, maximum: 130_000 },
        { type: 'number', exclusiveMinimum: 0.25, maximum: 1e3, multipleOf: 0.05 },
      ],
    }),
    '[-12, 119000, 0.35, 999.95]',
  ),
  'lists of lists': schema(
    list(list({ type: 'number' }, { minItems: 2, maxItems: 4 }), { minItems: 1, maxItems: 9 }),
    '[[1, 2.5], [-3, 4e2, 7], [0, 1, 2, 3]]',
  ),
  'items that differ': schema(
    list({ type: 'string', minLength: 2, maxLength: 20 }, { uniqueItems: true, maxItems: 8 }),
    '["water", "north sea", "fish", "old towns"]',
  ),
  'a thousand names': schema(
    {
      type: 'object',
      properties: Object.fromEntries(
        Array.from({ length: 1000 }, (_, i) => [`key${i}`, { type: 'integer' }]),
      ),
      additionalProperties: false,
    },
    '{"key5": 1, "key77": 3, "key901": 12}',
  ),
  'names by pattern': schema(
    {
      type: 'object',
      patternProperties: { '^x': { type: 'integer' } },
      additionalProperties: { type: 'string' },
    },
    '{"xa": 12, "b": "hello there", "xyz": 4}',
  ),
  'any JSON': schema({}, '{"answer": {"text": "It is 12 degrees.", "sure": true}, "n": [1, null]}'),
  grammar: {
    spec: {
      kind: 'ebnf',
      root: 'root',
      ebnf: 'root ::= line+\nline ::= name ": " text "\\n"\nname ::= [A-Z] [a-z]{1,20}\ntext ::= [^\\n]*\n',
    },
    text: 'Anna: Is it far?\nBob: No, it is near the sea.\n',
  },
  'grammar of sums': {
    spec: {
      kind: 'ebnf',
      root: 'root',
      ebnf: 'root ::= sum\nsum ::= product (" "? [-+] " "? product)*\nproduct ::= value ("*" value)*\nvalue ::= [0-9]+ ("." [0-9]+)? | [a-z]+ | "(" sum ")"\n',
    },
    text: '(12.5 + apples*3) - (x + 144)*day',
  },
  regex: {
    spec: { kind: 'regex', pattern: '(?:yes|no|perhaps), [a-zA-Z ,]{3,80}[.!?]' },
    text: 'perhaps, if the weather is good and we have time.',
  },
}
