// Bytes appended to a ByteList are what TextEncoder would give.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ByteList } from '../../src/tokenizer/byte-list.ts'

test('text becomes the UTF-8 that TextEncoder gives, lone surrogates too', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary', maxLength: 40 }),
      fc.string({ maxLength: 9 }),
      (a, b) => {
        const half = `${a}\ud800${b}\udc00`
        const list = new ByteList()
        list.pushText(half)
        expect(list.take()).toEqual(new TextEncoder().encode(half))
      },
    ),
  )
})

test('grows past its first room and keeps what it has', () => {
  const list = new ByteList()
  for (let i = 0; i < 40_000; i++) list.push(i & 255)
  expect(list.length).toBe(40_000)
  expect(list.take()).toEqual(Uint8Array.from({ length: 40_000 }, (_, i) => i & 255))
})
