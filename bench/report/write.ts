// Writes the report and its plots from the JSON files of a folder. `tsx bench/report/write.ts` makes
// docs/PERFORMANCE.md again without measuring anything.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { plotSvg } from '../../demo/bench/plot.ts'
import { plotsOf } from '../../demo/bench/plots-of-rows.ts'
import type { BenchReport } from '../../demo/bench/results.ts'
import type { SoakRun } from '../../e2e/soak/judge.ts'
import type { LossReport } from '../../test/support/losses.ts'
import type { ExpertsReport } from '../experts/report.ts'
import type { GpuReport } from '../gpu/report.ts'
import type { CacheReport } from '../native/cachegrind.ts'
import type { BusyReport } from './busy-section.ts'
import type { Quality } from './load-sections.ts'
import type { PeersReport } from './peers-section.ts'
import { PLOTS, performanceMarkdown, plotName } from './performance.ts'
import type { PublishedRow } from './published-section.ts'
import type { SpeculationReport } from './speculation-section.ts'

/** What `make soak` writes, by the names of its runs. */
export const SOAKS = ['soak-embedded', 'soak-0.7b', 'soak-embedded-webgpu'] as const

/**
 * @param folder with results.json, and perhaps peers.json and notes.md; plots go to plots/ in it
 * @returns the path of the report
 */
export function writeReport(folder: string, reportFile: string): string {
  const results = readJson<BenchReport>(join(folder, 'results.json')) ?? empty()
  const from = dirname(reportFile)
  const notesFile = join(folder, 'notes.md')
  const markdown = performanceMarkdown({
    results,
    peers: readJson<PeersReport>(join(folder, 'peers.json')),
    ...(existsSync(notesFile) ? { notes: readFileSync(notesFile, 'utf8') } : {}),
    busy: readJson<BusyReport>(join(folder, 'busy.json')),
    speculation: readJson<SpeculationReport>(join(folder, 'speculation.json')),
    soak: SOAKS.flatMap(name => readJson<SoakRun>(join(folder, `${name}.json`)) ?? []),
    losses: ['destroy', 'crash'].flatMap(
      kind => readJson<LossReport>(join(folder, `losses-${kind}.json`)) ?? [],
    ),
    experts: readJson<ExpertsReport>(join(folder, 'experts.json')),
    gpus: gpuReports(folder),
    caches: readJson<CacheReport>(join(folder, 'cachegrind.json')),
    quality: readJson<Quality>(join(folder, 'quality.json')),
    published: readJson<PublishedRow[]>(join(folder, 'published.json')),
    plots: { ...soakPlots(folder, from), ...writePlots(folder, from, results) },
  })
  mkdirSync(from, { recursive: true })
  writeFileSync(reportFile, markdown)
  return reportFile
}

/** What `make bench-gpu` left, by name of file. */
function gpuReports(folder: string): GpuReport[] {
  const files = existsSync(folder) ? readdirSync(folder).sort() : []
  return files
    .filter(name => /^gpu-.*\.json$/.test(name))
    .map(name => JSON.parse(readFileSync(join(folder, name), 'utf8')) as GpuReport)
}

function readJson<T>(file: string): T | undefined {
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as T) : undefined
}

function empty(): BenchReport {
  const head = { version: 1, machine: 'no machine yet', browser: 'no browser yet', commit: 'none' }
  return {
    head: { ...head, date: 'no date', cross_origin_isolated: false, quick: false },
    rows: [],
  }
}

/** What `make soak` has drawn, by name. */
function soakPlots(folder: string, from: string): Record<string, string> {
  const names = SOAKS.filter(n => existsSync(join(folder, `${n}.svg`)))
  return Object.fromEntries(names.map(n => [n, relative(from, join(folder, `${n}.svg`))]))
}

/** One file a plot, named after its job and title: threads-decode.svg. */
function writePlots(folder: string, from: string, { rows }: BenchReport): Record<string, string> {
  const plotFolder = join(folder, 'plots')
  mkdirSync(plotFolder, { recursive: true })
  for (const file of readdirSync(plotFolder)) {
    if (file.endsWith('.svg')) rmSync(join(plotFolder, file))
  }
  const written: Record<string, string> = {}
  for (const job of new Set(rows.map(row => row.job ?? ''))) {
    for (const plot of plotsOf(rows.filter(row => row.job === job && !row.error))) {
      const name = plotName(job, plot.title)
      if (!PLOTS.includes(name)) continue
      const path = join(plotFolder, `${name}.svg`)
      writeFileSync(path, plotSvg(plot, true))
      written[name] = relative(from, path)
    }
  }
  return written
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  console.log(writeReport('docs/bench', 'docs/PERFORMANCE.md'))
}
