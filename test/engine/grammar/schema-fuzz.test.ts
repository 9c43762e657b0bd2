// Random schemas over every keyword: what the masks allow validates (ajv, draft 2020-12), what validates
// is allowed, and what is refused as impossible has no value. A failing seed is printed by fast-check.
import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { Compiled } from '../../../src/engine/grammar/compile.ts'
import { GrammarFault } from '../../../src/engine/grammar/work.ts'
import { document, type JsonValue, type Schema, value } from './arbitrary-schema.ts'
import { judge } from './judge.ts'
import { accepts, schema } from './support.ts'
import { randomFrom, walk } from './walk.ts'

const RUNS = Number(process.env.FUZZ_RUNS ?? 250)

/** The value's text with the members of its objects in every order, up to a limit. */
function* spellings(of: JsonValue): Generator<string> {
  if (typeof of !== 'object' || of === null) {
    yield JSON.stringify(of)
    return
  }
  const list = Array.isArray(of)
  const parts = list
    ? of.map(item => [...spellings(item)].slice(0, 6))
    : Object.entries(of).map(([key, item]) =>
        [...spellings(item)].slice(0, 6).map(text => `${JSON.stringify(key)}:${text}`),
      )
  const orders = list ? [parts] : permutations(parts)
  for (const order of orders) {
    for (const chosen of products(order)) {
      yield list ? `[${chosen.join()}]` : `{${chosen.join()}}`
    }
  }
}

function permutations<T>(list: readonly T[]): T[][] {
  if (list.length <= 1) return [[...list]]
  return list.flatMap((first, i) =>
    permutations(list.toSpliced(i, 1)).map(rest => [first, ...rest]),
  )
}

function products(lists: readonly string[][]): string[][] {
  return lists.reduce<string[][]>(
    (made, list) => made.flatMap(head => list.map(part => [...head, part])).slice(0, 60),
    [[]],
  )
}

function writes(grammar: Compiled, of: JsonValue): boolean {
  let tried = 0
  for (const text of spellings(of)) {
    if (accepts(grammar, text)) return true
    if (++tried > 400) return true
  }
  return false
}

let met = 0
let refused = 0

function check(given: Schema, values: readonly JsonValue[], seed: number): void {
  const validates = judge(given)
  if (validates === undefined) return
  let grammar: Compiled
  try {
    grammar = schema(given)
  } catch (caught) {
    if (!(caught instanceof GrammarFault)) throw caught
    refused++
    if (!caught.unsupported && caught.message.startsWith('cannot be met')) {
      const valid = values.filter(validates)
      expect(valid, `refused (${caught.place}: ${caught.message}), but there is one`).toEqual([])
    }
    return
  }
  met++
  const random = randomFrom(seed)
  for (const wander of [0, 4, 12]) {
    const { text, complete } = walk(grammar.grammar, random, wander, 1500)
    if (complete) expect(validates(JSON.parse(text)), `wrote ${text}`).not.toBe(false)
  }
  for (const of of values) {
    const valid = validates(of)
    if (valid === undefined) continue
    if (valid) expect(writes(grammar, of), `bars ${JSON.stringify(of)}`).toBe(true)
    else expect(accepts(grammar, JSON.stringify(of)), `takes ${JSON.stringify(of)}`).toBe(false)
  }
}

it(`${RUNS} random schemas: sound, complete, and refused only when impossible or named`, () => {
  fc.assert(
    fc.property(document, fc.array(value, { minLength: 12, maxLength: 12 }), fc.nat(), check),
    {
      numRuns: RUNS,
      seed: Number(process.env.FUZZ_SEED ?? 1),
      endOnFailure: process.env.FUZZ_SHRINK === undefined,
    },
  )
  console.info(`${met} met, ${refused} refused`)
  expect(met).toBeGreaterThan(RUNS / 2)
}, 300_000)
