// Ternary block types with their scale in the block: TQ1_0, TQ2_0 (ggml) and Q2_0 in blocks of 64 and
// 128. A code is w + 1; code 3 is passed on and judged by the caller.

import type { TernaryCodec } from './codec.ts'
import { readHalf } from './half.ts'

/** 66 bytes for 256: qs[64], f16 d. Element j*4 + l*32 + k (j 0 or 32) is bits 2l of qs[j + k]. */
export const TQ2_0: TernaryCodec = {
  blockBytes: 66,
  blockElems: 256,
  decode(src, at, codes, to) {
    for (let j = 0; j < 64; j += 32) {
      for (let k = 0; k < 32; k++) {
        const byte = src[at + j + k]
        const out = to + j * 4 + k
        codes[out] = byte & 3
        codes[out + 32] = (byte >> 2) & 3
        codes[out + 64] = (byte >> 4) & 3
        codes[out + 96] = byte >> 6
      }
    }
    return readHalf(src, at + 64)
  },
}

const POWERS_OF_3 = [1, 3, 9, 27, 81]

/** Trit n of a TQ1_0 byte: the byte is a fraction of 256 in base 3. */
function trit(byte: number, n: number): number {
  return (((byte * POWERS_OF_3[n]) & 255) * 3) >> 8
}

/** 54 bytes for 256: qs[48] with five trits a byte (32 bytes, then 16), qh[4] with four, f16 d. */
export const TQ1_0: TernaryCodec = {
  blockBytes: 54,
  blockElems: 256,
  decode(src, at, codes, to) {
    for (let n = 0; n < 5; n++) {
      for (let m = 0; m < 32; m++) codes[to + n * 32 + m] = trit(src[at + m], n)
      for (let m = 0; m < 16; m++) codes[to + 160 + n * 16 + m] = trit(src[at + 32 + m], n)
    }
    for (let n = 0; n < 4; n++) {
      for (let j = 0; j < 4; j++) codes[to + 240 + n * 4 + j] = trit(src[at + 48 + j], n)
    }
    return readHalf(src, at + 52)
  },
}

function q2(elems: number): TernaryCodec {
  return {
    blockBytes: 2 + elems / 4,
    blockElems: elems,
    decode(src, at, codes, to) {
      for (let j = 0; j < elems; j++) codes[to + j] = (src[at + 2 + (j >> 2)] >> ((j & 3) * 2)) & 3
      return readHalf(src, at)
    },
  }
}

/** f16 d first, then codes, lowest bits first. */
export const Q2_0_64: TernaryCodec = q2(64)
export const Q2_0_128: TernaryCodec = q2(128)
