// Round trips of every type through the test's own encoders, and the rules of transcode.ts: what becomes
// ternary, what is refused, and what the notes say.
import { describe, expect, test } from 'vitest'
import { layoutBytes } from '../../src/format/layouts/layout.ts'
import { createTranscoder } from '../../src/format/transcode.ts'
import {
  type BlockTernary,
  encodeBlocks,
  encodeFloats,
  encodeHf,
  encodeI2s,
  encodeQ8,
  TERNARY_BLOCK,
} from './encode.ts'
import { failure, LINEAR, randomCodes, readT2, seeded, tensor, transcode } from './fixtures.ts'

const BLOCK_TYPES = Object.keys(TERNARY_BLOCK) as BlockTernary[]
const I2S_LAYOUTS = ['x86', 'arm', 'rows4', 'sequential'] as const

describe('round trips', () => {
  test.each(BLOCK_TYPES)('%s gives back its codes at any number of rows and blocks', type => {
    for (let seed = 1; seed <= 30; seed++) {
      const random = seeded(seed)
      const block = TERNARY_BLOCK[type]
      const rows = 1 + Math.floor(random() * 9)
      const cols = block * (1 + Math.floor(random() * 3))
      const codes = randomCodes(rows * cols, random)
      const scales = Array.from(
        { length: (rows * cols) / block },
        () => 2 ** -Math.floor(random() * 9),
      )
      const raw = encodeBlocks(type, codes, scales)
      const run = transcode(tensor(type, rows, cols, raw.length), raw, {}, random)
      expect(readT2(run.bytes, rows, cols), `seed ${seed}`).toEqual(codes)
      const perRow = cols / block
      const each = scales.map((_, i) =>
        run.scaleBlock === 0 ? run.scales![Math.floor(i / perRow)] : run.scales![i],
      )
      expect(each, `seed ${seed}`).toEqual(scales)
    }
  })

  test.each(I2S_LAYOUTS)('I2_S %s gives back its codes where rows begin inside a block', layout => {
    for (let seed = 1; seed <= 30; seed++) {
      const random = seeded(seed)
      const rows = 8 * (1 + Math.floor(random() * 3))
      const cols = 16 * (1 + Math.floor(random() * 14))
      const codes = randomCodes(rows * cols, random)
      const raw = encodeI2s(codes, cols, 0.25, layout)
      const run = transcode(
        tensor('I2_S', rows, cols, raw.length),
        raw,
        { i2sLayout: layout },
        random,
      )
      expect(readT2(run.bytes, rows, cols), `seed ${seed}`).toEqual(codes)
      expect(run.scales).toEqual(new Float32Array(rows).fill(0.25))
    }
  })

  test('Hugging Face packing gives back its codes, with scales of 1', () => {
    for (let seed = 1; seed <= 30; seed++) {
      const random = seeded(seed)
      const rows = 4 * (1 + Math.floor(random() * 9))
      const cols = 1 + Math.floor(random() * 200)
      const codes = randomCodes(rows * cols, random)
      const raw = encodeHf(codes, rows, cols)
      const run = transcode(tensor('HF_T2', rows, cols, raw.length), raw, {}, random)
      expect(readT2(run.bytes, rows, cols), `seed ${seed}`).toEqual(codes)
      expect(run.scales).toEqual(new Float32Array(rows).fill(1))
    }
  })

  test.each(['F32', 'F16', 'BF16'] as const)(
    '%s that is ternary already gives its codes and scale',
    type => {
      const random = seeded(7)
      const [rows, cols] = [33, 100]
      const codes = randomCodes(rows * cols, random)
      const raw = encodeFloats(
        type,
        Float32Array.from(codes, c => (c - 1) * 0.375),
      )
      const run = transcode(tensor(type, rows, cols, raw.length), raw, {}, random)
      expect(run.layout).toBe('t2')
      expect(readT2(run.bytes, rows, cols)).toEqual(codes)
      expect(run.scales).toEqual(new Float32Array(rows).fill(0.375))
      expect(run.note).toBeUndefined()
    },
  )
})

