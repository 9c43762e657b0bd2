// A forward cursor over the first bytes of a ByteSource, for header readers. Holds only what has
// arrived and is not yet read, so a lying length never allocates; knows nothing of containers.
import { RyzError } from '../../errors.ts'
import type { TextListWriter } from '../../text-list.ts'
import type { ByteSource } from '../model-file.ts'
import { utf8Text, utf8ToList } from '../utf8.ts'

/** No header is larger; the largest known (262k tokens with scores and merges) is about 16 MB. */
export const MAX_HEADER_BYTES = 64 * 1024 * 1024
/**
 * Of it, what is kept: names, texts and lists. In JavaScript a text takes two to four times its bytes while it is
 * made (a header of 63 MB of tokens took 430 MB before there was this bound).
 */
export const MAX_HELD_BYTES = 24 * 1024 * 1024

/** Reads little-endian values in order; `need` first, then the synchronous reads. */
export class HeaderCursor {
  readonly #pieces: AsyncIterator<Uint8Array>
  readonly #source: ByteSource
  #buffer: Uint8Array = new Uint8Array(0)
  #view = new DataView(this.#buffer.buffer)
  #at = 0
  #before = 0
  #held = 0

  constructor(source: ByteSource, signal?: AbortSignal) {
    this.#source = source
    this.#pieces = source.stream(0, undefined, signal)[Symbol.asyncIterator]()
  }

  /** Bytes read so far: the offset in the file of the next one. */
  get position(): number {
    return this.#before + this.#at
  }

  /** Bytes that are left in the file, as far as is known. */
  get remaining(): number {
    return (this.#source.size ?? MAX_HEADER_BYTES) - this.position
  }

  has(bytes: number): boolean {
    return this.#buffer.length - this.#at >= bytes
  }

  /**
   * Waits until `bytes` bytes can be read. Call only when has() is false: it costs a turn.
   * @throws RyzError TRUNCATED | CORRUPT_HEADER
   */
  async need(bytes: number, what: string): Promise<void> {
    if (this.has(bytes)) return
    if (this.position + bytes > MAX_HEADER_BYTES) {
      throw new RyzError(
        'CORRUPT_HEADER',
        `${this.#source.name}: the header would exceed ${MAX_HEADER_BYTES} bytes at its ${what}`,
      )
    }
    if (!(await this.#fill(bytes))) {
      throw new RyzError(
        'TRUNCATED',
        `${this.#source.name} ends at byte ${this.#before + this.#buffer.length}, inside its ${what}; download it again`,
      )
    }
  }

  /**
   * Passes over bytes, holding none of them.
   * @throws RyzError TRUNCATED | CORRUPT_HEADER
   */
  async skip(bytes: number, what: string): Promise<void> {
    let left = bytes
    for (;;) {
      const here = Math.min(left, this.#buffer.length - this.#at)
      this.#at += here
      left -= here
      if (left === 0) return
      await this.need(1, what)
    }
  }

  /**
   * Notes that bytes of the header are being kept.
   * @throws RyzError CORRUPT_HEADER beyond MAX_HELD_BYTES
   */
  keep(bytes: number, what: string): void {
    this.#held += bytes
    if (this.#held <= MAX_HELD_BYTES) return
    throw new RyzError(
      'CORRUPT_HEADER',
      `${this.#source.name}: the header holds more than ${MAX_HELD_BYTES} bytes of names, texts and lists at its ${what}; no known model has half of it`,
      { limit: MAX_HELD_BYTES },
    )
  }

  /** Like need, but says false at the end of the file. */
  async #fill(bytes: number): Promise<boolean> {
    // A piece is valid until the next is asked for: most headers lie in one and are read in place.
    const pieces: Uint8Array[] = [this.#buffer.slice(this.#at)]
    let have = pieces[0].length
    let ended = false
    while (have < bytes && !ended) {
      const next = await this.#pieces.next()
      if (next.done) ended = true
      else {
        have += next.value.length
        pieces.push(have < bytes ? next.value.slice() : next.value)
      }
    }
    this.#before += this.#at
    this.#at = 0
    const filled = pieces.filter(piece => piece.length > 0)
    this.#buffer = filled.length === 1 ? filled[0] : join(filled, have)
    this.#view = new DataView(this.#buffer.buffer, this.#buffer.byteOffset, this.#buffer.byteLength)
    return !ended
  }

  /** Up to `bytes` first bytes, fewer when the file is shorter; does not move. */
  async peek(bytes: number): Promise<Uint8Array> {
    if (!this.has(bytes)) await this.#fill(bytes)
    return this.#buffer.subarray(this.#at, this.#at + bytes)
  }

  u8(): number {
    return this.#buffer[this.#at++]
  }
  i8(): number {
    return this.#view.getInt8(this.#step(1))
  }
  u16(): number {
    return this.#view.getUint16(this.#step(2), true)
  }
  i16(): number {
    return this.#view.getInt16(this.#step(2), true)
  }
  u32(): number {
    return this.#view.getUint32(this.#step(4), true)
  }
  i32(): number {
    return this.#view.getInt32(this.#step(4), true)
  }
  f32(): number {
    return this.#view.getFloat32(this.#step(4), true)
  }
  f64(): number {
    return this.#view.getFloat64(this.#step(8), true)
  }
  i64(): bigint {
    return this.#view.getBigInt64(this.#step(8), true)
  }
  u64(): bigint {
    return this.#view.getBigUint64(this.#step(8), true)
  }

  /** A u64 that counts something: larger than 2^53 becomes Infinity, which fails every limit. */
  count(): number {
    const high = this.#view.getUint32(this.#at + 4, true)
    const low = this.#view.getUint32(this.#at, true)
    this.#at += 8
    return high < 0x200000 ? high * 0x1_0000_0000 + low : Number.POSITIVE_INFINITY
  }

  /** `bytes` bytes as text; invalid UTF-8 becomes U+FFFD. */
  text(bytes: number): string {
    const from = this.#step(bytes)
    return utf8Text(this.#buffer, from, from + bytes)
  }

  /**
   * Appends a length-prefixed string that has wholly arrived and is at most `limit` bytes; else false, and
   * nothing is read. Saves the turns of need() in lists of 100,000 strings.
   */
  tryTextTo(list: TextListWriter, limit: number, what: string): boolean {
    if (!this.has(8) || this.#view.getUint32(this.#at + 4, true) !== 0) return false
    const bytes = this.#view.getUint32(this.#at, true)
    if (bytes > limit || !this.has(8 + bytes)) return false
    this.keep(bytes, what)
    this.#at += 8
    const from = this.#step(bytes)
    utf8ToList(this.#buffer, from, from + bytes, list)
    return true
  }

  /** Ends the stream; may be called twice. */
  async close(): Promise<void> {
    await this.#pieces.return?.()
  }

  #step(bytes: number): number {
    const from = this.#at
    this.#at += bytes
    return from
  }
}

function join(pieces: readonly Uint8Array[], bytes: number): Uint8Array {
  const whole = new Uint8Array(bytes)
  let at = 0
  for (const piece of pieces) {
    whole.set(piece, at)
    at += piece.length
  }
  return whole
}
