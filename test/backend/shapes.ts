// Shapes that conformance suites of all backends run: odd ones on purpose, every layout, KV type and head size; and their
// names in reports. What each op does with them is ops.ts.
import { KV_TYPES, kindName, LINEAR_KINDS } from '../../src/backend/cases.ts'
import type { AttendCase, ExpertCase, LinearCase } from './ops.ts'

/** K = one tile and less, whole tiles, just over; N = 1, odd, odd over several tiles. */
export const SHAPES = [
  { rows: 1, cols: 64 },
  { rows: 33, cols: 192 },
  { rows: 7, cols: 50 },
  { rows: 130, cols: 1536 },
  { rows: 6, cols: 8640 },
] as const

/** Every kind of matrix in each of some shapes. */
export function linearsOf(shapes: readonly { rows: number; cols: number }[]): LinearCase[] {
  return shapes.flatMap(shape => LINEAR_KINDS.map(kind => ({ ...shape, ...kind })))
}

/** Every head size with every KV type, four heads to two of the cache. */
export const HEAD_SIZES: readonly AttendCase[] = [32, 64, 80, 96, 100, 128, 256].flatMap(headDim =>
  KV_TYPES.map(type => ({
    headDim,
    type,
    heads: 4,
    kvHeads: 2,
    ropeDim: headDim,
    pairing: headDim % 64 === 0 ? ('neox' as const) : ('norm' as const),
    qkNorm: headDim % 3 === 0 || headDim === 100,
  })),
)

/** Odd shapes: experts' matrices do not end at tiles, and stand one by one. */
export const EXPERTS: readonly ExpertCase[] = LINEAR_KINDS.map((kind, i) => ({
  ...kind,
  rows: [24, 33, 7][i % 3]!,
  cols: [192, 50][i % 2]!,
  experts: [8, 5, 2][i % 3]!,
  used: [3, 1, 2][i % 3]!,
  scores: i % 2 ? 'sigmoid' : 'softmax',
  normalise: i % 4 > 1,
  scale: i % 5 === 0 ? 2.5 : 1,
  bias: i % 3 === 1,
}))

export function linearName(c: LinearCase): string {
  return `${kindName(c)} activations, ${c.rows} x ${c.cols}`
}

export function expertName(c: ExpertCase): string {
  return `${c.used} of ${c.experts} by ${c.scores}, ${kindName(c)}, ${c.rows} x ${c.cols}`
}

export function attendName(c: AttendCase): string {
  const norm = c.qkNorm ? ', QK-norm' : ''
  return `${c.heads}/${c.kvHeads} heads of ${c.headDim}, KV ${c.type}, RoPE ${c.pairing} ${c.ropeDim}${norm}`
}
