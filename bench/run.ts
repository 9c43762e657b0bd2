// `make bench`: runs the jobs on the built demo site, writes results.json after each of them, and then
// the report. A job that fails is noted and costs nobody else's rows. `--quick` proves that it works;
// `--only a,b:128` measures some jobs, or values of them, again and keeps the rest.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { planCells } from '../demo/bench/plan.ts'
import { type BenchReport, type BenchRow, isSoftware } from '../demo/bench/results.ts'
import { LOAD_BACKENDS } from '../src/options/load.ts'
import { commitText, machineText } from '../tools/machine.ts'
import { PLACES, runBusy } from './busy/busy.ts'
import { PARTS } from './busy/keep.ts'
import { allJobs, type Job, jobsOn, quickJobs } from './jobs.ts'
import { openBenchHost } from './lib/bench-page.ts'
import { GPU_ARGS } from './lib/chromium.ts'
import { Profiles } from './lib/profiles.ts'
import { ensureModel } from './models.ts'
import { allocationInNode, rowsInNode } from './node/in-node.ts'
import { writeReport } from './report/write.ts'

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    /** Of all jobs; a GPU's rows go to a folder of their own. */
    backend: { type: 'string', default: 'auto' },
    out: { type: 'string' },
    list: { type: 'boolean', default: false },
    site: { type: 'string', default: 'demo/dist' },
    /** Of the job busy: rounds, some of its parts, and the dist folder of another version beside this one. */
    rounds: { type: 'string' },
    parts: { type: 'string', default: PARTS.join(',') },
    places: { type: 'string', default: PLACES.join(',') },
    base: { type: 'string' },
  },
})
const MODELS = 'build/bench/models'
const onGpu = values.backend === 'webgpu'
const out =
  values.out ?? (values.quick ? 'build/bench/quick' : onGpu ? 'docs/bench/webgpu' : 'docs/bench')
const cores = cpus().length
if (!LOAD_BACKENDS.some(name => name === values.backend)) {
  console.error(`--backend ${values.backend} is none of ${LOAD_BACKENDS.join(', ')}`)
  process.exit(2)
}
const jobs = jobsOn(
  values.quick ? quickJobs(cores) : allJobs(cores),
  values.backend,
  cores,
  values.quick,
)
/** 'context-int8:2048' is one value of a job. */
const only = values.only?.split(',').map(text => text.split(':'))
const chosen = jobs.filter(j => !only || only.some(([name]) => name === j.name))
/** Engines side by side beside busy processes: no sweep of the bench page, see bench/busy. */
const BUSY = 'busy'
const isBusyWanted = (!only && !onGpu) || (only?.some(([name]) => name === BUSY) ?? false)
/** Results elsewhere keep their report beside them. */
const ours = out === 'docs/bench'

if (values.list) {
  for (const { name, settings } of jobs) console.log(`${name}: ${settings.model} ${settings.sweep}`)
  console.log(`${BUSY}: ${PARTS.join(', ')}`)
  process.exit(0)
}
if (!existsSync(join(values.site, 'bench/index.html'))) {
  console.error(
    `${values.site}/bench/index.html is missing; run \`make bench\`, which builds it first`,
  )
  process.exit(1)
}
if (chosen.length === 0 && !isBusyWanted) {
  const names = [...jobs.map(j => j.name), BUSY]
  console.error(`--only ${values.only} names no job; they are ${names.join(', ')}`)
  process.exit(2)
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))
mkdirSync(out, { recursive: true })
const resultsFile = join(out, 'results.json')
const here = {
  machine: machineText(),
  commit: commitText(),
  date: new Date().toISOString(),
}
const report = startReport()
/** Rows measured again on another machine say so; the head keeps the machine of the others. */
const isElsewhere = report.head.machine !== here.machine
const host = await openBenchHost(values.site, MODELS, onGpu ? GPU_ARGS : [])
const profiles = new Profiles(host)
const began = Date.now()
let busyFailed = false
for (const job of chosen) {
  const start = Date.now()
  try {
    await runJob(job)
  } catch (caught) {
    note(job, caught instanceof Error ? caught.message : String(caught))
  }
  save()
  console.log(`${job.name}: ${seconds(start)} s of ${seconds(began)} s`)
  const why = onGpu ? whyNoGpu() : undefined
  if (why !== undefined) {
    console.log(`no GPU that may be measured: ${why}`)
    break
  }
}
profiles.remove()
await host.close()
if (isBusyWanted) await busyJob()
const written = writeReport(out, ours ? 'docs/PERFORMANCE.md' : join(out, 'PERFORMANCE.md'))
console.log(`wrote ${resultsFile} and ${written}`)
const bad = report.rows.filter(row => row.error)
for (const row of bad) console.log(`${row.job} ${row.value}: ${row.error?.code}`)
for (const { job, reason } of report.problems ?? []) console.log(`${job}: ${reason}`)
process.exit((report.problems ?? []).length > 0 || busyFailed ? 1 : 0)

