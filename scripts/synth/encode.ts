// Writes whole numbers times one exact scale in every element type that a synthetic model can have.
// Scales are powers of two, so each type holds exactly the same values; the decoders are the product's
// own (src/format/codecs) and a test compares the two.

export interface Encoding {
  /** Type id in the file. */
  readonly id: number
  /** general.file_type of a file whose matrices have this type. */
  readonly fileType: number
  readonly blockElems: number
  readonly blockBytes: number
  /** Largest |q| the type can hold. */
  readonly limit: number
  /** Bytes behind the last block: the tensor's scale. */
  readonly tail?: (scale: number) => Uint8Array
  /** Writes the block of q[from .. from + blockElems) times scale. */
  encode(q: Int8Array, from: number, scale: number, out: DataView, at: number): void
}

/** The f16 bits of a power of two, positive, within 2^-14 .. 2^15. */
function halfPower(scale: number): number {
  const exponent = Math.log2(scale)
  if (!Number.isInteger(exponent) || exponent < -14 || exponent > 15) {
    throw new Error(`scale ${scale} is no power of two that f16 holds exactly`)
  }
  return (exponent + 15) << 10
}

/** f16 bits of a whole number of at most 11 bits times a power of two. */
export function halfOf(q: number, scale: number): number {
  if (q === 0) return 0
  const shift = 10 - Math.floor(Math.log2(Math.abs(q)))
  const exponent = (halfPower(scale) >> 10) + 10 - shift
  return (q < 0 ? 0x8000 : 0) | (exponent << 10) | ((Math.abs(q) << shift) & 1023)
}

const F32: Encoding = {
  id: 0,
  fileType: 0,
  blockElems: 1,
  blockBytes: 4,
  limit: 127,
  encode: (q, from, scale, out, at) => out.setFloat32(at, q[from] * scale, true),
}

const F16: Encoding = {
  id: 1,
  fileType: 1,
  blockElems: 1,
  blockBytes: 2,
  limit: 127,
  encode: (q, from, scale, out, at) => out.setUint16(at, halfOf(q[from], scale), true),
}

const Q8_0: Encoding = {
  id: 8,
  fileType: 7,
  blockElems: 32,
  blockBytes: 34,
  limit: 127,
  encode(q, from, scale, out, at) {
    out.setUint16(at, halfPower(scale), true)
    for (let i = 0; i < 32; i++) out.setInt8(at + 2 + i, q[from + i])
  },
}

const Q4_0: Encoding = {
  id: 2,
  fileType: 2,
  blockElems: 32,
  blockBytes: 18,
  limit: 7,
  encode(q, from, scale, out, at) {
    out.setUint16(at, halfPower(scale), true)
    for (let i = 0; i < 16; i++) {
      out.setUint8(at + 2 + i, (q[from + i] + 8) | ((q[from + 16 + i] + 8) << 4))
    }
  },
}

/** ql[128], qh[64], int8 scales[16] (all 1 here), f16 d; q + 32 in four low and two high bits. */
const Q6_K: Encoding = {
  id: 14,
  fileType: 18,
  blockElems: 256,
  blockBytes: 210,
  limit: 31,
  encode(q, from, scale, out, at) {
    for (let half = 0; half < 2; half++) {
      for (let i = 0; i < 32; i++) {
        const v = [0, 1, 2, 3].map(quarter => q[from + half * 128 + quarter * 32 + i] + 32)
        out.setUint8(at + half * 64 + i, (v[0] & 15) | ((v[2] & 15) << 4))
        out.setUint8(at + half * 64 + 32 + i, (v[1] & 15) | ((v[3] & 15) << 4))
        const high = (v[0] >> 4) | ((v[1] >> 4) << 2) | ((v[2] >> 4) << 4) | ((v[3] >> 4) << 6)
        out.setUint8(at + 128 + half * 32 + i, high)
      }
    }
    for (let i = 0; i < 16; i++) out.setInt8(at + 192 + i, 1)
    out.setUint16(at + 208, halfPower(scale), true)
  },
}

/** Five base-3 digits, first the most significant, as a fraction of 256. */
function trits(q: Int8Array, from: number, step: number, count: number): number {
  let value = 0
  for (let n = 0; n < 5; n++) value = value * 3 + (n < count ? q[from + n * step] + 1 : 0)
  return Math.ceil((value * 256) / 243)
}

const TQ1_0: Encoding = {
  id: 34,
  fileType: 36,
  blockElems: 256,
  blockBytes: 54,
  limit: 1,
  encode(q, from, scale, out, at) {
    for (let m = 0; m < 32; m++) out.setUint8(at + m, trits(q, from + m, 32, 5))
    for (let m = 0; m < 16; m++) out.setUint8(at + 32 + m, trits(q, from + 160 + m, 16, 5))
    for (let j = 0; j < 4; j++) out.setUint8(at + 48 + j, trits(q, from + 240 + j, 4, 4))
    out.setUint16(at + 52, halfPower(scale), true)
  },
}

const TQ2_0: Encoding = {
  id: 35,
  fileType: 37,
  blockElems: 256,
  blockBytes: 66,
  limit: 1,
  encode(q, from, scale, out, at) {
    for (let j = 0; j < 64; j += 32) {
      for (let k = 0; k < 32; k++) {
        const first = from + j * 4 + k
        let byte = 0
        for (let l = 0; l < 4; l++) byte |= (q[first + l * 32] + 1) << (2 * l)
        out.setUint8(at + j + k, byte)
      }
    }
    out.setUint16(at + 64, halfPower(scale), true)
  },
}

/** The published 128-interleave; the scale once, in the 32 bytes behind the codes. */
const I2_S: Encoding = {
  id: 36,
  fileType: 40,
  blockElems: 128,
  blockBytes: 32,
  limit: 1,
  tail: scale => {
    const bytes = new Uint8Array(32)
    new DataView(bytes.buffer).setFloat32(0, scale, true)
    return bytes
  },
  encode(q, from, _scale, out, at) {
    for (let i = 0; i < 32; i++) {
      let byte = 0
      for (let g = 0; g < 4; g++) byte = (byte << 2) | (q[from + g * 32 + i] + 1)
      out.setUint8(at + i, byte)
    }
  },
}

export const ENCODINGS = {
  i2_s: I2_S,
  tq2_0: TQ2_0,
  tq1_0: TQ1_0,
  q4_0: Q4_0,
  q6_k: Q6_K,
  q8_0: Q8_0,
  f16: F16,
  f32: F32,
} as const satisfies Record<string, Encoding>

export type EncodingName = keyof typeof ENCODINGS
