// Schemas, patterns and grammars made to hang an engine: each compiles or is refused within a bounded
// number of steps, in short pieces, and what compiles runs in bounded steps, too.
import { describe, expect, it } from 'vitest'
import { compile, type GrammarSpec } from '../../../src/engine/grammar/compile.ts'
import type { CompiledGrammar } from '../../../src/engine/grammar/run/filter.ts'
import { Budget, GrammarFault } from '../../../src/engine/grammar/work.ts'
import { SMALL } from './support.ts'
import { randomFrom, walk } from './walk.ts'

const times = <T>(n: number, make: (i: number) => T): T[] =>
  Array.from({ length: n }, (_, i) => make(i))
const keyed = (n: number, make: (i: number) => unknown) =>
  Object.fromEntries(times(n, i => [`property-${i}`, make(i)]))
const nest = (n: number, inner: unknown, wrap: (inner: unknown) => unknown): unknown => {
  let made = inner
  for (let i = 0; i < n; i++) made = wrap(made)
  return made
}
const closed = (properties: object, required: string[]) => ({
  type: 'object',
  properties,
  required,
  additionalProperties: false,
})

const SCHEMAS: Record<string, unknown> = {
  'recursion without end': {
    $defs: { n: closed({ n: { $ref: '#/$defs/n' } }, ['n']) },
    $ref: '#/$defs/n',
  },
  'two that need each other': {
    $defs: {
      a: closed({ b: { $ref: '#/$defs/b' } }, ['b']),
      b: closed({ a: { $ref: '#/$defs/a' } }, ['a']),
    },
    $ref: '#/$defs/a',
  },
  'a reference to itself': { $ref: '#' },
  'allOf of itself': { allOf: [{ type: 'object' }, { $ref: '#' }] },
  'not itself': { not: { $ref: '#' } },
  'oneOf itself': { oneOf: [{ type: 'null' }, { $ref: '#' }] },
  'a chain of 5,000 references': {
    $defs: Object.fromEntries(
      times(5000, i => [`r${i}`, i === 4999 ? { type: 'null' } : { $ref: `#/$defs/r${i + 1}` }]),
    ),
    $ref: '#/$defs/r0',
  },
  '10,000 optional properties': {
    type: 'object',
    properties: keyed(10_000, () => ({ type: 'integer' })),
  },
  '10,000 required properties': closed(
    keyed(10_000, () => ({ type: 'boolean' })),
    times(10_000, i => `property-${i}`),
  ),
  '2,000 properties, counted': {
    ...closed(
      keyed(2000, () => true),
      [],
    ),
    minProperties: 500,
    maxProperties: 900,
  },
  '390 levels': nest(390, { type: 'null' }, a => closed({ a }, ['a'])),
  '5,000 levels': nest(5000, { type: 'null' }, a => closed({ a }, ['a'])),
  '20,000 words': { enum: times(20_000, i => `word number ${i * 7919}`) },
  '3,000 numbers': { enum: times(3000, i => i * 1.37) },
  '800 kinds of object': {
    anyOf: times(800, i => closed({ kind: { const: `k${i}` }, v: { type: 'string' } }, ['kind'])),
  },
  '40 that overlap, exactly one': {
    oneOf: times(40, i => ({ type: 'object', required: [`p${i}`] })),
  },
  '2^20 combinations': {
    allOf: times(20, i => ({ anyOf: [{ required: [`a${i}`] }, { required: [`b${i}`] }] })),
  },
  '2^20 combinations of patterns': {
    type: 'string',
    allOf: times(20, i => ({ anyOf: [{ pattern: `a${i}` }, { pattern: `b${i}` }] })),
  },
  'a hundred nots': nest(100, { type: 'string', minLength: 2 }, not => ({ not })),
  '30 ifs in each other': nest(30, { type: 'string' }, inner => ({
    if: { minProperties: 1 },
    // biome-ignore lint/suspicious/noThenProperty: the keyword is called so
    then: inner,
    else: { not: inner },
  })),
  '60 dependent schemas': {
    type: 'object',
    dependentSchemas: keyed(60, i => ({ required: [`p${i}`] })),
  },
  '20 overlapping patterns of names': {
    type: 'object',
    patternProperties: Object.fromEntries(times(20, i => [`${i}.*${19 - i}`, { type: 'integer' }])),
  },
  'unevaluated beside 20 branches': {
    anyOf: times(20, i => ({ properties: { [`p${i}`]: { type: 'null' } } })),
    unevaluatedProperties: false,
  },
  'nested plus': { type: 'string', pattern: '^(a+)+$' },
  'equal alternatives': { type: 'string', pattern: '^(a|a|aa)*b$' },
  'stars of stars': { type: 'string', pattern: '(.*)*(.*)*x' },
  'two to the twenty': { type: 'string', pattern: '(a|b)*a(a|b){20}$' },
  'a million letters': { type: 'string', pattern: '^a{1000000}$' },
  'many letters of any script': { type: 'string', pattern: '^(\\p{L}{1,50} ){1,50}$' },
  'a long pattern': {
    type: 'string',
    pattern: times(20_000, i => String.fromCharCode(97 + (i % 26))).join(''),
  },
  'a pattern and a length without end': {
    type: 'string',
    pattern: '^([a-z]{3})*$',
    minLength: 7,
    maxLength: 2 ** 31 - 1,
  },
  'a length that no automaton holds': {
    type: 'string',
    pattern: '^(a{7}|b{11}|c{13}|d{17})*$',
    minLength: 5000,
    maxLength: 5001,
  },
  'two billion letters': { type: 'string', minLength: 2 ** 31 },
  'as many items as there are numbers': {
    type: 'array',
    maxItems: Number.MAX_SAFE_INTEGER,
    minItems: 1e9,
  },
  'a million names': { type: 'object', minProperties: 1e6 },
  'a billion names': { type: 'object', maxProperties: 1e9 },
  'a billion of a kind': {
    type: 'array',
    contains: { type: 'null' },
    minContains: 1e6,
    maxContains: 1e9,
  },
  '10,000 places': { type: 'array', prefixItems: times(10_000, () => ({ type: 'integer' })) },
  'five thousand that differ': {
    type: 'array',
    items: { enum: times(5000, i => `v${i}`) },
    uniqueItems: true,
    minItems: 100,
  },
  'more that differ than there are': {
    type: 'array',
    items: { type: 'boolean' },
    uniqueItems: true,
    minItems: 3,
  },
  'a tiny step': { type: 'number', multipleOf: 1e-300 },
  'a strange step': { type: 'number', multipleOf: 123456789.123 },
  'a huge step': { type: 'number', multipleOf: 1e300 },
  'many steps': { type: 'integer', allOf: [7, 11, 13, 17, 19].map(multipleOf => ({ multipleOf })) },
  'bounds at the ends': { type: 'number', minimum: 5e-324, maximum: 1.7976931348623157e308 },
  'a value of 300 levels': { const: nest(300, 1, inner => [inner]) },
  'names of all kinds': closed(
    { ['__proto__']: true, constructor: true, '': true, ['x'.repeat(20_000)]: true },
    [],
  ),
  'a million letters of prose': { type: 'null', description: 'x'.repeat(1e6) },
}