async function busyJob(): Promise<void> {
  const parts = chosenOf(PARTS, values.parts, '--parts')
  const places = chosenOf(PLACES, values.places, '--places')
  const { entries, problems } = await runBusy({
    dist: 'dist',
    ...(values.base ? { base: values.base } : {}),
    models: MODELS,
    out,
    quick: values.quick,
    rounds: Number(values.rounds ?? (values.quick ? 1 : 4)),
    parts,
    places,
  })
  busyFailed = problems.length > 0 || entries.some(e => e.wrong)
}

/** Those of `all` that a comma-separated text names. */
function chosenOf<T extends string>(all: readonly T[], text: string, option: string): T[] {
  const named = text.split(',')
  const unknown = named.find(name => !all.some(one => one === name))
  if (unknown !== undefined) {
    console.error(`${option} ${unknown} is none of ${all.join(', ')}`)
    process.exit(2)
  }
  return all.filter(one => named.includes(one))
}

/** Why the rows so far did not run on a GPU. */
function whyNoGpu(): string | undefined {
  const elsewhere = report.rows.find(row => !row.error && row.backend !== 'webgpu')
  return elsewhere && (elsewhere.fallbacks[0] ?? `it ran on ${elsewhere.backend}`)
}

/** An empty report; or the one that is there, when only some jobs are measured again. */
function startReport(): BenchReport {
  const again = values.only !== undefined && existsSync(resultsFile)
  const names = new Set(chosen.map(j => j.name))
  const old = again ? (JSON.parse(readFileSync(resultsFile, 'utf8')) as BenchReport) : undefined
  return {
    head: {
      version: 1,
      ...(old && old.head.machine !== here.machine ? old.head : here),
      browser: old?.head.browser ?? 'unknown',
      cross_origin_isolated: old?.head.cross_origin_isolated ?? false,
      quick: values.quick,
    },
    files: old?.files ?? [],
    ...(old?.allocation ? { allocation: old.allocation } : {}),
    rows: (old?.rows ?? []).filter(row => !isAgain(row.job, row.value)),
    problems: (old?.problems ?? []).filter(p => !names.has(p.job)),
  }
}

async function runJob(job: Job): Promise<void> {
  if (job.model) {
    const facts = await ensureModel(MODELS, job.model)
    report.files = [...(report.files ?? []).filter(f => f.name !== facts.name), facts]
  }
  const wanted = planCells(job.settings, cores).map(cell => cell.value)
  for (const value of wanted.filter(v => isAgain(job.name, v))) {
    const settings = { ...job.settings, values: [value] }
    if (job.where !== undefined) {
      await runInNode(job, settings)
      continue
    }
    // A cold load begins with nothing; everybody else came here before.
    const nothing = value === 'cold' || job.settings.sweep === 'bandwidth'
    const profile = nothing ? undefined : await profiles.of(job)
    const run = await host.run(settings, job.limitSeconds, profile)
    keep(job, run.rows)
    if (run.head && !isElsewhere) {
      report.head.browser = run.head.browser
      report.head.cross_origin_isolated = run.head.cross_origin_isolated
    }
    if (run.failed !== undefined) note(job, `${value}: ${run.failed}`)
  }
}

async function runInNode(job: Job, settings: Job['settings']): Promise<void> {
  const file = job.model?.file
  if (file === undefined) throw new Error('what runs in Node needs a model file')
  const path = join(MODELS, file)
  if (job.where === 'allocation') {
    const allocation = await allocationInNode(path, settings, job.limitSeconds)
    report.allocation = { model: file, node: process.version, ...allocation }
    console.log(`${job.name}: ${JSON.stringify(report.allocation)}`)
  } else keep(job, await rowsInNode(path, settings, job.limitSeconds))
}

function save(): void {
  writeFileSync(resultsFile, `${JSON.stringify(report, null, 1)}\n`)
}

/** Kept at once: whoever stops the run keeps what was measured. */
function keep(job: Job, rows: readonly BenchRow[]): void {
  for (const row of rows) {
    report.rows.push({ ...row, job: job.name, ...(isElsewhere && { measured: here }) })
    console.log(line({ ...row, job: job.name }))
  }
  save()
}

function note({ name }: Job, reason: string): void {
  report.problems?.push({ job: name, reason })
  console.log(`${name} failed: ${reason}`)
}

/** Whether --only asks for this value of a job. */
function isAgain(job: string | undefined, value: string): boolean {
  return only === undefined || only.some(([name, v]) => name === job && (v ?? value) === value)
}

function seconds(since: number): number {
  return Math.round((Date.now() - since) / 1000)
}

function line(row: BenchRow): string {
  const head = `${row.job} ${row.value}`.padEnd(24)
  if (row.error) return `${head} ${row.error.code}: ${row.error.message}`
  if (isSoftware(row)) return `${head} ${row.gpu!.adapter}: works; it computes on the CPU, no speed`
  const figures = [
    row.decode_tok_s === null ? '' : `decode ${row.decode_tok_s} tok/s`,
    row.prefill_tok_s === null ? '' : `prefill ${row.prefill_tok_s} tok/s`,
    row.ttft_ms === null ? '' : `first ${row.ttft_ms} ms`,
    row.load_ms === null ? '' : `load ${row.load_ms} ms`,
    row.peak_rss_mb === null ? '' : `peak ${row.peak_rss_mb} MB`,
  ]
  return `${head} ${figures.filter(f => f !== '').join(', ')}`
}
