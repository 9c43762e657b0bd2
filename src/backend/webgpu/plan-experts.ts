// The dispatches of mixtures of experts, and of the attention of their architectures: see shaders/route.wgsl,
// routed_*.wgsl, mix.wgsl. Called by plan.ts.
import type { Columns, Slot } from '../backend.ts'
import { FLAT_COLS, layoutBytes, T2_COLS, T2_ROWS } from '../backend.ts'
import type { Bound, Dispatch, PlanParts } from './dispatch.ts'
import type { ExpertStack, PlacedRouter, RoutedOperands } from './expert-stacks.ts'
import { rowWords, scaleShift, scalesARow, tiles } from './matrix-pieces.ts'
import type { ParamWord } from './params.ts'
import { isScaled, type Shader } from './shaders.ts'
import type { OpNode } from './trace.ts'

/** Matrix rows of a workgroup; see routed_*.wgsl. */
const GROUP_ROWS = 16
const FLOAT_GROUP_ROWS = 8
const COLUMNS = 256

export type SendDispatch = (
  shader: Shader,
  words: readonly ParamWord[],
  bound: readonly Bound[],
  grid: Pick<Dispatch, 'grid' | 'x' | 'at'>,
) => void

/** Whether a routed linear reads the rounded rows of the gate before it, a row for each pair. */
export function readsRounded(op: OpNode, gate: OpNode): boolean {
  const { w } = op.c as RoutedOperands
  return gate.kind === 'gate' && op.f === 1 && op.b === gate.a && w.cols === gate.n && rounds(op)
}

function rounds(op: OpNode): boolean {
  const { w } = op.c as RoutedOperands
  return op.n === 1 && w.stacks.some(({ matrix }) => isScaled(matrix.layout))
}

/** @param rounded  its input stands in q */
export function planRouted(
  { scratch, buffers }: PlanParts,
  op: OpNode,
  rounded: boolean,
  send: SendDispatch,
): void {
  const { w, routes } = op.c as RoutedOperands
  const { nothing, q, marks, sinks } = scratch
  const [out, x, pairs] = [op.a, op.b, routes].map(slot => buffers.whole(slot as Slot)) as [
    GPUBuffer,
    GPUBuffer,
    GPUBuffer,
  ]
  if (!rounded && rounds(op)) {
    send(
      { name: 'rows', source: 0, norm: false, round: true, inPlace: false },
      [op.at + 1, w.cols, tiles(w.cols), { f32: 0 }],
      [x, nothing, sinks[0], q, marks],
      { grid: 'rows', x: 0, at: op.at + 1 },
    )
  }
  for (const stack of w.stacks) {
    const { matrix, weights, first, expert, experts } = stack
    const scales = stack.scales ?? nothing
    const of: readonly ParamWord[] = [op.f, expert, experts]
    const groups = Math.ceil(matrix.rows / GROUP_ROWS)
    if (op.n === 0 || !isScaled(matrix.layout)) {
      const words = [...floatWords(op, stack, w.outputs, first), ...of, expertRows(stack)]
      const shader = { name: 'routed_float', layout: matrix.layout } as const
      const x0 = Math.ceil(matrix.rows / FLOAT_GROUP_ROWS)
      send(shader, words, [x, weights, scales, pairs, out], { grid: 'z1', x: x0, at: op.at })
    } else if (matrix.layout === 't2') {
      const shift = scaleShift(matrix, T2_COLS)
      const words = [op.at, matrix.rows, tiles(w.cols), w.outputs, first, scalesARow(matrix), shift]
      const many = op.many > 0
      const shader = { name: 'routed_t2', many, blocked: matrix.scaleBlock > 0 } as const
      const grid = { grid: many ? 'z4' : 'z1', x: groups, at: op.at } as const
      send(shader, [...words, ...of], [q, marks, weights, scales, pairs, out], grid)
    } else {
      const units = Math.ceil(w.cols / FLAT_COLS)
      const row = layoutBytes(matrix.layout, 1, w.cols) / 16
      const words = [op.at, matrix.rows, units, w.outputs, first, row, 4 * tiles(w.cols)]
      const shader = { name: 'routed_flat', layout: matrix.layout as 'i8' | 'i4' } as const
      const grid = { grid: 'z1', x: groups, at: op.at } as const
      send(shader, [...words, ...of], [q, marks, weights, scales, pairs, out], grid)
    }
  }
}

function floatWords(op: OpNode, { matrix }: ExpertStack, outputs: number, first: number) {
  const { layout, rows, cols } = matrix
  const blocks = scalesARow(matrix)
  const row = rowWords(layout, cols)
  return [op.at, rows, cols, row, outputs, first, blocks, scaleShift(matrix, 4)]
}

/** Rows from one expert to the next as they stand. */
function expertRows({ matrix }: ExpertStack): number {
  return matrix.layout === 't2' ? Math.ceil(matrix.rows / T2_ROWS) * T2_ROWS : matrix.rows
}

export function planExperts({ scratch, buffers }: PlanParts, op: OpNode, send: SendDispatch): void {
  const whole = (slot: object) => buffers.whole(slot as Slot)
  const { at } = op
  if (op.kind === 'route') {
    const r = op.c as PlacedRouter
    const words = [
      at,
      r.experts,
      r.used,
      +(r.scores === 'sigmoid'),
      +r.normalise,
      { f32: r.scale },
      +(r.bias !== undefined),
      r.usesAt,
    ]
    const bias = r.bias ? whole(r.bias) : scratch.nothing
    const bound = [whole(op.b), bias, whole(op.a), scratch.cuts, r.uses]
    send({ name: 'route' }, words, bound, { grid: 'one', x: 1, at })
  } else if (op.kind === 'mix') {
    const bound = [whole(op.b), whole(op.c!), whole(op.a)]
    send({ name: 'mix' }, [at, op.n], bound, { grid: 'y', x: Math.ceil(op.n / COLUMNS), at })
  } else if (op.kind === 'norm_columns') {
    const { n, stride, first } = op.c as Columns
    const bound = [whole(op.b), whole(op.a)]
    const words = [at, n, stride, first, { f32: op.f }]
    send({ name: 'norm_columns' }, words, bound, { grid: 'rows', x: 0, at })
  } else {
    const bound = [whole(op.b), whole(op.a)]
    send({ name: 'bias' }, [at, op.n], bound, { grid: 'y', x: Math.ceil(op.n / COLUMNS), at })
  }
}
