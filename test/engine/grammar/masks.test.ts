// Masks over vocabularies: what the tokens of a mask spell is exactly what the grammar takes next, for
// tokens that hold parts of characters, span signs, are control tokens, or are missing.
import { describe, expect, it } from 'vitest'
import { compile, type GrammarSpec } from '../../../src/engine/grammar/compile.ts'
import { grammarPart } from '../../../src/engine/grammar/part.ts'
import type { CompiledGrammar, GrammarFilter } from '../../../src/engine/grammar/run/filter.ts'
import { LookUp } from '../../../src/engine/grammar/run/look-up.ts'
import type { Json } from '../../../src/engine/grammar/schema/document.ts'
import { Budget, finish } from '../../../src/engine/grammar/work.ts'
import { tokenizerFromGguf } from '../../../src/tokenizer/from-gguf.ts'
import { EMBEDDED_MODEL, readMetadata } from '../../tokenizer/gguf-metadata.ts'
import { accepts, compiled, SMALL, schema, vocabularyFrom, vocabularyOf } from './support.ts'
import { randomFrom, walk } from './walk.ts'

const tokenizer = tokenizerFromGguf(readMetadata(EMBEDDED_MODEL))
const TALES = vocabularyFrom({
  size: tokenizer.vocabSize,
  endTokens: tokenizer.endTokens,
  bytes: id => tokenizer.tokenBytes(id),
  isText: id => tokenizer.isText(id),
})

