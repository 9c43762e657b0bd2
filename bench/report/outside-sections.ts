// The sections of docs/PERFORMANCE.md that come from files of their own: sustained load (soak-*.json) and
// simulated cache misses (cachegrind.json). Pure.
import {
  availabilityOf,
  driftOf,
  memoryOf,
  notMet,
  percent,
  type SoakRun,
} from '../../e2e/soak/judge.ts'
import type { LossReport } from '../../test/support/losses.ts'
import type { CacheReport, CacheRun } from '../native/cachegrind.ts'
import { figure, NOT_MEASURED, table } from './markdown.ts'
import { SUSTAINED } from './original.ts'

/** Parts of a run in our table. */
const PARTS = 4

/** @param runs, losses  what `make soak` and `make losses` have written; none where they never ran */
/** What a soak that ended before its pairs says, such as one of a GPU in software. */
const TOO_SHORT = 'too few tokens'

export function sustained(runs: readonly SoakRun[], losses: readonly LossReport[] = []): string {
  return `## Sustained load

${table(
  ['original: tokens', 'tok/s', 'MB'],
  SUSTAINED.map(s => [s.tokens, String(s.tokS), String(s.mb)]),
)}

Variance 0.24 %, no leak; uptime 99.9 % over 1M+ tokens, MTBF > 500 h. ${
    runs.length > 0 ? soakText(runs) : `Ours: ${NOT_MEASURED}; run \`make soak\`.`
  }${losses.length > 0 ? `\n\n${lossText(losses)}` : ''}`
}

function soakText(runs: readonly SoakRun[]): string {
  return `Ours: ten callers (four on a GPU in software) in one page send mixed requests: chats,
function calls, JSON by schema, scores, embeddings, sessions saved and brought back, short and long texts, past the end of
the context, left early, impatient, impossible, in bursts. Tokens per second are those received: prompts, scores,
waits and refusals cost time, too.

${table(['run', 'tokens', 'tok/s', 'MB'], runs.flatMap(partsOf))}

${table(
  [
    'run',
    'drift (95 %)',
    'tok/s alone',
    'MB',
    'same bits',
    'requests as they must be',
    'up',
    'between failures',
  ],
  runs.map(verdictRow),
)}

- **Drift**: the same request (greedy, alone) on the soaked engine and, in turns with it, on an engine that rests in another
  browser; the ratio of both at the end over that at the start. Under 2 % is asked for.
- **MB**: resident, of the renderer (with the GPU process, on a GPU): medians of the second and of the last quarter.
- **Same bits**: the logits after each of 40 fixed tokens, by SHA-256, after every piece of the traffic. Greedy chats, scores and
  embeddings are compared bit for bit with the first of their kind as well, except on a GPU, which may round otherwise in a
  larger step.
- **As they must be**: each kind of request has the ends that it may have, JSON and calls are checked against their schema, and
  the page's books are held against the engine's.
- **Between failures**: no failure in a time T means, with 95 % confidence, more than T / 3 between two. So hours of use say hours;
  what a run of months would find is not known.

${runs.map(lineOf).join('\n')}`
}

function lossText(losses: readonly LossReport[]): string {
  const how = { destroy: '`destroy()` in Node', crash: 'a crash of the GPU process in Chromium' }
  const lines = losses.map(
    l =>
      `- ${how[l.kind]}: ${l.losses} losses in ${figure(l.tokens, 6)} tokens of ${l.requests} requests (${figure(l.fromGpu, 6)} from the GPU, ${figure(l.fromCpu, 6)} from the CPU after it): ${l.failed} requests failed, ${l.wrong} texts lost a token, had one twice or did not go on as the CPU's (${l.machine}, ${l.date}).`,
  )
  return `A GPU that is lost for every 200 tokens, in four texts at once (\`make losses\`; a GPU in software):\n\n${lines.join('\n')}`
}

function partsOf(run: SoakRun): string[][] {
  return Array.from({ length: PARTS }, (_, i) => partOf(run, i)).filter(line => line.length > 0)
}

function partOf({ name, tokens, samples }: SoakRun, part: number): string[] {
  const [from, to] = [(tokens * part) / PARTS, (tokens * (part + 1)) / PARTS]
  const inside = samples.filter(s => s.tokens > from && s.tokens <= to)
  const [first, last] = [inside[0], inside.at(-1)]
  if (!first || !last || first === last) return []
  const rate = (last.tokens - first.tokens) / (last.seconds - first.seconds)
  const largest = Math.max(...inside.map(s => s.rssMb))
  return [
    name,
    `${figure(Math.round(from), 6)}-${figure(Math.round(to), 6)}`,
    figure(rate),
    figure(largest),
  ]
}

function verdictRow(run: SoakRun): string[] {
  const drift = run.drift && driftOf(run.drift)
  const { mb } = memoryOf(run)
  const { requests, time, hoursBetweenFailures } = availabilityOf(run)
  const least = run.failures.length === 0 ? 'more than ' : ''
  return [
    run.name,
    drift ? `${percent(drift.change)} (${drift.range.map(percent).join(' to ')})` : TOO_SHORT,
    drift ? drift.soaked.map(speed => figure(speed)).join(' to ') : TOO_SHORT,
    mb.map(size => figure(size)).join(' to '),
    new Set(run.logits).size === 1 ? `yes, ${run.logits.length} times` : '**no**',
    `${figure(100 * requests, 6)} % of ${figure(run.requests.asked, 7)}`,
    `${figure(100 * time, 6)} %`,
    `${least}${figure(hoursBetweenFailures, 2)} h`,
  ]
}

function lineOf(run: SoakRun): string {
  const { asked, served, cancelled, refused, timedOut, failed } = run.requests
  const threads =
    run.adapter === undefined
      ? ` with ${run.threads} thread${run.threads === 1 ? '' : 's'}`
      : ` on ${run.adapter}`
  const missed = notMet(run)
  const parts = run.parts > 1 ? `, in ${run.parts} parts` : ''
  return `- ${run.name} (${run.model}, ${run.variant}${threads}; ${run.machine}, ${run.date}): ${figure(run.tokens, 7)} tokens in ${figure(run.seconds)} s${parts}; of ${figure(asked, 7)} requests ${figure(served, 7)} were served, ${figure(cancelled, 7)} left by their caller, ${figure(refused, 7)} refused by a full queue, ${figure(timedOut, 7)} too late for their own limit and ${figure(failed, 7)} impossible. ${
    missed.length === 0 ? 'All is met.' : `**Not met: ${missed.join('; ')}.**`
  } \`${run.command}\``
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
