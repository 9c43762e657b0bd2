// Exercises the code that makes masks, so that the first mask of an engine does not pay for code that the JavaScript
// engine has not optimised yet: the first took up to 12.5 ms of 151,936 tokens where later ones take 1.5 (Node, best of 4 processes). On a few of the model's
// tokens, in steps of less than a millisecond. Driven by part.ts while the first grammar is compiled.
import { compile, type GrammarSpec } from './compile.ts'
import { CompiledGrammar } from './run/filter.ts'
import { prepareFreeString } from './run/free-string.ts'
import { Masks } from './run/mask.ts'
import { buildVocabulary, type VocabularySource } from './run/vocabulary.ts'
import type { Json } from './schema/document.ts'
import { Budget, GrammarFault, type Work } from './work.ts'

/** Tokens: enough for tries as they are, few enough that a mask takes a fraction of a millisecond. */
const TOKENS = 2048
/** Of each text. */
const ROUNDS = 4
/** One token of so many is looked up. */
const LOOKED_UP = 64
/** Bytes from one mask to the next. */
const BYTES = 2
const utf8 = new TextEncoder()

/** Texts of every kind that masks know: free, patterned and bounded strings, names, numbers, lists, choices. */
const CASES: readonly (readonly [spec: GrammarSpec, text: string])[] = [
  schemaCase(
    {
      type: 'object',
      properties: {
        name: { type: 'string' },
        code: { type: 'string', pattern: '^[A-Z]{2}-[0-9]+$' },
        short: { type: 'string', maxLength: 12 },
        kind: { enum: ['one', 'two', 'three', null, 4] },
        at: { type: 'string', format: 'date-time' },
        count: { type: 'integer', minimum: 0, maximum: 250 },
        share: { type: 'number' },
        sure: { type: 'boolean' },
        tags: { type: 'array', items: { type: 'string' }, minItems: 1, maxItems: 4 },
        parts: {
          type: 'array',
          items: { type: 'object', properties: { id: { type: 'integer' } } },
        },
      },
      required: ['name', 'code', 'kind', 'count', 'tags'],
    },
    '{"name": "Anna Berg", "code": "AB-12", "short": "a b c", "kind": "two", "at": "2026-02-28T10:00:00Z", "count": 34, "share": -1.5e3, "sure": true, "tags": ["sea", "a fish"], "parts": [{"id": 7}]}',
  ),
  schemaCase(
    { type: 'array', items: { type: 'string' }, uniqueItems: true },
    '["sea", "sun", "see you", "s"]',
  ),
  schemaCase({ type: 'object' }, '{"a": {"b": [1, 2.5, null]}, "c": "d e f", "g": false}'),
  [{ kind: 'regex', pattern: '(yes|no), [a-z ]{3,40}\\.' }, 'yes, it is so.'],
  [
    {
      kind: 'ebnf',
      root: 'root',
      ebnf: 'root ::= (name ": " sum "\\n")+\nname ::= [A-Z] [a-z]{1,9}\nsum ::= value ([-+*] value)*\nvalue ::= [0-9]+ | [^\\n0-9()+*-]+ | "(" sum ")"\n',
    },
    'Area: (width+4)*long\nSize: 3\n',
  ],
]

function schemaCase(schema: Json, text: string): readonly [GrammarSpec, string] {
  return [{ kind: 'schema', strict: true, schema }, text]
}

/** @param source  the tokens of the model */
export function* warmUp(source: VocabularySource): Work<void> {
  const vocabulary = yield* buildVocabulary(fewOf(source))
  yield* prepareFreeString(vocabulary)
  for (const [spec, text] of CASES) {
    try {
      const { grammar } = yield* compile(spec, vocabulary, new Budget())
      for (let round = 0; round < ROUNDS; round++) yield* write(grammar, text)
    } catch (caught) {
      // These tokens cannot write it.
      if (!(caught instanceof GrammarFault)) throw caught
    }
  }
}

/** A text, with states and masks that nobody has made before. */
function* write({ masks: { machine, vocabulary } }: CompiledGrammar, text: string): Work<void> {
  const filter = new CompiledGrammar(new Masks(machine.again(), vocabulary)).begin()
  const bytes = utf8.encode(text)
  const logits = new Float32Array(vocabulary.size)
  for (let at = 0; at < bytes.length; at += BYTES) {
    for (let id = at; id < vocabulary.size; id += LOOKED_UP) filter.allows(id)
    filter.mask(logits)
    if (!filter.acceptBytes(bytes.subarray(at, at + BYTES))) return
    yield
  }
}

/** Every so many of the tokens. */
function fewOf(source: VocabularySource): VocabularySource {
  const every = Math.max(1, Math.floor(source.size / TOKENS))
  const size = Math.floor(source.size / every)
  // Bytes stand at the beginning, where a model has them, behind a few control tokens.
  const of = (id: number) => (id < 300 ? id : id * every)
  return {
    size,
    endTokens: new Set(),
    bytes: id => source.bytes(of(id)),
    isText: id => source.isText(of(id)),
  }
}
