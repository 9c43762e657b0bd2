// 64 bits over 32-bit words: two multiplicative lanes with other constants. Finds damage (any change of
// one word changes both lanes, as every step can be undone) and tells models apart; it is no protection
// against someone who wants a collision. About 1 GB a second. Called by sessions.ts.

export class Checksum {
  #a = 0x811c9dc5
  #b = 0x2545f491

  /** @param bytes  their number is a multiple of 4, their offset too */
  add(bytes: ArrayBufferView): void {
    const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4)
    let a = this.#a
    let b = this.#b
    for (let i = 0; i < words.length; i++) {
      const word = words[i]!
      a = Math.imul(a ^ word, 0x9e3779b1)
      a ^= a >>> 15
      b = Math.imul(b ^ word, 0x85ebca77)
      b ^= b >>> 13
    }
    this.#a = a
    this.#b = b
  }

  /** 16 hexadecimal digits. */
  get hex(): string {
    const digits = (n: number) => (n >>> 0).toString(16).padStart(8, '0')
    return digits(this.#a) + digits(this.#b)
  }
}
