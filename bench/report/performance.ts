// docs/PERFORMANCE.md as text, made of results.json, peers.json and the hand-written notes. Pure.
import type { BenchReport } from '../../demo/bench/results.ts'
import type { SoakRun } from '../../e2e/soak/judge.ts'
import type { LossReport } from '../../test/support/losses.ts'
import { type ExpertsReport, expertsSection } from '../experts/report.ts'
import type { GpuReport } from '../gpu/report.ts'
import type { CacheReport } from '../native/cachegrind.ts'
import { type BusyReport, busySection } from './busy-section.ts'
import { gpuSection } from './gpu-section.ts'
import {
  batchSection,
  latencySection,
  loadSection,
  matrixSection,
  otherModels,
  promptSection,
  type Quality,
  qualitySection,
  requestsSection,
} from './load-sections.ts'
import { table } from './markdown.ts'
import { sustained, tMac } from './outside-sections.ts'
import { overheadSection, rooflineSection } from './overheads.ts'
import { type PeersReport, peersSection } from './peers-section.ts'
import { type PublishedRow, publishedSection } from './published-section.ts'
import { Rows } from './rows.ts'
import { type SpeculationReport, speculationSection } from './speculation-section.ts'
import {
  baseline,
  contextSection,
  headSection,
  kvSection,
  threadsSection,
  variants,
} from './speed-sections.ts'
import { targetSection } from './targets.ts'

export interface ReportParts {
  readonly results: BenchReport
  readonly peers?: PeersReport
  readonly busy?: BusyReport
  readonly speculation?: SpeculationReport
  readonly soak?: readonly SoakRun[]
  readonly losses?: readonly LossReport[]
  readonly experts?: ExpertsReport
  /** Of every machine that ran `make bench-gpu`. */
  readonly gpus?: readonly GpuReport[]
  readonly caches?: CacheReport
  /** What evals/ found, by the name of the row; see quality.json. */
  readonly quality?: Quality
  /** What e2e/published/published.ts wrote. */
  readonly published?: readonly PublishedRow[]
  /** Markdown written by hand: what was tried, and why it is as it is. */
  readonly notes?: string
  /** Plot files by name, as paths relative to the report. */
  readonly plots: Readonly<Record<string, string>>
}

/** The plots that the report shows; a job has others too. */
export const PLOTS: readonly string[] = [
  'threads-decode',
  'variant-decode',
  'prompt-prefill',
  'prompt-first-token',
  'context-int8-decode',
  'context-int8-memory',
  'batch-decode',
  'batch-memory',
  'breakdown-one-token',
]

/** 'threads' and 'First token' -> 'threads-first-token'; a title ends at its comma. */
export function plotName(job: string, title: string): string {
  const slug = title.split(',')[0].toLowerCase().replaceAll(' ', '-')
  return `${job}-${slug}`
}

export function performanceMarkdown(report: ReportParts): string {
  const {
    results,
    peers,
    busy,
    speculation,
    gpus = [],
    soak,
    losses,
    experts,
    caches,
    quality,
    published,
    notes,
    plots,
  } = report
  const rows = new Rows(results)
  const withPlots = (text: string, ...names: string[]) => {
    const images = names.flatMap(name => (plots[name] ? [`![${name}](${plots[name]})`] : []))
    return [text, ...images].join('\n\n')
  }
  const parts = [
    head(results),
    targetSection({ rows, peers, allocationBytes: allocated(results) }),
    baseline(rows),
    withPlots(threadsSection(rows), 'threads-decode'),
    rooflineSection(rows),
    withPlots(variants(rows), 'variant-decode'),
    withPlots(promptSection(rows), 'prompt-prefill', 'prompt-first-token'),
    withPlots(contextSection(rows), 'context-int8-decode', 'context-int8-memory'),
    kvSection(rows),
    headSection(rows),
    withPlots(batchSection(rows), 'batch-decode', 'batch-memory'),
    withPlots(latencySection(rows), 'breakdown-one-token'),
    overheadSection(rows, results),
    withPlots(sustained(soak ?? [], losses), 'soak-embedded', 'soak-0.7b', 'soak-embedded-webgpu'),
    requestsSection(rows),
    matrixSection(rows, quality),
    loadSection(rows),
    otherModels(rows),
    ...expertsSection(experts),
    tMac(caches),
    gpuSection(gpus, results.rows),
    busySection(busy),
    speculationSection(speculation),
    peersSection(peers),
    qualitySection(quality),
    publishedSection(published),
    files(results),
    ...(notes ? [notes.trim()] : []),
  ]
  return `${parts.join('\n\n')}\n`
}

function allocated({ allocation }: BenchReport): number | undefined {
  return allocation && allocation.heap + allocation.buffers
}

function head({ head: h, problems = [] }: BenchReport): string {
  const isolated = h.cross_origin_isolated ? ', cross-origin isolated' : ''
  const where = `Measured in the browser: ${h.browser} on ${h.machine}, commit ${h.commit}, ${h.date.slice(0, 10)}${isolated}.`
  const parts = [
    '# Performance',
    '<!-- Made by `make bench` from docs/bench/*.json and docs/bench/notes.md. Edit those, not this. -->',
    ...(h.quick
      ? ['> **A quick run**: it proves that the benchmarks work. Its figures mean nothing.']
      : []),
    `${where} ${HOW}`,
    ...(problems.length > 0
      ? [problems.map(p => `- ${p.job} is incomplete: ${p.reason}`).join('\n')]
      : []),
  ]
  return parts.join('\n\n')
}

const HOW = `Each figure is a median; smallest and largest run stand in parentheses. The
greedy tokens of each run were equal to the first run's, or the row is an error. Peak memory is VmHWM of the renderer
process, seen from outside. "Original" is the report of December 2025 that this project answers (native C++, 8 cores,
16 GB), its figures as claimed. Sizes are in MB of 10^6 bytes.`

function files({ files: list = [] }: BenchReport): string {
  return `## Files

${table(
  ['file', 'MB', 'SHA-256', 'made by'],
  list.map(f => [
    f.name,
    (f.bytes / 1e6).toFixed(1),
    `\`${f.sha256.slice(0, 16)}\``,
    `\`${f.command}\``,
  ]),
)}`
}
