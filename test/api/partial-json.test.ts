// Objects while they are written: every beginning of every JSON text.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { partialJson } from '../../src/api/partial-json.ts'

/** Whether `part` is what a beginning of the text of `whole` can hold. */
function begins(part: unknown, whole: unknown): boolean {
  if (part === undefined) return true
  if (typeof part === 'string') return typeof whole === 'string' && whole.startsWith(part)
  if (Array.isArray(part)) {
    return (
      Array.isArray(whole) && part.every((item, i) => i < whole.length && begins(item, whole[i]))
    )
  }
  if (typeof part === 'object' && part !== null) {
    const members = whole as Record<string, unknown>
    return Object.keys(part).every(
      key => Object.hasOwn(members, key) && begins((part as typeof members)[key], members[key]),
    )
  }
  return Object.is(part, whole) || (part === 0 && whole === 0)
}

describe('partialJson', () => {
  it.each<[string, unknown]>([
    ['', undefined],
    ['{', {}],
    ['{"a', {}],
    ['{"a":', {}],
    ['{"a": "x', { a: 'x' }],
    ['{"a": "x\\', { a: 'x' }],
    ['{"a": "x\\u00e', { a: 'x' }],
    ['{"a": "x\\ud83d', { a: 'x' }],
    ['{"a": 12', {}],
    ['{"a": 12,', { a: 12 }],
    ['{"a": tr', {}],
    ['{"a": true', { a: true }],
    ['[1, [2, {"b": [', [1, [2, { b: [] }]]],
    ['12', 12],
    [' "a\\"b', 'a"b'],
    ['{"__proto__": {"x": 1}, "a": 1}', JSON.parse('{"__proto__": {"x": 1}, "a": 1}')],
    ['{"a": 1} and more', { a: 1 }],
    ['Sure: {"a": 1}', undefined],
  ])('%j is %j', (text, value) => {
    expect(partialJson(text)).toEqual(value)
  })

  it('of every beginning is a beginning of the value, and of the whole text the value', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(undefined, 1), (value, indent) => {
        const text = JSON.stringify(value, null, indent)
        for (let cut = 0; cut < text.length; cut++) {
          const part = partialJson(text.slice(0, cut))
          if (typeof value === 'object') expect(begins(part, JSON.parse(text))).toBe(true)
        }
        expect(partialJson(text)).toEqual(JSON.parse(text))
      }),
      { seed: 3, numRuns: 300 },
    )
  })

  it('never throws, whatever it is given', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'{}[]",:\\u0ed12tfn \n') }), text => {
        partialJson(text)
      }),
      { seed: 4, numRuns: 2000 },
    )
    expect(() => partialJson('['.repeat(100_000))).not.toThrow()
  })
})
