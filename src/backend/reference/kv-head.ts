// One KV head of one block of the cache, in each of its types: where an element lies (the layouts of
// kvHeadBytes in backend.ts), how a token's vectors are rounded into it, and what they mean.
// Used by attend.ts.
import type { KvSpec } from '../backend.ts'
import { KV_BLOCK, KV_GROUP, kvHeadBytes, kvHeadWidth } from '../backend.ts'
import { fromF16, fromUpperHalf, quantizeRow, roundEven, toF16, toUpperHalf } from './math.ts'

const f = Math.fround

export interface KvMemory {
  readonly spec: KvSpec
  readonly memory: ArrayBuffer
}

interface Head {
  /** Stores token t: k and v are one head's vectors. */
  append(t: number, k: Float32Array, v: Float32Array): void
  /** Element d of token t: the value itself, or its integer for int8 and int4. */
  key(t: number, d: number): number
  value(t: number, d: number): number
}

export interface FloatHead extends Head {
  readonly kind: 'float'
}

export interface IntHead extends Head {
  readonly kind: 'int8' | 'int4'
  /** Elements that share a scale. */
  readonly groupSize: number
  keyScale(t: number, group: number): number
  valueScale(t: number, group: number): number
}

/** One KV head of one block of one layer. */
export function openHead(
  { spec, memory }: KvMemory,
  layer: number,
  block: number,
  g: number,
): FloatHead | IntHead {
  const { type, headDim } = spec
  const at =
    ((layer * spec.kvHeads + g) * spec.blocks + block) * kvHeadBytes(spec.type, spec.headDim)
  switch (type) {
    case 'f32':
      return f32Head(new Float32Array(memory, at, 2 * KV_BLOCK * headDim), headDim)
    case 'f16':
      return f16Head(new Uint16Array(memory, at, 2 * KV_BLOCK * headDim), headDim)
    case 'int8':
      return int8Head(memory, at, headDim)
    case 'int4':
      return int4Head(memory, at, headDim)
    default:
      return type satisfies never
  }
}

function f32Head(all: Float32Array, D: number): FloatHead {
  const value = KV_BLOCK * D
  return {
    kind: 'float',
    append: (t, k, v) => {
      for (let d = 0; d < D; d++) all[d * KV_BLOCK + t] = k[d]
      all.set(v, value + t * D)
    },
    key: (t, d) => all[d * KV_BLOCK + t],
    value: (t, d) => all[value + t * D + d],
  }
}

function f16Head(all: Uint16Array, D: number): FloatHead {
  const value = KV_BLOCK * D
  return {
    kind: 'float',
    append: (t, k, v) => {
      for (let d = 0; d < D; d++) {
        all[d * KV_BLOCK + t] = toF16(k[d])
        all[value + t * D + d] = toF16(v[d])
      }
    },
    key: (t, d) => fromF16(all[d * KV_BLOCK + t]),
    value: (t, d) => fromF16(all[value + t * D + d]),
  }
}

function int8Head(memory: ArrayBuffer, at: number, headDim: number): IntHead {
  const D = kvHeadWidth('int8', headDim)
  const all = new Int8Array(memory, at, 2 * KV_BLOCK * D)
  const scales = new Float32Array(memory, at + all.length, 2 * KV_BLOCK)
  const keyAt = (t: number, d: number) => ((d >> 1) * KV_BLOCK + t) * 2 + (d & 1)
  const valueAt = (t: number, d: number) => KV_BLOCK * D + ((t >> 1) * D + d) * 2 + (t & 1)
  return {
    kind: 'int8',
    groupSize: headDim,
    append: (t, k, v) => {
      const q = new Int8Array(headDim)
      scales[t] = quantizeRow(q, k, 0, headDim)
      for (let d = 0; d < headDim; d++) all[keyAt(t, d)] = q[d]
      scales[KV_BLOCK + t] = quantizeRow(q, v, 0, headDim)
      for (let d = 0; d < headDim; d++) all[valueAt(t, d)] = q[d]
    },
    key: (t, d) => all[keyAt(t, d)],
    value: (t, d) => all[valueAt(t, d)],
    keyScale: t => scales[t],
    valueScale: t => scales[KV_BLOCK + t],
  }
}

/** Where a nibble stands: its word and the shift in it. */
type Nibble = readonly [word: number, shift: number]

function int4Head(memory: ArrayBuffer, at: number, headDim: number): IntHead {
  const D = kvHeadWidth('int4', headDim)
  const groups = Math.ceil(headDim / KV_GROUP)
  const words = new Uint16Array(memory, at, (2 * KV_BLOCK * D) / 4)
  const scales = new Uint16Array(memory, at + 2 * words.length, 2 * groups * KV_BLOCK)
  const keyAt = (t: number, d: number): Nibble => [
    ((d >> 3) * KV_BLOCK + t) * 2 + (d & 1),
    4 * ((d >> 1) & 3),
  ]
  const valueAt = (t: number, d: number): Nibble => [
    words.length / 2 + (((t >> 1) * (D / 16) + (d >> 4)) * 4 + (d & 3)) * 2 + (t & 1),
    4 * ((d >> 2) & 3),
  ]
  const get = ([word, shift]: Nibble) => ((words[word] >> shift) & 15) - 8
  const put = ([word, shift]: Nibble, x: number) => {
    words[word] = (words[word] & ~(15 << shift)) | ((x + 8) << shift)
  }
  const scaleAt = (first: number, t: number, group: number) => first + group * KV_BLOCK + t
  const round = (x: Float32Array, t: number, first: number, where: typeof keyAt) => {
    for (let g = 0; g < groups; g++) {
      const end = Math.min(headDim, (g + 1) * KV_GROUP)
      let a = f(1e-5)
      for (let d = g * KV_GROUP; d < end; d++) a = Math.max(a, Math.abs(x[d]))
      const half = toUpperHalf(f(a / 7))
      scales[scaleAt(first, t, g)] = half
      const inverse = f(1 / fromUpperHalf(half))
      for (let d = g * KV_GROUP; d < end; d++) {
        const q = roundEven(f(x[d] * inverse))
        put(where(t, d), Number.isNaN(q) ? 0 : Math.max(-7, Math.min(7, q)))
      }
    }
  }
  return {
    kind: 'int4',
    groupSize: KV_GROUP,
    append: (t, k, v) => {
      round(k, t, 0, keyAt)
      round(v, t, groups * KV_BLOCK, valueAt)
    },
    key: (t, d) => get(keyAt(t, d)),
    value: (t, d) => get(valueAt(t, d)),
    keyScale: (t, g) => fromUpperHalf(scales[scaleAt(0, t, g)]),
    valueScale: (t, g) => fromUpperHalf(scales[scaleAt(groups * KV_BLOCK, t, g)]),
  }
}
