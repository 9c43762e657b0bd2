// Attention of the reference backend: QK-norm, RoPE, append to the paged cache, then per row and head
// an online softmax over KV blocks of 32 tokens in order (Milakov & Gimelshein 2018; FlashAttention,
// Dao et al. 2022), exactly as backend.ts defines every sum.
import type { AttendSpec, KvSpec, StepRows } from '../backend.ts'
import { KV_BLOCK, kvHeadBytes } from '../backend.ts'
import { exp32, fromF16, quantizeRow, toF16 } from './math.ts'
import { normRow } from './norm.ts'

const f = Math.fround

export interface KvMemory {
  readonly spec: KvSpec
  readonly memory: ArrayBuffer
}

interface Rope {
  readonly cos: Float32Array
  readonly sin: Float32Array
  readonly ropeDim: number
}

interface Gains {
  readonly q: Float32Array | undefined
  readonly k: Float32Array | undefined
}

/** See Backend.attend. qkv is overwritten with the rotated q and k. */
export function attend(
  out: Float32Array,
  qkv: Float32Array,
  rows: StepRows,
  spec: AttendSpec,
  kv: KvMemory,
  rope: Rope,
  gains: Gains,
): void {
  const D = spec.headDim
  const width = (spec.heads + 2 * spec.kvHeads) * D
  const qScale = f(1 / f(Math.sqrt(D)))
  for (let r = 0; r < rows.count; r++) {
    const position = rows.positions[r]
    const block = rows.tables[r * rows.maxBlocks + Math.floor(position / KV_BLOCK)]
    for (let h = 0; h < spec.heads + spec.kvHeads; h++) {
      const at = r * width + h * D
      const isQuery = h < spec.heads
      const gain = isQuery ? gains.q : gains.k
      if (gain) normRow(qkv, qkv, gain, at, D, spec.eps)
      rotate(qkv, at, position, rope, spec)
      if (isQuery) for (let d = 0; d < D; d++) qkv[at + d] = f(qkv[at + d] * qScale)
    }
    for (let g = 0; g < spec.kvHeads; g++) {
      const k = r * width + (spec.heads + g) * D
      const v = k + spec.kvHeads * D
      append(kv, spec.layer, block, g, position % KV_BLOCK, qkv, k, v)
    }
  }
  for (let r = 0; r < rows.count; r++) {
    const table = rows.tables.subarray(r * rows.maxBlocks, (r + 1) * rows.maxBlocks)
    for (let h = 0; h < spec.heads; h++) {
      const q = qkv.subarray(r * width + h * D, r * width + (h + 1) * D)
      const o = out.subarray((r * spec.heads + h) * D, (r * spec.heads + h + 1) * D)
      const g = Math.floor((h * spec.kvHeads) / spec.heads)
      attendHead(o, q, rows.positions[r], table, spec.layer, g, kv)
    }
  }
}

function rotate(x: Float32Array, at: number, position: number, rope: Rope, spec: AttendSpec): void {
  const half = spec.ropeDim / 2
  for (let i = 0; i < half; i++) {
    const [p0, p1] = spec.ropePairing === 'neox' ? [i, i + half] : [2 * i, 2 * i + 1]
    const cos = rope.cos[position * half + i]
    const sin = rope.sin[position * half + i]
    const [a, b] = [x[at + p0], x[at + p1]]
    x[at + p0] = f(f(a * cos) - f(b * sin))
    x[at + p1] = f(f(b * cos) + f(a * sin))
  }
}

interface KvHead {
  /** K [D][32] then V [32][D], in the cache's own type. */
  readonly all: Float32Array | Uint16Array | Int8Array
  /** int8 only: K [32] then V [32]. */
  readonly scales: Float32Array | undefined
}

/** One KV head of one block of one layer. */
function openHead(kv: KvMemory, layer: number, block: number, g: number): KvHead {
  const { spec, memory } = kv
  const headBytes = kvHeadBytes(spec.type, spec.headDim)
  const at = ((layer * spec.blocks + block) * spec.kvHeads + g) * headBytes
  const count = 2 * KV_BLOCK * spec.headDim
  switch (spec.type) {
    case 'f32':
      return { all: new Float32Array(memory, at, count), scales: undefined }
    case 'f16':
      return { all: new Uint16Array(memory, at, count), scales: undefined }
    case 'int8': {
      const scales = new Float32Array(memory, at + count, 2 * KV_BLOCK)
      return { all: new Int8Array(memory, at, count), scales }
    }
    default:
      return spec.type satisfies never
  }
}

function get(head: KvHead, i: number): number {
  return head.all instanceof Uint16Array ? fromF16(head.all[i]) : head.all[i]
}

function put(head: KvHead, i: number, x: number): void {
  head.all[i] = head.all instanceof Uint16Array ? toF16(x) : x
}

function append(
  kv: KvMemory,
  layer: number,
  block: number,
  g: number,
  t: number,
  x: Float32Array,
  k: number,
  v: number,
): void {
  const D = kv.spec.headDim
  const head = openHead(kv, layer, block, g)
  if (!head.scales) {
    for (let d = 0; d < D; d++) {
      put(head, d * KV_BLOCK + t, x[k + d])
      put(head, KV_BLOCK * D + t * D + d, x[v + d])
    }
    return
  }
  const q = new Int8Array(D)
  head.scales[t] = quantizeRow(q, x, k, D)
  for (let d = 0; d < D; d++) put(head, d * KV_BLOCK + t, q[d])
  head.scales[KV_BLOCK + t] = quantizeRow(q, x, v, D)
  for (let d = 0; d < D; d++) put(head, KV_BLOCK * D + t * D + d, q[d])
}

function attendHead(
  out: Float32Array,
  q: Float32Array,
  position: number,
  table: Int32Array,
  layer: number,
  g: number,
  kv: KvMemory,
): void {
  const D = kv.spec.headDim
  const scores = new Float32Array(KV_BLOCK)
  const partial = new Float32Array(D)
  let max = 0
  let sum = 0
  for (let start = 0; start <= position; start += KV_BLOCK) {
    const head = openHead(kv, layer, table[start / KV_BLOCK], g)
    const tokens = Math.min(KV_BLOCK, position + 1 - start)

    let m = Number.NEGATIVE_INFINITY
    for (let t = 0; t < tokens; t++) {
      let s = 0
      for (let d = 0; d < D; d++) s = f(s + f(q[d] * get(head, d * KV_BLOCK + t)))
      if (head.scales) s = f(s * head.scales[t])
      scores[t] = s
      m = Math.max(m, s)
    }

    const lanes = new Float32Array(4)
    for (let t = 0; t < tokens; t++) {
      scores[t] = exp32(f(scores[t] - m))
      lanes[t & 3] += scores[t]
    }
    const l = f(f(lanes[0] + lanes[2]) + f(lanes[1] + lanes[3]))

    partial.fill(0)
    for (let t = 0; t < tokens; t++) {
      const p = head.scales ? f(scores[t] * head.scales[KV_BLOCK + t]) : scores[t]
      for (let d = 0; d < D; d++) partial[d] += f(p * get(head, KV_BLOCK * D + t * D + d))
    }

    if (start === 0) {
      max = m
      sum = l
      out.set(partial)
      continue
    }
    const merged = Math.max(max, m)
    const a = exp32(f(max - merged))
    const b = exp32(f(m - merged))
    sum = f(f(sum * a) + f(l * b))
    for (let d = 0; d < D; d++) out[d] = f(f(out[d] * a) + f(partial[d] * b))
    max = merged
  }
  for (let d = 0; d < D; d++) out[d] = f(out[d] / sum)
}
