// The encoders of synthetic models against the product's own decoders, and their sameness across types.
import { describe, expect, test } from 'vitest'
import { ENCODINGS, type EncodingName, halfOf } from '../../scripts/synth/encode.ts'
import { fillNormal, fillTernary, stream } from '../../scripts/synth/random.ts'
import { asFloat, type FloatCodec } from '../../src/format/codecs/codec.ts'
import { floatCodec } from '../../src/format/codecs/float-blocks.ts'
import { readHalf } from '../../src/format/codecs/half.ts'
import { I2S_TAIL, i2sCodec } from '../../src/format/codecs/i2s.ts'
import { TQ1_0, TQ2_0 } from '../../src/format/codecs/ternary-blocks.ts'

const COUNT = 1024
const SCALE = 2 ** -6

function decoder(name: EncodingName): FloatCodec {
  if (name === 'i2_s') return asFloat(i2sCodec('x86', 'test', 1, COUNT), () => undefined)
  if (name === 'tq1_0') return asFloat(TQ1_0, () => undefined)
  if (name === 'tq2_0') return asFloat(TQ2_0, () => undefined)
  const types = { q4_0: 'Q4_0', q6_k: 'Q6_K', q8_0: 'Q8_0', f16: 'F16', f32: 'F32' } as const
  return floatCodec(types[name], COUNT)
}

function roundTrip(name: EncodingName, q: Int8Array): Float32Array {
  const encoding = ENCODINGS[name]
  const bytes = new Uint8Array((COUNT / encoding.blockElems) * encoding.blockBytes)
  const view = new DataView(bytes.buffer)
  for (let i = 0; i < COUNT / encoding.blockElems; i++) {
    encoding.encode(q, i * encoding.blockElems, SCALE, view, i * encoding.blockBytes)
  }
  const codec = decoder(name)
  const out = new Float32Array(COUNT)
  for (let i = 0; i < COUNT / codec.blockElems; i++) {
    codec.decode(bytes, i * codec.blockBytes, out, i * codec.blockElems)
  }
  return name === 'i2_s' ? out.map(v => v * SCALE) : out
}

const names = Object.keys(ENCODINGS) as EncodingName[]
const wide = names.filter(name => ENCODINGS[name].limit >= 31)

describe('the encoders of synthetic models', () => {
  test.each(names)('%s gives back every ternary value', name => {
    const q = new Int8Array(COUNT)
    fillTernary(q, COUNT, stream(7, 'ternary'))
    expect([...roundTrip(name, q)]).toEqual([...q].map(v => Math.fround(v * SCALE) || 0))
  })

  test.each(wide)('%s gives back every value of a table', name => {
    const q = new Int8Array(COUNT)
    fillNormal(q, COUNT, stream(7, 'normal'))
    expect([...roundTrip(name, q)].map(v => v || 0)).toEqual([...q].map(v => v * SCALE || 0))
  })

  test('i2_s keeps its scale behind the codes', () => {
    const tail = ENCODINGS.i2_s.tail?.(SCALE) ?? new Uint8Array(0)
    expect(tail.length).toBe(I2S_TAIL)
    expect(new DataView(tail.buffer).getFloat32(0, true)).toBe(SCALE)
  })

  test('halves of all whole numbers up to 127 are exact', () => {
    const bytes = new Uint8Array(2)
    for (let q = -127; q <= 127; q++) {
      new DataView(bytes.buffer).setUint16(0, halfOf(q, 2 ** -9), true)
      expect(readHalf(bytes, 0) || 0).toBe(q * 2 ** -9 || 0)
    }
  })
})

describe('the random numbers of synthetic models', () => {
  test('a stream depends on seed and name and on nothing else', () => {
    const take = (seed: number, name: string) => {
      const draw = stream(seed, name)
      return [draw(), draw(), draw()]
    }
    expect(take(1, 'a')).toEqual(take(1, 'a'))
    expect(take(1, 'a')).not.toEqual(take(2, 'a'))
    expect(take(1, 'a')).not.toEqual(take(1, 'b'))
  })

  test('ternary values come in thirds and table values around zero', () => {
    const q = new Int8Array(30_000)
    fillTernary(q, q.length, stream(1, 'thirds'))
    for (const value of [-1, 0, 1]) {
      const share = q.filter(v => v === value).length / q.length
      expect(share).toBeGreaterThan(0.32)
      expect(share).toBeLessThan(0.35)
    }
    fillNormal(q, q.length, stream(1, 'normal'))
    const mean = q.reduce((sum, v) => sum + v, 0) / q.length
    expect(Math.abs(mean)).toBeLessThan(0.3)
  })
})
