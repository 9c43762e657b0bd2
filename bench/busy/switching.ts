// A load that comes and goes every second, in Node: an engine whose threads adapt writes through it, and between its
// stretches engines with fixed threads do. What counts are the steady parts of the seconds.
import { randomPrompt } from '../../demo/bench/requests.ts'
import { median, rounded } from '../../demo/bench/statistics.ts'
import type { BusySwitching } from '../report/busy-section.ts'
import type { Contestant } from './contestants.ts'
import { startNeighbours } from './neighbours.ts'
import type { BusyModel, Entrant } from './steady.ts'

/** The first part of a second is not judged. */
const SETTLING_MS = 200
const SECOND_MS = 1000
/** Seconds of a stretch, half of them busy: of the one that adapts, and of those that do not. */
const STRETCH = 10
const FIXED_STRETCH = 4

/** Tokens a second in the steady part of each second. */
interface Rates {
  idle: number[]
  busy: number[]
}

/** @param seconds  of the one that adapts */
export async function switching(
  entrants: readonly Entrant[],
  model: BusyModel,
  seconds: number,
): Promise<BusySwitching> {
  const adapting = entrants.find(e => e.adapts)
  const fixed = entrants.filter(e => !e.adapts)
  if (adapting === undefined || fixed.length === 0) throw new Error('nobody to compare')
  const own: Rates = { idle: [], busy: [] }
  const theirs = fixed.map((): Rates => ({ idle: [], busy: [] }))
  for (let done = 0; done < seconds; done += STRETCH) {
    await stretch(adapting.contestant, Math.min(STRETCH, seconds - done), own)
    // They do not change: half as often is enough.
    if ((done / STRETCH) % 2 === 1) continue
    for (const [i, { contestant }] of fixed.entries()) {
      await stretch(contestant, FIXED_STRETCH, theirs[i])
    }
  }
  const best = (when: keyof Rates) => Math.max(...theirs.map(rates => median(rates[when])))
  const share = (when: keyof Rates) => own[when].map(rate => rate / best(when))
  /** Of a third of the time, whatever the load was: heat, and what the pool has learned, would show as a trend. */
  const third = (which: number) => {
    const part = (all: number[]) =>
      all.slice((which * all.length) / 3, ((which + 1) * all.length) / 3)
    return rounded(median([...part(share('idle')), ...part(share('busy'))]), 3)
  }
  return {
    model: model.shape,
    seconds,
    idle_tok_s: rounded(median(own.idle)),
    busy_tok_s: rounded(median(own.busy)),
    best_idle_tok_s: rounded(best('idle')),
    best_busy_tok_s: rounded(best('busy')),
    shares: [...share('idle'), ...share('busy')].map(n => rounded(n, 3)),
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
