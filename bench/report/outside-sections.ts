// The sections of docs/PERFORMANCE.md that come from files of their own: sustained load (soak.json) and
// simulated cache misses (cachegrind.json). Pure.
import type { SoakRun } from '../../e2e/soak/soak.ts'
import type { CacheReport, CacheRun } from '../native/cachegrind.ts'
import { figure, NOT_MEASURED, table } from './markdown.ts'
import { SUSTAINED } from './original.ts'

export interface SoakReport {
  head: { date: string; machine: string }
  runs: SoakRun[]
}

/** Parts of a run in our table. */
const PARTS = 4

export function sustained(soak: SoakReport | undefined): string {
  return `## Sustained load

${table(
  ['original: tokens', 'tok/s', 'MB'],
  SUSTAINED.map(s => [s.tokens, String(s.tokS), String(s.mb)]),
)}

Variance 0.24 %, no leak. ${soak ? soakText(soak) : `Ours: ${NOT_MEASURED}; run \`make soak\`.`}

The original's uptime (99.9 % over 1M+ tokens) and MTBF (> 500 h) have no counterpart: ${NOT_MEASURED}.`
}

function soakText({ head, runs }: SoakReport): string {
  const lines = runs.flatMap(run =>
    Array.from({ length: PARTS }, (_, i) => partOf(run, i)).filter(line => line.length > 0),
  )
  return `Ours: ${head.machine}, ${head.date}; mixed requests of six callers in one page (short, long, cancelled, failing), so that
tokens per second count prompts, waits and refusals too.

${table(['model', 'tokens', 'tok/s', 'renderer MB'], lines)}

${runs
  .map(run => {
    const books =
      run.discrepancies.length === 0
        ? 'every request accounted for'
        : `**${run.discrepancies.length} wrong in the books**`
    return `- ${run.model}, ${run.variant} with ${run.threads} thread${run.threads === 1 ? '' : 's'}: ${figure(run.tokens, 6)} tokens in ${figure(run.seconds)} s, last quarter at ${figure(run.drift)} of the second's speed, renderer ${figure(run.rssMbAtQuarter)} MB after a quarter and ${figure(run.rssMbAtEnd)} MB at the end, ${books}.`
  })
  .join('\n')}`
}

function partOf({ model, tokens, samples }: SoakRun, part: number): string[] {
  const [from, to] = [(tokens * part) / PARTS, (tokens * (part + 1)) / PARTS]
  const inside = samples.filter(s => s.tokens > from && s.tokens <= to)
  const [first, last] = [inside[0], inside.at(-1)]
  if (!first || !last || first === last) return []
  const rate = (last.tokens - first.tokens) / (last.seconds - first.seconds)
  const largest = Math.max(...inside.map(s => s.rssMb))
  return [
    model,
    `${figure(Math.round(from), 6)}-${figure(Math.round(to), 6)}`,
    figure(rate),
    figure(largest),
  ]
}

export function tMac(caches: CacheReport | undefined): string {
  return `## Lookup tables (T-MAC)

The original: L3 miss rate 8.2 to 1.4 %; throughput +18 % sequential, +47 % random, +12-18 % overall. ${
    caches
      ? simulated(caches)
      : `A browser has
no cache counters; misses with and without the lookup layout: ${NOT_MEASURED}.`
  }

Throughput with and without tables, kernel by kernel, stands in [KERNEL-NOTES.md](KERNEL-NOTES.md).`
}

const NAMES: Record<CacheRun['kernel'], string> = {
  multiply: 'multiply-add',
  lookup: 'lookup tables',
}

function simulated({ simulator, caches, weights, runs }: CacheReport): string {
  const each = (run: CacheRun, count: number) => figure(count / run.tokens / 1e6)
  return `A browser has
no cache counters, so ours are **simulated**: ${simulator}, cachegrind on a native build of the same kernels, caches ${caches.D1} and
${caches.LL} (bytes, ways, line; the original's processor), no prefetching; ${figure(weights / 1e6)} million weights read once from memory.

${table(
  [
    'kernel, tokens at a time',
    'instructions a token, M',
    'data accesses a token, M',
    'missing the first level',
    'last-level accesses that miss (L3 miss rate)',
    'last-level misses a token, M',
  ],
  runs.map(run => [
    `${NAMES[run.kernel]}, ${run.tokens}`,
    each(run, run.instructions),
    each(run, run.data_refs),
    `${figure((100 * run.d1_misses) / run.data_refs)} %`,
    `${figure((100 * run.ll_misses) / run.d1_misses)} %`,
    each(run, run.ll_misses),
  ]),
)}

What misses the last level is the weights themselves, once a pass: tokens that share a pass share it. Tables need fewer
instructions and accesses, and live in the second level.`
}
