// Bytes appended to a ByteList are what TextEncoder would give.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { pushCharBytes, pushUnitBytes } from '../../src/tokenizer/byte-alphabet.ts'
import { ByteList } from '../../src/tokenizer/byte-list.ts'

const unitsOf = (text: string) =>
  Uint16Array.from({ length: text.length }, (_, i) => text.charCodeAt(i))

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
        const same = new ByteList()
        same.pushUnits(unitsOf(`<${half}>`), 1, half.length + 1)
        expect(same.take()).toEqual(list.take())
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

test('entries in stand-in characters give the same bytes from a string and from its units', () => {
  const char = fc.oneof(
    fc.integer({ min: 0, max: 0x150 }).map(code => String.fromCharCode(code)),
    fc.constantFrom('\u2581', '\ud800', '\udc00', '😀'),
  )
  fc.assert(
    fc.property(fc.array(char), chars => {
      const text = chars.join('')
      const [a, b] = [new ByteList(), new ByteList()]
      pushCharBytes(text, a)
      pushUnitBytes(unitsOf(`<${text}>`), 1, text.length + 1, b)
      expect(b.take()).toEqual(a.take())
    }),
  )
})
