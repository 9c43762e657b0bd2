// What is timed for the choice of variants: small random layers as wide as the model's, attention over a few hundred
// tokens, or both. The same data in each variant, so that results can be compared. Called by tune.ts.
import type { KvType } from '../../types/index.ts'
import type { AttendSpec, Slot } from '../backend.ts'
import { KV_BLOCK } from '../backend.ts'
import type { LinearKind } from '../cases.ts'
import type { Gpu } from './device.ts'
import { type Form, rowRoom } from './forms.ts'
import { headRoom, type Shader } from './shaders.ts'
import { createWebGpuBackend, type WebGpuBackend } from './webgpu-backend.ts'

/** Layers of a step: what waiting for it costs is small beside them. */
export const REPEATS = 12
const LEAST_STEPS = 2
const MOST_STEPS = 7
/** Of one variant. */
const LIMIT_MS = 120
const MOST_COLS = 2048
/** Tokens that attention looks back at, and of those how many are written for results. */
const CONTEXT = 256
const WRITTEN = 4
const HEADS = { heads: 8, kvHeads: 4 } as const

/** Norms, gates and linears; attention of one row; both. */
export type Work = 'layers' | 'attention' | 'all'

export interface TuneOptions {
  /** Columns of the model's widest row. */
  readonly cols: number
  readonly linears: readonly LinearKind[]
  readonly gates: readonly ('silu' | 'relu2')[]
  /** Of the cache; without them attention takes no part. */
  readonly kv?: KvType
  readonly headDim?: number
  /** Nobody waits for it any more. */
  readonly isOver?: () => boolean
  /** Measures a software adapter, too; for tests. */
  readonly anyAdapter?: boolean
}

export interface Bench {
  /** Milliseconds of the work, REPEATS times. */
  time(): Promise<number>
  /** What it gives once. */
  result(): Promise<Float32Array>
  close(): void
}

/** Small layers on a backend in this form, on the same data in every one. */
export async function benchOf(
  gpu: Gpu,
  options: TuneOptions,
  weightBytes: Uint8Array,
  form: Form,
  work: Work,
): Promise<Bench> {
  const { cols: widest, gates } = options
  const { layout, scaleBlock } = kindOf(options)!
  const attends = work !== 'layers' && options.kv !== undefined
  await gpu.pipelines.prepare([
    ...shadersOf(scaleBlock > 0, options, form),
    ...(attends ? attentionShaders(options) : []),
  ])
  const cols = Math.min(widest, MOST_COLS)
  const backend = createWebGpuBackend({
    gpu,
    limits: { maxRows: 1, maxContext: CONTEXT, maxCols: widest },
    form,
  })
  const next = numbers()
  const values = (count: number, scale: number): Slot => {
    const data = Float32Array.from({ length: count }, () => scale * (next() / 2 ** 32 - 0.5))
    return slotOf(backend, new Uint8Array(data.buffer))
  }
  const blocks = scaleBlock > 0 ? Math.ceil(cols / scaleBlock) : 1
  const weights = slotOf(backend, weightBytes)
  const scales = values(cols * blocks, 0.1)
  const w = backend.stack([{ layout, rows: cols, cols, weights, scales, scaleBlock }])
  const [x, h, y] = [values(cols, 1), values(cols, 1), values(cols, 1)]
  const [gain, gated] = [values(cols, 1), values(2 * cols, 4)]
  const layer = () => {
    backend.norm(h, x, gain, 1e-5, 1, cols)
    backend.linear(y, h, w, 1, 'int8')
    backend.add(x, y, cols)
    for (const gate of gates) {
      backend.gate(h, gated, gate, 1, cols)
      backend.norm(h, h, gain, 1e-5, 1, cols)
      backend.linear(y, h, w, 1, 'int8')
      backend.add(x, y, cols)
    }
  }
  const attention = attends ? attentionOf(backend, options, values) : undefined
  const step = async () => {
    for (let i = 0; i < REPEATS; i++) {
      if (work !== 'attention') layer()
      attention?.run()
    }
    await backend.read(attention?.out ?? x, 0, 1)
  }
  await backend.settle(true)
  return {
    async time() {
      await step() // recorded
      const times: number[] = []
      for (let spent = 0; times.length < MOST_STEPS; ) {
        const began = performance.now()
        await step()
        const time = performance.now() - began
        times.push(time)
        spent += time
        if (spent > LIMIT_MS && times.length >= LEAST_STEPS) break
      }
      return times.sort((a, b) => a - b)[times.length >> 1]!
    },
    async result() {
      layer()
      // What stands in h then is wanted by nobody, so that the last linear is fused as well.
      backend.norm(h, gain, gain, 1e-5, 1, cols)
      const row = (await backend.read(x, 0, cols)).slice()
      return Float32Array.of(...row, ...((await attention?.result()) ?? []))
    },
    close: () => backend.close(),
  }
}

