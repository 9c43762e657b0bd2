// Stored models and saved sessions. Part of the public types, see index.ts.
import type { ErrorCode } from '../errors.ts'

/** What restoreSession() found. */
export interface RestoredSession {
  /** Tokens of the session. */
  tokens: number
  /** Of these, the ones that found room in the KV cache; a prompt that begins with them is not read again. */
  restoredTokens: number
}

/** A model in the store. */
export interface StoredModel {
  /** What load() was given, as an absolute URL. */
  url: string
  /** Bytes stored, and bytes of all its files as far as they are known. */
  storedBytes: number
  totalBytes: number
  /** False while a download was broken off; load() goes on where it stopped. */
  complete: boolean
  /** Milliseconds since 1970. */
  addedAt: number
  usedAt: number
  files: StoredFile[]
  /** Name, architecture and licence as the header states them. */
  about: Readonly<Record<string, string>>
}

/** A file of a stored model. */
export interface StoredFile {
  url: string
  size: number
  storedBytes: number
  /** Of the whole file, once it was whole. */
  sha256?: string
  etag?: string
}

/** Room of the origin, in bytes; undefined where the browser does not tell. */
export interface StorageRoom {
  usage?: number
  quota?: number
  /** The browser promised not to evict on its own. */
  persisted: boolean
}

export interface ErrorEvent {
  code: ErrorCode
  message: string
}
