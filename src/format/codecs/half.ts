// f16 to f32 and back, exact, and f32 of any alignment. A table of all 65,536 halves, made on first use:
// 256 kB, and the fastest way in JavaScript. Used by every codec with f16 in it.

let table: Float32Array | undefined

/** All 65,536 f16 values by their bits. */
export function halfTable(): Float32Array {
  if (table) return table
  table = new Float32Array(65_536)
  for (let bits = 0; bits < 65_536; bits++) {
    const exponent = (bits >> 10) & 31
    const fraction = bits & 1023
    const sign = bits & 0x8000 ? -1 : 1
    table[bits] =
      exponent === 0
        ? sign * fraction * 2 ** -24
        : exponent === 31
          ? fraction
            ? Number.NaN
            : sign * Number.POSITIVE_INFINITY
          : sign * (1024 + fraction) * 2 ** (exponent - 25)
  }
  return table
}

/** The f16 at byte `at`. */
export function readHalf(bytes: Uint8Array, at: number): number {
  return halfTable()[bytes[at] | (bytes[at + 1] << 8)]
}

const word = new Uint32Array(1)
const float = new Float32Array(word.buffer)

/** The f32 at byte `at`, of any alignment. */
export function readFloat(bytes: Uint8Array, at: number): number {
  word[0] = bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)
  return float[0]
}

/** f16 bits of a value that is exactly an f16 (or not finite); used where F16 tensors stay F16. */
export function halfBits(value: number): number {
  float[0] = value
  const bits = word[0]
  const sign = (bits >>> 16) & 0x8000
  const exponent = ((bits >>> 23) & 255) - 112
  if (exponent >= 31) return sign | 0x7c00 | (Number.isNaN(value) ? 0x200 : 0)
  if (exponent > 0) return sign | (exponent << 10) | ((bits >>> 13) & 1023)
  return sign | (Math.abs(value) * 2 ** 24)
}
