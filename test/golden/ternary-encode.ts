// Encoders between ternary codes (w + 1, one a byte) and the packed bytes of files, for derive.ts.
// Written from the format description and kept apart from src/, whose decoders they help to check.

/** Codes of TQ2_0 rows: blocks of 256 in 66 bytes, 64 of codes and then an f16 scale. */
export function readTq2(bytes: Uint8Array): { codes: Uint8Array; scales: Uint16Array } {
  const blocks = bytes.length / 66
  const codes = new Uint8Array(blocks * 256)
  const scales = new Uint16Array(blocks)
  for (let b = 0; b < blocks; b++) {
    for (let i = 0; i < 256; i++) {
      const byte = bytes[b * 66 + (i >> 7) * 32 + (i & 31)]
      codes[b * 256 + i] = (byte >> (2 * ((i >> 5) & 3))) & 3
    }
    scales[b] = bytes[b * 66 + 64] | (bytes[b * 66 + 65] << 8)
  }
  return { codes, scales }
}

/** TQ1_0: blocks of 256 in 54 bytes; five base-3 digits a byte, stored as ceil(v * 256 / 243). */
export function writeTq1(codes: Uint8Array, scales: Uint16Array): Uint8Array {
  const out = new Uint8Array(scales.length * 54)
  const pack = (digits: number[]) => {
    const v = digits.reduce((sum, d) => sum * 3 + d, 0) * 3 ** (5 - digits.length)
    return Math.ceil((v * 256) / 243)
  }
  for (let b = 0; b < scales.length; b++) {
    const at = (i: number) => codes[b * 256 + i]
    const put = (to: number, count: number, digits: number, from: number) => {
      for (let m = 0; m < count; m++) {
        out[b * 54 + to + m] = pack(
          Array.from({ length: digits }, (_, n) => at(from + n * count + m)),
        )
      }
    }
    put(0, 32, 5, 0)
    put(32, 16, 5, 160)
    put(48, 4, 4, 240)
    out[b * 54 + 52] = scales[b] & 255
    out[b * 54 + 53] = scales[b] >> 8
  }
  return out
}

/** F16 values code * scale; the code 0 gives +0. */
export function writeTernaryF16(codes: Uint8Array, scales: Uint16Array): Uint8Array {
  const out = new Uint16Array(codes.length)
  for (let i = 0; i < codes.length; i++) {
    if (codes[i] !== 1) out[i] = scales[i >> 8] | (codes[i] === 0 ? 0x8000 : 0)
  }
  return new Uint8Array(out.buffer)
}

/** Hugging Face uint8 [rows/4][cols]: bits 2i of byte row r hold matrix row i * rows/4 + r. */
export function writeHfPacked(codes: Uint8Array, rows: number, cols: number): Uint8Array {
  const quarter = (rows / 4) * cols
  const out = new Uint8Array(quarter)
  for (let i = 0; i < out.length; i++) {
    out[i] =
      codes[i] |
      (codes[i + quarter] << 2) |
      (codes[i + 2 * quarter] << 4) |
      (codes[i + 3 * quarter] << 6)
  }
  return out
}

/**
 * A float master whose absmean rounding gives back exactly these codes and this scale: codes 0 become
 * +-scale/4, the others share out the rest so that mean |w| is the scale, exact in f32 and in any sum.
 * @param scale a number of at most 8 significant bits (bf16)
 */
export function writeMaster(codes: Uint8Array, scale: number): Uint8Array {
  const unit = scale / 256
  const zeros = codes.reduce((n, c) => n + (c === 1 ? 1 : 0), 0)
  const rest = codes.length * 256 - zeros * 64
  const low = Math.floor(rest / (codes.length - zeros))
  let extra = rest - low * (codes.length - zeros)
  const out = new Float32Array(codes.length)
  for (let i = 0; i < codes.length; i++) {
    if (codes[i] === 1) out[i] = (i & 1 ? 64 : -64) * unit
    else out[i] = (codes[i] - 1) * (extra-- > 0 ? low + 1 : low) * unit
  }
  return new Uint8Array(out.buffer)
}

const scratch = new DataView(new ArrayBuffer(4))

/** The value of f16 bits. */
export function f16ToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 31
  const mantissa = bits & 1023
  if (exponent === 0) return sign * mantissa * 2 ** -24
  return sign * (1 + mantissa / 1024) * 2 ** (exponent - 15)
}

/** bf16 bits of a number that bf16 holds exactly. @throws Error when it does not */
export function exactBf16(x: number): number {
  scratch.setFloat32(0, x)
  if (scratch.getUint16(2) !== 0 || scratch.getFloat32(0) !== x) throw new Error(`${x} is no bf16`)
  return scratch.getUint16(0)
}

/** f16 bits nearest to bf16 bits, ties to even; for finite values that do not overflow. */
export function bf16ToF16(bits: number): number {
  const sign = bits & 0x8000
  scratch.setUint16(0, bits & 0x7fff)
  scratch.setUint16(2, 0)
  const x = scratch.getFloat32(0)
  // A grid of 2^-24 below the smallest normal f16; above it the 8 bits of a bf16 always fit.
  if (x < 2 ** -14) return sign | roundHalfEven(x * 2 ** 24)
  const exponent = Math.floor(Math.log2(x))
  return sign | (((exponent + 15) << 10) + Math.round((x / 2 ** exponent - 1) * 1024))
}

function roundHalfEven(x: number): number {
  const floor = Math.floor(x)
  const part = x - floor
  if (part === 0.5) return floor + (floor & 1)
  return part > 0.5 ? floor + 1 : floor
}
