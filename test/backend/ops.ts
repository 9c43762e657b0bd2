// Runs one op on any backend with seeded data and returns its output: the same call on two backends
// must give the same bits. Used by conformance.test.ts.
import { expect } from 'vitest'
import {
  type Backend,
  KV_BLOCK,
  type LayoutId,
  layoutBytes,
  type Matrix,
  PIECE_ROWS,
  ROUTE_VALUES,
  type Slot,
} from '../../src/backend/backend.ts'
import { type LinearKind, randomWeights } from '../../src/backend/cases.ts'
import type { KvType } from '../../src/types/index.ts'

export const LIMITS = { maxRows: 128, maxContext: 320, maxCols: 8640, routed: 8 }

/** A backend that can be thrown away and made again, as memory is never given back one by one. */
export interface Resetable {
  readonly backend: Backend
  /** A fresh backend: createKv and setRope work once each. */
  reset(): Promise<void>
  /** The backend at hand, unless it has served so often that its memory may run out. */
  ready(): Promise<void>
  close(): void
}

const CALLS_PER_BACKEND = 12

/** Wraps a factory. */
export function resetable(make: () => Promise<Backend>): Resetable {
  let backend: Backend | undefined
  let calls = 0
  const reset = async () => {
    backend?.close()
    calls = 0
    backend = await make()
  }
  return {
    get backend() {
      if (!backend) throw new Error('reset() or ready() first')
      return backend
    },
    reset,
    async ready() {
      if (!backend || ++calls > CALLS_PER_BACKEND) await reset()
    },
    close() {
      backend?.close()
      backend = undefined
    },
  }
}

