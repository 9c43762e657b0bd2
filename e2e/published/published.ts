// The evaluation page on published files, in Chromium: each task of a folder from start to end, killed in the middle
// and gone on with, and again on the other backends, whose figures and log-likelihoods are compared with the first's.
//   npx tsx e2e/published/published.ts --files FOLDER [--task NAME] [--limit N] [--slow-limit N] [--model ryz-chat]
// Needs `npm run build:demo`. Ends with 1 when a figure is outside of the tolerance. Called by `make evals FILES=...`.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { serveSite } from '../../bench/lib/site.ts'
import { type Compared, compare } from '../../evals/metrics/compare.ts'
import { publishedIn, shotsOf } from '../../evals/node/published.ts'
import type { PublishedTask } from '../../evals/read/published.ts'
import { EvalBrowser, type PageFiles, type PageRun } from './eval-browser.ts'

const { values } = parseArgs({
  options: {
    files: { type: 'string' },
    task: { type: 'string', multiple: true },
    model: { type: 'string', default: 'ryz-chat' },
    limit: { type: 'string' },
    'slow-limit': { type: 'string', default: '2' },
    backend: { type: 'string', multiple: true, default: ['reference', 'webgpu'] },
    site: { type: 'string', default: 'demo/dist/' },
    out: { type: 'string' },
  },
})
if (!values.files) {
  console.log(
    'npx tsx e2e/published/published.ts --files FOLDER [--task NAME] [--limit N] [--slow-limit N]',
  )
  process.exit(2)
}

/** Others than wasm, and what each may differ by in one log-likelihood: see evals/README.md. */
const TOLERANCE: Readonly<Record<string, { median: number; most: number }>> = {
  reference: { median: 0, most: 0 },
  webgpu: { median: 0.05, most: 1 },
}

/** Subjects of MMLU that the slow backends answer. */
const SLOW_PARTS = 2

function filesOf({ task, documents, examples }: PublishedTask, parts?: number): PageFiles {
  const most = task === 'mmlu' ? parts : undefined
  const places = (names: readonly string[]) =>
    names.slice(0, most).map(name => join(values.files!, name))
  return { documents: places(documents), examples: places(examples) }
}

const site = await serveSite({ mounts: { '/': values.site }, posts: {} })
const profile = mkdtempSync(join(tmpdir(), 'ryz-evals-'))
const browser = new EvalBrowser(`${site.origin}/evals/index.html`, profile)
const query = { model: values.model, ...(values.limit && { limit: values.limit }) }
const lines: string[] = []
let failed = 0

const note = (line: string) => {
  lines.push(line)
  console.log(line)
}

/** `acc 0.2500 ± 0.0100`, of the task as a whole. */
function figuresOf({ results }: PageRun, task: string): string {
  const figures = results.results[task]!
  return Object.keys(figures)
    .filter(key => /^[a-z_]+,/.test(key) && !key.includes('_stderr'))
    .map(key => {
      const error = figures[key.replace(',', '_stderr,')]
      const [metric, filter] = key.split(',')
      const shown = typeof error === 'number' ? ` ± ${error.toFixed(4)}` : ''
      const name = filter === 'none' ? metric : `${metric} (${filter})`
      return `${name} ${(figures[key] as number).toFixed(4)}${shown}`
    })
    .join(', ')
}

const comparedText = ({ documents, differ, answers, median, most, texts }: Compared) =>
  `${documents} documents, ${differ} scored otherwise; ${answers} log-likelihoods differ by ${median.toPrecision(2)} in the median, ${most.toPrecision(2)} at most${texts > 0 ? `; ${texts} texts differ` : ''}`

try {
  note('| task | examples | documents | gone on from | figures | other backends |')
  note('| --- | ---: | ---: | ---: | --- | --- |')
  for (const published of publishedIn(values.files)) {
    const { task } = published
    if (values.task && !values.task.includes(task)) continue
    const files = filesOf(published)
    const few = filesOf(published, SLOW_PARTS)
    const shots = String(shotsOf(published))
    const link = { ...query, task, fewshot: shots, backend: 'wasm' }
    // Killed with signal 9 as soon as some documents are answered, and begun again.
    await browser.runAndKill(link, files)
    const whole = await browser.run(link, files)
    const { resumed } = whole.results.ryzanstein
    const others: string[] = []
    for (const backend of values.backend) {
      const short = { ...link, backend, limit: values['slow-limit'], software: '1' }
      const run = await browser.run(short, few)
      const found = compare(whole.samples, run.samples)
      const { path, fallbacks } = run.results.ryzanstein
      if (path.backend !== backend) throw new Error(`${backend} was asked, ${path.backend} ran`)
      const allowed = TOLERANCE[backend]!
      const isWrong = found.median > allowed.median || found.most > allowed.most
      if (isWrong || fallbacks.length > 0) failed++
      others.push(
        `${backend}: ${comparedText(found)}${isWrong ? ' **outside of the tolerance**' : ''}`,
      )
    }
    const count = whole.results['n-samples'][task]!.effective
    if (resumed === 0 || resumed >= count) {
      failed++
      others.push('**was not killed in the middle**')
    }
    note(
      `| ${[task, shots, count, resumed, figuresOf(whole, task), others.join('<br>')].join(' | ')} |`,
    )
  }
} finally {
  await browser.close()
  await site.close()
  rmSync(profile, { recursive: true, force: true, maxRetries: 3 })
}
if (values.out) writeFileSync(values.out, `${lines.join('\n')}\n`)
if (failed > 0) {
  console.error(`${failed} comparisons failed`)
  process.exitCode = 1
}
