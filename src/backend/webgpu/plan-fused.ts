// Linears of one row that make their rounded row themselves (linear_t2_row.wgsl): when a plan may have them, and their
// dispatches. Which form a device runs is told by PlanParts.form. Called by plan.ts.
import type { Linear, Slot } from '../backend.ts'
import { T2_COLS } from '../backend.ts'
import { type Dispatch, makeDispatch, type PlanParts } from './dispatch.ts'
import { type RowShader, rowRoom } from './forms.ts'
import { piecesOf, scaleShift, scalesARow, tiles } from './matrix-pieces.ts'
import type { OpKind, OpNode } from './trace.ts'

/** Matrix rows of a workgroup; see linear_t2_row.wgsl. */
const GROUP_ROWS = 64

/** Ops that write all of `a` and read it in no case; others may read what they write to. */
const OVERWRITES: readonly OpKind[] = ['embed', 'norm', 'linear', 'attend', 'gate', 'gather']

/** What a linear makes its row of: the norm, the gate, and what that reads. */
export interface FusedRow {
  readonly source: 0 | 1 | 2
  readonly norm: OpNode | undefined
  readonly x: object
}

export class FusedRows {
  readonly #parts: PlanParts
  readonly #dispatches: Dispatch[]
  /** The norm whose sum of squares stands in the partials, and in how many parts. */
  #summed: { readonly norm: OpNode; readonly parts: number } | undefined

  constructor(parts: PlanParts, dispatches: Dispatch[]) {
    this.#parts = parts
    this.#dispatches = dispatches
  }

  /** Whether the linear at `i` may make this row itself. */
  can(path: readonly OpNode[], i: number, { x }: FusedRow): boolean {
    const { form, maxCols } = this.#parts
    const op = path[i]!
    if (form === 'once' || op.many > 0 || rowRoom(maxCols) === undefined) return false
    if ((op.c as Linear).columns !== undefined) return false
    // Workgroups would read what others have written already, unless what they give is only added to another.
    const added = addBehind(path, i)
    if (added?.a === x) return false
    if (op.a === x && !(added && isOverwritten(path, i + 1, op.a))) return false
    return this.#parts.matricesOf(op.c as Linear).every(({ layout }) => layout === 't2')
  }

  /** @param added  the add behind it */
  linear(path: readonly OpNode[], i: number, row: FusedRow, added: OpNode | undefined): void {
    const { scratch, form, buffers, maxCols } = this.#parts
    const op = path[i]!
    const w = op.c as Linear
    const whole = (slot: object) => buffers.whole(slot as Slot)
    // The next op is the norm of what this one adds to: nothing comes in between.
    const next = path[i + 2]
    const squares = form === 'producer' && next?.kind === 'norm' && next.b === added?.a
    const summed = row.norm !== undefined && this.#summed?.norm === row.norm
    const sums = summed ? this.#summed!.parts : 0
    this.#summed = undefined
    const residual = added ? whole(added.a) : scratch.sinks[0]
    const gain = row.norm ? whole(row.norm.c!) : scratch.nothing
    const onlyAdds = op.a === row.x
    const out = onlyAdds ? scratch.sinks[1] : whole(op.a)
    const add = added === undefined ? 0 : onlyAdds ? 2 : 1
    let first = 0
    let to = 0
    for (const part of this.#parts.matricesOf(w)) {
      const shader: RowShader = {
        name: 'linear_t2_row',
        source: row.source,
        norm: row.norm !== undefined,
        blocked: part.scaleBlock > 0,
        summed,
        squares,
        room: rowRoom(maxCols)!,
      }
      for (const piece of piecesOf(buffers, part)) {
        const { weights, scales, rows } = piece
        const words = [
          op.at,
          rows,
          tiles(part.cols),
          w.outputs,
          first + piece.first,
          scalesARow(part),
          scaleShift(part, T2_COLS),
          add,
          part.cols,
          { f32: row.norm?.f ?? 0 },
          sums,
          to,
        ]
        const bound = [whole(row.x), gain, weights, scales!, out, residual, scratch.partials]
        const x = Math.ceil(rows / GROUP_ROWS)
        const grid = { grid: 'one', x, at: op.at } as const
        this.#dispatches.push(makeDispatch(this.#parts, shader, words, bound, grid))
        to += x
      }
      first += part.rows
    }
    if (squares) this.#summed = { norm: next, parts: to }
  }
}

/** The add that follows a linear, where one dispatch can do both. */
export function addBehind(path: readonly OpNode[], i: number): OpNode | undefined {
  const op = path[i]!
  const next = path[i + 1]
  if (next?.kind !== 'add' || next.b !== op.a) return undefined
  // What a linear gives is not the whole row then.
  if (op.kind !== 'linear' || (op.c as Linear).columns !== undefined) return undefined
  return next.a === op.a || next.a === op.b ? undefined : next
}

/** Whether an op behind `from` writes a slot before any reads it: nobody will miss what stands there now. */
export function isOverwritten(path: readonly OpNode[], from: number, slot: object): boolean {
  for (let i = from + 1; i < path.length; i++) {
    const { kind, a, b, c } = path[i]!
    if (b === slot || c === slot) return false
    if (a !== slot) continue
    const partly = kind === 'linear' && (c as Linear).columns !== undefined
    return OVERWRITES.includes(kind) && !partly
  }
  return false
}
