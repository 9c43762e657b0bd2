import { describe, expect, test } from 'vitest'
import { i2sCodec } from '../../src/format/codecs/i2s.ts'
import { TQ2_0 } from '../../src/format/codecs/ternary-blocks.ts'
import { I2S_X86_TILES, TQ2_0_TILES } from '../../src/format/codecs/tile-codecs.ts'
import { fillsTiles, tileWriter } from '../../src/format/layouts/tile-rows.ts'
import { t2Packer } from '../../src/format/ternary.ts'
import { noise } from '../cache/support.ts'

/** Bytes of four ternary codes, none of them 3. */
function ternaryBytes(count: number, seed: number): Uint8Array {
  return noise(4 * count, seed).reduce((bytes, value, i) => {
    bytes[i >> 2] |= (value % 3) << (2 * (i & 3))
    return bytes
  }, new Uint8Array(count))
}

function collected(bytes: number) {
  const written = new Uint8Array(bytes)
  return { written, sink: { write: (at: number, b: Uint8Array) => written.set(b, at) } }
}

const CASES = [
  { name: 'TQ2_0', tiles: TQ2_0_TILES, plain: TQ2_0 },
  { name: 'I2_S x86', tiles: I2S_X86_TILES, plain: i2sCodec('x86', 'w', 128, 128) },
] as const

describe.each(CASES)('$name moved word by word', ({ tiles, plain }) => {
  test.each([
    [1, 256],
    [3, 768],
    [5, 256],
    [32, 1536],
    [33, 512],
  ])('equals the plain codec for %i rows of %i columns', (rows, cols) => {
    const blocks = (rows * cols) / plain.blockElems
    const data = ternaryBytes(blocks * plain.blockBytes, rows * cols)
    const bytes = (Math.ceil(rows / 4) * 4 * cols) / 4
    const slow = collected(bytes)
    const fast = collected(bytes)
    const packer = t2Packer(rows, cols, slow.sink)
    const write = tileWriter(tiles, rows, cols, fast.sink)
    const codes = new Uint8Array(plain.blockElems)
    for (let block = 0; block < blocks; block++) {
      // Each block at another alignment; every fifth has scale 0.
      const src = new Uint8Array(plain.blockBytes + 3)
      const at = block % 4
      src.set(data.subarray(block * plain.blockBytes, (block + 1) * plain.blockBytes), at)
      const scale = plain.decode(src, at, codes, 0)
      if (tiles.scale) expect(tiles.scale(src, at)).toBe(scale)
      const zero = block % 5 === 4
      if (zero) codes.fill(1)
      packer.add(codes, codes.length)
      expect(write(src, at, zero)).toBe(false)
    }
    expect(packer.end()).toBe(true)
    expect(Buffer.from(fast.written).equals(slow.written)).toBe(true)
  })

  test('a code 3 is told wherever it stands, and not in a block of scale 0', () => {
    const codeBytes = plain.blockElems / 4
    for (let code = 0; code < plain.blockElems; code++) {
      const src = new Uint8Array(plain.blockBytes).fill(0x55)
      src[code % codeBytes] |= 3 << (2 * Math.floor(code / codeBytes))
      const cols = plain.blockElems
      const write = tileWriter(tiles, 2, cols, collected(cols).sink)
      expect(write(src, 0, false)).toBe(true)
      expect(write(src, 0, true)).toBe(false)
    }
  })

  test('rows that are no whole blocks go the plain way', () => {
    expect(fillsTiles(tiles, plain.blockElems * 3)).toBe(true)
    expect(fillsTiles(tiles, plain.blockElems * 3 - 64)).toBe(false)
  })
})
