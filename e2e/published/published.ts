// The evaluation page on published files, in Chromium: each task of a folder from start to end, killed in the middle
// and gone on with, and again on the other backends, whose figures and log-likelihoods are compared with the first's.
//   npx tsx e2e/published/published.ts --files FOLDER [--task NAME] [--limit N] [--slow-limit N] [--model ryz-chat]
// `--write` keeps the rows in docs/bench/published.json, for docs/PERFORMANCE.md; with `--again` only the other backends
// run, and what was kept of them and of the whole run stays. Needs `npm run build:demo`. Ends with 1
// when a figure is outside of the tolerance. Called by `make evals FILES=...`.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, extname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { serveSite } from '../../bench/lib/site.ts'
import type { OtherBackend, PublishedRow } from '../../bench/report/published-section.ts'
import { compare } from '../../evals/metrics/compare.ts'
import { publishedIn, shotsOf } from '../../evals/node/published.ts'
import type { PublishedTask } from '../../evals/read/published.ts'
import { commitText, machineText } from '../../tools/machine.ts'
import { EvalBrowser, type PageFiles, type PageRun } from './eval-browser.ts'

const { values } = parseArgs({
  options: {
    files: { type: 'string' },
    task: { type: 'string', multiple: true },
    model: { type: 'string', default: 'ryz-chat' },
    limit: { type: 'string' },
    /** Documents on the other backends: '20' on all, 'webgpu=2' on one. */
    'slow-limit': { type: 'string', multiple: true, default: ['2'] },
    backend: { type: 'string', multiple: true, default: ['reference', 'webgpu'] },
    site: { type: 'string', default: 'demo/dist/' },
    write: { type: 'boolean', default: false },
    again: { type: 'boolean', default: false },
  },
})
if (!values.files) {
  console.log(
    'npx tsx e2e/published/published.ts --files FOLDER [--task NAME] [--limit N] [--slow-limit N]',
  )
  process.exit(2)
}

/** Others than wasm, and what each may differ by in one log-likelihood, a token: see evals/README.md. */
const TOLERANCE: Readonly<Record<string, { median: number; most: number }>> = {
  reference: { median: 0, most: 0 },
  webgpu: { median: 0.05, most: 0.5 },
}

const KEPT = 'docs/bench/published.json'

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
let failed = 0

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

const seconds = (since: number) => (Date.now() - since) / 1000

function slowLimit(backend: string): string {
  const own = values['slow-limit'].find(text => text.startsWith(`${backend}=`))
  return (
    own?.slice(backend.length + 1) ?? values['slow-limit'].find(text => !text.includes('=')) ?? '2'
  )
}

/** 'mmlu/test/*.csv (57)' */
function filesText(names: readonly string[]): string {
  const [first] = names
  if (names.length === 1 || first === undefined) return first ?? ''
  return `${dirname(first)}/*${extname(first)} (${names.length})`
}

/** The first documents on another backend, beside the kernels on the same ones. */
async function again(
  backend: string,
  link: Readonly<Record<string, string>>,
  files: PageFiles,
): Promise<OtherBackend> {
  const task = link.task!
  const short = { ...link, limit: slowLimit(backend), software: '1' }
  const kernels = await browser.run(short, files)
  const began = Date.now()
  const run = await browser.run({ ...short, backend }, files)
  const taken = seconds(began)
  const found = compare(kernels.samples, run.samples)
  const { path, fallbacks } = run.results.ryzanstein
  if (path.backend !== backend) throw new Error(`${backend} was asked, ${path.backend} ran`)
  const allowed = TOLERANCE[backend]!
  // Bits that are the same give the same texts; else a text may part at any near tie.
  const isEqual = allowed.most > 0 || (found.differ === 0 && found.texts === 0)
  return {
    backend,
    ...found,
    seconds: taken,
    figures: figuresOf(run, task),
    wasm: figuresOf(kernels, task),
    isWithin:
      isEqual &&
      found.median <= allowed.median &&
      found.most <= allowed.most &&
      fallbacks.length === 0,
  }
}

const keptRows = (): PublishedRow[] =>
  existsSync(KEPT) ? JSON.parse(readFileSync(KEPT, 'utf8')) : []

/** The kept row of a task with other backends measured again. */
function withOthers(task: string, others: readonly OtherBackend[]): PublishedRow {
  const kept = keptRows().find(row => row.task === task)
  if (!kept) throw new Error(`${KEPT} has no row of ${task}: run it whole first`)
  if (kept.model !== values.model) throw new Error(`${task} was run on ${kept.model}`)
  const names = new Set(others.map(({ backend }) => backend))
  return {
    ...kept,
    others: [...kept.others.filter(({ backend }) => !names.has(backend)), ...others],
  }
}

/** Rows by task: one that was measured again replaces the old one. */
function keep(row: PublishedRow): void {
  const old = keptRows()
  const tasks = publishedIn(values.files!).map(({ task }) => task)
  const rows = [...old.filter(({ task }) => task !== row.task), row]
  rows.sort((x, y) => tasks.indexOf(x.task) - tasks.indexOf(y.task))
  writeFileSync(KEPT, `${JSON.stringify(rows, null, 1)}\n`)
}

/** From start to end, but for a kill in the middle. */
async function wholeRun(published: PublishedTask, link: Readonly<Record<string, string>>) {
  const { task } = published
  const files = filesOf(published)
  const began = Date.now()
  // Killed with signal 9 as soon as some documents are answered, and begun again.
  await browser.runAndKill(link, files)
  const whole = await browser.run(link, files)
  const taken = seconds(began)
  const { resumed } = whole.results.ryzanstein
  const documents = whole.results['n-samples'][task]!.effective
  if (resumed === 0 || resumed >= documents) {
    failed++
    console.error(`${task}: the run was not killed in the middle`)
  }
  return { documents, seconds: taken, resumed, figures: figuresOf(whole, task) }
}

try {
  for (const published of publishedIn(values.files)) {
    const { task } = published
    if (values.task && !values.task.includes(task)) continue
    const few = filesOf(published, SLOW_PARTS)
    const shots = shotsOf(published)
    const link = { ...query, task, fewshot: String(shots), backend: 'wasm' }
    const whole = values.again ? undefined : await wholeRun(published, link)
    const others: OtherBackend[] = []
    for (const backend of values.backend) others.push(await again(backend, link, few))
    const row: PublishedRow = whole
      ? {
          task,
          files: filesText(published.documents),
          shots,
          ...whole,
          others,
          model: values.model,
          machine: machineText(),
          commit: commitText(),
          date: new Date().toISOString(),
        }
      : withOthers(task, others)
    console.log(JSON.stringify(row, null, 1))
    if (values.write) keep(row)
    for (const { backend, isWithin } of others) {
      if (isWithin) continue
      failed++
      console.error(`${task}: ${backend} is outside of the tolerance`)
    }
  }
} finally {
  await browser.close()
  await site.close()
  rmSync(profile, { recursive: true, force: true, maxRetries: 3 })
}
if (failed > 0) {
  console.error(`${failed} comparisons failed`)
  process.exitCode = 1
}
