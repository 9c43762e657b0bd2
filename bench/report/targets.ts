// The table at the head of the report: what was aimed at, what was measured, and in which row. Targets are
// written here; measured figures only ever come from the rows. Pure.
import type { BenchRow } from '../../demo/bench/results.ts'
import { median } from '../../demo/bench/statistics.ts'
import { figure, NOT_MEASURED, table } from './markdown.ts'
import { outsideKernels } from './overheads.ts'
import { OURS, type PeersReport, pairsOf, ratios } from './peers-section.ts'
import type { Rows } from './rows.ts'

export interface Target {
  readonly what: string
  readonly aim: number
  readonly better: 'more' | 'less'
  readonly unit: string
  /** Undefined: not measured. */
  readonly measured: number | undefined
  /** Job and value of the rows it comes from. */
  readonly from: string
  /** The line before it with a head of 4 bits: not counted. */
  readonly head4: boolean
}

export interface TargetSources {
  readonly rows: Rows
  readonly peers?: PeersReport
  readonly allocationBytes?: number
}

type Field = 'decode_tok_s' | 'prefill_tok_s' | 'ttft_ms' | 'peak_rss_mb' | 'load_peak_mb'

/** All targets, in the order of the issue that set them. */
export function targetsOf({ rows, peers, allocationBytes }: TargetSources): Target[] {
  const list: Target[] = []
  const cell = (job: string, value: string | number, field: Field) =>
    numberOf(rows.at(job, value), field)
  const add = (
    what: string,
    [better, aim, unit]: readonly [Target['better'], number, string],
    measured: number | undefined,
    from: string,
  ) => list.push({ what, aim, better, unit, measured, from, head4: false })
  const rate = (what: string, aim: number, job: string, value: string, field: Field) =>
    add(what, ['more', aim, 'tok/s'], cell(job, value, field), `${job} ${value}`)
  const peak = (what: string, aim: number, job: string, value: string, field: Field) =>
    add(what, ['less', aim, 'MB'], cell(job, value, field), `${job} ${value}`)
  const ratio = (what: string, aim: number, from: readonly [string, string][], field: Field) => {
    const [a, b] = from.map(([job, value]) => cell(job, value, field))
    const names = from.map(([job, value]) => `${job} ${value}`).join(' over ')
    add(what, ['more', aim, 'x'], a && b ? a / b : undefined, names)
  }
  /** The last target again, from rows with a head of 4 bits. */
  const withHead4 = (job: string, value: string, field: Field) => {
    const last = list[list.length - 1]
    const measured = cell(job, value, field)
    const from = `${job} ${value}`
    list.push({ ...last, what: '— with a 4-bit head', measured, from, head4: true })
  }
  const peer = (
    what: string,
    aim: number,
    engine: string,
    file: string,
    field: Parameters<typeof ratios>[2],
  ) => {
    const found = peers && peerRatio(peers, engine, file, field)
    add(what, ['more', aim, 'x'], found, `peers: ${engine}, ${file}, most threads`)
  }

  rate('decode from an empty context, 2 threads', 75, 'empty', '2', 'decode_tok_s')
  withHead4('head', 'int4', 'decode_tok_s')
  rate('the same, 1 thread', 50, 'empty', '1', 'decode_tok_s')
  withHead4('head@1', 'int4', 'decode_tok_s')
  peer('over native llama.cpp, the same file', 1.1, 'node-llama-cpp', 'tq2_0', 'decode_tok_s')
  peer("over wllama's best, Q8_0", 4.5, 'wllama 2', 'q8_0', 'decode_tok_s')
  peer("over wllama's ternary, TQ2_0", 11, 'wllama 3', 'tq2_0', 'decode_tok_s')
  rate('decode at 2,048 tokens, int8 KV', 45, 'context-int8', '2048', 'decode_tok_s')
  withHead4('context-int8-head4', '2048', 'decode_tok_s')
  rate('prefill of 512 tokens, int8 KV', 280, 'prompt-int8', '512', 'prefill_tok_s')
  peer('over native llama.cpp, 512 tokens', 2, 'node-llama-cpp', 'tq2_0', 'prefill_tok_s')
  peer("over wllama's best, short prompt", 10, 'wllama 2', 'q8_0', 'prefill_short_tok_s')
  const first = ['less', 450, 'ms'] as const
  const firstAt = cell('prompt-int8', 128, 'ttft_ms')
  add('first token, 128 of prompt, int8 KV', first, firstAt, 'prompt-int8 128')
  ratio(
    'plain simd128 over relaxed, decode',
    0.6,
    [
      ['variant', 'simd128'],
      ['variant', 'relaxed'],
    ],
    'decode_tok_s',
  )
  for (const at of ['@2', '@1']) {
    ratio(
      `Node over Chromium, simd128, ${at === '@2' ? '2 threads' : '1 thread'}`,
      0.85,
      [
        ['node', `simd128${at}`],
        ['variant', at === '@2' ? 'simd128' : 'simd128@1'],
      ],
      'decode_tok_s',
    )
  }
  rate('batch 4, all sequences together', 190, 'batch', '4', 'decode_tok_s')
  withHead4('batch-head4', '4', 'decode_tok_s')
  rate('batch 8', 260, 'batch', '8', 'decode_tok_s')
  withHead4('batch-head4', '8', 'decode_tok_s')
  peak('peak at 512 tokens, int8 KV', 420, 'context-int8', '512', 'peak_rss_mb')
  withHead4('context-int8-head4', '512', 'peak_rss_mb')
  peak('peak at 2,048 tokens, 4-bit KV', 450, 'context-int4', '2048', 'peak_rss_mb')
  withHead4('context-int4-head4', '2048', 'peak_rss_mb')
  peak('peak at 2,048 tokens, int8 KV', 500, 'context-int8', '2048', 'peak_rss_mb')
  withHead4('context-int8-head4', '2048', 'peak_rss_mb')
  peak('peak, 8 sequences of 192, int8 KV', 500, 'batch-8x192', '8', 'peak_rss_mb')
  withHead4('batch-8x192-head4', '8', 'peak_rss_mb')
  peak('peak, 8 sequences of 384, 4-bit KV', 500, 'batch-8x384', '8', 'peak_rss_mb')
  withHead4('batch-8x384-head4', '8', 'peak_rss_mb')
  peak('peak of a cold download', 500, 'load', 'cold', 'load_peak_mb')
  peak('peak of a warm load', 500, 'load', 'warm', 'load_peak_mb')
  rate('2B-4T, decode, 2 threads', 24, '2b-empty', '2', 'decode_tok_s')
  withHead4('2b-head4', '2', 'decode_tok_s')
  ratio(
    '2B-4T, at 2,048 tokens over at 128',
    0.75,
    [
      ['2b-context', '2048'],
      ['2b-context', '128'],
    ],
    'decode_tok_s',
  )
  peak('2B-4T, peak at 2,048 tokens', 1100, '2b-context', '2048', 'peak_rss_mb')
  withHead4('2b-context-head4', '2048', 'peak_rss_mb')
  const embedded = rows.job('embedded').map(row => numberOf(row, 'decode_tok_s') ?? 0)
  const best = embedded.length > 0 ? Math.max(...embedded) : undefined
  add('embedded model, streamed to the page', ['more', 3000, 'tok/s'], best, 'embedded, best')
  rate('embedded model, prefill', 8000, 'embedded-prompt', '128', 'prefill_tok_s')
  const outside = outsideKernels(rows.job('breakdown-empty')[0])
  const share = outside && 100 * outside.share
  add('share of a token outside of kernels', ['less', 5, '%'], share, 'breakdown-empty')
  const bytes = ['less', 4000, 'bytes'] as const
  add('allocated per token', bytes, allocationBytes, 'allocation')
  return list
}

