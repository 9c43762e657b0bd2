// Text of header strings equals what TextDecoder gives, for every kind of valid and invalid UTF-8.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { utf8Text } from '../../src/format/utf8.ts'

const decode = (bytes: Uint8Array) => new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)

describe('utf8Text', () => {
  test('reads text of one to four bytes a character', () => {
    for (const text of [
      '',
      'a',
      '\u2581once',
      'ünïcödé',
      '\ufeff',
      '漢字',
      '😀 mixed',
      'x'.repeat(99),
    ]) {
      const bytes = new TextEncoder().encode(`<${text}>`)
      expect(utf8Text(bytes, 1, bytes.length - 1)).toBe(text)
    }
  })

  test('gives U+FFFD where TextDecoder does: overlong, surrogates, cut, stray', () => {
    for (const bytes of [
      [0xc0, 0x80],
      [0xe0, 0x80, 0x80],
      [0xed, 0xa0, 0x80],
      [0xe2, 0x96],
      [0x80],
      [0xff],
      [0xc3, 0x28],
    ]) {
      const all = Uint8Array.from([0x61, ...bytes, 0x62])
      expect(utf8Text(all, 0, all.length)).toBe(decode(all))
    }
  })

  test('equals TextDecoder on random bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), bytes => {
        expect(utf8Text(bytes, 0, bytes.length)).toBe(decode(bytes))
      }),
    )
  })
})
