// Discarded buffers are gone from here at once; asking for a collection throws nowhere.
import { expect, test } from 'vitest'
import { collectGarbage, discard } from '../src/discard.ts'

test('a discarded buffer has no bytes any more', () => {
  const [a, b] = [new ArrayBuffer(10), new ArrayBuffer(1 << 20)]
  discard([a, b])
  expect([a.byteLength, b.byteLength]).toEqual([0, 0])
  discard([])
})

test('a browser without room for the buffer goes on', () => {
  const Real = globalThis.ArrayBuffer
  globalThis.ArrayBuffer = class {
    constructor() {
      throw new RangeError('Array buffer allocation failed')
    }
  } as unknown as ArrayBufferConstructor
  try {
    expect(collectGarbage).not.toThrow()
  } finally {
    globalThis.ArrayBuffer = Real
  }
  expect(collectGarbage).not.toThrow()
})
