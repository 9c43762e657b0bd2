// A load that comes and goes every second, in Node: an engine whose threads adapt and engines with fixed threads write
// through it in turns. What counts are the steady parts of the seconds.
import { randomPrompt } from '../../demo/bench/requests.ts'
import { median, rounded } from '../../demo/bench/statistics.ts'
import type { BusySwitching } from '../report/busy-section.ts'
import type { Contestant } from './contestants.ts'
import { startNeighbours } from './neighbours.ts'
import type { BusyModel, Entrant } from './steady.ts'

/** The first part of a second is not judged. */
const SETTLING_MS = 200
const SECOND_MS = 1000
/** Seconds of a stretch, half of them busy. */
const STRETCH = 4

/** Tokens a second in the steady part of each second. */
interface Rates {
  idle: number[]
  busy: number[]
}
const WHEN = ['idle', 'busy'] as const

/** @param seconds  of each contestant, who take turns in stretches */
export async function switching(
  entrants: readonly Entrant[],
  model: BusyModel,
  seconds: number,
): Promise<BusySwitching> {
  const least = Math.min(...entrants.map(e => e.asked ?? 0))
  const racing = entrants.filter(e => e.asked === least)
  const adapting = racing.find(e => e.adapts)
  if (adapting === undefined) throw new Error('nobody to compare')
  /** Of each contestant, stretch by stretch: a slow minute of the machine hits all. */
  const all = new Map(racing.map(e => [e, [] as Rates[]]))
  for (let turn = 0; turn * STRETCH < seconds; turn++) {
    for (const entrant of turn % 2 === 0 ? racing : [...racing].reverse()) {
      const rates: Rates = { idle: [], busy: [] }
      await stretch(entrant.contestant, Math.min(STRETCH, seconds), rates)
      all.get(entrant)!.push(rates)
    }
  }
  const medianOf = (entrant: Entrant, when: keyof Rates) =>
    median(all.get(entrant)!.flatMap(rates => rates[when]))
  const fixed = racing.filter(e => !e.adapts)
  const best = (when: keyof Rates) =>
    [...fixed].sort((a, b) => medianOf(b, when) - medianOf(a, when))[0]!
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0)
  /** Of the better fixed number in the stretches beside it. */
  const share = (when: keyof Rates) =>
    all.get(adapting)!.map((own, turn) => sum(own[when]) / sum(all.get(best(when))![turn]![when]))
  const shares = WHEN.map(share)
  /** Of a third of the time, whatever the load was: heat, and what the pool has learned, would show as a trend. */
  const third = (which: number) => {
    const part = (of: number[]) => of.slice((which * of.length) / 3, ((which + 1) * of.length) / 3)
    return rounded(median(shares.flatMap(part)), 3)
  }
  return {
    model: model.shape,
    seconds,
    idle_tok_s: rounded(medianOf(adapting, 'idle')),
    busy_tok_s: rounded(medianOf(adapting, 'busy')),
    best_idle_tok_s: rounded(medianOf(best('idle'), 'idle')),
    best_busy_tok_s: rounded(medianOf(best('busy'), 'busy')),
    shares: shares.flat().map(n => rounded(n, 3)),
    first_third: third(0),
    last_third: third(2),
  }
}

/** Writes for so many seconds, every second one beside a busy process. */
async function stretch(contestant: Contestant, seconds: number, rates: Rates): Promise<void> {
  const neighbours = startNeighbours(1, seconds + 10)
  neighbours.pause()
  try {
    // The next request of an engine begins where it stands; a first one would read its code.
    const prompt = randomPrompt(1, 8, contestant.vocab)
    await contestant.turn(prompt, 8)
    const began = Date.now()
    let second = 0
    const clock = setInterval(() => {
      // Late when this process is busy itself; the ends of seconds are not judged for that.
      const now = Math.floor((Date.now() - began) / SECOND_MS)
      if (now === second) return
      second = now
      if (second % 2 === 1) neighbours.resume()
      else neighbours.pause()
    }, 5)
    const times = await contestant.write(prompt, 240, seconds * SECOND_MS)
    clearInterval(clock)
    for (let s = 0; s < seconds; s++) {
      const from = began + s * SECOND_MS + SETTLING_MS
      const to = began + (s + 1) * SECOND_MS - 50
      const tokens = times.filter(at => at >= from && at < to).length
      const rate = (1000 * tokens) / (to - from)
      rates[s % 2 === 1 ? 'busy' : 'idle'].push(rate)
    }
  } finally {
    neighbours.stop()
  }
}
