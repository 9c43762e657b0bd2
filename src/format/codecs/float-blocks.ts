// Float and general quantised types as f32 values: F32, F16, BF16, Q8_0, Q4_0, Q4_K, Q6_K. Layouts as in
// ggml; every product below is exact in double precision, so storing to f32 rounds once, as ggml does.
import { RyzError } from '../../errors.ts'
import type { TensorType } from '../model-file.ts'
import type { FloatCodec } from './codec.ts'
import { halfTable, readHalf } from './half.ts'

/** Runs of f32, through an aligned copy. */
function f32Run(run: number): FloatCodec {
  const values = new Float32Array(run)
  const bytes = new Uint8Array(values.buffer)
  return {
    blockBytes: 4 * run,
    blockElems: run,
    decode(src, at, out, to) {
      bytes.set(src.subarray(at, at + bytes.length))
      out.set(values, to)
    },
  }
}

function f16Run(run: number): FloatCodec {
  const table = halfTable()
  return {
    blockBytes: 2 * run,
    blockElems: run,
    decode(src, at, out, to) {
      for (let i = 0, b = at; i < run; i++, b += 2) out[to + i] = table[src[b] | (src[b + 1] << 8)]
    },
  }
}

/** A bf16 is the upper half of an f32. */
function bf16Run(run: number): FloatCodec {
  const values = new Float32Array(run)
  const words = new Uint32Array(values.buffer)
  return {
    blockBytes: 2 * run,
    blockElems: run,
    decode(src, at, out, to) {
      for (let i = 0, b = at; i < run; i++, b += 2) words[i] = (src[b] << 16) | (src[b + 1] << 24)
      out.set(values, to)
    },
  }
}

/**
 * The codec of a float type.
 * @param elements of the whole tensor; plain types come in runs that divide it
 */
export function floatCodec(type: TensorType, elements: number): FloatCodec {
  const run = [256, 64, 16, 4, 1].find(r => elements % r === 0) ?? 1
  switch (type) {
    case 'F32':
      return f32Run(run)
    case 'F16':
      return f16Run(run)
    case 'BF16':
      return bf16Run(run)
    case 'Q8_0':
      return Q8_0
    case 'Q4_0':
      return Q4_0
    case 'Q4_K':
      return Q4_K
    case 'Q6_K':
      return Q6_K
    default:
      throw new RyzError('UNSUPPORTED_TYPE', `${type} is no float type`)
  }
}

/** f16 d, int8 q[32]. */
const Q8_0: FloatCodec = {
  blockBytes: 34,
  blockElems: 32,
  decode(src, at, out, to) {
    const d = readHalf(src, at)
    for (let i = 0; i < 32; i++) out[to + i] = d * ((src[at + 2 + i] << 24) >> 24)
  },
}

/** f16 d, qs[16]: low nibbles are elements 0..15, high ones 16..31; value d * (q - 8). */
const Q4_0: FloatCodec = {
  blockBytes: 18,
  blockElems: 32,
  decode(src, at, out, to) {
    const d = readHalf(src, at)
    for (let i = 0; i < 16; i++) {
      const byte = src[at + 2 + i]
      out[to + i] = d * ((byte & 15) - 8)
      out[to + 16 + i] = d * ((byte >> 4) - 8)
    }
  },
}

/** Scale (and, 4 on, minimum) i of the eight 6-bit pairs that Q4_K packs into 12 bytes. */
function sixBits(src: Uint8Array, at: number, i: number, minimum: boolean): number {
  const shift = minimum ? 4 : 0
  if (i < 4) return src[at + i + shift] & 63
  const low = minimum ? src[at + i + 4] >> 4 : src[at + i + 4] & 15
  return low | ((src[at + i - 4 + shift] >> 6) << 4)
}

/** f16 d, f16 dmin, 12 bytes of scales, qs[128]; eight groups of 32: d*scale*q - dmin*min. */
const Q4_K: FloatCodec = {
  blockBytes: 144,
  blockElems: 256,
  decode(src, at, out, to) {
    const d = readHalf(src, at)
    const dmin = readHalf(src, at + 2)
    for (let group = 0; group < 8; group++) {
      const scale = d * sixBits(src, at + 4, group, false)
      const minimum = dmin * sixBits(src, at + 4, group, true)
      const from = at + 16 + (group >> 1) * 32
      const shift = (group & 1) * 4
      for (let i = 0; i < 32; i++) {
        out[to + group * 32 + i] = scale * ((src[from + i] >> shift) & 15) - minimum
      }
    }
  },
}

/** ql[128], qh[64], int8 scales[16], f16 d; q = 4 low bits | 2 high bits << 4, value d*scale*(q - 32). */
const Q6_K: FloatCodec = {
  blockBytes: 210,
  blockElems: 256,
  decode(src, at, out, to) {
    const d = readHalf(src, at + 208)
    for (let half = 0; half < 2; half++) {
      for (let quarter = 0; quarter < 4; quarter++) {
        const low = at + half * 64 + (quarter & 1) * 32
        const high = at + 128 + half * 32
        const lowShift = (quarter >> 1) * 4
        const highShift = quarter * 2
        const first = to + half * 128 + quarter * 32
        for (let part = 0; part < 32; part += 16) {
          const scale = (src[at + 192 + half * 8 + quarter * 2 + (part >> 4)] << 24) >> 24
          const factor = d * scale
          for (let i = part; i < part + 16; i++) {
            const q = ((src[low + i] >> lowShift) & 15) | (((src[high + i] >> highShift) & 3) << 4)
            out[first + i] = factor * (q - 32)
          }
        }
      }
    }
  },
}
