// Every tensor type against goldens made by an independent numpy script (test/golden/formats/make.py).
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import type { TensorType } from '../../src/format/model-file.ts'
import type { TranscodePolicy } from '../../src/format/transcode.ts'
import type { I2sLayout } from '../../src/types/index.ts'
import { seeded, tensor, transcode } from './fixtures.ts'

interface Golden {
  name: string
  type: TensorType
  rows: number
  cols: number
  /** base64, like everything below. */
  raw: string
  i2sLayout?: I2sLayout
  masters?: boolean
  t2?: string
  scales?: string
  scaleBlock?: number
  i8?: string
  i8scales?: string
  i4?: string
  i4scales?: string
  flat?: string
  f16?: string
}

const goldens: Golden[] = JSON.parse(
  readFileSync(new URL('../golden/formats/goldens.json', import.meta.url), 'utf8'),
)
const bytes = (text: string) => new Uint8Array(Buffer.from(text, 'base64'))
const floats = (text: string) => new Float32Array(bytes(text).buffer)

const run = (golden: Golden, policy: Partial<TranscodePolicy>, seed = 1) => {
  const raw = bytes(golden.raw)
  const info = tensor(golden.type, golden.rows, golden.cols, raw.length)
  const { i2sLayout = 'x86', masters = false } = golden
  return transcode(info, raw, { i2sLayout, masters, ...policy }, seeded(seed))
}
const flat = goldens.filter(g => g.flat)

test.each(goldens.filter(g => g.t2))(
  '$name: pours as ternary codes and scales, however the bytes are split',
  golden => {
    for (let seed = 1; seed <= 8; seed++) {
      const made = run(golden, {}, seed)
      expect(made.layout, `seed ${seed}`).toBe('t2')
      expect(made.scaleBlock).toBe(golden.scaleBlock)
      expect(made.scales).toEqual(floats(golden.scales!))
      expect(made.bytes).toEqual(bytes(golden.t2!))
    }
  },
)

test.each(goldens.filter(g => g.i8 && g.type !== 'HF_T2'))(
  '$name: pours as an int8 table',
  golden => {
    const made = run(golden, { role: 'table' })
    expect(made.layout).toBe('i8')
    expect(made.scales).toEqual(floats(golden.i8scales!))
    expect(made.bytes).toEqual(bytes(golden.i8!))
  },
)

test.each(goldens.filter(g => g.i4 && g.type !== 'HF_T2'))(
  '$name: pours as an int4 table',
  golden => {
    const made = run(golden, { role: 'table', head: 'int4' })
    expect(made.layout).toBe('i4')
    expect(made.scales).toEqual(floats(golden.i4scales!))
    expect(made.bytes).toEqual(bytes(golden.i4!))
  },
)

test.each(flat)('$name: pours as a strict table with the exact values', golden => {
  const made = run(golden, { role: 'table', head: 'file' })
  expect(made.scales).toBeUndefined()
  expect(made.layout).toBe(golden.type === 'F16' ? 'f16' : 'f32')
  expect(made.bytes).toEqual(bytes(golden.f16 ?? golden.flat!))
})

test.each(flat)('$name: is a float linear with a note when it is not ternary', golden => {
  const made = run(golden, {})
  expect(made.layout).toBe(golden.type === 'F16' ? 'f16' : 'f32')
  expect(made.note).toContain(golden.type)
  expect(made.bytes).toEqual(bytes(golden.f16 ?? golden.flat!))
})

test('the goldens cover every tensor type', () => {
  const types = new Set(goldens.map(g => g.type))
  expect([...types].sort()).toEqual(
    [
      'BF16',
      'F16',
      'F32',
      'HF_T2',
      'I2_S',
      'Q2_0_128',
      'Q2_0_64',
      'Q4_0',
      'Q4_K',
      'Q6_K',
      'Q8_0',
      'TQ1_0',
      'TQ2_0',
    ].sort(),
  )
})
