// What has been answered, kept document by document, so that a run that was cut goes on where it was. Where it
// is kept is the caller's: journal-page.ts, node/journal-file.ts.
import type { Answer, Scores } from '../types.ts'

/** One document that was asked. */
export interface DocumentRecord {
  readonly index: number
  readonly scores: Scores
  readonly answers: readonly Answer[]
}

export interface Journal {
  /** The records of a run and part. */
  read(run: string, part: string): Promise<DocumentRecord[]>
  add(run: string, part: string, record: DocumentRecord): Promise<void>
}

/** Keeps nothing. */
export const noJournal: Journal = { read: async () => [], add: async () => {} }

/** SHA-256 of what a run depends on, in hex: another model, option or file is another run. */
export async function runKey(facts: unknown): Promise<string> {
  const bytes = new TextEncoder().encode(JSON.stringify(facts))
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
  return Array.from(hash.subarray(0, 16), byte => byte.toString(16).padStart(2, '0')).join('')
}

/** SHA-256 of a file, in hex. */
export async function hashOf(blob: Blob): Promise<string> {
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', await blob.arrayBuffer()))
  return Array.from(hash, byte => byte.toString(16).padStart(2, '0')).join('')
}