/** mulberry32: small, seeded, good enough for test data. */
export function random(seed: number): () => number {
  let a = seed >>> 0
  return () => {
    a = (a + 0x6d2b79f5) >>> 0
    let t = Math.imul(a ^ (a >>> 15), a | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Roughly normal values with a few outliers, as activations have. */
export function values(count: number, next: () => number): Float32Array {
  const v = new Float32Array(count)
  for (let i = 0; i < count; i++) {
    const x = next() + next() + next() - 1.5
    v[i] = next() < 0.01 ? 20 * x : x
  }
  return v
}

function bytesOf(array: Float32Array | Uint8Array | Int8Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
}

export function slotOf(
  backend: Backend,
  array: Float32Array | Uint8Array | Int8Array,
  unit?: number,
): Slot {
  const slot = backend.alloc(array.byteLength, 'test data', unit)
  backend.writer(slot).write(0, bytesOf(array))
  return slot
}

/** Equal bits; two NaN are equal whatever their payload. */
export function sameBits(got: Float32Array, want: Float32Array): void {
  expect(got.length).toBe(want.length)
  const a = new Uint32Array(got.buffer, got.byteOffset, got.length)
  const b = new Uint32Array(want.buffer, want.byteOffset, want.length)
  for (let i = 0; i < a.length; i++) {
    if (a[i] === b[i] || (Number.isNaN(got[i]) && Number.isNaN(want[i]))) continue
    expect.fail(`value ${i} of ${a.length} is ${got[i]}, want ${want[i]}`)
  }
}

export function matrixOf(
  backend: Backend,
  layout: LayoutId,
  rows: number,
  cols: number,
  scaleBlock: number,
  next: () => number,
): Matrix {
  const weights = slotOf(
    backend,
    randomWeights(layout, rows, cols, () => Math.floor(next() * 2 ** 32)),
    layoutBytes(layout, PIECE_ROWS, cols),
  )
  if (layout === 'f16' || layout === 'f32') return { layout, rows, cols, weights, scaleBlock: 0 }
  const perRow = scaleBlock ? Math.ceil(cols / scaleBlock) : 1
  const scales = new Float32Array(rows * perRow)
  for (let i = 0; i < scales.length; i++) scales[i] = 0.01 + next()
  return { layout, rows, cols, weights, scales: slotOf(backend, scales), scaleBlock }
}

export interface LinearCase extends LinearKind {
  readonly rows: number
  readonly cols: number
}

const GUARD = 16
const GUARD_VALUE = -12345

/** Room for values, and behind them what must survive: padded rows are never written. */
function guardedSlot(backend: Backend, values: number | Float32Array): Slot {
  const count = typeof values === 'number' ? values : values.length
  const all = new Float32Array(count + GUARD).fill(GUARD_VALUE)
  if (typeof values !== 'number') all.set(values)
  return slotOf(backend, all)
}

/** The values of a guarded slot. */
async function readGuarded(backend: Backend, slot: Slot): Promise<Float32Array> {
  const count = slot.bytes / 4 - GUARD
  const all = await backend.read(slot, 0, count + GUARD)
  expect(all.subarray(count)).toEqual(new Float32Array(GUARD).fill(GUARD_VALUE))
  return all.slice(0, count)
}

/** y of `count` rows, beginning with row `first` of the seeded rows; `poison` replaces one input. */
export async function linearRows(
  on: Resetable,
  parts: readonly LinearCase[],
  count: number,
  seed: number,
  first = 0,
  poison?: number,
): Promise<Float32Array> {
  const { backend } = on
  const { cols, activations } = parts[0]
  const weights = random(seed)
  const w = backend.stack(
    parts.map(p => matrixOf(backend, p.layout, p.rows, p.cols, p.scaleBlock, weights)),
  )
  const x = values((first + count) * cols, random(seed + 1)).slice(first * cols)
  if (poison !== undefined) x[3] = poison
  const out = guardedSlot(backend, count * w.outputs)
  backend.linear(out, slotOf(backend, x), w, count, activations)
  return readGuarded(backend, out)
}

/** y of `count` rows as a part of wider rows, whose other columns must survive. */
export async function partRows(on: Resetable, c: LinearCase, count: number, seed: number) {
  const { backend } = on
  const columns = { stride: c.rows + 23, first: 12 }
  const matrix = matrixOf(backend, c.layout, c.rows, c.cols, c.scaleBlock, random(seed))
  const w = backend.stack([matrix], columns)
  expect(w.outputs).toBe(c.rows)
  const size = count * columns.stride
  const out = slotOf(backend, new Float32Array(size).fill(GUARD_VALUE))
  const x = slotOf(backend, values(count * c.cols, random(seed + 1)))
  backend.linear(out, x, w, count, c.activations)
  const all = (await backend.read(out, 0, size)).slice()
  const part: number[] = []
  all.forEach((value, i) => {
    const column = (i % columns.stride) - columns.first
    if (column >= 0 && column < c.rows) part.push(value)
    else expect(value).toBe(GUARD_VALUE)
  })
  return Float32Array.from(part)
}

/** The largest sums there are: every weight and every activation at the end of its range. */
export async function extremeRows(
  on: Resetable,
  layout: 't2' | 'i8' | 'i4',
  scaleBlock: 0 | 256,
  cols: number,
  sign: 1 | -1,
): Promise<Float32Array> {
  const { backend } = on
  const [rows, count] = [4, 5]
  // Code 2 in all four places of a byte; or -127; or code 0 (-8) in both, and scales of 127.
  const fill = { t2: 0xaa, i8: -127, i4: 0 }[layout]
  const data = new Int8Array(layoutBytes(layout, rows, cols)).fill(fill)
  if (layout === 'i4') {
    const blocks = cols / 64
    for (let n = 0; n < rows; n++) {
      const first = (n * data.length) / rows + 32 * blocks
      data.fill(127, first, first + 4 * blocks)
    }
  }
  const weights = slotOf(backend, data)
  const perRow = scaleBlock ? Math.ceil(cols / scaleBlock) : 1
  const scales = slotOf(backend, new Float32Array(rows * perRow).fill(0.5))
  const w = backend.stack([{ layout, rows, cols, weights, scales, scaleBlock }])
  const out = guardedSlot(backend, count * rows)
  const x = slotOf(backend, new Float32Array(count * cols).fill(3 * sign))
  backend.linear(out, x, w, count, 'int8')
  return readGuarded(backend, out)
}

/**
 * y of rows of whole numbers from -127 to 127 with 127 among them, and scales of 1: rounding and scales are
 * exact, so every backend must give the same bits.
 */
export async function wholeNumberRows(
  on: Resetable,
  c: LinearCase,
  count: number,
  seed: number,
): Promise<Float32Array> {
  const { backend } = on
  const next = random(seed)
  const weights = slotOf(
    backend,
    randomWeights(c.layout, c.rows, c.cols, () => Math.floor(next() * 2 ** 32)),
  )
  const scales = slotOf(backend, new Float32Array(c.rows).fill(1))
  const w = backend.stack([{ ...c, weights, scales, scaleBlock: 0 }])
  const x = new Float32Array(count * c.cols)
  for (let i = 0; i < x.length; i++) x[i] = i % c.cols ? Math.floor(next() * 255) - 127 : 127
  const out = guardedSlot(backend, count * c.rows)
  backend.linear(out, slotOf(backend, x), w, count, 'int8')
  return readGuarded(backend, out)
}

export interface ExpertCase extends LinearCase {
  readonly experts: number
  readonly used: number
  readonly scores: 'softmax' | 'sigmoid'
  readonly normalise?: boolean
  readonly scale?: number
  readonly bias?: boolean
}

/**
 * A mixture as a layer has it, of rows beginning with row `first` of the seeded ones: routes, what gate and up of
 * each pair give, what down gives of other values, and the rows after mixing.
 */
export async function expertRows(
  on: Resetable,
  c: ExpertCase,
  count: number,
  seed: number,
  first = 0,
  poison?: number,
): Promise<{ routes: Float32Array; up: Float32Array; down: Float32Array; mixed: Float32Array }> {
  const { backend } = on
  const ops = backend.experts!
  const { experts, used, cols, rows, activations } = c
  const next = random(seed)
  const matrix = (n: number, k: number) => matrixOf(backend, c.layout, n, k, c.scaleBlock, next)
  const many = <T>(make: () => T): T[] => Array.from({ length: experts }, make)
  const gateUp = ops.stackExperts(many(() => [matrix(rows, cols), matrix(rows, cols)]))
  const down = ops.stackExperts(many(() => [matrix(cols, rows)]))
  const bias = c.bias ? { bias: slotOf(backend, values(experts, next)) } : {}
  const { scores, normalise = false, scale = 1 } = c
  const router = ops.createRouter({ experts, used, scores, normalise, scale, ...bias })

  const input = random(seed + 1)
  const each = Array.from({ length: first + count }, () => ({
    z: values(experts, input),
    x: values(cols, input),
    h: values(used * rows, input),
    residual: values(cols, input),
  })).slice(first)
  if (poison !== undefined) each[0]!.z[1] = poison
  const joined = (name: 'z' | 'x' | 'h' | 'residual') =>
    slotOf(backend, Float32Array.from(each.flatMap(row => [...row[name]])))
  const pairs = count * used
  const routes = backend.alloc(4 * ROUTE_VALUES * pairs, 'routes')
  const up = slotOf(backend, new Float32Array(pairs * 2 * rows + GUARD).fill(GUARD_VALUE))
  const y = slotOf(backend, new Float32Array(pairs * cols + GUARD).fill(GUARD_VALUE))
  const read = async (slot: Slot, n: number) => (await backend.read(slot, 0, n)).slice()

  ops.route(routes, joined('z'), router, count)
  ops.routedLinear(up, joined('x'), gateUp, routes, { input: 'rows', count, used }, activations)
  const found = await read(routes, ROUTE_VALUES * pairs)
  // Values of a pair go by its row and its rank there, so that they do not depend on other rows.
  const h = new Float32Array(pairs * rows)
  const ranks = new Map<number, number>()
  for (let p = 0; p < pairs; p++) {
    const row = found[ROUTE_VALUES * p + 1]!
    const rank = ranks.get(row) ?? 0
    ranks.set(row, rank + 1)
    h.set(each[row]!.h.subarray(rank * rows, (rank + 1) * rows), p * rows)
  }
  ops.routedLinear(
    y,
    slotOf(backend, h),
    down,
    routes,
    { input: 'pairs', count, used },
    activations,
  )
  const residual = joined('residual')
  ops.mix(residual, y, routes, pairs, cols)
  const guarded = async (slot: Slot, n: number) => {
    const all = await read(slot, n + GUARD)
    expect(all.subarray(n)).toEqual(new Float32Array(GUARD).fill(GUARD_VALUE))
    return all.slice(0, n)
  }
  return {
    routes: found,
    up: await guarded(up, pairs * 2 * rows),
    down: await guarded(y, pairs * cols),
    mixed: await read(residual, count * cols),
  }
}

/** A norm of some columns, then a bias of all. */
export async function columnRows(
  on: Resetable,
  count: number,
  seed: number,
): Promise<Float32Array> {
  const { backend } = on
  const ops = backend.experts!
  const next = random(seed)
  const [stride, first, n] = [150, 40, 77]
  const x = slotOf(backend, values(count * stride, next))
  ops.normColumns(x, slotOf(backend, values(n, next)), 1e-5, count, { stride, first, n })
  ops.bias(x, slotOf(backend, values(stride, next)), count, stride)
  return (await backend.read(x, 0, count * stride)).slice()
}

export async function embedRows(
  on: Resetable,
  layout: LayoutId,
  cols: number,
  seed: number,
): Promise<Float32Array> {
  const { backend } = on
  const table = matrixOf(backend, layout, 37, cols, 0, random(seed))
  const out = guardedSlot(backend, 5 * cols)
  backend.embed(out, table, Int32Array.of(0, 36, 7, 7, 1), 5)
  return readGuarded(backend, out)
}

/** In place for even counts. */
export async function normRows(
  on: Resetable,
  count: number,
  n: number,
  seed: number,
): Promise<Float32Array> {
  const { backend } = on
  const next = random(seed)
  const x = guardedSlot(backend, values(count * n, next))
  const gain = slotOf(backend, values(n, next))
  const out = count % 2 ? x : guardedSlot(backend, count * n)
  backend.norm(out, x, gain, 1e-5, count, n)
  return readGuarded(backend, out)
}

/** gate, then gather of three rows, then add of the gate's first rows. */
export async function gateRows(
  on: Resetable,
  activation: 'silu' | 'relu2',
  count: number,
  n: number,
  seed: number,
): Promise<Float32Array> {
  const { backend } = on
  const input = values(2 * count * n, random(seed))
  input[0] = 200 // silu: exp is clamped on both sides
  input[input.length - 2 * n] = -200
  const x = slotOf(backend, input)
  const gated = guardedSlot(backend, count * n)
  backend.gate(gated, x, activation, count, n)
  const picked = guardedSlot(backend, 3 * n)
  backend.gather(picked, gated, Int32Array.of(4, 0, 2), 3, n)
  backend.add(picked, gated, 3 * n)
  await readGuarded(backend, gated)
  return readGuarded(backend, picked)
}

/**
 * Norm or gate and norm, linear and add, twice one after the other for one row, as layers have it: what is fused may
 * need both. @returns the residual, which both have added to
 */
export async function layerRows(
  on: Resetable,
  c: LinearCase & { readonly gate: 'silu' | 'relu2' | undefined },
  seed: number,
): Promise<Float32Array> {
  const { backend } = on
  const { rows, cols, gate } = c
  const next = random(seed)
  const matrix = () => matrixOf(backend, c.layout, rows, cols, c.scaleBlock, next)
  const linears = [backend.stack([matrix()]), backend.stack([matrix()])]
  const gain = slotOf(backend, values(cols, next))
  // Where a matrix is square the second norm is of what the first linear added to.
  const x = slotOf(backend, values(gate ? 2 * cols : cols, next))
  const residual = guardedSlot(backend, rows === cols ? values(cols, next) : rows)
  const [h, y] = [guardedSlot(backend, cols), guardedSlot(backend, rows)]
  for (const [i, w] of linears.entries()) {
    const from = i > 0 && rows === cols && !gate ? residual : x
    if (gate) {
      backend.gate(h, x, gate, 1, cols)
      if (i > 0) backend.norm(h, h, gain, 1e-5, 1, cols)
    } else backend.norm(h, from, gain, 1e-5, 1, cols)
    backend.linear(y, h, w, 1, 'int8')
    backend.add(residual, y, rows)
  }
  // Written once more, so that nobody can want what stands there.
  backend.norm(h, gain, gain, 1e-5, 1, cols)
  const sum = await readGuarded(backend, residual)
  await readGuarded(backend, y)
  return sum
}

export interface AttendCase {
  readonly headDim: number
  readonly heads: number
  readonly kvHeads: number
  readonly type: KvType
  readonly ropeDim: number
  readonly pairing: 'neox' | 'norm'
  readonly qkNorm: boolean
}

/**
 * One sequence fed in pieces, in the second of two layers, in blocks 5, 2, 7 of the cache, or from 9 on where it
 * has more than 96 tokens.
 * @param options.besides   each piece also holds one row of another sequence, in front
 * @param options.poison    replaces the first value of token 3
 * @param options.forkAfter after this many pieces the newest block is copied and the copy used
 * @param options.moveAfter  the same with readBlock and writeBlock; `saw` gets the bytes
 * @returns the outputs of the sequence's tokens, in order
 */
export async function attendRows(
  on: Resetable,
  c: AttendCase,
  pieces: readonly number[],
  seed: number,
  options: {
    besides?: boolean
    forkAfter?: number
    poison?: number
    moveAfter?: { piece: number; saw?: (bytes: Uint8Array) => void }
  } = {},
): Promise<Float32Array> {
  const { backend } = on
  const { heads, kvHeads, headDim } = c
  const total = pieces.reduce((sum, n) => sum + n, 0)
  const width = (heads + 2 * kvHeads) * headDim
  const next = random(seed)
  const qkv = values(total * width, next)
  const other = values(width, next)
  if (options.poison !== undefined) qkv.fill(options.poison, 3 * width, 3 * width + 1)
  // In no order, with a gap behind each.
  const wanted = Math.ceil(total / KV_BLOCK)
  const table =
    wanted <= 3 ? [5, 2, 7] : Array.from({ length: wanted }, (_, i) => 9 + ((7 * i) % wanted))
  const maxBlocks = table.length
  const blocks = Math.max(9, ...table.map(b => b + 1))
  const kv = backend.createKv({ layers: 2, kvHeads, headDim, blocks, type: c.type })
  const half = c.ropeDim / 2
  const cos = new Float32Array(LIMITS.maxContext * half)
  const sin = new Float32Array(cos.length)
  for (let i = 0; i < cos.length; i++) {
    const angle = Math.floor(i / half) / 10000 ** ((i % half) / half)
    cos[i] = Math.cos(angle)
    sin[i] = Math.sin(angle)
  }
  const rope = backend.createRope(cos, sin, c.ropeDim)
  const gains = c.qkNorm ? [0, 1].map(() => slotOf(backend, values(headDim, next))) : []
  const spec = {
    kv,
    rope,
    layer: 1,
    heads,
    kvHeads,
    headDim,
    ropePairing: c.pairing,
    eps: 1e-6,
    qGain: gains[0],
    kGain: gains[1],
  } as const

  const outWidth = heads * headDim
  const result = new Float32Array(total * outWidth)
  const extra = options.besides ? 1 : 0
  const maxRows = Math.max(...pieces) + extra
  const input = backend.alloc(4 * maxRows * width, 'qkv')
  const guarded = new Float32Array(maxRows * outWidth + GUARD).fill(GUARD_VALUE)
  const out = slotOf(backend, guarded)
  let done = 0
  for (const [index, piece] of pieces.entries()) {
    if (index === options.forkAfter) {
      const at = Math.floor(done / KV_BLOCK)
      backend.copyBlock(kv, table[at], 8)
      table[at] = 8
    }
    if (index === options.moveAfter?.piece) {
      const at = Math.floor(done / KV_BLOCK)
      const bytes = await backend.readBlock(kv, table[at])
      options.moveAfter.saw?.(bytes)
      backend.writeBlock(kv, table[at], new Uint8Array(bytes.length).fill(0x3c)) // nobody reads it again
      backend.writeBlock(kv, 8, bytes)
      table[at] = 8
    }
    const count = piece + extra
    if (extra) backend.writer(input).write(0, bytesOf(other))
    backend.writer(out).write(0, bytesOf(guarded))
    const rows = qkv.subarray(done * width, (done + piece) * width)
    backend.writer(input).write(4 * extra * width, bytesOf(rows))
    const positions = Int32Array.from({ length: count }, (_, r) =>
      r < extra ? 0 : done + r - extra,
    )
    const tables = Int32Array.from({ length: count * maxBlocks }, (_, i) =>
      i < maxBlocks * extra ? 0 : table[i % maxBlocks],
    )
    backend.attend(out, input, { count, positions, tables, maxBlocks }, spec)
    const all = await backend.read(out, 0, count * outWidth + GUARD)
    expect(all.subarray(count * outWidth)).toEqual(new Float32Array(GUARD).fill(GUARD_VALUE))
    result.set(all.subarray(extra * outWidth, count * outWidth), done * outWidth)
    done += piece
  }
  // Blocks of nobody, beside those that were written.
  for (const block of [1, 3]) {
    expect((await backend.readBlock(kv, block)).every(byte => byte === 0)).toBe(true)
  }
  return result
}
