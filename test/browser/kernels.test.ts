// The integer products of every SIMD build as this browser's compiler makes them, against the reference, bit
// for bit: Node's has other instructions for the relaxed dots (no VNNI), so its conformance tests cannot
// speak for them.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createReferenceBackend } from '../../src/backend/reference/reference-backend.ts'
import { createWasmBackend } from '../../src/backend/wasm/open-backend.ts'
import {
  extremeRows,
  LIMITS,
  type LinearCase,
  linearRows,
  type Resetable,
  resetable,
  sameBits,
} from '../backend/ops.ts'

const SEED = 20261124
const SHAPES = [
  { rows: 33, cols: 192 },
  { rows: 7, cols: 50 },
  { rows: 130, cols: 1536 },
  { rows: 6, cols: 8640 },
] as const
const CASES: LinearCase[] = SHAPES.flatMap(shape => [
  { ...shape, layout: 't2' as const, scaleBlock: 0 as const, activations: 'int8' as const },
  { ...shape, layout: 't2' as const, scaleBlock: 64 as const, activations: 'int8' as const },
  { ...shape, layout: 't2' as const, scaleBlock: 256 as const, activations: 'int8' as const },
  { ...shape, layout: 'i4' as const, scaleBlock: 0 as const, activations: 'int8' as const },
  { ...shape, layout: 'i8' as const, scaleBlock: 0 as const, activations: 'int8' as const },
])

const reference: Resetable = resetable(async () => createReferenceBackend({ limits: LIMITS }))
afterAll(() => reference.close())

describe.each([
  { variant: 'relaxed', build: 'relaxed' },
  { variant: 'relaxed-i32', build: 'relaxed' },
  { variant: 'simd128', build: 'simd128' },
] as const)('$variant', ({ variant, build }) => {
  let wasm: WebAssembly.Module
  const tested: Resetable = resetable(async () =>
    createWasmBackend({ variant, threads: 1, limits: LIMITS, memoryBytes: 96 * 2 ** 20, wasm }),
  )
  beforeAll(async () => {
    wasm = await WebAssembly.compileStreaming(fetch(`/build/wasm/ryz-${build}-st.wasm`))
  })
  afterAll(() => tested.close())

  test.each(CASES)('$layout $rows x $cols, scale blocks of $scaleBlock', async one => {
    for (const count of [1, 2, 3, 4, 7, 8, 12, 13]) {
      await Promise.all([reference.ready(), tested.ready()])
      const want = await linearRows(reference, [one], count, SEED)
      sameBits(await linearRows(tested, [one], count, SEED), want)
    }
  })

  test.each(['t2', 'i8', 'i4'] as const)('%s at the ends of its range', async layout => {
    for (const [cols, sign] of [
      [1536, 1],
      [8640, -1],
    ] as const) {
      await Promise.all([reference.ready(), tested.ready()])
      const want = await extremeRows(reference, layout, 0, cols, sign)
      sameBits(await extremeRows(tested, layout, 0, cols, sign), want)
      expect(want[0]).not.toBe(0)
    }
  })
})