/** One row that looks back at a few hundred tokens, most of which are zeros. */
function attentionOf(
  backend: WebGpuBackend,
  { kv: type = 'f32', headDim = 64 }: TuneOptions,
  values: (count: number, scale: number) => Slot,
): { out: Slot; run(): void; result(): Promise<Float32Array> } {
  const { heads, kvHeads } = HEADS
  const blocks = CONTEXT / KV_BLOCK
  const kv = backend.createKv({ layers: 1, kvHeads, headDim, blocks, type })
  const ropeDim = headDim & ~1
  const angles = Float32Array.from({ length: (CONTEXT * ropeDim) / 2 }, (_, i) => i * 0.37)
  const rope = backend.createRope(angles.map(Math.cos), angles.map(Math.sin), ropeDim)
  const spec: AttendSpec = {
    ...{ kv, rope, layer: 0, heads, kvHeads, headDim },
    ...{ ropePairing: 'neox', eps: 1e-6 },
  }
  const tables = Int32Array.from({ length: blocks }, (_, i) => i)
  const at = (position: number) => {
    return { count: 1, positions: Int32Array.of(position), tables, maxBlocks: blocks }
  }
  const width = (heads + 2 * kvHeads) * headDim
  // Attention turns and scales q where it stands: each row is used once, but for the one that is timed.
  const rows = Array.from({ length: WRITTEN }, () => values(width, 8))
  const [timed, out] = [values(width, 8), values(heads * headDim, 1)]
  const last = at(CONTEXT - 1)
  return {
    out,
    run: () => backend.attend(out, timed, last, spec),
    async result() {
      for (const [i, row] of rows.entries()) {
        backend.attend(out, row, i < WRITTEN - 1 ? at(i) : last, spec)
      }
      return (await backend.read(out, 0, heads * headDim)).slice()
    },
  }
}

function slotOf(backend: WebGpuBackend, bytes: Uint8Array): Slot {
  const slot = backend.alloc(bytes.length, 'tuning')
  backend.writer(slot).write(0, bytes)
  return slot
}

/** The same 32-bit numbers each time: xorshift32 (Marsaglia 2003). */
export function numbers(): () => number {
  let state = 0x9e3779b9
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state >>> 0
  }
}

export function kindOf({ linears }: TuneOptions): LinearKind | undefined {
  return linears.find(l => l.layout === 't2' && l.activations === 'int8')
}

function attentionShaders({ kv = 'f32', headDim = 64 }: TuneOptions): Shader[] {
  const dim = headRoom(headDim)
  return [{ name: 'rope_append', kv, dim }, { name: 'attend', kv, dim }, { name: 'attend_merge' }]
}

/** What a layer above is made of. */
function shadersOf(blocked: boolean, { cols, gates }: TuneOptions, form: Form): Shader[] {
  const sources = [0 as const, ...gates.map(gate => (gate === 'silu' ? 1 : 2))]
  const shaders: Shader[] = [
    ...sources.map((source): Shader => {
      return { name: 'rows', source, norm: true, round: true, inPlace: false }
    }),
    { name: 'rows', source: 0, norm: true, round: false, inPlace: false },
    { name: 'linear_t2', many: false, blocked },
    { name: 'finish' },
  ]
  const room = rowRoom(cols)
  if (form === 'once' || room === undefined) return shaders
  const squares = form === 'producer' ? [false, true] : [false]
  for (const source of sources) {
    for (const summed of source === 0 ? squares : [false]) {
      for (const sums of squares) {
        const row = { name: 'linear_t2_row', source, norm: true, blocked, room } as const
        shaders.push({ ...row, summed, squares: sums })
      }
    }
  }
  return shaders
}
