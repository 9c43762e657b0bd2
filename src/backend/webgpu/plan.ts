// A path of ops made into dispatches: pipelines, bind groups and grids that are set up once and replayed by
// every step that takes the same path. Neighbours are fused where one dispatch can do both: norm or gate
// with the rounding of the linear that follows, a linear with the add that follows. What an op writes is
// written all the same, so slots hold what they would hold op by op. Called by webgpu-backend.ts.
import type { AttendSpec, Linear, Matrix, Slot } from '../backend.ts'
import { FLAT_COLS, layoutBytes, T2_COLS } from '../backend.ts'
import {
  type Agreement,
  type Bound,
  type Dispatch,
  makeDispatch,
  type Plan,
  type PlanParts,
} from './dispatch.ts'
import { DRAW_PIECE } from './drawing.ts'
import {
  type MatrixPiece,
  piecesOf,
  rowWords,
  scaleShift,
  scalesARow,
  tiles,
} from './matrix-pieces.ts'
import type { ParamWord } from './params.ts'
import { planExperts, planRouted, readsRounded, type SendDispatch } from './plan-experts.ts'
import { addBehind, type FusedRow, FusedRows, isOverwritten } from './plan-fused.ts'
import type { Shader } from './shaders.ts'
import { headRoom, isScaled } from './shaders.ts'
import type { OpNode } from './trace.ts'

/** Matrix rows of a workgroup: 4 groups of 16 lanes; see linear_*.wgsl. */
const GROUP_ROWS = 16
const FLOAT_GROUP_ROWS = 8
const TILE_ROWS = 32
/** @param fuse  false: a dispatch or more for every op */
export function makePlan(parts: PlanParts, path: readonly OpNode[], fuse: boolean): Plan {
  const maker = new PlanMaker(parts)
  for (let i = 0; i < path.length; ) i += maker.add(path, i, fuse)
  const { dispatches, agreements, attends } = maker
  return { dispatches, agreements, layer: (attends[1] ?? 0) - (attends[1] ? attends[0]! : 0) }
}

class PlanMaker {
  readonly dispatches: Dispatch[] = []
  readonly agreements: Agreement[] = []
  /** Where each attention begins in the dispatches. */
  readonly attends: number[] = []
  readonly #parts: PlanParts
  readonly #fused: FusedRows

  constructor(parts: PlanParts) {
    this.#parts = parts
    this.#fused = new FusedRows(parts, this.dispatches)
  }

