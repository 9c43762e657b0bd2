// A growing list of bytes, and text appended to it as UTF-8. One of them holds the bytes of a whole
// vocabulary: 32,000 calls of TextEncoder, an array each, cost 10 MB of the browser's memory.

export class ByteList {
  #bytes = new Uint8Array(1 << 14)
  length = 0

  push(byte: number): void {
    if (this.length === this.#bytes.length) {
      const larger = new Uint8Array(2 * this.length)
      larger.set(this.#bytes)
      this.#bytes = larger
    }
    this.#bytes[this.length++] = byte
  }

  /** Appends text; half a surrogate pair becomes U+FFFD, as in TextEncoder. */
  pushText(text: string): void {
    for (let at = 0; at < text.length; at++) {
      const code = text.codePointAt(at)!
      if (code > 0xffff) at++
      this.#pushCode(code)
    }
  }

  /** Appends UTF-16 units [from, to) as pushText does their text. */
  pushUnits(units: Uint16Array, from: number, to: number): void {
    for (let at = from; at < to; at++) {
      const unit = units[at]
      const low = (unit & 0xfc00) === 0xd800 && at + 1 < to ? units[at + 1] : 0
      if ((low & 0xfc00) !== 0xdc00) this.#pushCode(unit)
      else {
        this.#pushCode(0x10000 + ((unit & 0x3ff) << 10) + (low & 0x3ff))
        at++
      }
    }
  }

  #pushCode(point: number): void {
    const code = (point & ~0x7ff) === 0xd800 ? 0xfffd : point
    if (code < 0x80) {
      this.push(code)
      return
    }
    if (code < 0x800) this.push(0xc0 | (code >> 6))
    else {
      if (code < 0x10000) this.push(0xe0 | (code >> 12))
      else {
        this.push(0xf0 | (code >> 18))
        this.push(0x80 | ((code >> 12) & 0x3f))
      }
      this.push(0x80 | ((code >> 6) & 0x3f))
    }
    this.push(0x80 | (code & 0x3f))
  }

  /** A copy of just these bytes. */
  take(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.length)
  }
}
