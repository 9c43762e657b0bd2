// What the page keeps in IndexedDB: files it fetched, and answered documents of every run, so that one that was
// cut goes on.
import { clear, createStore, get, getMany, keys, set } from 'idb-keyval'
import type { FileStore } from '../../evals/read/fetch-file.ts'
import type { DocumentRecord, Journal } from '../../evals/run/journal.ts'

const files = createStore('ryzanstein-evals-files', 'files')
const answers = createStore('ryzanstein-evals-answers', 'answers')

export const keptFiles: FileStore = {
  get: url => get<Blob>(url, files),
  set: (url, blob) => set(url, blob, files),
}

/** One record a document, under `run/part/index`. */
export const keptAnswers: Journal = {
  async read(run, part) {
    const prefix = `${run}/${part}/`
    const all = (await keys<string>(answers)).filter(key => key.startsWith(prefix))
    const records = await getMany<DocumentRecord>(all, answers)
    return records.filter(record => record !== undefined)
  },
  add: (run, part, record) => set(`${run}/${part}/${record.index}`, record, answers),
}

export async function forgetAll(): Promise<void> {
  await clear(files)
  await clear(answers)
}