const SPECS: Record<string, GrammarSpec> = {
  'any object': { kind: 'schema', schema: { type: 'object' }, strict: true },
  'names that differ': {
    kind: 'schema',
    schema: { type: 'object', minProperties: 2, additionalProperties: { type: 'integer' } },
    strict: true,
  },
  'names of two letters that differ': {
    kind: 'schema',
    schema: {
      type: 'object',
      minProperties: 4,
      patternProperties: { '^[ab][ab]$': { type: 'null' } },
      additionalProperties: false,
    },
    strict: true,
  },
  'items that differ': {
    kind: 'schema',
    schema: {
      type: 'array',
      uniqueItems: true,
      minItems: 6,
      items: {
        anyOf: [
          { enum: ['a', 'ab', 'b', 'é'] },
          { type: 'integer', minimum: 8, maximum: 12 },
          { type: 'boolean' },
        ],
      },
    },
    strict: true,
  },
  'strings of bounded length': {
    kind: 'schema',
    schema: {
      type: 'array',
      items: { type: 'string', minLength: 2, maxLength: 5 },
      minItems: 2,
      maxItems: 3,
    },
    strict: true,
  },
  'a pattern and a length': {
    kind: 'schema',
    schema: { type: 'string', pattern: '^([a-z]{2} )*x$', minLength: 8, maxLength: 20 },
    strict: true,
  },
  'a search in a text of bounded length': {
    kind: 'schema',
    schema: { type: 'string', pattern: '[0-9]{3}-', minLength: 6, maxLength: 11 },
    strict: true,
  },
  'lengths that only some sums reach': {
    kind: 'schema',
    schema: { type: 'string', pattern: '^(abc|é😀)*$', minLength: 4, maxLength: 9 },
    strict: true,
  },
  'strings of one of several patterns and lengths': {
    kind: 'schema',
    schema: {
      type: 'array',
      items: {
        anyOf: [
          { type: 'string', pattern: '^[a-z ]+$', maxLength: 6 },
          { type: 'string', pattern: '^[0-9]{2}é', maxLength: 9 },
          { enum: ['a"b', 'c\\d', 'once'] },
        ],
      },
    },
    strict: true,
  },
  'strings of bounded length that differ': {
    kind: 'schema',
    schema: {
      type: 'array',
      items: { type: 'string', minLength: 1, maxLength: 4 },
      uniqueItems: true,
      minItems: 2,
    },
    strict: true,
  },
  'everything but some letters beyond ASCII': {
    kind: 'schema',
    schema: { type: 'array', items: { type: 'string', pattern: '^[^a-cйж😀]*$', maxLength: 30 } },
    strict: true,
  },
  'a class and a greatest length': {
    kind: 'schema',
    schema: { type: 'array', items: { type: 'string', pattern: '^[a-zé ]+$', maxLength: 4 } },
    strict: true,
  },
  'two kinds of object': {
    kind: 'schema',
    schema: {
      oneOf: [
        {
          type: 'object',
          properties: { kind: { const: 'a' }, v: { type: 'number' } },
          required: ['kind', 'v'],
        },
        {
          type: 'object',
          properties: { kind: { const: 'ab' }, v: { type: 'string' } },
          required: ['kind', 'v'],
        },
      ],
    },
    strict: true,
  },
  'a class of letters of two to four bytes': { kind: 'regex', pattern: '[é-ü一-龥😀-🙏]{2,5}' },
  'lines of names and any text': {
    kind: 'ebnf',
    ebnf: 'root ::= line+\nline ::= name ": " text "\\n"\nname ::= [A-Z] [a-zé]{1,3}\ntext ::= [^\\n]*\n',
    root: 'root',
  },
  'sums of words and numbers, in brackets': {
    kind: 'ebnf',
    ebnf: 'root ::= value (" "? [-+] " "? value)*\nvalue ::= [0-9]+ | [a-z]+ | [À-ÿ一-龥]{2,4} | "(" root ")"\n',
    root: 'root',
  },
  'text without a quote': {
    kind: 'ebnf',
    ebnf: 'root ::= "\\"" [^"\\n]* "\\"" ("," root)?',
    root: 'root',
  },
  'names in order, some of them required, one without a value that ends': {
    kind: 'schema',
    schema: {
      $defs: {
        never: {
          type: 'object',
          properties: { again: { $ref: '#/$defs/never' } },
          required: ['again'],
        },
      },
      type: 'object',
      properties: {
        a: { type: 'integer' },
        ab: { type: 'null' },
        abc: { type: 'boolean' },
        'a"': { type: 'null' },
        need: { type: 'null' },
        nea: { type: 'integer' },
        ne: { type: 'null' },
        é: { type: 'null' },
        never: { $ref: '#/$defs/never' },
      },
      required: ['need'],
      additionalProperties: { type: 'boolean' },
    },
    strict: true,
  },
  'letters of any script, marks and digits': {
    kind: 'regex',
    pattern: '\\p{Lu}[\\p{L}\\p{M} ]{1,6}(?:, [\\p{L}\\p{N}]{0,5}){0,2}\\.',
  },
  'strings of any script, with escapes': {
    kind: 'schema',
    schema: {
      type: 'array',
      items: { type: 'string', pattern: '^[\\p{L}"\\\\\\n ]*$', maxLength: 5 },
    },
    strict: true,
  },
  'cells of a table': {
    kind: 'ebnf',
    ebnf: 'root ::= line{1,300}\nline ::= cell ("," cell){2} "\\r"? "\\n"\ncell ::= [^",\\r\\n]{0,6} | "\\"" ([^"] | "\\"\\"")* "\\""\n',
    root: 'root',
  },
  'a rule that is left recursive around regular ones': {
    kind: 'ebnf',
    ebnf: 'root ::= root ws op ws word | word\nop ::= [-+*/]\nword ::= [a-z]* | "(" root ")" | num\nnum ::= [0-9]{1,3} ("." [0-9]*)?\nws ::= [ \\t\\n]*\n',
    root: 'root',
  },
  sums: { kind: 'ebnf', ebnf: 'root ::= root "+" root | "(" root ")" | [0-9]+', root: 'root' },
}

/** What each token of the vocabulary does, byte by byte: the truth that masks are held against. */
function oneByOne(filter: GrammarFilter, vocabulary: typeof SMALL): number[] {
  const found: number[] = []
  for (let id = 0; id < vocabulary.size; id++) {
    if (vocabulary.endTokens.has(id)) {
      if (filter.complete) found.push(id)
    } else if (vocabulary.isText(id) && vocabulary.bytesOf(id).length > 0) {
      if (filter.fork().acceptBytes(vocabulary.bytesOf(id))) found.push(id)
    }
  }
  return found
}

