// The start-up self-test of a path: every op on a few kilobytes of fixed data, in odd shapes and all kinds
// of backend/cases.ts, compared bit for bit with the reference backend before any weight is poured. A browser bug, a
// damaged .wasm or a kernel that does not fit this CPU is found here, and the next rung is taken.
// Called by open-parts.ts.
import type {
  Backend,
  BackendLimits,
  LayoutId,
  Linear,
  Matrix,
  Slot,
} from '../../backend/backend.ts'
import { KV_BLOCK, ROUTE_VALUES } from '../../backend/backend.ts'
import {
  ALL_NEEDS,
  kindName,
  type LinearKind,
  type ModelNeeds,
  ROPE_PAIRINGS,
  randomWeights,
} from '../../backend/cases.ts'
import type { KvType } from '../../types/index.ts'
import type { Probe } from './probe.ts'
import { drawProbes } from './self-test-draws.ts'

export type { Probe } from './probe.ts'

/** Backend memory that a self-test takes and does not give back. */
export const SELF_TEST_BYTES = 256 * 1024

/** Not multiples of any tile, so that last partial tiles are used. */
const ROWS = 37
const COLS = 200
/** A few rows take a path of their own on some backends. */
const FEW = 3
/** One row takes the GEMV path, nine a tile of the GEMM path and one row more. */
const MANY = 9
/** Two KV blocks, the second one partly. */
const TOKENS = KV_BLOCK + 3

/**
 * What a backend that sums in its own order may differ by, of the largest value of a result: int8 and int4 KV
 * by 2e-4, as its attention has no 15-bit words; a value that rounds the other way at a tie by 1e-3. What is
 * wrong differs by more than a tenth.
 */
const INEXACT = 5e-3

const NO_EXTRA = { normalise: false, scale: 1 } as const

/** What is run, where it is not everything on the same small data. */
export interface ProbeOptions {
  /** Kinds to leave out, as no weights of theirs will come. */
  readonly needs?: ModelNeeds
  /** Of the data; another one for another run. */
  readonly seed?: number
  /** Columns of rows and matrices. */
  readonly cols?: number
  /** Whether tokens are drawn as well. */
  readonly draws?: boolean
  /** Asked between two ops: whether it should end there. */
  readonly stopped?: () => boolean
}

/** What a run that was stopped throws. */
export class Stopped extends Error {}

/**
 * Runs every op; the same data each time, whatever the backend.
 * @throws RyzError KERNEL_TRAP | WORKER_DIED from a kernel that does not return; Stopped
 */
export async function runProbes(
  backend: Backend,
  limits: BackendLimits,
  kv: KvType,
  options: ProbeOptions = {},
): Promise<Probe[]> {
  const bench = new Bench(backend, limits, options)
  await bench.rowOps()
  await bench.linears()
  await bench.chains()
  await bench.attention(kv)
  if (options.draws) await bench.draws()
  await bench.experts()
  return bench.probes
}

/**
 * Names the first op that is wrong, or nothing. NaN equals NaN.
 * @param exact  bits must be equal
 */
export function firstDifference(
  got: readonly Probe[],
  want: readonly Probe[],
  exact = true,
): string | undefined {
  for (const [i, { op, values }] of want.entries()) {
    const other = got[i]!.values
    const allowed = exact ? 0 : INEXACT * largest(values)
    for (let j = 0; j < values.length; j++) {
      if (Object.is(other[j], values[j])) continue
      if (!exact && Math.abs(other[j]! - values[j]!) <= allowed) continue
      return `${op} gives ${other[j]} as value ${j}, and ${values[j]} is right`
    }
  }
  return undefined
}

function largest(values: Float32Array): number {
  let most = 0
  for (const v of values) most = Math.max(most, Math.abs(v))
  return most
}

class Bench {
  readonly probes: Probe[] = []
  readonly #backend: Backend
  readonly #limits: BackendLimits
  readonly #needs: ModelNeeds
  readonly #next: () => number
  readonly #cols: number
  readonly #many: number
  readonly #stopped: () => boolean

  constructor(backend: Backend, limits: BackendLimits, options: ProbeOptions) {
    const { needs = ALL_NEEDS, seed = 0x2545f491, cols = COLS } = options
    this.#stopped = options.stopped ?? (() => false)
    this.#backend = backend
    this.#limits = limits
    this.#needs = needs
    this.#next = xorshift(seed)
    this.#cols = Math.min(cols, limits.maxCols)
    this.#many = Math.min(MANY, limits.maxRows)
  }

