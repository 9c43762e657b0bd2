// docs/PERFORMANCE.md as text, made of results.json, peers.json and the hand-written notes. Pure.
import type { BenchReport } from '../../demo/bench/results.ts'
import { table } from './markdown.ts'
import { type PeersReport, peersSection } from './peers-section.ts'
import {
  baseline,
  batchSection,
  contextSection,
  kvSection,
  latencySection,
  loadSection,
  matrixSection,
  otherModels,
  promptSection,
  Rows,
  requestsSection,
  sustained,
  threadsSection,
  tMac,
  unmeasured,
  variants,
} from './sections.ts'

export interface ReportParts {
  readonly results: BenchReport
  readonly peers?: PeersReport
  /** Markdown written by hand: what was tried, and why it is as it is. */
  readonly notes?: string
  /** Plot files beside the report: job name to paths relative to it. */
  readonly plots: Readonly<Record<string, readonly string[]>>
}

export function performanceMarkdown({ results, peers, notes, plots }: ReportParts): string {
  const rows = new Rows(results)
  const withPlots = (text: string, ...jobs: string[]) =>
    [text, ...jobs.flatMap(job => plots[job] ?? []).map(path => `![plot](${path})`)].join('\n\n')
  const parts = [
    head(results),
    baseline(rows),
    withPlots(threadsSection(rows), 'threads'),
    withPlots(variants(rows), 'variant'),
    withPlots(promptSection(rows), 'prompt'),
    withPlots(contextSection(rows), 'context-int8', 'context-f16'),
    withPlots(kvSection(rows), 'kv-512'),
    withPlots(batchSection(rows), 'batch'),
    withPlots(latencySection(rows), 'breakdown'),
    withPlots(sustained(rows), 'soak'),
    requestsSection(rows),
    matrixSection(rows),
    loadSection(rows),
    otherModels(rows),
    tMac(),
    peersSection(peers),
    unmeasured(),
    files(results),
    ...(notes ? [notes.trim()] : []),
  ]
  return `${parts.join('\n\n')}\n`
}

function head({ head: h, problems = [] }: BenchReport): string {
  const quick = h.quick
    ? '\n> **A quick run**: it proves that the benchmarks work. Its figures mean nothing.\n'
    : ''
  const failed = problems.map(p => `- ${p.job} is incomplete: ${p.reason}`).join('\n')
  return `# Performance

<!-- Made by \`make bench\` from docs/bench/*.json and docs/bench/notes.md. Edit those, not this. -->
${quick}
Measured in the browser: ${h.browser} on ${h.machine}, commit ${h.commit}, ${h.date.slice(0, 10)}${h.cross_origin_isolated ? ', cross-origin isolated' : ''}.
Each figure is a median; smallest and largest run stand in parentheses. Each run's greedy tokens were equal to the
first run's, or the row is an error. Peak memory is VmHWM of the renderer process, seen from outside. "Original" is the report of December
2025 that this project answers (native C++, 8 cores, 16 GB), its figures as claimed. Sizes are in MB of 10^6 bytes.
${failed && `\n${failed}\n`}`
}

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