function idsOf(mask: Uint32Array): number[] {
  const ids: number[] = []
  for (let id = 0; id < mask.length * 32; id++) if (mask[id >> 5] & (1 << (id & 31))) ids.push(id)
  return ids
}

/** What is said of each token by itself, as its bit in the mask says; ids beyond the vocabulary are padding. */
function lookedUp({ masks }: CompiledGrammar, filter: GrammarFilter): number[] {
  const lookUp = new LookUp(masks.machine, masks.vocabulary)
  const ids = Array.from({ length: masks.vocabulary.size + 40 }, (_, id) => id)
  return ids.filter(id => lookUp.allows(filter.state, id))
}

/**
 * The mask is the truth, but for tokens that hold a whole name or item, quotes and all, where these must
 * differ: they are left out, as smaller tokens write the same.
 */
function compare(grammar: CompiledGrammar, filter: GrammarFilter): void {
  const { vocabulary } = grammar.masks
  expect(lookedUp(grammar, filter)).toEqual(idsOf(filter.allowed()))
  const allowed = new Set(idsOf(filter.allowed()))
  const truth = oneByOne(filter, vocabulary)
  expect(truth).toEqual(expect.arrayContaining([...allowed]))
  const text = (id: number) => new TextDecoder().decode(Uint8Array.from(vocabulary.bytesOf(id)))
  expect(truth.filter(id => !allowed.has(id) && !/".*"/s.test(text(id)))).toEqual([])
}

describe('the mask of every state of a walk is what tokens do one by one', () => {
  it.each(Object.keys(SPECS))('%s', name => {
    for (const vocabulary of [SMALL, TALES]) {
      // One by one is slow in the larger one.
      for (const seed of vocabulary === SMALL ? [1, 2, 3] : [1, 2]) {
        const { grammar } = compiled(SPECS[name], vocabulary, seed > 1)
        const random = randomFrom(seed)
        const { tokens } = walk(grammar, random, 12, 60)
        const filter = grammar.begin()
        // Every third state.
        tokens.slice(0, 24).forEach((token, i) => {
          if (i % 3 === seed % 3) compare(grammar, filter)
          filter.accept(token)
        })
      }
    }
  })
})

/** A pattern of a few kinds of characters, repeated and chosen. */
function randomPattern(random: () => number, depth = 1): string {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!
  const part = (): string => {
    if (depth > 0 && random() < 0.25) return `(?:${randomPattern(random, depth - 1)})`
    return pick([
      '[a-z]',
      '[A-Z]',
      '\\d',
      ' ',
      'a',
      'th',
      '[^,"]',
      '\\p{L}',
      '[é-ü]',
      '.',
      '[^a-e]',
      '"',
      '\\\\',
    ])
  }
  const counted = () => `${part()}${pick(['', '', '+', '*', '?', '{1,3}', '{2,7}', '{0,12}'])}`
  const row = () => Array.from({ length: 1 + Math.floor(random() * 3) }, counted).join('')
  return Array.from({ length: random() < 0.3 ? 2 : 1 }, row).join('|')
}

describe('masks of random patterns are what tokens do one by one', () => {
  it.each(Array.from({ length: 24 }, (_, seed) => seed))('seed %i', seed => {
    const random = randomFrom(seed + 100)
    const pattern = randomPattern(random)
    const bounds: Record<string, Json> =
      random() < 0.5 ? { maxLength: 3 + Math.floor(random() * 9) } : {}
    const items: Json = { type: 'string', pattern: `^(?:${pattern})$`, ...bounds }
    const specs: GrammarSpec[] = [
      { kind: 'regex', pattern },
      { kind: 'schema', schema: { type: 'array', items, maxItems: 2 }, strict: true },
    ]
    for (const spec of specs) {
      const { grammar } = compiled(spec, TALES)
      const { tokens } = walk(grammar, randomFrom(seed), 8, 40)
      const filter = grammar.begin()
      tokens.slice(0, 9).forEach((token, i) => {
        if (i % 3 === 1) compare(grammar, filter)
        filter.accept(token)
      })
    }
  })
})

