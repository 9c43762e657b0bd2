// Encoders of every readable tensor type, for round trips and for the small model files that tests
// build. Only tests use them. Float types take values, ternary types take codes (w + 1) and scales.
import type { TensorType } from '../../src/format/model-file.ts'
import type { I2sLayout } from '../../src/types/index.ts'

const scratch = new DataView(new ArrayBuffer(8))

/** f32 -> f16 bits, round half to even; values in f16's normal range or 0. */
export function toHalf(value: number): number {
  if (Number.isNaN(value)) return 0x7e00
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0
  const magnitude = Math.abs(value)
  if (magnitude === Number.POSITIVE_INFINITY) return sign | 0x7c00
  if (magnitude === 0) return sign
  const exponent = Math.max(Math.floor(Math.log2(magnitude)), -14)
  const steps = magnitude / 2 ** (exponent - 10)
  const floor = Math.floor(steps)
  const rest = steps - floor
  const rounded = rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor
  return sign | (rounded + (exponent + 14) * 1024)
}

function putHalf(out: Uint8Array, at: number, value: number): void {
  const bits = toHalf(value)
  out[at] = bits & 255
  out[at + 1] = bits >> 8
}

/** Values as F32, F16 or BF16 (truncated). */
export function encodeFloats(type: 'F32' | 'F16' | 'BF16', values: ArrayLike<number>): Uint8Array {
  const size = type === 'F32' ? 4 : 2
  const out = new Uint8Array(values.length * size)
  for (let i = 0; i < values.length; i++) {
    scratch.setFloat32(0, values[i], true)
    if (type === 'F16') putHalf(out, i * 2, values[i])
    else for (let b = 0; b < size; b++) out[i * size + b] = scratch.getUint8(b + 4 - size)
  }
  return out
}

/** Q8_0 of values: d = max / 127 in f16. */
export function encodeQ8(values: ArrayLike<number>): Uint8Array {
  const out = new Uint8Array((values.length / 32) * 34)
  for (let block = 0; block < values.length / 32; block++) {
    const part = Array.from({ length: 32 }, (_, i) => values[block * 32 + i])
    const d = Math.max(...part.map(Math.abs)) / 127
    putHalf(out, block * 34, d)
    part.forEach((v, i) => {
      out[block * 34 + 2 + i] = d === 0 ? 0 : Math.round(v / d)
    })
  }
  return out
}

export type BlockTernary = 'TQ1_0' | 'TQ2_0' | 'Q2_0_64' | 'Q2_0_128'
export const TERNARY_BLOCK: Readonly<Record<BlockTernary, 64 | 128 | 256>> = {
  TQ1_0: 256,
  TQ2_0: 256,
  Q2_0_64: 64,
  Q2_0_128: 128,
}

/** @param scales one a block, stored as f16 */
export function encodeBlocks(
  type: BlockTernary,
  codes: Uint8Array,
  scales: ArrayLike<number>,
): Uint8Array {
  const elems = TERNARY_BLOCK[type]
  const blocks = codes.length / elems
  const bytes = { TQ1_0: 54, TQ2_0: 66, Q2_0_64: 18, Q2_0_128: 34 }[type]
  const out = new Uint8Array(blocks * bytes)
  for (let b = 0; b < blocks; b++) {
    const c = codes.subarray(b * elems, (b + 1) * elems)
    const at = b * bytes
    if (type === 'TQ2_0') {
      for (let i = 0; i < 256; i++) {
        out[at + (i >> 7) * 32 + (i & 31)] |= c[i] << (((i >> 5) & 3) * 2)
      }
      putHalf(out, at + 64, scales[b])
    } else if (type === 'TQ1_0') {
      encodeTq1(c, out, at)
      putHalf(out, at + 52, scales[b])
    } else {
      putHalf(out, at, scales[b])
      for (let i = 0; i < elems; i++) out[at + 2 + (i >> 2)] |= c[i] << ((i & 3) * 2)
    }
  }
  return out
}

function encodeTq1(codes: Uint8Array, out: Uint8Array, at: number): void {
  const group = (from: number, lanes: number, trits: number, to: number) => {
    for (let lane = 0; lane < lanes; lane++) {
      let number = 0
      for (let n = 0; n < 5; n++)
        number = number * 3 + (n < trits ? codes[from + n * lanes + lane] : 0)
      out[at + to + lane] = Math.ceil((number * 256) / 243)
    }
  }
  group(0, 32, 5, 0)
  group(160, 16, 5, 32)
  group(240, 4, 4, 48)
}

/** I2_S: codes in one of its four orders, then 32 bytes that begin with the scale. */
export function encodeI2s(
  codes: Uint8Array,
  cols: number,
  scale: number,
  layout: I2sLayout,
): Uint8Array {
  const out = new Uint8Array(codes.length / 4 + 32)
  for (let i = 0; i < codes.length; i++) {
    const row = Math.floor(i / cols)
    const [byte, slot] = {
      x86: [(i >> 7) * 32 + (i & 31), (i >> 5) & 3],
      arm: [(i >> 6) * 16 + (i & 15), (i >> 4) & 3],
      rows4: [(row >> 2) * cols + (i % cols), row & 3],
      sequential: [i >> 2, i & 3],
    }[layout]
    out[byte] |= codes[i] << (6 - 2 * slot)
  }
  scratch.setFloat32(0, scale, true)
  for (let b = 0; b < 4; b++) out[codes.length / 4 + b] = scratch.getUint8(b)
  return out
}

/** Hugging Face's packing: bits 2i of packed row r are row i * rows/4 + r. */
export function encodeHf(codes: Uint8Array, rows: number, cols: number): Uint8Array {
  const out = new Uint8Array((rows * cols) / 4)
  for (let n = 0; n < rows; n++) {
    for (let c = 0; c < cols; c++) {
      out[(n % (rows / 4)) * cols + c] |= codes[n * cols + c] << (Math.floor(n / (rows / 4)) * 2)
    }
  }
  return out
}

/** GGUF ids of the types that files have. */
export const TYPE_IDS: Readonly<Record<Exclude<TensorType, 'HF_T2'>, number>> = {
  F32: 0,
  F16: 1,
  BF16: 30,
  Q4_0: 2,
  Q8_0: 8,
  Q4_K: 12,
  Q6_K: 14,
  I2_S: 36,
  TQ1_0: 34,
  TQ2_0: 35,
  Q2_0_64: 42,
  Q2_0_128: 142,
}
