// The peers' part of the report: rates in the same rounds, and ratios round by round. Pure.
import { median, type Spread, spread } from '../../demo/bench/statistics.ts'
import { figure, NOT_MEASURED, table, withSpread } from './markdown.ts'

/** One engine's rates in one round. */
export interface PeerSample {
  /** From an empty context. */
  decode_tok_s: number
  /** Of the long prompt, and of the short one; null where it was not tried. */
  prefill_tok_s: number | null
  prefill_short_tok_s: number | null
  peak_rss_mb: number | null
}

export interface PeerEntry {
  /** 'ryzanstein', 'wllama 3.8.1', 'node-llama-cpp 3.22.1' .. */
  engine: string
  where: 'browser' | 'native'
  file: string
  threads: number
  /** In the order of the rounds; null where it failed. */
  rounds: (PeerSample | null)[]
  error?: string
}

export interface PeersReport {
  head: { machine: string; commit: string; date: string; quick: boolean }
  prompt_tokens: number
  short_prompt_tokens: number
  new_tokens: number
  entries: PeerEntry[]
}

export const OURS = 'ryzanstein'

type Rate = 'decode_tok_s' | 'prefill_tok_s' | 'prefill_short_tok_s'

/** Ours over theirs, in the rounds that both finished. */
export function ratios(ours: PeerEntry, theirs: PeerEntry, rate: Rate): number[] {
  return ours.rounds.flatMap((sample, i) => {
    const [mine, other] = [sample?.[rate], theirs.rounds[i]?.[rate]]
    return mine && other ? [mine / other] : []
  })
}

function rateText(entry: PeerEntry, rate: Rate): string {
  const values = entry.rounds.flatMap(sample => sample?.[rate] ?? [])
  return values.length === 0 ? '' : withSpread(median(values), spread(values))
}

function ratioText(values: readonly number[]): string {
  if (values.length === 0) return ''
  const range: Spread = spread(values)
  return `${figure(median(values))} x (${figure(range[0])}-${figure(range[1])})`
}

export function peersSection(report: PeersReport | undefined): string {
  if (!report) return `## Peers\n\n${NOT_MEASURED}: run \`make bench-peers\`.`
  const { head, entries } = report
  const peak = (entry: PeerEntry) => {
    const values = entry.rounds.flatMap(s => (s?.peak_rss_mb ? [s.peak_rss_mb] : []))
    return values.length === 0 ? NOT_MEASURED : figure(Math.max(...values))
  }
  return `## Peers

${head.machine}, commit ${head.commit}, ${head.date.slice(0, 10)}. Decode is ${report.new_tokens} tokens from an empty context. The engines take
turns, round by round, each in a fresh process. The embedded model's long prompt has 256 tokens and its
answer 200; llama.cpp takes it best on one thread, through one JavaScript call a token.${head.quick ? ' **A quick run: the figures mean nothing.**' : ''}

${table(
  [
    'engine',
    'file',
    'threads',
    'decode tok/s',
    `prefill ${report.short_prompt_tokens} tok/s`,
    `prefill ${report.prompt_tokens} tok/s`,
    'peak MB',
  ],
  entries.map(e => [
    `${e.engine} (${e.where})`,
    e.file,
    String(e.threads),
    rateText(e, 'decode_tok_s') || (e.error ?? NOT_MEASURED),
    rateText(e, 'prefill_short_tok_s'),
    rateText(e, 'prefill_tok_s'),
    peak(e),
  ]),
)}

Ours over theirs, in the same round:

${table(
  [
    'ours',
    'theirs',
    'threads',
    'decode',
    `prefill ${report.short_prompt_tokens}`,
    `prefill ${report.prompt_tokens}`,
  ],
  pairsOf(entries).map(({ ours, peer }) => [
    ours.file,
    `${peer.engine}, ${peer.file}`,
    String(peer.threads),
    ratioText(ratios(ours, peer, 'decode_tok_s')) || NOT_MEASURED,
    ratioText(ratios(ours, peer, 'prefill_short_tok_s')),
    ratioText(ratios(ours, peer, 'prefill_tok_s')),
  ]),
)}`
}

/** Each peer with ours of the same threads: of the same file, else of the same shape. */
export function pairsOf(entries: readonly PeerEntry[]): { ours: PeerEntry; peer: PeerEntry }[] {
  return entries
    .filter(e => e.engine !== OURS)
    .flatMap(peer => {
      const same = entries.filter(e => e.engine === OURS && e.threads === peer.threads)
      const shape = peer.file.replace(/-[^-]*$/, '')
      const ours = same.find(e => e.file === peer.file) ?? same.find(e => e.file.startsWith(shape))
      return ours ? [{ ours, peer }] : []
    })
}