describe('masks that were prepared, over many tokens', () => {
  const letters = [...'etaoin shrdlu:,"{}[]019é的']
  const random = randomFrom(9)
  const words = Array.from({ length: 21_000 }, () =>
    Array.from(
      { length: 2 + Math.floor(random() * 5) },
      () => letters[Math.floor(random() * letters.length)]!,
    ).join(''),
  )
  const many = vocabularyOf([...new Set(words)])

  it.each(Object.keys(SPECS))('%s: are those of a grammar without', name => {
    const [with_, without] = [true, false].map(prepared => compiled(SPECS[name], many, prepared))
    const filters = [with_.grammar.begin(), without.grammar.begin()]
    for (const token of walk(with_.grammar, randomFrom(4), 6, 40).tokens.slice(0, 12)) {
      const [a, b] = filters.map(filter => filter.allowed())
      expect(a).toEqual(b)
      for (const filter of filters) filter.accept(token)
    }
  })
})

describe('preparing a vocabulary', () => {
  // It exercises masks on a part of the tokens, which may write no JSON, or nothing.
  it.each<[string, string[]]>([
    ['without tokens', []],
    ['of a few letters', ['a', 'b', 'ab']],
    ['of words, without bytes', ['a', 'b', ...Array.from({ length: 25_000 }, (_, i) => `w${i}`)]],
  ])('%s works, in many pieces', (_, texts) => {
    const utf8 = new TextEncoder()
    const tokens = texts.map(text => utf8.encode(text))
    const source = {
      size: tokens.length + 1,
      endTokens: new Set([tokens.length]),
      bytes: (id: number) => tokens[id] ?? new Uint8Array(),
      isText: (id: number) => id < tokens.length,
    }
    const vocabulary = finish(grammarPart.vocabulary(source))
    if (texts.length === 0) return
    const spec = { kind: 'regex', pattern: '[a-z]{1,3}' } as const
    const { grammar } = finish(compile(spec, vocabulary, new Budget()))
    const want = texts.flatMap((text, id) => (/^[a-z]{1,3}$/.test(text) ? [id] : []))
    expect(idsOf(grammar.begin().allowed())).toEqual(want)
  })
})

describe('masks', () => {
  it('hold no control, added, unknown or padding token, in free text either', () => {
    const { grammar } = finish(compile({ kind: 'regex', pattern: '[^]*' }, TALES, new Budget()))
    const allowed = idsOf(grammar.begin().allowed())
    expect(allowed.every(id => tokenizer.isText(id) || tokenizer.endTokens.has(id))).toBe(true)
    // Many tokens are parts of characters: the last byte of one does not begin a text.
    expect(allowed.length).toBeGreaterThan(3500)
    const logits = new Float32Array(tokenizer.vocabSize + 100)
    grammar.begin().mask(logits)
    expect(logits.slice(tokenizer.vocabSize).every(x => x === Number.NEGATIVE_INFINITY)).toBe(true)
    const passes = (x: number, id: number) =>
      grammar.begin().allows(id) === x > Number.NEGATIVE_INFINITY
    expect(logits.every(passes)).toBe(true)
  })

  it('are given up where they take long, and are whole when they are asked for again', () => {
    const spec = { kind: 'regex', pattern: '[a-z ]*(?:x|[^a]{2,9})[a-z]+' } as const
    const { grammar } = compiled(spec, TALES, false)
    const filter = grammar.begin()
    const logits = new Float32Array(TALES.size).fill(1)
    // The clock has passed at the first look.
    expect(filter.mask(logits, -1)).toBe(false)
    expect(logits.every(x => x === 1)).toBe(true)
    expect(filter.mask(logits)).toBe(true)
    const left = Array.from(logits.keys()).filter(id => logits[id] === 1)
    expect(left).toEqual(lookedUp(grammar, filter))
    expect(left.length).toBeGreaterThan(100)
    // It is kept now.
    expect(filter.mask(logits, -1)).toBe(true)
  })

  it('of a fork and of what it is restored to are those of the state', () => {
    const { grammar } = schema({ type: 'array', items: { type: 'integer' }, uniqueItems: true })
    const filter = grammar.begin()
    const utf8 = new TextEncoder()
    filter.acceptBytes(utf8.encode('[1,2,'))
    const fork = filter.fork()
    expect(fork.acceptBytes(utf8.encode('3,4]'))).toBe(true)
    expect(fork.complete).toBe(true)
    expect(filter.complete).toBe(false)
    expect(filter.fork().acceptBytes(utf8.encode('1]'))).toBe(false)
    expect(filter.acceptBytes(utf8.encode('5'))).toBe(true)
    filter.restore(fork)
    expect(filter.complete).toBe(true)
  })

  it('are kept in bounded memory, and right after being forgotten', () => {
    const { grammar } = schema({ type: 'object', additionalProperties: { type: 'string' } })
    const { machine } = grammar.masks
    const utf8 = new TextEncoder()
    const filter = grammar.begin()
    expect(filter.acceptBytes(utf8.encode('{'))).toBe(true)
    for (let i = 0; i < 300; i++) {
      expect(
        filter.acceptBytes(utf8.encode(`${i ? ',' : ''}"name ${i}":"${'x'.repeat(50)}"`)),
      ).toBe(true)
      if (i % 50 === 0) machine.forget()
    }
    expect(filter.fork().acceptBytes(utf8.encode(',"name 7":"x"'))).toBe(false)
    expect(filter.acceptBytes(utf8.encode(',"name x":"y"}'))).toBe(true)
    expect(filter.complete).toBe(true)
  })
})