  /** @returns how many ops were done */
  add(path: readonly OpNode[], i: number, fuse: boolean): number {
    const op = path[i]!
    switch (op.kind) {
      case 'embed':
        this.#embed(op)
        return 1
      case 'norm':
      case 'gate':
        return this.#rows(path, i, fuse)
      case 'linear':
        return this.#linear(path, i, fuse, false)
      case 'attend':
        this.#attend(op)
        return 1
      case 'add':
        this.#dispatch({ name: 'add' }, [op.at], [this.#whole(op.b), this.#whole(op.a)], {
          grid: 'elements',
          x: 0,
          at: op.at,
        })
        return 1
      case 'gather':
        this.#dispatch({ name: 'gather' }, [op.at, op.n], [this.#whole(op.b), this.#whole(op.a)], {
          grid: 'y',
          x: Math.ceil(op.n / 256),
          at: op.at,
        })
        return 1
      case 'finite':
        this.#dispatch({ name: 'finite' }, [op.at], [this.#whole(op.a), op.b as GPUBuffer], {
          grid: 'elements',
          x: 0,
          at: op.at,
        })
        return 1
      case 'draw':
        this.#draw(op)
        return 1
      case 'routed':
        planRouted(this.#parts, op, false, this.#send)
        return 1
      case 'route':
      case 'mix':
      case 'norm_columns':
      case 'bias':
        planExperts(this.#parts, op, this.#send)
        return 1
      default:
        return op.kind satisfies never
    }
  }

  #draw(op: OpNode): void {
    const { drawn } = this.#parts.scratch
    const parts = op.b as GPUBuffer
    const pieces = Math.ceil(op.n / DRAW_PIECE)
    const x = pieces
    this.#dispatch({ name: 'top' }, [op.at, op.n, pieces], [this.#whole(op.a), parts], {
      grid: 'y',
      x,
      at: op.at,
    })
    this.#dispatch({ name: 'draw' }, [op.at, pieces], [parts, drawn], {
      grid: 'rows',
      x: 0,
      at: op.at,
    })
  }

  #embed(op: OpNode): void {
    const { scratch } = this.#parts
    const table = op.b as Matrix
    const { layout, cols } = table
    for (const { weights, scales, first, rows } of piecesOf(this.#parts.buffers, table)) {
      const words = [
        op.at,
        cols,
        rowWords(layout, cols),
        first,
        rows,
        +isScaled(layout),
        scalesARow(table),
        scaleShift(table, 4),
      ]
      const bound = [weights, scales ?? scratch.nothing, scratch.drawn, this.#whole(op.a)]
      const x = Math.ceil(cols / 256)
      this.#dispatch({ name: 'embed', layout }, words, bound, { grid: 'y', x, at: op.at })
    }
  }

  /** norm or gate, with the norm and the rounding that follow. */
  #rows(path: readonly OpNode[], i: number, fuse: boolean): number {
    const op = path[i]!
    let done = 1
    let norm = op.kind === 'norm' ? op : undefined
    if (fuse && op.kind === 'gate') {
      const next = path[i + 1]
      const inPlace = next?.kind === 'norm' && next.a === op.a && next.b === op.a
      if (inPlace && next.n === op.n) {
        norm = next
        done++
        this.agreements.push({ a: op.at, factor: 1, b: next.at })
      }
    }
    const routed = path[i + done]
    if (fuse && routed?.kind === 'routed' && readsRounded(routed, op)) {
      this.agreements.push({ a: op.at, factor: 1, b: routed.at })
      this.#rowsDispatch(op, op.f === 0 ? 1 : 2, norm, true)
      planRouted(this.#parts, routed, true, this.#send)
      return done + 1
    }
    const linear = path[i + done]
    const rounds =
      fuse &&
      linear?.kind === 'linear' &&
      linear.b === op.a &&
      (linear.c as Linear).cols === op.n &&
      this.#rounds(linear)
    if (rounds) this.agreements.push({ a: op.at, factor: 1, b: linear.at })
    const source = op.kind === 'norm' ? 0 : op.f === 0 ? 1 : 2
    const row = { source, norm, x: op.b } as const
    if (rounds && this.#fused.can(path, i + done, row) && isOverwritten(path, i + done, op.a)) {
      return done + this.#fusedLinear(path, i + done, row)
    }
    this.#rowsDispatch(op, source, norm, rounds)
    return rounds ? done + this.#linear(path, i + done, fuse, true) : done
  }

  #rowsDispatch(op: OpNode, source: 0 | 1 | 2, norm: OpNode | undefined, round: boolean): void {
    const { nothing, q, marks, sinks } = this.#parts.scratch
    const inPlace = op.a === op.b
    const shader = { name: 'rows', source, norm: norm !== undefined, round, inPlace } as const
    const words = [op.at, op.n, tiles(op.n), { f32: norm?.f ?? 0 }]
    const bound = [
      inPlace ? nothing : this.#whole(op.b),
      norm === undefined ? nothing : this.#whole(norm.c!),
      this.#whole(op.a),
      round ? q : sinks[0],
      round ? marks : sinks[1],
    ]
    this.#dispatch(shader, words, bound, { grid: 'rows', x: 0, at: op.at })
  }

  /** Whether a linear rounds its input. */
  #rounds(op: OpNode): boolean {
    return op.n === 1 && (op.c as Linear).parts.some(part => isScaled(part.layout))
  }

  /** @param rounded  its input stands in q */
  #linear(path: readonly OpNode[], i: number, fuse: boolean, rounded: boolean): number {
    const op = path[i]!
    const w = op.c as Linear
    const row = { source: 0, norm: undefined, x: op.b } as const
    if (!rounded && fuse && this.#rounds(op) && this.#fused.can(path, i, row)) {
      return this.#fusedLinear(path, i, row)
    }
    if (!rounded && this.#rounds(op)) this.#round(op, w)
    const added = fuse ? this.#added(path, i) : undefined
    const out = this.#whole(op.a)
    const residual = added ? this.#whole(added.a) : this.#parts.scratch.sinks[0]
    let first = w.columns?.first ?? 0
    for (const part of this.#parts.matricesOf(w)) {
      for (const piece of piecesOf(this.#parts.buffers, part)) {
        const at = { out, residual, first: first + piece.first, add: added !== undefined }
        if (op.n === 1 && isScaled(part.layout)) this.#intPart(op, w, part, piece, at)
        else this.#floatPart(op, w, part, piece, at)
      }
      first += part.rows
    }
    return added ? 2 : 1
  }

  /** The add that follows a linear, where one dispatch can do both. */
  #added(path: readonly OpNode[], i: number): OpNode | undefined {
    const op = path[i]!
    const added = addBehind(path, i)
    if (added) this.agreements.push({ a: op.at, factor: (op.c as Linear).outputs, b: added.at })
    return added
  }

  #fusedLinear(path: readonly OpNode[], i: number, row: FusedRow): number {
    const added = this.#added(path, i)
    this.#fused.linear(path, i, row, added)
    return added ? 2 : 1
  }

  #round(op: OpNode, w: Linear): void {
    const { nothing, q, marks, sinks } = this.#parts.scratch
    this.#dispatch(
      { name: 'rows', source: 0, norm: false, round: true, inPlace: false },
      [op.at, w.cols, tiles(w.cols), { f32: 0 }],
      [this.#whole(op.b), nothing, sinks[0], q, marks],
      { grid: 'rows', x: 0, at: op.at },
    )
  }

  #intPart(op: OpNode, w: Linear, part: Matrix, piece: MatrixPiece, to: PartTarget): void {
    const { q, marks } = this.#parts.scratch
    const { layout, cols } = part
    const bound = [q, marks, piece.weights, piece.scales!, to.out, to.residual]
    const add = +to.add
    const many = op.many > 0
    if (layout === 't2') {
      const blocked = part.scaleBlock > 0
      const blocks = scalesARow(part)
      const shift = scaleShift(part, T2_COLS)
      const words = [op.at, piece.rows, tiles(cols), strideOf(w), to.first, blocks, shift, add]
      const tiled = op.many === 2
      const shader: Shader = tiled
        ? { name: 'linear_t2_tile', blocked }
        : { name: 'linear_t2', many, blocked }
      const x = Math.ceil(piece.rows / (tiled ? TILE_ROWS : GROUP_ROWS))
      this.#dispatch(shader, words, bound, { grid: tiled ? 'z32' : 'z4', x, at: op.at })
      return
    }
    const words = [
      op.at,
      piece.rows,
      Math.ceil(cols / FLAT_COLS),
      strideOf(w),
      to.first,
      layoutBytes(layout, 1, cols) / 16,
      4 * tiles(cols),
      add,
    ]
    const x = Math.ceil(piece.rows / GROUP_ROWS)
    const shader = { name: 'linear_flat', layout: layout as 'i8' | 'i4', many } as const
    this.#dispatch(shader, words, bound, { grid: 'z4', x, at: op.at })
  }

  #floatPart(op: OpNode, w: Linear, part: Matrix, piece: MatrixPiece, to: PartTarget): void {
    const { layout, cols } = part
    const words = [
      op.at,
      piece.rows,
      cols,
      rowWords(layout, cols),
      strideOf(w),
      to.first,
      scalesARow(part),
      scaleShift(part, 4),
      +to.add,
    ]
    const scales = piece.scales ?? this.#parts.scratch.nothing
    const bound = [this.#whole(op.b), piece.weights, scales, to.out, to.residual]
    const x = Math.ceil(piece.rows / FLOAT_GROUP_ROWS)
    const shader = { name: 'linear_float', layout, many: op.many > 0 } as const
    this.#dispatch(shader, words, bound, {
      grid: 'z4',
      x,
      at: op.at,
    })
  }

  #attend(op: OpNode): void {
    this.attends.push(this.dispatches.filter(d => d.grid !== 'merge').length)
    const { scratch, buffers, rowsAt: at, tilesAt } = this.#parts
    const spec = op.c as AttendSpec
    const kv = this.#parts.kvOf(spec.kv)
    const rope = this.#parts.ropeOf(spec.rope)
    const { heads, kvHeads, headDim } = spec
    const width = (heads + 2 * kvHeads) * headDim
    const headWords = kv.headBytes / 4
    const dim = headRoom(headDim)
    const { blocks, type } = kv.spec
    const [out, qkv] = [this.#whole(op.a), this.#whole(op.b)]
    const gain = (slot: Slot | undefined) =>
      slot === undefined ? scratch.nothing : this.#whole(slot)
    const parts = kv.parts[spec.layer]!
    for (const part of parts) {
      const words: ParamWord[] = [
        at,
        heads,
        kvHeads,
        headDim,
        spec.rope.ropeDim / 2,
        +(spec.ropePairing === 'neox'),
        +(spec.qGain !== undefined),
        +(spec.kGain !== undefined),
        { f32: spec.eps },
        { f32: Math.fround(1 / Math.fround(Math.sqrt(headDim))) },
        part.first,
        part.heads,
        blocks,
        headWords,
        width,
      ]
      const bound = [
        this.#whole(rope.cos),
        this.#whole(rope.sin),
        gain(spec.qGain),
        gain(spec.kGain),
        qkv,
        buffers.whole(part.slot),
      ]
      const x = heads + 2 * part.heads
      this.#dispatch({ name: 'rope_append', kv: type, dim }, words, bound, { grid: 'y', x, at })
    }
    for (const part of parts) {
      const { first } = part
      const words = [at, heads, kvHeads, headDim, first, part.heads, blocks, headWords, width]
      const bound = [qkv, buffers.whole(part.slot), out, scratch.runs]
      const tiled = op.many > 0
      const name = tiled ? 'attend_tile' : 'attend'
      const grid = { grid: 'attend', x: heads, at: tiled ? tilesAt : at } as const
      this.#dispatch({ name, kv: type, dim }, [...words, ...(tiled ? [tilesAt] : [])], bound, grid)
    }
    this.#dispatch({ name: 'attend_merge' }, [at, heads, headDim], [scratch.runs, out], {
      grid: 'merge',
      x: heads,
      at,
    })
  }

  readonly #send: SendDispatch = (shader, words, bound, grid) =>
    this.#dispatch(shader, words, bound, grid)

  #dispatch(
    shader: Shader,
    words: readonly ParamWord[],
    bound: readonly Bound[],
    grid: Pick<Dispatch, 'grid' | 'x' | 'at'>,
  ): void {
    this.dispatches.push(makeDispatch(this.#parts, shader, words, bound, grid))
  }

  #whole(operand: object): GPUBuffer {
    return this.#parts.buffers.whole(operand as Slot)
  }
}

interface PartTarget {
  readonly out: GPUBuffer
  readonly residual: GPUBuffer
  /** Its first column of the output. */
  readonly first: number
  readonly add: boolean
}

/** Values in a row of the result. */
function strideOf(w: Linear): number {
  return w.columns?.stride ?? w.outputs
}
