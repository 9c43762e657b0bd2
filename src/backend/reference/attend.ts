// Attention of the reference backend: QK-norm, RoPE, append to the paged cache, then per row and head
// an online softmax over KV blocks of 32 tokens in order (Milakov & Gimelshein 2018; FlashAttention,
// Dao et al. 2022), exactly as backend.ts defines every sum.
import type { AttendSpec, Rope, StepRows } from '../backend.ts'
import { KV_BLOCK } from '../backend.ts'
import { type FloatHead, type IntHead, type KvMemory, openHead } from './kv-head.ts'
import { exp32, roundToWords } from './math.ts'
import { normRow } from './norm.ts'

const f = Math.fround

/** The tables of a Rope handle. */
export interface RopeMemory extends Rope {
  readonly cos: Float32Array
  readonly sin: Float32Array
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
  rope: RopeMemory,
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
      const head = openHead(kv, spec.layer, block, g)
      head.append(position % KV_BLOCK, qkv.subarray(k, k + D), qkv.subarray(v, v + D))
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

function rotate(
  x: Float32Array,
  at: number,
  position: number,
  rope: RopeMemory,
  spec: AttendSpec,
): void {
  const half = rope.ropeDim / 2
  for (let i = 0; i < half; i++) {
    const [p0, p1] = spec.ropePairing === 'neox' ? [i, i + half] : [2 * i, 2 * i + 1]
    const cos = rope.cos[position * half + i]
    const sin = rope.sin[position * half + i]
    const [a, b] = [x[at + p0], x[at + p1]]
    x[at + p0] = f(f(a * cos) - f(b * sin))
    x[at + p1] = f(f(b * cos) + f(a * sin))
  }
}

/** What a block gives to the online softmax. */
interface Partial {
  m: number
  l: number
  /** Weighted sum of V: o[d] * scale[d] for int8 and int4, o[d] for the others. */
  readonly o: Float32Array
  readonly scale: Float32Array | undefined
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
  const words = new Int16Array(D)
  const qScale = roundToWords(words, q, f(1e-5), D > 512 ? 16383 : 32767)
  let max = 0
  let sum = 0
  for (let start = 0; start <= position; start += KV_BLOCK) {
    const head = openHead(kv, layer, table[start / KV_BLOCK], g)
    const tokens = Math.min(KV_BLOCK, position + 1 - start)
    const { m, l, o, scale } =
      head.kind === 'float' ? floatBlock(head, q, tokens) : intBlock(head, words, qScale, tokens)
    if (start === 0) {
      max = m
      sum = l
      for (let d = 0; d < D; d++) out[d] = scale ? f(o[d] * scale[d]) : o[d]
      continue
    }
    const merged = Math.max(max, m)
    const a = exp32(f(max - merged))
    const b = exp32(f(m - merged))
    sum = f(f(sum * a) + f(l * b))
    for (let d = 0; d < D; d++) {
      out[d] = f(f(out[d] * a) + f(o[d] * (scale ? f(scale[d] * b) : b)))
    }
    max = merged
  }
  for (let d = 0; d < D; d++) out[d] = f(out[d] / sum)
}

/** Scores to weights exp(s - m), in place. */
function softmax(scores: Float32Array): { m: number; l: number } {
  let m = Number.NEGATIVE_INFINITY
  for (const s of scores) m = Math.max(m, s)
  const lanes = new Float32Array(4)
  for (let t = 0; t < scores.length; t++) {
    scores[t] = exp32(f(scores[t] - m))
    lanes[t & 3] += scores[t]
  }
  return { m, l: f(f(lanes[0] + lanes[2]) + f(lanes[1] + lanes[3])) }
}

function floatBlock(head: FloatHead, q: Float32Array, tokens: number): Partial {
  const D = q.length
  const p = new Float32Array(tokens)
  for (let t = 0; t < tokens; t++) {
    for (let d = 0; d < D; d++) p[t] += f(q[d] * head.key(t, d))
  }
  const { m, l } = softmax(p)
  const o = new Float32Array(D)
  for (let t = 0; t < tokens; t++) {
    for (let d = 0; d < D; d++) o[d] += f(p[t] * head.value(t, d))
  }
  return { m, l, o, scale: undefined }
}

function intBlock(head: IntHead, q: Int16Array, qScale: number, tokens: number): Partial {
  const D = q.length
  const { groupSize } = head
  const p = new Float32Array(tokens)
  for (let t = 0; t < tokens; t++) {
    for (let first = 0; first < D; first += groupSize) {
      let dot = 0
      for (let d = first; d < Math.min(D, first + groupSize); d++) dot += q[d] * head.key(t, d)
      const scale = head.keyScale(t, first / groupSize)
      if (head.kind === 'int8') p[t] = f(f(dot) * f(qScale * scale))
      else p[t] += f(f(dot) * scale)
    }
    if (head.kind === 'int4') p[t] = f(p[t] * qScale)
  }
  const { m, l } = softmax(p)

  const o = new Float32Array(D)
  const scale = new Float32Array(D)
  const weighted = new Float32Array(tokens)
  const words = new Int16Array(tokens)
  for (let first = 0; first < D; first += groupSize) {
    for (let t = 0; t < tokens; t++) weighted[t] = p[t] * head.valueScale(t, first / groupSize)
    const wScale = roundToWords(words, weighted, f(1e-30), 32767)
    for (let d = first; d < Math.min(D, first + groupSize); d++) {
      let dot = 0
      for (let t = 0; t < tokens; t++) dot += words[t] * head.value(t, d)
      o[d] = dot
      scale[d] = wScale
    }
  }
  return { m, l, o, scale }
}