const EBNF: Record<string, string> = {
  'left recursion': 'root ::= root "a" | "b"',
  'left recursion in a circle': 'root ::= a "1" | "x"\na ::= b "2"\nb ::= root "3" | "y"',
  'left recursion behind nothing': 'root ::= nothing root "a" | "b"\nnothing ::= "" | "n"?',
  'only itself': 'root ::= root',
  'two that are each other': 'root ::= a\na ::= root | a',
  'never ends': 'root ::= "a" root',
  'ambiguous in every way': 'root ::= root root | "a" | ""',
  'sums without brackets': 'root ::= e\ne ::= e "+" e | e "*" e | e e | "(" e ")" | "a"',
  'an undefined rule': 'root ::= "a" missing',
  'loops of nothing': 'root ::= ((("" | a)*)* | (b?)+)* "."\na ::= b b\nb ::= ""',
  'repeats of repeats': 'root ::= ((("a"{0,1000}){0,1000}){0,1000}){0,1000}',
  'a million times': 'root ::= [a-z]{1000000} "x"{5,1000000}',
  'a chain of 10,000 rules': `${times(10_000, i => `r${i} ::= ${i === 9999 ? '"x"' : `r${i + 1} "y"?`}`).join('\n')}\nroot ::= r0`,
  'brackets 10,000 deep': `root ::= ${'('.repeat(10_000)}"a"${')'.repeat(10_000)}`,
  '10,000 alternatives': `root ::= ${times(10_000, i => `"word${i}"`).join(' | ')}`,
  'two ways back at every level': 'root ::= "a" root "b" | "a" root "c" | "a"',
  'a literal of 100,000 letters': `root ::= "${'ab'.repeat(50_000)}"`,
  'no end of a literal': 'root ::= "abc',
  'nothing at all': '',
  'a huge count': 'root ::= "a"{99999999999999999999}',
}