describe('a vocabulary that lacks bytes', () => {
  const chars = [...'{}[]:,"\\-+.0123456789 abcdefghijklmnopqrstuvwxyzAE', 'é']
  const texts = [...chars, 'ab', '{"', '":', 'cé', 'über']
  const tokens = texts.map(text => new TextEncoder().encode(text))
  const odd = vocabularyFrom({
    size: tokens.length + 1,
    endTokens: new Set([tokens.length]),
    bytes: id => tokens[id] ?? new Uint8Array(),
    isText: id => id < tokens.length,
  })

  it('writes what it has, and the rest of JSON strings as escapes', () => {
    const spec = {
      type: 'object',
      properties: { ü: { enum: ['é', 'ß'] }, s: { type: 'string' } },
      required: ['ü', 's'],
      additionalProperties: false,
    }
    const made = compiled({ kind: 'schema', schema: spec, strict: true }, odd)
    expect(accepts(made, '{"\\u00fc":"é","s":"abcé"}')).toBe(true)
    expect(accepts(made, '{"\\u00fc":"\\u00df","s":"\\u00dF"}')).toBe(true)
    expect(accepts(made, '{"\\u00fc":"ß","s":""}')).toBe(false)
    expect(accepts(made, '{"\\u00fc":"é","s":"Z"}')).toBe(false)
    for (let seed = 0; seed < 8; seed++) {
      const { text, complete } = walk(made.grammar, randomFrom(seed), 20)
      expect(complete).toBe(true)
      expect(Object.keys(JSON.parse(text))).toEqual(['ü', 's'])
    }
  })

  it('is refused what it cannot write', () => {
    expect(() => compiled({ kind: 'regex', pattern: 'aßb' }, odd)).toThrow('cannot be met')
    expect(accepts(compiled({ kind: 'regex', pattern: 'a[ßé]' }, odd), 'aé')).toBe(true)
    expect(accepts(compiled({ kind: 'regex', pattern: 'a[ßé]' }, odd), 'aß')).toBe(false)
    expect(() =>
      compiled({ kind: 'ebnf', ebnf: 'root ::= "a" | "Z" root', root: 'root' }, odd),
    ).not.toThrow()
    const few = vocabularyFrom({
      size: 3,
      endTokens: new Set([2]),
      bytes: id => Uint8Array.of(97 + id),
      isText: id => id < 2,
    })
    expect(() => compiled({ kind: 'schema', schema: true, strict: true }, few)).toThrow(
      'no token of this model',
    )
  })
})

it('a vocabulary with two tokens of the same bytes allows both', () => {
  const { grammar } = compiled({ kind: 'regex', pattern: 'abc' }, vocabularyOf(['abc', 'abc']))
  expect(idsOf(grammar.begin().allowed())).toEqual([97, 256, 257])
})
