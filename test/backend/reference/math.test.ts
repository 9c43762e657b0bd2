import { describe, expect, test } from 'vitest'
import {
  exp32,
  fromF16,
  quantizeRow,
  roundEven,
  silu,
  sum16,
  toF16,
} from '../../../src/backend/reference/math.ts'

describe('exp32', () => {
  test('is within 2 ulp of the f64 exponential over its range', () => {
    let worst = 0
    for (let x = -87; x <= 88; x += 0.0137) {
      const v = Math.fround(x)
      const exact = Math.exp(v)
      const ulp = 2 ** (Math.floor(Math.log2(exact)) - 23)
      worst = Math.max(worst, Math.abs(exp32(v) - exact) / ulp)
    }
    expect(worst).toBeLessThan(2)
  })

  test('is exactly 1 at 0 and clamps at both ends', () => {
    expect(exp32(0)).toBe(1)
    expect(exp32(-1e30)).toBe(exp32(-87))
    expect(exp32(1e30)).toBe(exp32(88))
    expect(Number.isFinite(exp32(1e30))).toBe(true)
  })
})

test('silu has its known values and no overflow for very negative input', () => {
  expect(silu(0)).toBe(0)
  expect(silu(1)).toBeCloseTo(1 / (1 + Math.exp(-1)), 6)
  expect(Math.abs(silu(-200))).toBeLessThan(1e-30)
})

test('roundEven rounds halves to the even neighbour', () => {
  const halves = [0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 126.5, -127.5]
  expect(halves.map(x => roundEven(x) + 0)).toEqual([0, 2, 2, 0, -2, -2, 126, -128])
})

describe('f16', () => {
  test('every half survives the way to f32 and back', () => {
    for (let h = 0; h < 0x10000; h++) {
      if ((h & 0x7c00) === 0x7c00) continue // infinities saturate, NaN has no value
      expect(toF16(fromF16(h))).toBe(h)
    }
  })

  test('rounds ties to even between any two neighbours', () => {
    for (let h = 0; h < 0x7bff; h++) {
      const [a, b] = [fromF16(h), fromF16(h + 1)]
      const middle = (a + b) / 2
      expect(toF16(middle)).toBe(h & 1 ? h + 1 : h)
    }
  })

  test('saturates instead of becoming infinite', () => {
    expect(fromF16(toF16(1e9))).toBe(65504)
    expect(fromF16(toF16(-65520))).toBe(-65504)
  })
})

describe('quantizeRow', () => {
  test('maps the largest magnitude to 127 and returns a / 127', () => {
    const q = new Int8Array(4)
    const inverse = quantizeRow(q, Float32Array.of(9, -2, 1, 0.5, -4), 1, 4)
    expect([...q]).toEqual([-64, 32, 16, -127])
    expect(inverse).toBe(Math.fround(4 / 127))
  })

  test('a row of zeros stays zero', () => {
    const q = Int8Array.of(5, 5)
    expect(quantizeRow(q, new Float32Array(2), 0, 2)).toBe(Math.fround(Math.fround(1e-5) / 127))
    expect([...q]).toEqual([0, 0])
  })
})

test('sum16 adds lane by lane and folds halves', () => {
  const values = Float32Array.from({ length: 37 }, (_, i) => Math.fround(Math.sin(i) * 1e3))
  const lanes = new Float32Array(16)
  values.forEach((v, i) => {
    lanes[i % 16] += v
  })
  const fold = (n: number): number => {
    if (n === 1) return lanes[0]
    for (let j = 0; j < n / 2; j++) lanes[j] = Math.fround(lanes[j] + lanes[j + n / 2])
    return fold(n / 2)
  }
  expect(sum16(37, i => values[i])).toBe(fold(16))
})
