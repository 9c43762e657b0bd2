// Data files in Node: paths, folders (all files below), URLs (kept in a folder).
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, openAsBlob, readdirSync, statSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { HarnessError } from '../harness-error.ts'
import { type FileStore, fetchFile } from '../read/fetch-file.ts'
import type { DataFile } from '../read/rows.ts'

/** Endings of files that a folder is read for. */
export const DATA_FILE = /\.(jsonl?|ndjson|csv|parquet|lst|raw|tokens|txt)$/i

/** What is fetched is kept under a name made of its URL. */
export function folderStore(folder: string): FileStore {
  const place = (url: string) => join(folder, createHash('sha256').update(url).digest('hex'))
  return {
    get: async url => (existsSync(place(url)) ? openAsBlob(place(url)) : undefined),
    async set(url, blob) {
      mkdirSync(folder, { recursive: true })
      writeFileSync(place(url), new Uint8Array(await blob.arrayBuffer()))
    },
  }
}

/** @throws HarnessError for what is not there */
export async function openFiles(
  places: readonly string[],
  store: FileStore,
): Promise<(DataFile & { url?: string })[]> {
  const files: (DataFile & { url?: string })[] = []
  for (const place of places) {
    if (/^https?:/.test(place)) files.push({ ...(await fetchFile(place, store)), url: place })
    else if (!existsSync(place)) throw new HarnessError(`there is no file ${place}`)
    else if (statSync(place).isDirectory()) {
      const found = readdirSync(place, { recursive: true, encoding: 'utf8' }).filter(f =>
        DATA_FILE.test(f),
      )
      if (found.length === 0) throw new HarnessError(`${place} holds no data files`)
      for (const name of found) {
        files.push({ name: name.replaceAll('\\', '/'), blob: await openAsBlob(join(place, name)) })
      }
    } else files.push({ name: basename(place), blob: await openAsBlob(place) })
  }
  return files
}
