// The section of docs/PERFORMANCE.md on mixtures of experts, from docs/bench/experts.json. Pure.
import { figure, table } from '../report/markdown.ts'

export interface ExpertsRow {
  model: 'mixture' | 'dense'
  /** '4 of 6'. */
  experts: string
  weightsMb: number
  /** Feed-forward weights that a decoded token read, counted; and by its header. */
  feedForwardMb: number
  plannedMb: number
  decodeTokS: number
  prefillTokS: number
  /** Over the dense model, median of the rounds' quotients. */
  decodeTimes: number
  prefillTimes: number
}

export interface ExpertsReport {
  date: string
  machine: string
  commit: string
  threads: number
  rounds: number
  rows: ExpertsRow[]
}

/** An empty list where it was not measured. */
export function expertsSection(report: ExpertsReport | undefined): string[] {
  if (report === undefined) return []
  const { machine, date, commit, threads, rounds, rows } = report
  return [
    `## Mixture of experts

A mixture beside the dense model whose token reads as many weights (\`make bench-experts\`; synthetic, TQ2_0, 24 layers of
1,536 columns, a feed-forward of 4,096 or four experts of 1,024; ${machine}, Node, simd128 with ${threads} threads, ${date},
${commit}). Both take turns; medians of ${rounds} rounds. Decode from an empty context, prompts of 128 tokens. A decoded token
reads the experts that compute it and no other: counted in the run, and equal to what the header says. A prompt reads all that
any of its rows needs.

${table(
  [
    'model',
    'experts',
    'weights MB',
    'feed-forward MB a token',
    'by its header',
    'decode tok/s',
    'x dense',
    'prefill tok/s',
    'x dense',
  ],
  rows.map(row => [
    row.model,
    row.experts,
    figure(row.weightsMb),
    figure(row.feedForwardMb, 4),
    figure(row.plannedMb, 4),
    figure(row.decodeTokS),
    figure(row.decodeTimes),
    figure(row.prefillTokS),
    figure(row.prefillTimes),
  ]),
)}`,
  ]
}