describe('scales', () => {
  test('a tensor of zeros is ternary with scale 0', () => {
    const run = transcode(tensor('F16', 3, 32, 192), new Uint8Array(192))
    expect(run.layout).toBe('t2')
    expect(readT2(run.bytes, 3, 32)).toEqual(new Uint8Array(96).fill(1))
    expect(run.scales).toEqual(new Float32Array(3))
  })

  test('a block of scale 0 may hold any code, also the impossible one', () => {
    const codes = new Uint8Array(512).fill(2)
    const raw = encodeBlocks('TQ2_0', codes, [0.5, 0])
    raw.fill(0xff, 66, 66 + 64)
    const run = transcode(tensor('TQ2_0', 1, 512, raw.length), raw)
    expect(run.scaleBlock).toBe(0)
    expect(run.scales).toEqual(Float32Array.of(0.5))
    expect(readT2(run.bytes, 1, 512)).toEqual(
      Uint8Array.from({ length: 512 }, (_, i) => (i < 256 ? 2 : 1)),
    )
  })

  test('a zero row in an int8 table has scale 0', () => {
    const run = transcode(tensor('F32', 2, 16, 128), new Uint8Array(128), { role: 'table' })
    expect(run.scales).toEqual(new Float32Array(2))
    expect(run.bytes).toEqual(new Uint8Array(layoutBytes('i8', 2, 16)))
  })

  test('int8 rows round halves to even', () => {
    // max 127, so the scale is 1 and the values are their own quotients.
    const values = [127, 0.5, 1.5, 2.5, -0.5, -1.5, -2.5, -126.5]
    const raw = encodeFloats('F32', values)
    const run = transcode(tensor('F32', 1, 8, raw.length), raw, { role: 'table' })
    expect([...new Int8Array(run.bytes.buffer, 0, 8)]).toEqual([127, 0, 2, 2, 0, -2, -2, -126])
  })
})

describe('masters', () => {
  const values = Float32Array.of(0.3, -0.1, 0.02, -0.4, 0.05, 0.2, -0.3, 0.1)

  test('are rounded by absmean only where the architecture says so', () => {
    const raw = encodeFloats('F32', values)
    const info = tensor('F32', 2, 4, raw.length)
    const mean = values.reduce((sum, v) => sum + Math.abs(v), 0) / 8
    const rounded = transcode(info, raw, { masters: true })
    expect(rounded.layout).toBe('t2')
    expect(rounded.scales![0]).toBe(Math.fround(mean))
    expect([...readT2(rounded.bytes, 2, 4)]).toEqual([2, 0, 1, 0, 1, 2, 0, 2])
    expect(rounded.note).toContain('absmean')
    expect(transcode(info, raw, { masters: false }).layout).toBe('f32')
  })

  test('the scale is never below 1e-5', () => {
    const raw = encodeFloats('F32', [1e-7, -2e-7, 0, 1e-7])
    const run = transcode(tensor('F32', 1, 4, raw.length), raw, { masters: true })
    expect(run.scales![0]).toBe(Math.fround(1e-5))
    expect([...readT2(run.bytes, 1, 4)]).toEqual([1, 1, 1, 1])
  })

  test('a quantised matrix is never taken for a master', () => {
    const raw = encodeQ8(Array.from({ length: 64 }, (_, i) => i - 20))
    const run = transcode(tensor('Q8_0', 2, 32, raw.length), raw, { masters: true })
    expect(run.layout).toBe('f32')
    expect(run.note).toBe('blk.0.attn_q.weight (Q8_0) is not ternary and stays f32')
  })
})

describe('vectors', () => {
  test('are f32, padded like a row', () => {
    const raw = encodeFloats('BF16', [1, 2, 3])
    const run = transcode(tensor('BF16', 1, 3, raw.length), raw, { role: 'vector' })
    expect([...new Float32Array(run.bytes.buffer)]).toEqual([1, 2, 3, ...new Array(13).fill(0)])
  })

  test('of a packed type are refused', () =>
    failure('UNSUPPORTED_TYPE', () =>
      transcode(tensor('HF_T2', 4, 4, 4), new Uint8Array(4), { role: 'vector' }),
    ))
})