  async rowOps(): Promise<void> {
    const backend = this.#backend
    const [n, rows] = [this.#cols, this.#many]
    const ids = Int32Array.from({ length: rows }, (_, r) => (r * 17) % ROWS)
    for (const layout of this.#needs.tables) {
      const out = this.#out(rows * n)
      backend.embed(out, this.#matrix(layout, ROWS, n, 0), ids, rows)
      await this.#keep(`embed (${layout})`, out)
    }
    const x = this.#values(rows * n)
    const h = this.#out(rows * n)
    backend.norm(h, x, this.#values(n), 1e-5, rows, n)
    await this.#keep('norm', h)
    // Above 65504 no half has room; a row of such values has the norm of a row of small ones.
    const far = this.#values(rows * n, 1e6)
    const farNorm = this.#out(rows * n)
    backend.norm(farNorm, far, this.#values(n), 1e-5, rows, n)
    await this.#keep('norm (values of 10^7)', farNorm)
    const half = n >> 1
    for (const activation of this.#needs.gates) {
      const out = this.#out(rows * half)
      backend.gate(out, x, activation, rows, half)
      await this.#keep(`gate (${activation})`, out)
    }
    backend.add(h, x, rows * n)
    await this.#keep('add', h)
    const picked = this.#out(2 * n)
    backend.gather(picked, h, Int32Array.of(rows - 1, 0), 2, n)
    await this.#keep('gather', picked)
  }

  async linears(): Promise<void> {
    const [n, many] = [this.#cols, this.#many]
    const x = this.#values(many * n)
    const out = this.#out(many * 2 * ROWS)
    for (const kind of this.#needs.linears) {
      const part = this.#matrix(kind.layout, ROWS, n, kind.scaleBlock)
      // Two parts side by side, as gate and up stand.
      const linear = this.#backend.stack([part, part])
      for (const rows of this.#counts()) await this.#linear(kind, out, x, linear, rows)
    }
  }

  async draws(): Promise<void> {
    const table = this.#matrix(this.#needs.tables[0] ?? 'f32', ROWS, this.#cols, 0)
    this.probes.push(...(await drawProbes(this.#backend, this.#limits, table)))
  }

  #counts(): number[] {
    return [1, FEW, this.#many].filter(rows => rows <= this.#many)
  }

  /** Ops as a layer has them, read at the end: a backend may compute neighbours at once. */
  async chains(): Promise<void> {
    const backend = this.#backend
    const [n, many] = [this.#cols, this.#many]
    const kind = this.#needs.linears.find(k => k.activations === 'int8') ?? this.#needs.linears[0]
    if (kind === undefined) return
    const w = backend.stack([this.#matrix(kind.layout, ROWS, n, kind.scaleBlock)])
    const [x, gates, gain] = [this.#values(many * n), this.#values(2 * many * n), this.#values(n)]
    const [h, y] = [this.#out(many * n), this.#out(many * ROWS)]
    const project = (rows: number, residual: Slot): void => {
      backend.linear(y, h, w, rows, kind.activations)
      backend.add(residual, y, rows * ROWS)
    }
    for (const rows of this.#counts()) {
      const residual = this.#values(many * ROWS)
      backend.norm(h, x, gain, 1e-5, rows, n)
      project(rows, residual)
      for (const gate of this.#needs.gates) {
        backend.gate(h, gates, gate, rows, n)
        project(rows, residual)
        backend.gate(h, gates, gate, rows, n)
        backend.norm(h, h, gain, 1e-5, rows, n)
        project(rows, residual)
      }
      await this.#keep(`a layer's ops (${kindName(kind)}, ${rows} rows)`, residual)
    }
  }

  async #linear(kind: LinearKind, out: Slot, x: Slot, w: Linear, rows: number): Promise<void> {
    this.#backend.linear(out, x, w, rows, kind.activations)
    const op = `linear (${kindName(kind)}, ${ROWS} x ${w.cols}, ${rows} rows)`
    this.#note(op, await this.#backend.read(out, 0, rows * w.outputs))
  }

  /** Three experts, two for each row; nothing where no room for experts was planned. */
  async experts(): Promise<void> {
    const ops = this.#backend.experts
    const used = Math.min(2, this.#limits.routed ?? 0)
    if (!ops || !this.#needs.experts || used === 0) return
    const [n, many, experts] = [this.#cols, this.#many, 3]
    const logits = this.#values(many * experts)
    const bias = this.#values(experts)
    const routes = this.#out(many * used * ROUTE_VALUES)
    const routers = (['softmax', 'sigmoid'] as const).map(scores => {
      const extra = scores === 'sigmoid' ? { normalise: true, scale: 2.5, bias } : NO_EXTRA
      return ops.createRouter({ experts, used, scores, ...extra })
    })
    for (const router of routers) {
      ops.route(routes, logits, router, many)
      await this.#keep(`route (${router.scores})`, routes)
    }
    const matrices = Array.from({ length: experts }, () => [this.#matrix('t2', ROWS, n, 0)])
    const w = ops.stackExperts(matrices)
    const x = this.#values(many * used * n)
    const y = this.#out(many * used * ROWS)
    for (const input of ['rows', 'pairs'] as const) {
      for (const count of [1, many]) {
        ops.route(routes, logits, routers[0]!, count)
        ops.routedLinear(y, x, w, routes, { input, count, used }, 'int8')
        await this.#keep(`routed linear (${input}, ${count} rows)`, y)
      }
    }
    const out = this.#values(many * ROWS)
    ops.mix(out, y, routes, many * used, ROWS)
    await this.#keep('mix', out)
    const part = n - (n >> 2)
    ops.normColumns(x, this.#values(part), 1e-5, many, { stride: n, first: n >> 2, n: part })
    ops.bias(x, this.#values(n), many, n)
    await this.#keep('norm of columns and bias', x)
  }

  /** One sequence in blocks 2 and 0 of the cache, in two steps. */
  async attention(type: KvType): Promise<void> {
    const backend = this.#backend
    const headDim = this.#cols >= 40 ? this.#needs.headDim : 8
    const [heads, kvHeads, ropeDim] = [2, 1, (headDim - 4) & ~1]
    const width = (heads + 2 * kvHeads) * headDim
    const tokens = Math.min(TOKENS, this.#limits.maxContext)
    const maxBlocks = Math.min(2, Math.ceil(this.#limits.maxContext / KV_BLOCK))
    const angles = Float32Array.from({ length: (tokens * ropeDim) / 2 }, (_, i) => i * 0.37)
    const kv = backend.createKv({ layers: 1, kvHeads, headDim, blocks: 3, type })
    const rope = backend.createRope(angles.map(Math.cos), angles.map(Math.sin), ropeDim)
    const qGain = this.#values(headDim)
    const kGain = this.#values(headDim)
    const rows = this.#many
    const out = this.#out(rows * heads * headDim)
    for (const ropePairing of ROPE_PAIRINGS) {
      const gains = ropePairing === 'norm' ? { qGain, kGain } : {}
      for (let first = 0; first < tokens; first += rows) {
        const count = Math.min(rows, tokens - first)
        const qkv = this.#values(count * width)
        backend.attend(
          out,
          qkv,
          {
            count,
            positions: Int32Array.from({ length: count }, (_, r) => first + r),
            tables: Int32Array.from(
              { length: count * maxBlocks },
              (_, i) => 2 - 2 * (i % maxBlocks),
            ),
            maxBlocks,
          },
          { kv, rope, layer: 0, heads, kvHeads, headDim, ropePairing, eps: 1e-6, ...gains },
        )
        const op = `attend (${type} KV, ${ropePairing} RoPE, token ${first + count})`
        this.#note(op, await backend.read(out, 0, count * heads * headDim))
      }
    }
  }

  async #keep(op: string, slot: Slot): Promise<void> {
    this.#note(op, await this.#backend.read(slot, 0, slot.bytes / 4))
  }

  /** Keeps a copy: the next op may overwrite what was read. */
  #note(op: string, read: Float32Array): void {
    this.probes.push({ op, values: read.slice() })
    if (this.#stopped()) throw new Stopped()
  }

  #out(values: number): Slot {
    return this.#backend.alloc(4 * values, 'self-test output')
  }

  /** Roughly as activations are: most between -1 and 1, one in 64 far out; times `size`. */
  #values(count: number, size = 1): Slot {
    const values = new Float32Array(count)
    for (let i = 0; i < count; i++) {
      const x = this.#next() / 2 ** 31 - 1
      values[i] = size * (this.#next() < 2 ** 26 ? 20 * x : x)
    }
    return this.#write(values)
  }

  #matrix(layout: LayoutId, rows: number, cols: number, scaleBlock: Matrix['scaleBlock']): Matrix {
    const weights = this.#write(randomWeights(layout, rows, cols, this.#next))
    if (layout === 'f16' || layout === 'f32') return { layout, rows, cols, weights, scaleBlock }
    const perRow = scaleBlock > 0 ? Math.ceil(cols / scaleBlock) : 1
    const scales = new Float32Array(rows * perRow)
    for (let i = 0; i < scales.length; i++) scales[i] = 0.01 + this.#next() / 2 ** 32
    return { layout, rows, cols, weights, scales: this.#write(scales), scaleBlock }
  }

  #write(data: Float32Array | Uint8Array): Slot {
    const slot = this.#backend.alloc(data.byteLength, 'self-test data')
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    this.#backend.writer(slot).write(0, bytes)
    return slot
  }
}

/** xorshift32 (Marsaglia 2003). */
function xorshift(seed: number): () => number {
  let state = seed
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state >>> 0
  }
}