function numberOf(row: BenchRow | undefined, field: Field): number | undefined {
  return row && !row.error ? (row[field] ?? undefined) : undefined
}

/** Median over the rounds with the most threads that both ran with. */
function peerRatio(
  { entries }: PeersReport,
  engine: string,
  type: string,
  field: Parameters<typeof ratios>[2],
): number | undefined {
  const pairs = pairsOf(entries).filter(
    ({ ours, peer }) =>
      ours.engine === OURS &&
      peer.engine.startsWith(engine) &&
      peer.file.endsWith(`-${type}.gguf`) &&
      !peer.file.includes('emb'),
  )
  const pair = pairs.sort((a, b) => b.peer.threads - a.peer.threads)[0]
  const values = pair ? ratios(pair.ours, pair.peer, field) : []
  return values.length > 0 ? median(values) : undefined
}

export function targetSection(sources: TargetSources): string {
  const targets = targetsOf(sources)
  const counted = targets.filter(t => !t.head4)
  const met = counted.filter(isMet).length
  const measured = counted.filter(t => t.measured !== undefined).length
  return `## Targets

0.7B shape (TQ2_0, F16 KV, int8 head) unless said otherwise; ${met} of ${counted.length} met, ${counted.length - measured} not measured.
Lines with a 4-bit head are not counted.

${table(
  ['target', 'aim', 'measured', 'met', 'row'],
  targets.map(t => [
    t.what,
    `${t.better === 'more' ? 'at least' : 'at most'} ${figure(t.aim, 4)} ${t.unit}`,
    t.measured === undefined ? NOT_MEASURED : `${figure(t.measured)} ${t.unit}`,
    t.measured === undefined ? '' : isMet(t) ? 'yes' : '**no**',
    t.from,
  ]),
)}`
}

function isMet({ measured, better, aim }: Target): boolean {
  if (measured === undefined) return false
  return better === 'more' ? measured >= aim : measured <= aim
}
