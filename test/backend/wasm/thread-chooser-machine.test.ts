// The choice of threads on a simulated processor (machine.ts): idle, beside busy processes, beside a load that comes and goes,
// with cores of two speeds, each also where steps scatter by 30 % and the hypervisor takes cores away. What counts is
// how many steps are done, beside the best fixed number of threads on the same machine.
import { describe, expect, it } from 'vitest'
import { ThreadChooser } from '../../../src/backend/wasm/thread-chooser.ts'
import { Machine, type MachineOptions, type Work } from './machine.ts'

const NOISE = { scatter: 0.3, drift: 0.3, stolen: 2 }
const TWO = { speeds: [1, 1] }
const SEEDS = [1, 2, 3]

/** Steps of the 0.7B shape and of a small model, where a second thread saves much or little; and of prompts. */
const TOKEN: Work = { ms: 15, waited: 0.1 }
const SMALL: Work = { ms: 0.3, handOverMs: 0.02, waited: 0.1 }
const TINY: Work = { ms: 0.3, handOverMs: 0.14, waited: 0.1 }
const SLOW_TOKEN: Work = { ms: 60, waited: 0.1 }
const PIECE: Work = { ms: 400, waited: 0.1 }
/** As in pool-watch.ts: long steps are compared by layer. */
const LAYERS = 24
const LONG_MS = 4
const WORKS = { TOKEN, SMALL, TINY, SLOW_TOKEN, PIECE }

/** Steps a millisecond over so long; `counts` picks those that end at a time that is judged. */
function rate(
  options: MachineOptions,
  work: Work,
  threads: number | ThreadChooser,
  counts = (_now: number) => true,
): { rate: number; threads: number } {
  const machine = new Machine(options)
  const chooser = typeof threads === 'number' ? undefined : threads
  const end = 12_000
  const parts = work.ms < LONG_MS ? 1 : LAYERS
  const part = { ...work, ms: work.ms / parts }
  let [now, steps, threadMs] = [0, 0, 0]
  while (now < end) {
    const count = chooser?.next() ?? (threads as number)
    const { now: then, waitMs } = machine.step(part, count, now, chooser)
    chooser?.took(then - now, waitMs, 1)
    threadMs += count * (then - now)
    now = then
    if (counts(now)) steps += 1 / parts
  }
  return { rate: steps / now, threads: threadMs / now }
}

/** Of the choice, over the best of these fixed numbers: the median and the least of several seeds. */
function shares(options: MachineOptions, work: Work, fixed = [1, 2], most = options.speeds.length) {
  const cores = options.speeds.length
  const all = SEEDS.map(seed => {
    const here = { ...options, seed }
    const best = Math.max(...fixed.map(threads => rate(here, work, threads).rate))
    return rate(here, work, new ThreadChooser(most, cores)).rate / best
  }).sort((a, b) => a - b)
  return { median: all[all.length >> 1]!, least: all[0]! }
}

describe.each(Object.entries(WORKS))('steps of the kind %s', (_name, work) => {
  it.each([
    ['an idle processor', TWO],
    ['an idle processor that is never steady', { ...TWO, ...NOISE }],
  ])('on %s are as fast as with the best fixed number', (_what, machine) => {
    const { median, least } = shares(machine, work)
    expect(median).toBeGreaterThan(0.96)
    expect(least).toBeGreaterThan(0.94)
  })

  it.each([
    ['one busy process', { ...TWO, busy: () => 1 }],
    ['one, on a processor that is never steady', { ...TWO, ...NOISE, busy: () => 1 }],
    ['two busy processes', { ...TWO, busy: () => 2 }],
    ['two, on a processor that is never steady', { ...TWO, ...NOISE, busy: () => 2 }],
  ])('beside %s are hardly slower than with the best fixed number', (_what, machine) => {
    const { median, least } = shares(machine, work)
    expect(median).toBeGreaterThan(0.92)
    expect(least).toBeGreaterThan(0.89)
    expect(shares(machine, work, [1]).least).toBeGreaterThan(0.9)
  })

  it('with threads above the cores are as fast as without', () => {
    for (const most of [4, 8]) {
      expect(shares({ ...TWO, ...NOISE }, work, [2], most).median).toBeGreaterThan(
        0.96 * shares({ ...TWO, ...NOISE }, work, [2]).median,
      )
    }
  })

  it('use an efficiency core where it helps, and leave it where it does not', () => {
    expect(shares({ speeds: [1, 0.4], ...NOISE }, work).median).toBeGreaterThan(0.95)
    expect(shares({ speeds: [1, 0.4], ...NOISE, busy: () => 1 }, work).median).toBeGreaterThan(0.92)
  })
})

describe('eight cores, four of them slow', () => {
  const speeds = [1, 1, 1, 1, 0.4, 0.4, 0.4, 0.4]
  it.each([
    ['TINY', TINY],
    ['TOKEN', TOKEN],
  ])('serve steps of the kind %s with about the best number', (_name, work) => {
    const machine = { speeds, ...NOISE }
    const best = Math.max(...[1, 2, 4, 8].map(n => rate(machine, work, n).rate))
    expect(rate(machine, work, new ThreadChooser(8, 8)).rate).toBeGreaterThan(0.92 * best)
  })
})

describe('a load that comes and goes every second', () => {
  /** All but the first fifth of each second that has the load, or has not. */
  const steady = (busy: boolean) => (now: number) =>
    Math.floor(now / 1000) % 2 === (busy ? 1 : 0) && now % 1000 >= 200

  it.each([
    ['TOKEN', TOKEN],
    ['SMALL', SMALL],
    ['TINY', TINY],
    ['SLOW_TOKEN', SLOW_TOKEN],
  ])('costs steps of the kind %s less than a tenth', (_name, work) => {
    for (const noise of [{}, NOISE]) {
      for (const busy of [false, true]) {
        const all = SEEDS.map(seed => {
          const machine = {
            ...TWO,
            ...noise,
            seed,
            busy: (now: number) => Math.floor(now / 1000) % 2,
          }
          const best = Math.max(...[1, 2].map(n => rate(machine, work, n, steady(busy)).rate))
          return rate(machine, work, new ThreadChooser(2, 2), steady(busy)).rate / best
        }).sort((a, b) => a - b)
        expect(all[1]).toBeGreaterThan(0.9)
      }
    }
  })
})
