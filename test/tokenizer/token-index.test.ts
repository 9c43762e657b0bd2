// A TokenIndex over a TextList finds what a Map of the same strings finds, and nothing else.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type TextList, TextListWriter } from '../../src/text-list.ts'
import { TokenIndex } from '../../src/tokenizer/token-index.ts'

function listOf(texts: readonly string[]): TextList {
  const writer = new TextListWriter(texts.length)
  for (const text of texts) writer.add(text)
  return writer.take()
}

// Few letters, so that equal texts and equal beginnings are common.
const text = fc.string({ unit: fc.constantFrom('a', 'b', '\u2581', '\ud83d'), maxLength: 5 })

test('a list gives back its texts, long ones too', () => {
  const texts = ['', 'é', '\ud800', '😀', 'x'.repeat(10_000), 'end']
  const list = listOf(texts)
  expect([...list]).toEqual(texts)
  expect(list.at(texts.length)).toBeUndefined()
  expect(list.at(-1)).toBeUndefined()
  expect(listOf([]).length).toBe(0)
})

test('finds what a Map finds, by text and in the middle of units; twins are told', () => {
  fc.assert(
    fc.property(fc.array(text), fc.array(text), (texts, others) => {
      const list = listOf(texts)
      const index = new TokenIndex(list)
      const map = new Map<string, number>()
      for (const [id, own] of texts.entries()) {
        expect(index.add(id)).toBe(map.get(own) ?? -1)
        if (!map.has(own)) map.set(own, id)
      }
      for (const wanted of [...texts, ...others]) {
        expect(index.idOf(wanted)).toBe(map.get(wanted))
        const { units } = listOf([`a${wanted}b`])
        expect(index.find(units, 1, wanted.length + 1)).toBe(map.get(wanted) ?? -1)
      }
    }),
  )
})
