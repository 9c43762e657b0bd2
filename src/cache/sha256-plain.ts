// SHA-256 in plain TypeScript, as FIPS 180-4 (section 6.2) writes it, for a whole file as it passes where
// WebAssembly may not be compiled. About a tenth of the speed of sha256.ts's own. Used by sha256.ts alone.

const BLOCK = 64

/** The first 32 bits of the fractional parts of the cube roots of the first 64 primes. */
const K = constants(64, Math.cbrt)
/** The same of the square roots of the first eight: the state to begin with. */
const H = constants(8, Math.sqrt)

function constants(count: number, root: (n: number) => number): Uint32Array {
  const found = new Uint32Array(count)
  for (let n = 2, i = 0; i < count; n++) {
    let prime = true
    for (let d = 2; d * d <= n; d++) if (n % d === 0) prime = false
    if (prime) found[i++] = Math.floor((root(n) % 1) * 2 ** 32)
  }
  return found
}

/** A hash that is being computed. */
export class PlainSha256 {
  readonly #state = H.slice()
  readonly #rest = new Uint8Array(BLOCK)
  readonly #words = new Uint32Array(BLOCK)
  /** Bytes so far. */
  #bytes = 0

  update(bytes: Uint8Array): void {
    let at = 0
    const held = this.#bytes % BLOCK
    this.#bytes += bytes.length
    if (held > 0) {
      at = Math.min(BLOCK - held, bytes.length)
      this.#rest.set(bytes.subarray(0, at), held)
      if (held + at < BLOCK) return
      this.#block(this.#rest, 0)
    }
    for (; at + BLOCK <= bytes.length; at += BLOCK) this.#block(bytes, at)
    this.#rest.set(bytes.subarray(at))
  }

  /** State, count and held bytes: 8 words, 2 words, 64 bytes. */
  save(): Uint8Array {
    const saved = new Uint8Array(40 + BLOCK)
    const view = new DataView(saved.buffer)
    this.#state.forEach((word, i) => {
      view.setUint32(4 * i, word)
    })
    view.setBigUint64(32, BigInt(this.#bytes))
    saved.set(this.#rest, 40)
    return saved
  }

  /** @param saved what save() gave */
  load(saved: Uint8Array): void {
    const view = new DataView(saved.buffer, saved.byteOffset, saved.byteLength)
    for (let i = 0; i < 8; i++) this.#state[i] = view.getUint32(4 * i)
    this.#bytes = Number(view.getBigUint64(32))
    this.#rest.set(saved.subarray(40, 40 + BLOCK))
  }

  /** The 32 bytes of the hash; nothing can be added any more. */
  end(): Uint8Array {
    const bits = BigInt(this.#bytes) * 8n
    const padding = new Uint8Array(((BLOCK + 55 - (this.#bytes % BLOCK)) % BLOCK) + 9)
    padding[0] = 0x80
    new DataView(padding.buffer).setBigUint64(padding.length - 8, bits)
    this.update(padding)
    return this.save().subarray(0, 32)
  }

  #block(bytes: Uint8Array, from: number): void {
    const w = this.#words
    for (let t = 0; t < 16; t++) {
      const at = from + 4 * t
      w[t] = (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!
    }
    for (let t = 16; t < 64; t++) {
      const x = w[t - 15]!
      const y = w[t - 2]!
      const small0 = rotr(x, 7) ^ rotr(x, 18) ^ (x >>> 3)
      const small1 = rotr(y, 17) ^ rotr(y, 19) ^ (y >>> 10)
      w[t] = small1 + w[t - 7]! + small0 + w[t - 16]!
    }
    const s = this.#state
    let [a, b, c, d] = [s[0]! | 0, s[1]! | 0, s[2]! | 0, s[3]! | 0]
    let [e, f, g, h] = [s[4]! | 0, s[5]! | 0, s[6]! | 0, s[7]! | 0]
    for (let t = 0; t < 64; t++) {
      const big1 = rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25)
      const t1 = (h + big1 + ((e & f) ^ (~e & g)) + K[t]! + w[t]!) | 0
      const big0 = rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22)
      const t2 = (big0 + ((a & b) ^ (a & c) ^ (b & c))) | 0
      h = g
      g = f
      f = e
      e = (d + t1) | 0
      d = c
      c = b
      b = a
      a = (t1 + t2) | 0
    }
    s[0]! += a
    s[1]! += b
    s[2]! += c
    s[3]! += d
    s[4]! += e
    s[5]! += f
    s[6]! += g
    s[7]! += h
  }
}

function rotr(x: number, n: number): number {
  return (x >>> n) | (x << (32 - n))
}