describe('damaged weights', () => {
  const halfNan = [0x00, 0x7e]
  const halfInf = [0x00, 0x7c]

  test.each([
    ['TQ2_0', 64, halfNan],
    ['TQ2_0', 64, halfInf],
    ['TQ1_0', 52, halfNan],
    ['Q2_0_64', 0, halfInf],
    ['Q2_0_128', 0, halfNan],
  ] as const)('%s with a scale that is not finite at %i is refused', async (type, at, half) => {
    const raw = encodeBlocks(type, randomCodes(TERNARY_BLOCK[type], seeded(1)), [1])
    raw.set(half, at)
    const info = tensor(type, 1, TERNARY_BLOCK[type], raw.length)
    await failure('BAD_WEIGHTS', () => transcode(info, raw))
    await failure('BAD_WEIGHTS', () => transcode(info, raw, { role: 'table' }))
  })

  test.each(I2S_LAYOUTS)('I2_S %s with code 3 is refused', async layout => {
    const raw = encodeI2s(randomCodes(1024, seeded(2)), 128, 1, layout)
    raw[100] |= 3
    await failure('BAD_WEIGHTS', () =>
      transcode(tensor('I2_S', 8, 128, raw.length), raw, { i2sLayout: layout }),
    )
  })

  test('I2_S with a scale of NaN is refused', () => {
    const raw = encodeI2s(randomCodes(1024, seeded(2)), 128, Number.NaN, 'x86')
    return failure('BAD_WEIGHTS', () => transcode(tensor('I2_S', 8, 128, raw.length), raw))
  })

  test('I2_S that does not fill its blocks names the option to try', async () => {
    const raw = encodeI2s(randomCodes(192, seeded(2)), 192, 1, 'sequential')
    const info = tensor('I2_S', 1, 192, raw.length)
    const error = await failure('BAD_TENSOR_INFO', () => transcode(info, raw))
    expect(error.message).toContain('i2sLayout')
    expect(transcode(info, raw, { i2sLayout: 'sequential' }).layout).toBe('t2')
  })

  test.each(['TQ2_0', 'Q2_0_64', 'Q2_0_128'] as const)(
    'a %s table with code 3 is refused like a linear, but not where its block has scale 0',
    async type => {
      const cols = TERNARY_BLOCK[type]
      const codes = randomCodes(2 * cols, seeded(1)).fill(3, 5, 6)
      const raw = encodeBlocks(type, codes, [1, 0])
      const info = tensor(type, 2, cols, raw.length)
      const table = { role: 'table' } as const
      await failure('BAD_WEIGHTS', () => transcode(info, raw, table))
      const zeros = encodeBlocks(type, codes, [0, 0])
      expect(() => transcode(info, zeros, table)).not.toThrow()
    },
  )

  test('TQ2_0 and packed weights with code 3 are refused', async () => {
    const tq2 = encodeBlocks('TQ2_0', randomCodes(256, seeded(3)), [1])
    tq2[5] = 0xc0
    await failure('BAD_WEIGHTS', () => transcode(tensor('TQ2_0', 1, 256, 66), tq2))
    await failure('BAD_WEIGHTS', () => transcode(tensor('HF_T2', 4, 2, 2), Uint8Array.of(0, 0x30)))
  })

  test.each(['linear', 'table', 'vector'] as const)('NaN in a float %s is refused', async role => {
    const raw = encodeFloats('F32', [1, 2, Number.NaN, 4])
    await failure('BAD_WEIGHTS', () => transcode(tensor('F32', 1, 4, 16), raw, { role }))
  })

  test('a tensor that ends early is truncated, one that goes on is refused', async () => {
    const info = tensor('F32', 1, 4, 16)
    await failure('TRUNCATED', () => transcode(info, new Uint8Array(12)))
    await failure('BAD_TENSOR_INFO', () => transcode(info, new Uint8Array(20)))
  })
})

test('a table is streamed row by row and never staged', () => {
  const [rows, cols] = [50, 64]
  const written: number[] = []
  const transcoder = createTranscoder(
    tensor('F16', rows, cols, rows * cols * 2, 'token_embd.weight'),
    { ...LINEAR, role: 'table' },
    () => ({ write: offset => written.push(offset) }),
  )
  for (let row = 0; row < rows; row++) {
    transcoder.push(new Uint8Array(cols * 2))
    expect(written.length).toBe(row + 1)
  }
  expect(written).toEqual(Array.from({ length: rows }, (_, r) => r * cols))
})