const REGEX: Record<string, string> = {
  'counts of counts': '(((a{1,30}b){1,30}c){1,30}d){1,30}',
  'x plus x plus': '(x+x+)+y',
  '5,000 words': times(5000, i => `w${i * 31}`).join('|'),
  'brackets 20,000 deep': `${'('.repeat(20_000)}a${')'.repeat(20_000)}`,
  'a class of everything': '[^]*[\\s\\S]+',
  'nothing can match': '[^\\s\\S]',
  'an anchor inside': 'a^b',
}

interface Outcome {
  grammar?: CompiledGrammar
  fault?: GrammarFault
  steps: number
  longestMs: number
  totalMs: number
}

function attempt(spec: GrammarSpec): Outcome {
  const budget = new Budget()
  const work = compile(spec, SMALL, budget)
  let longestMs = 0
  const began = performance.now()
  const done = (rest: Partial<Outcome>): Outcome => ({
    steps: budget.steps,
    longestMs,
    totalMs: performance.now() - began,
    ...rest,
  })
  try {
    for (;;) {
      const before = performance.now()
      const step = work.next()
      longestMs = Math.max(longestMs, performance.now() - before)
      if (step.done) return done({ grammar: step.value.grammar })
    }
  } catch (caught) {
    if (caught instanceof RangeError) return done({ fault: new GrammarFault(caught.message, '') })
    if (!(caught instanceof GrammarFault)) throw caught
    return done({ fault: caught })
  }
}

function check(spec: GrammarSpec): void {
  const { grammar, fault, steps, longestMs, totalMs } = attempt(spec)
  if (process.env.HOSTILE_LOG) {
    console.info(
      `${totalMs.toFixed(0)} ms, piece ${longestMs.toFixed(0)} ms, ${steps} steps: ${fault ? `${fault.place} ${fault.message}`.slice(0, 150) : 'compiled'}`,
    )
  }
  expect(steps).toBeLessThan(21e6)
  if (fault !== undefined) expect(fault.message).not.toBe('')
  if (grammar === undefined) return
  const { machine, masks } = { machine: grammar.masks.machine, masks: grammar.masks }
  for (const seed of [1, 2]) {
    const before = machine.steps
    let tokens = 40
    try {
      tokens = walk(grammar, randomFrom(seed), 20, 40).tokens.length
    } catch (caught) {
      // Ten thousand ways to go on at once are refused by name.
      if (!(caught instanceof GrammarFault)) throw caught
      expect(caught.message).toContain('too ambiguous')
    }
    expect((machine.steps - before) / Math.max(1, tokens)).toBeLessThan(400_000)
  }
  expect(masks.visited).toBeLessThan(5e6)
}

describe('hostile schemas', () => {
  it.each(Object.keys(SCHEMAS))('%s', name => {
    check({ kind: 'schema', schema: SCHEMAS[name] as never, strict: true })
  })
})

describe('hostile grammars', () => {
  it.each(Object.keys(EBNF))('%s', name => {
    check({ kind: 'ebnf', ebnf: EBNF[name], root: 'root' })
  })
})

describe('hostile patterns', () => {
  it.each(Object.keys(REGEX))('%s', name => {
    check({ kind: 'regex', pattern: REGEX[name] })
  })
})
