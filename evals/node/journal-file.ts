// A journal in files: one folder a run, one file a part, one line a document.
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { DocumentRecord, Journal } from '../run/journal.ts'

export class FileJournal implements Journal {
  readonly #folder: string
  /** Files whose end was looked at. */
  readonly #whole = new Set<string>()

  constructor(folder: string) {
    this.#folder = folder
  }

  async read(run: string, part: string): Promise<DocumentRecord[]> {
    const file = this.#fileOf(run, part)
    if (!existsSync(file)) return []
    const text = readFileSync(file, 'utf8')
    const end = text.lastIndexOf('\n') + 1
    // A line that was begun when the process died.
    if (end < text.length) writeFileSync(file, text.slice(0, end))
    this.#whole.add(file)
    const lines = text.slice(0, end).split('\n')
    return lines.filter(line => line !== '').map(line => JSON.parse(line) as DocumentRecord)
  }

  async add(run: string, part: string, record: DocumentRecord): Promise<void> {
    const file = this.#fileOf(run, part)
    if (!this.#whole.has(file)) await this.read(run, part)
    mkdirSync(join(this.#folder, run), { recursive: true })
    appendFileSync(file, `${JSON.stringify(record)}\n`)
  }

  #fileOf(run: string, part: string): string {
    return join(this.#folder, run, `${part}.jsonl`)
  }
}
