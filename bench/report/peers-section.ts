// The peers' part of the report: rates in the same rounds, and ratios round by round. Pure.
import { median, type Spread, spread } from '../../demo/bench/statistics.ts'
import { figure, NOT_MEASURED, table, withSpread } from './markdown.ts'

/** One engine's rates in one round. */
export interface PeerSample {
  decode_tok_s: number
  prefill_tok_s: number
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
  new_tokens: number
  entries: PeerEntry[]
}

export const OURS = 'ryzanstein'

type Rate = 'decode_tok_s' | 'prefill_tok_s'

/** Ours over theirs, in the rounds that both finished. */
export function ratios(ours: PeerEntry, theirs: PeerEntry, rate: Rate): number[] {
  return ours.rounds.flatMap((sample, i) => {
    const other = theirs.rounds[i]
    return sample && other ? [sample[rate] / other[rate]] : []
  })
}

function rateText(entry: PeerEntry, rate: Rate): string {
  const values = entry.rounds.flatMap(sample => (sample ? [sample[rate]] : []))
  return values.length === 0 ? NOT_MEASURED : withSpread(median(values), spread(values))
}

function ratioText(values: readonly number[]): string {
  if (values.length === 0) return NOT_MEASURED
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
  const theirs = entries.filter(e => e.engine !== OURS)
  const pairs = theirs.flatMap(peer => {
    const ours = entries.find(e => e.engine === OURS && e.threads === peer.threads)
    return ours ? [{ ours, peer }] : []
  })
  return `## Peers

${head.machine}, commit ${head.commit}, ${head.date.slice(0, 10)}. ${report.prompt_tokens} tokens of prompt, ${report.new_tokens} new ones; the engines take
turns, round by round, each in a fresh process.${head.quick ? ' **A quick run: the figures mean nothing.**' : ''}

${table(
  ['engine', 'file', 'threads', 'decode tok/s', 'prefill tok/s', 'peak MB'],
  entries.map(e => [
    `${e.engine} (${e.where})`,
    e.file,
    String(e.threads),
    e.error ?? rateText(e, 'decode_tok_s'),
    rateText(e, 'prefill_tok_s'),
    peak(e),
  ]),
)}

Ours over theirs, in the same round:

${table(
  ['ours', 'theirs', 'threads', 'decode', 'prefill'],
  pairs.map(({ ours, peer }) => [
    ours.file,
    `${peer.engine}, ${peer.file}`,
    String(peer.threads),
    ratioText(ratios(ours, peer, 'decode_tok_s')),
    ratioText(ratios(ours, peer, 'prefill_tok_s')),
  ]),
)}`
}
