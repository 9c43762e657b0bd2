// `make bench`: runs the jobs on the built demo site, writes results.json after each of them, and then
// the report. `--quick` proves that it works; `--only a,b` measures some jobs again and keeps the rest.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { planCells } from '../demo/bench/plan.ts'
import type { BenchReport, BenchRow } from '../demo/bench/results.ts'
import { allJobs, type Job, quickJobs } from './jobs.ts'
import { runBenchPage } from './lib/bench-page.ts'
import { commitText, machineText } from './machine.ts'
import { ensureModel } from './models.ts'
import { writeReport } from './report/write.ts'

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    out: { type: 'string' },
    list: { type: 'boolean', default: false },
    site: { type: 'string', default: 'demo/dist' },
  },
})
const MODELS = 'build/bench/models'
const out = values.out ?? (values.quick ? 'build/bench/quick' : 'docs/bench')
const cores = cpus().length
const jobs = values.quick ? quickJobs(cores) : allJobs(cores)
const chosen = values.only ? jobs.filter(j => values.only?.split(',').includes(j.name)) : jobs

if (values.list) {
  for (const { name, settings } of jobs) console.log(`${name}: ${settings.model} ${settings.sweep}`)
  process.exit(0)
}
if (!existsSync(join(values.site, 'bench/index.html'))) {
  console.error(
    `${values.site}/bench/index.html is missing; run \`make bench\`, which builds it first`,
  )
  process.exit(1)
}
if (chosen.length === 0) {
  console.error(`--only ${values.only} names no job; they are ${jobs.map(j => j.name).join(', ')}`)
  process.exit(2)
}

mkdirSync(out, { recursive: true })
const resultsFile = join(out, 'results.json')
const report = startReport()
for (const job of chosen) {
  await runJob(job)
  writeFileSync(resultsFile, `${JSON.stringify(report, null, 1)}\n`)
}
const written = writeReport(out, values.quick ? join(out, 'PERFORMANCE.md') : 'docs/PERFORMANCE.md')
console.log(`wrote ${resultsFile} and ${written}`)
const bad = report.rows.filter(row => row.error)
for (const row of bad) console.log(`${row.job} ${row.value}: ${row.error?.code}`)
for (const { job, reason } of report.problems ?? []) console.log(`${job}: ${reason}`)
process.exit((report.problems ?? []).length > 0 ? 1 : 0)

/** An empty report; or the one that is there, when only some jobs are measured again. */
function startReport(): BenchReport {
  const again = values.only !== undefined && existsSync(resultsFile)
  const names = new Set(chosen.map(j => j.name))
  const old = again ? (JSON.parse(readFileSync(resultsFile, 'utf8')) as BenchReport) : undefined
  return {
    head: {
      version: 1,
      machine: machineText(),
      browser: old?.head.browser ?? 'unknown',
      commit: commitText(),
      date: new Date().toISOString(),
      cross_origin_isolated: old?.head.cross_origin_isolated ?? false,
      quick: values.quick,
    },
    files: old?.files ?? [],
    rows: (old?.rows ?? []).filter(row => !names.has(row.job ?? '')),
    problems: (old?.problems ?? []).filter(p => !names.has(p.job)),
  }
}

async function runJob(job: Job): Promise<void> {
  if (job.model) {
    const facts = await ensureModel(MODELS, job.model)
    report.files = [...(report.files ?? []).filter(f => f.name !== facts.name), facts]
  }
  const sweepValues = planCells(job.settings, cores).map(cell => cell.value)
  const parts = job.apart ? sweepValues.map(value => [value]) : [sweepValues]
  for (const part of parts) {
    const settings = { ...job.settings, values: part }
    const run = await runBenchPage(values.site, MODELS, settings, job.limitSeconds)
    for (const row of run.rows) {
      row.job = job.name
      report.rows.push(row)
      console.log(line(row))
    }
    if (run.head) {
      report.head.browser = run.head.browser
      report.head.cross_origin_isolated = run.head.cross_origin_isolated
    }
    if (run.failed !== undefined) report.problems?.push({ job: job.name, reason: run.failed })
  }
}

function line(row: BenchRow): string {
  const head = `${row.job} ${row.value}`.padEnd(24)
  if (row.error) return `${head} ${row.error.code}: ${row.error.message}`
  const figures = [
    row.decode_tok_s === null ? '' : `decode ${row.decode_tok_s} tok/s`,
    row.prefill_tok_s === null ? '' : `prefill ${row.prefill_tok_s} tok/s`,
    row.ttft_ms === null ? '' : `first ${row.ttft_ms} ms`,
    row.load_ms === null ? '' : `load ${row.load_ms} ms`,
    row.peak_rss_mb === null ? '' : `peak ${row.peak_rss_mb} MB`,
  ]
  return `${head} ${figures.filter(f => f !== '').join(', ')}`
}
