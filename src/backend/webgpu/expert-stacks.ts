// Matrices of experts as they stand on the device: those of neighbouring experts one behind the other in a buffer, as
// many as a binding holds, so that one dispatch finds those that were chosen. Made by experts.ts, read by plan-experts.ts.
import type { Experts, Matrix, Router, Slot } from '../backend.ts'
import { T2_ROWS } from '../backend.ts'
import type { Buffers } from './buffers.ts'

/** Matrices of some neighbouring experts, one behind the other. */
export interface ExpertStack {
  /** Of one expert. */
  readonly matrix: Matrix
  readonly weights: GPUBuffer
  readonly scales: GPUBuffer | undefined
  /** The first expert, and how many. */
  readonly expert: number
  readonly experts: number
  /** Its first column of the output. */
  readonly first: number
}

export interface StackedExperts extends Experts {
  readonly stacks: readonly ExpertStack[]
  /** An object for each slot of routes, by which a plan knows its ops. */
  readonly operands: RoutedOperands[]
}

export interface RoutedOperands {
  readonly w: StackedExperts
  readonly routes: Slot
}

export interface PlacedRouter extends Router {
  readonly uses: GPUBuffer
  /** Of its first expert. */
  readonly usesAt: number
}

/** @throws RyzError GPU_OOM where one expert alone does not fit a binding */
export function stacked(buffers: Buffers, experts: readonly (readonly Matrix[])[]): StackedExperts {
  const first = experts[0]!
  const outputs = first.reduce((sum, part) => sum + part.rows, 0)
  const stacks: ExpertStack[] = []
  if (experts.every(parts => parts.every((part, i) => i === 0 || follows(parts[i - 1]!, part)))) {
    stack(buffers, experts, 0, 0, stacks)
  } else {
    let column = 0
    for (let i = 0; i < first.length; i++) {
      const parts = experts.map(matrices => [matrices[i]!])
      stack(buffers, parts, 0, column, stacks)
      column += first[i]!.rows
    }
  }
  return { experts, cols: first[0]!.cols, outputs, stacks, operands: [] }
}

/** Stacks of experts beginning with `expert`, as few as bindings allow. */
function stack(
  buffers: Buffers,
  experts: readonly (readonly Matrix[])[],
  expert: number,
  first: number,
  into: ExpertStack[],
): void {
  const parts = experts.flat()
  const slots = parts.map(part => part.weights)
  const scales = parts.flatMap(part => part.scales ?? [])
  const alike = parts.every(part => sameKind(part, parts[0]!))
  if (alike && slots.length > 1 && buffers.canJoin(slots) && buffers.canJoin(scales)) {
    const { label } = slots[0]!
    const weights = buffers.whole(buffers.join(slots, `${label} and on`))
    const all = scales.length > 0 ? buffers.join(scales, `scales of ${label} and on`) : undefined
    const rows = experts[0]!.reduce((sum, part) => sum + part.rows, 0)
    into.push({
      matrix: { ...parts[0]!, rows },
      weights,
      scales: all && buffers.whole(all),
      expert,
      experts: experts.length,
      first,
    })
    return
  }
  if (experts.length > 1) {
    const half = experts.length >> 1
    stack(buffers, experts.slice(0, half), expert, first, into)
    stack(buffers, experts.slice(half), expert + half, first, into)
    return
  }
  let column = first
  for (const matrix of parts) {
    const weights = buffers.whole(matrix.weights)
    const own = matrix.scales && buffers.whole(matrix.scales)
    into.push({ matrix, weights, scales: own, expert, experts: 1, first: column })
    column += matrix.rows
  }
}

function sameKind(a: Matrix, b: Matrix): boolean {
  return a.layout === b.layout && a.cols === b.cols && a.scaleBlock === b.scaleBlock
}

/** Whether the rows of `b` go on where those of `a` end. */
function follows(a: Matrix, b: Matrix): boolean {
  return sameKind(a, b) && (a.layout !== 't2' || a.rows % T2_ROWS === 0)
}
