// The two shapes of a codec: ternary blocks give codes and a scale, float blocks give values. Both work
// on one block at a time, at any byte offset, and keep nothing.

export interface TernaryCodec {
  readonly blockBytes: number
  readonly blockElems: number
  /**
   * Writes blockElems codes (w + 1, or 3 where the file holds one) from `to` on.
   * @returns the scale of the block; 1 where the tensor's scale stands elsewhere
   */
  decode(src: Uint8Array, at: number, codes: Uint8Array, to: number): number
}

export interface FloatCodec {
  readonly blockBytes: number
  readonly blockElems: number
  /** Writes blockElems values from `to` on. */
  decode(src: Uint8Array, at: number, out: Float32Array, to: number): void
}

/**
 * A ternary codec as values: (code - 1) * scale.
 * @param judge  looks at the codes of a block, and throws what a code 3 means
 */
export function asFloat(codec: TernaryCodec, judge: (codes: Uint8Array) => void): FloatCodec {
  const codes = new Uint8Array(codec.blockElems)
  return {
    blockBytes: codec.blockBytes,
    blockElems: codec.blockElems,
    decode(src, at, out, to) {
      const scale = codec.decode(src, at, codes, 0)
      // A block of scale 0 is zeros, whatever its codes.
      if (scale !== 0) judge(codes)
      for (let i = 0; i < codes.length; i++) out[to + i] = (codes[i] - 1) * scale
    },
  }
}
