// What the store knows beside the bytes: one record a file (which chunks are there, with their hashes), one
// manifest a model, written last. Both are sealed with a SHA-256 of their own, so that a damaged record
// reads as absent instead of as a lie. Used by store.ts.
import type { Validators } from '../net/range-reader.ts'
import { sha256 } from './sha256.ts'

/** Raised when the meaning of a stored field changes; older entries are then dropped. */
export const FORMAT_VERSION = 1

/** Bytes of a chunk of a new entry. */
export const CHUNK_BYTES = 4 * 1024 * 1024

/** One file; chunk i is bytes [i * chunkBytes, (i + 1) * chunkBytes) of it. */
export interface FileRecord extends Validators {
  readonly url: string
  /** The source of the model this file was first fetched for. */
  readonly model: string
  readonly size: number
  /** The server had no such file; there are no chunks. */
  readonly absent?: boolean
  readonly chunkBytes: number
  /** SHA-256 of each stored chunk; null where it is missing. */
  readonly hashes: readonly (string | null)[]
  /** Leading chunks that the running hash has seen, and its state behind them. */
  readonly hashed: number
  readonly hashState?: string
  /** SHA-256 of the whole file, once all of it has passed. */
  readonly sha256?: string
}

export interface ModelRecord {
  readonly source: string
  /** URLs of its files, in the order they were opened. */
  readonly files: readonly string[]
  /** All files are whole: the point of commitment. */
  readonly complete: boolean
  /** Milliseconds since 1970. */
  readonly addedAt: number
  readonly usedAt: number
  /** Name, architecture, tokenizer and licence as the header states them. */
  readonly about: Readonly<Record<string, string>>
}

/** How a record stands in the store. */
export interface Sealed {
  readonly json: string
  readonly sha256: string
}

export async function seal(record: FileRecord | ModelRecord): Promise<Sealed> {
  const json = JSON.stringify({ version: FORMAT_VERSION, ...record })
  return { json, sha256: await sha256(new TextEncoder().encode(json)) }
}

/** The record, or undefined when it is missing, damaged or of another version. */
export async function unseal<T>(stored: unknown): Promise<T | undefined> {
  const { json, sha256: hash } = (stored ?? {}) as Partial<Sealed>
  if (typeof json !== 'string' || typeof hash !== 'string') return undefined
  if ((await sha256(new TextEncoder().encode(json))) !== hash) return undefined
  const record = JSON.parse(json)
  return record.version === FORMAT_VERSION ? record : undefined
}

export function chunkCount(record: Pick<FileRecord, 'size' | 'chunkBytes'>): number {
  return Math.ceil(record.size / record.chunkBytes)
}

export function isWhole(record: FileRecord): boolean {
  return record.absent === true || (record.size > 0 && record.hashes.every(h => h !== null))
}

/** Bytes of the chunks that are there. */
export function storedBytes(record: FileRecord): number {
  return record.hashes.reduce((sum, hash, i) => {
    const end = Math.min((i + 1) * record.chunkBytes, record.size)
    return hash === null ? sum : sum + end - i * record.chunkBytes
  }, 0)
}
