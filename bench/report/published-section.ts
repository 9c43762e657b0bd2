// The section of docs/PERFORMANCE.md about published task files on the evaluation page, from what
// e2e/published/published.ts wrote. Pure.
import { NOT_MEASURED, table } from './markdown.ts'

/** One task of a folder of published files, in the order in which they were asked. */
export interface PublishedRow {
  readonly task: string
  /** As 'mmlu/test/*.csv (57)'. */
  readonly files: string
  readonly shots: number
  readonly documents: number
  /** From the button to the figures, with what the killed browser took. */
  readonly seconds: number
  /** Documents that were answered before the kill, and not asked again. */
  readonly resumed: number
  /** As 'acc 0.2500 ± 0.0100', over all documents. */
  readonly figures: string
  readonly others: readonly OtherBackend[]
  readonly model: string
  readonly machine: string
  readonly commit: string
  readonly date: string
}

/** The first documents again on another backend. */
export interface OtherBackend {
  readonly backend: string
  readonly documents: number
  readonly seconds: number
  readonly figures: string
  /** Of the kernels, over the same documents. */
  readonly wasm: string
  /** Log-likelihoods compared; how far they are apart, for each token of the continuation. */
  readonly answers: number
  readonly median: number
  readonly most: number
  /** Documents scored otherwise, and generated texts that differ. */
  readonly differ: number
  readonly texts: number
  readonly isWithin: boolean
}

export function publishedSection(rows: readonly PublishedRow[] = []): string {
  const places = [...new Set(rows.map(r => `${r.model} on ${r.machine}`))].map(place => {
    const own = rows.filter(r => `${r.model} on ${r.machine}` === place)
    const facts = [own.map(r => r.date.slice(0, 10)), own.map(r => r.commit)]
    return [place, ...facts.map(list => [...new Set(list)].join(' and '))].join(', ')
  })
  return `## Published task files in the page

Each task's file as it is published, dropped on the evaluation page in Chromium, from the first document to the last: killed
with signal 9 when some documents are answered, opened again and gone on with (\`make evals FILES=folder\`). ${places.join('; ') || NOT_MEASURED}.
Seconds are from the button to the figures, both browsers together, beside other work: no benchmark.

${table(
  [
    'task',
    'files',
    'examples',
    'documents',
    'answered before the kill',
    'seconds',
    'figures, wasm',
  ],
  rows.map(r => [
    r.task,
    r.files,
    String(r.shots),
    r.documents.toLocaleString('en'),
    r.resumed.toLocaleString('en'),
    r.seconds.toFixed(0),
    r.figures,
  ]),
)}

The first documents again on the other backends (of MMLU: of two subjects; WebGPU in software, where there is
no GPU). The kernels must give the bits of the reference; WebGPU may differ by 0.05 a token in the median and by 0.5 at most ([why](../evals/README.md#published-files-in-the-page)).

${table(
  [
    'task',
    'backend',
    'documents',
    'figures',
    'wasm',
    'log-likelihoods: apart by, a token: median, most',
    'equal',
  ],
  rows.flatMap(r =>
    r.others.map(o => [
      r.task,
      o.backend,
      String(o.documents),
      o.figures,
      o.wasm,
      o.answers > 0 ? `${o.answers}: ${gap(o.median)}, ${gap(o.most)}` : 'texts only',
      equalText(o),
    ]),
  ),
)}`
}

const gap = (x: number) => (x === 0 ? '0' : x.toPrecision(2))

function equalText({ isWithin, most, differ, texts }: OtherBackend): string {
  if (!isWithin) return '**no**'
  const other = [
    ...(differ > 0 ? [`${differ} scored otherwise`] : []),
    ...(texts > 0 ? [`${texts} texts differ`] : []),
  ]
  return [most === 0 && other.length === 0 ? 'bit for bit' : 'within the tolerance', ...other].join(
    ', ',
  )
}
