// Speeds under a load that stays: engines that are open at once take turns, round by round, while so many other processes
// keep cores busy. What each writes must be what all others write.
import { cpus } from 'node:os'
import { poolFigures } from '../../demo/bench/measure.ts'
import { randomPrompt } from '../../demo/bench/requests.ts'
import { rounded } from '../../demo/bench/statistics.ts'
import type { BusyEntry, BusyReport } from '../report/busy-section.ts'
import { type BusyPage, type Contestant, openInNode } from './contestants.ts'
import { startNeighbours } from './neighbours.ts'

export interface BusyModel {
  readonly shape: string
  /** For Node, and as URL for the page. */
  readonly path: string
  readonly url: string
  readonly prompt: number
  readonly tokens: number
  readonly rounds: number
}

export type Entrant = Pick<BusyEntry, 'where' | 'version' | 'threads' | 'adapts' | 'asked'> & {
  readonly contestant: Contestant
}

/** New neighbours need a moment to run, and the pool one to notice. */
const SETTLE_MS = 500

export async function openAll(
  model: BusyModel,
  page: BusyPage | undefined,
  versions: readonly BusyEntry['version'][],
): Promise<Entrant[]> {
  const cores = cpus().length
  const entrants: Entrant[] = []
  if (page === undefined) {
    for (const asked of [cores, 2 * cores, 4 * cores]) {
      const contestant = await openInNode(model.path, asked, cores)
      const enter = (threads: number, adapts: boolean) => {
        const fixed = adapts ? 0 : threads
        const of = { where: 'Node', version: 'this', threads, adapts, asked } as const
        entrants.push({ ...of, contestant: contestant(fixed) })
      }
      enter(asked, true)
      enter(cores, false)
      if (asked === cores) enter(1, false)
    }
    return entrants
  }
  for (const version of versions) {
    const sdk = version === 'this' ? '/this/' : '/base/'
    // 0 is what the SDK chooses, which is all cores of the version before.
    for (const asked of version === 'this' ? [0, 1, 2 * cores, 4 * cores] : [0]) {
      const name = `${version} ${asked}`
      const contestant = await page.open(name, sdk, model.url, asked)
      const adapts = version === 'this'
      entrants.push({ where: 'Chromium', version, threads: asked || cores, adapts, contestant })
    }
  }
  return entrants
}

/**
 * @param busy  other processes
 * @param save  called after each round
 */
export async function steady(
  report: BusyReport,
  entrants: readonly Entrant[],
  model: BusyModel,
  busy: number,
  save: () => void,
): Promise<void> {
  const cores = cpus().length
  const racing = entrants.filter(e => busy === 0 || (e.asked ?? e.threads) <= cores)
  const neighbours = startNeighbours(busy)
  try {
    await new Promise(done => setTimeout(done, busy === 0 ? 0 : SETTLE_MS))
    const warm = randomPrompt(99, model.prompt, racing[0].contestant.vocab)
    for (const { contestant } of racing) await contestant.turn(warm, model.tokens)
    for (let round = 0; round < model.rounds; round++) {
      const prompt = randomPrompt(round, model.prompt, racing[0].contestant.vocab)
      let text: string | undefined
      // Who is first in one round is last in the next.
      for (const entrant of round % 2 === 0 ? racing : [...racing].reverse()) {
        const began = performance.now()
        const { tokens, pool, ...rates } = await entrant.contestant.turn(prompt, model.tokens)
        const seconds = (performance.now() - began) / 1000
        const entry = entryOf(report, entrant, model.shape, busy)
        text ??= tokens.join(' ')
        if (tokens.join(' ') !== text) entry.wrong = true
        entry.decode_tok_s.push(rounded(rates.decode_tok_s))
        entry.prefill_tok_s.push(rounded(rates.prefill_tok_s))
        if (pool) entry.pool = poolFigures(pool.before, pool.after, seconds)
      }
      save()
    }
  } finally {
    neighbours.stop()
  }
}

function entryOf(
  report: BusyReport,
  { where, version, threads, adapts, asked }: Entrant,
  model: string,
  busy: number,
): BusyEntry {
  const key = { where, version, model, busy, threads, adapts, ...(asked && { asked }) }
  const same = (e: BusyEntry) =>
    Object.entries(key).every(([name, value]) => e[name as keyof BusyEntry] === value)
  let entry = report.entries.find(same)
  if (entry === undefined) {
    entry = { ...key, decode_tok_s: [], prefill_tok_s: [] }
    report.entries.push(entry)
  }
  return entry
}
