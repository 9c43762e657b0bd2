// Where the documents come from: files that were chosen or dropped, URLs, or the few of the project's own.
import { HarnessError } from '../../evals/harness-error.ts'
import { type FileStore, fetchFile } from '../../evals/read/fetch-file.ts'
import type { DataFile } from '../../evals/read/rows.ts'
import type { DataFact } from '../../evals/report/results.ts'
import { hashOf } from '../../evals/run/journal.ts'
import { keptFiles } from './kept.ts'
import { type EvalSettings, OURS } from './settings.ts'

export interface TaskData {
  readonly documents: readonly DataFile[]
  readonly examples: readonly DataFile[]
  readonly facts: readonly DataFact[]
}

interface Found extends DataFile {
  readonly url?: string
}

/** By task: name and address of each file. */
const OWN: Readonly<Record<string, readonly (readonly [name: string, url: URL])[]>> = {
  mmlu: [
    [
      'farm_animals_test.csv',
      new URL('../../evals/set/mmlu/test/farm_animals_test.csv', import.meta.url),
    ],
    [
      'weather_signs_test.csv',
      new URL('../../evals/set/mmlu/test/weather_signs_test.csv', import.meta.url),
    ],
  ],
  hellaswag: [['hellaswag.jsonl', new URL('../../evals/set/hellaswag.jsonl', import.meta.url)]],
  arc_easy: [['arc.jsonl', new URL('../../evals/set/arc.jsonl', import.meta.url)]],
  arc_challenge: [['arc.jsonl', new URL('../../evals/set/arc.jsonl', import.meta.url)]],
  commonsense_qa: [
    ['commonsense_qa.jsonl', new URL('../../evals/set/commonsense_qa.jsonl', import.meta.url)],
  ],
  piqa: [
    ['valid.jsonl', new URL('../../evals/set/piqa/valid.jsonl', import.meta.url)],
    ['valid-labels.lst', new URL('../../evals/set/piqa/valid-labels.lst', import.meta.url)],
  ],
  openbookqa: [['openbookqa.jsonl', new URL('../../evals/set/openbookqa.jsonl', import.meta.url)]],
  boolq: [['boolq.jsonl', new URL('../../evals/set/boolq.jsonl', import.meta.url)]],
  winogrande: [['winogrande.jsonl', new URL('../../evals/set/winogrande.jsonl', import.meta.url)]],
  lambada_openai: [['lambada.jsonl', new URL('../../evals/set/lambada.jsonl', import.meta.url)]],
  gsm8k: [['test.jsonl', new URL('../../evals/set/gsm8k/test.jsonl', import.meta.url)]],
  wikitext: [['wiki.raw', new URL('../../evals/set/wiki.raw', import.meta.url)]],
}

const OWN_EXAMPLES: typeof OWN = {
  mmlu: [
    [
      'farm_animals_dev.csv',
      new URL('../../evals/set/mmlu/dev/farm_animals_dev.csv', import.meta.url),
    ],
    [
      'weather_signs_dev.csv',
      new URL('../../evals/set/mmlu/dev/weather_signs_dev.csv', import.meta.url),
    ],
  ],
  gsm8k: [['train.jsonl', new URL('../../evals/set/gsm8k/train.jsonl', import.meta.url)]],
}

/** The site's own files may change with the site. */
const notKept: FileStore = { get: async () => undefined, set: async () => {} }

/** Files that were chosen on this device come before URLs. @throws HarnessError */
export async function openData(
  settings: EvalSettings,
  chosen: { readonly documents: readonly File[]; readonly examples: readonly File[] },
  signal: AbortSignal,
): Promise<TaskData> {
  const ours = chosen.documents.length === 0 && settings.data.includes(OURS)
  const documents = ours
    ? await own(OWN, settings.task, signal)
    : await given(chosen.documents, settings.data, signal)
  const examples =
    ours && chosen.examples.length === 0 && settings.shots.length === 0
      ? await own(OWN_EXAMPLES, settings.task, signal)
      : await given(chosen.examples, settings.shots, signal)
  return {
    documents,
    examples,
    facts: [...(await factsOf(documents, 'documents')), ...(await factsOf(examples, 'examples'))],
  }
}

async function own(table: typeof OWN, task: string, signal: AbortSignal): Promise<Found[]> {
  const read = (table[task] ?? []).map(async ([name, url]) => {
    const { blob } = await fetchFile(url.href, notKept, signal)
    return { name, blob }
  })
  return Promise.all(read)
}

async function given(
  files: readonly File[],
  urls: readonly string[],
  signal: AbortSignal,
): Promise<Found[]> {
  if (files.length > 0) {
    // A run is found again by its data, in whatever order the files were chosen.
    const inOrder = [...files].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
    return inOrder.map(blob => ({ name: blob.name, blob }))
  }
  return Promise.all(
    urls.map(async url => {
      if (!URL.canParse(url, document.baseURI)) throw new HarnessError(`${url} is no URL`)
      const { href } = new URL(url, document.baseURI)
      return { ...(await fetchFile(href, keptFiles, signal)), url: href }
    }),
  )
}

async function factsOf(files: readonly Found[], use: DataFact['use']): Promise<DataFact[]> {
  return Promise.all(
    files.map(async ({ name, blob, url }) => ({
      name,
      bytes: blob.size,
      sha256: await hashOf(blob),
      use,
      ...(url && { url }),
    })),
  )
}
