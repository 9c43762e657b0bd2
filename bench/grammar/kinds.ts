// Grammars of one kind each, with a text that meets it: what a format adds to a token is measured with. Used by
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
  // From here on: kinds that nothing was tuned for.
  'regex of dates': {
    spec: {
      kind: 'regex',
      pattern:
        '(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), )?(?:0[1-9]|[12]\\d|3[01]) (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \\d{4}(?: at (?:[01]\\d|2[0-3]):[0-5]\\d)?(?:, \\S[^\\n]{0,40})?',
    },
    text: 'Sat, 28 Nov 2026 at 20:15, in the old town hall',
  },
  'a tree of $ref': schema(
    {
      $defs: {
        node: {
          type: 'object',
          properties: {
            label: { type: 'string', minLength: 1, maxLength: 40 },
            weight: { type: 'number', minimum: 0, maximum: 1 },
            children: { type: 'array', items: { $ref: '#/$defs/node' }, maxItems: 5 },
            meta: { type: 'object', additionalProperties: { $ref: '#/$defs/leaf' } },
          },
          required: ['label'],
          additionalProperties: false,
        },
        leaf: { anyOf: [{ type: 'null' }, { type: 'string' }, { $ref: '#/$defs/node' }] },
      },
      $ref: '#/$defs/node',
    },
    '{"label": "root", "children": [{"label": "a", "weight": 0.25, "children": [{"label": "deep down", "meta": {"k": {"label": "x"}, "z": null}}]}]}',
  ),
  'EBNF of SQL': {
    spec: {
      kind: 'ebnf',
      root: 'root',
      ebnf: `root ::= "SELECT " columns " FROM " name (" JOIN " name " ON " condition)* (" WHERE " condition)? (" ORDER BY " name (" ASC" | " DESC")?)? (" LIMIT " [0-9]{1,5})? ";"
columns ::= "*" | column (", " column)*
column ::= name ("." name)? | ("COUNT" | "SUM" | "MIN") "(" (column | "*") ")"
name ::= [a-zA-Z_] [a-zA-Z0-9_]{0,30}
condition ::= test ((" AND " | " OR ") test)*
test ::= operand " "? ("=" | "<>" | "<=" | ">=" | "<" | ">" | " LIKE ") " "? operand | "NOT " test | "(" condition ")"
operand ::= column | "-"? [0-9]+ ("." [0-9]+)? | "'" ([^'\\n] | "''")* "'" | "(" root ")"
`,
    },
    text: "SELECT name, COUNT(*) FROM users JOIN orders ON users.id = orders.user WHERE (age >= 21 AND city LIKE 'New%') OR NOT x = 'it''s' ORDER BY name DESC LIMIT 20;",
  },
  'EBNF of CSV': {
    spec: {
      kind: 'ebnf',
      root: 'root',
      ebnf: `root ::= line{1,2000}
line ::= cell ("," cell){5} "\\r"? "\\n"
cell ::= [^",\\r\\n]{0,40} | "\\"" ([^"] | "\\"\\"")* "\\""
`,
    },
    text: '1,Anna Berg,"12 Sea Road, ""Old Town""",Bergen,,7\n2,Bob,x,y,z,\n',
  },
  'regex of any script': {
    spec: {
      kind: 'regex',
      pattern: "\\p{Lu}[\\p{L}\\p{M}' -]{1,30}(?:, \\p{L}[\\p{L}\\p{N} ]{0,60}){0,4}\\.",
    },
    text: "Анна O'Neill, дом у моря, étage 4, 北京的大学.",
  },
  'several patterns of names': schema(
    {
      type: 'object',
      properties: { id: { type: 'integer' } },
      patternProperties: {
        '^x-': { type: 'string', maxLength: 50 },
        _at$: { type: 'string', format: 'date' },
        '^[A-Z_]+$': { type: 'number' },
      },
      additionalProperties: { type: 'array', items: { type: 'number' } },
    },
    '{"id": 4, "x-note": "to be read", "made_at": "2026-11-28", "MAX_SIZE": 12.5, "list": [1, 2]}',
  ),
  'long words': schema(
    list({
      enum: Array.from(
        { length: 500 },
        (_, i) => `The ${i % 7} of ${i * 31} things that were said about number ${i} of the list`,
      ),
    }),
    '["The 3 of 93 things that were said about number 3 of the list", "The 1 of 31 things that were said about number 1 of the list"]',
  ),
  'names to numbers': schema(
    {
      type: 'object',
      additionalProperties: { type: 'number', minimum: -90, maximum: 90 },
      minProperties: 2,
      maxProperties: 30,
      propertyNames: { maxLength: 24 },
    },
    '{"north of the river": 52.5, "south": -33.25, "a": 0}',
  ),
  'many optional fields': schema(
    {
      type: 'object',
      properties: Object.fromEntries(
        Array.from({ length: 120 }, (_, i): [string, Json] => [
          `${['user', 'item', 'order', 'page'][i % 4]}_${i}`,
          i % 3 === 0 ? { type: 'string', maxLength: 80 } : { type: ['number', 'null'] },
        ]),
      ),
      required: ['user_20', 'page_103'],
    },
    '{"user_0": "anna", "item_1": null, "user_20": 1, "item_25": 3.5, "page_103": 7, "other": [true]}',
  ),
}
