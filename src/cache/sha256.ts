// SHA-256 in its two forms: of a chunk (the browser's own where it may be used, off this thread) and of a
// whole file as it passes, with a state that can be stored and taken up again. Where WebAssembly may not be
// compiled (a Content-Security-Policy), plain TypeScript does it. Used by all of src/cache.
import { createSHA256, type IHasher } from 'hash-wasm'
import { watched } from '../net/watch.ts'
import { PlainSha256 } from './sha256-plain.ts'

/** A chunk of 64 MiB takes a second on a slow phone. */
const DIGEST_MS = 60_000

/** SHA-256 in hex. Plain http has no crypto.subtle: there it is computed here. */
export async function sha256(bytes: Uint8Array): Promise<string> {
  const subtle = globalThis.crypto?.subtle
  if (subtle) {
    const digest = subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>)
    const wait = { what: 'a SHA-256 of the browser', ms: DIGEST_MS, code: 'STORAGE_FULL' } as const
    return toHex(new Uint8Array(await watched(digest, wait, subtle)))
  }
  const hash = await runningHash()
  hash.update(bytes)
  return hash.end()
}

/** The SHA-256 of a file that is read in order, over any number of sessions. */
export interface RunningHash {
  update(bytes: Uint8Array): void
  /** The state after the bytes so far, in hex. */
  save(): string
  /** The hash; nothing can be added any more. */
  end(): string
}

/** hash-wasm compiles its module anew for every hasher: it is asked once whether it may. */
let compiled: Promise<boolean> | undefined

function mayCompile(): Promise<boolean> {
  compiled ??= createSHA256().then(
    () => true,
    () => false,
  )
  return compiled
}

/** @param state what save() gave; throws when it is not one, or of the other kind of hash */
export async function runningHash(state?: string): Promise<RunningHash> {
  if (!(await mayCompile())) return plainHash(state)
  const hasher: IHasher = (await createSHA256()).init()
  if (state !== undefined) hasher.load(fromHex(state))
  return {
    update: bytes => void hasher.update(bytes),
    save: () => toHex(hasher.save()),
    end: () => hasher.digest(),
  }
}

/** States of the two hashes must not be taken for each other. */
const PLAIN = 'plain:'

/** The same without WebAssembly. @throws Error for a state that it did not write */
export function plainHash(state?: string): RunningHash {
  const hasher = new PlainSha256()
  if (state !== undefined) {
    if (!state.startsWith(PLAIN)) throw new Error('the state is of another hash')
    hasher.load(fromHex(state.slice(PLAIN.length)))
  }
  return {
    update: bytes => hasher.update(bytes),
    save: () => PLAIN + toHex(hasher.save()),
    end: () => toHex(hasher.end()),
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
