// SHA-256 in its two forms: of a chunk (the browser's own where it may be used, off this thread) and of a
// whole file as it passes, with a state that can be stored and taken up again. Used by all of src/cache.
import { createSHA256, type IHasher } from 'hash-wasm'

/** SHA-256 in hex. Plain http has no crypto.subtle: there it is computed in WebAssembly. */
export async function sha256(bytes: Uint8Array): Promise<string> {
  const subtle = globalThis.crypto?.subtle
  if (subtle) {
    return toHex(new Uint8Array(await subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>)))
  }
  return (await createSHA256()).init().update(bytes).digest()
}

/** The SHA-256 of a file that is read in order, over any number of sessions. */
export interface RunningHash {
  update(bytes: Uint8Array): void
  /** The state after the bytes so far, in hex. */
  save(): string
  /** The hash; nothing can be added any more. */
  end(): string
}

/** @param state what save() gave; throws when it is not one */
export async function runningHash(state?: string): Promise<RunningHash> {
  const hasher: IHasher = (await createSHA256()).init()
  if (state !== undefined) hasher.load(fromHex(state))
  return {
    update: bytes => void hasher.update(bytes),
    save: () => toHex(hasher.save()),
    end: () => hasher.digest(),
  }
}

const DIGITS = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

function toHex(bytes: Uint8Array): string {
  let hex = ''
  for (const byte of bytes) hex += DIGITS[byte]
  return hex
}

function fromHex(hex: string): Uint8Array {
  return Uint8Array.from({ length: hex.length / 2 }, (_, i) =>
    Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16),
  )
}
