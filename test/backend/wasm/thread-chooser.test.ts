// The choice of threads against simulated processors: cores that others take and leave, hiccups, steps of any
// length. What counts is the time that many steps took, against the best that any fixed number of threads had.
import { describe, expect, it } from 'vitest'
import { ThreadChooser } from '../../../src/backend/wasm/thread-chooser.ts'

/** What a step takes with so many threads, and how long the first one waits of it. */
type Step = (threads: number, now: number) => { ms: number; waitMs: number }

/** Runs steps for so long; how many there were, and with how many threads they ran at the end. */
function run(chooser: ThreadChooser, step: Step, ms: number, from = 0) {
  let now = from
  let steps = 0
  const byThreads = new Map<number, number>()
  while (now < from + ms) {
    const threads = chooser.next()
    const took = step(threads, now)
    now += took.ms
    steps++
    byThreads.set(threads, (byThreads.get(threads) ?? 0) + took.ms)
    chooser.took(took.ms, took.waitMs, 1)
  }
  return { steps, now, shareOf: (threads: number) => (byThreads.get(threads) ?? 0) / ms }
}

/** Work that takes one thread `ms`, with a hand-over that costs each further thread a little. */
const idle =
  (ms: number, handOverMs = 0): Step =>
  threads => ({ ms: ms / threads + handOverMs * (threads - 1), waitMs: 0 })

/**
 * Two cores, one of them half taken: the second thread runs for 3 ms and is away for 4, and if it is away in the
 * middle of a piece, the first one waits for it.
 */
const oneBusy =
  (ms: number): Step =>
  (threads, now) => {
    if (threads === 1) return { ms, waitMs: 0 }
    let left = ms
    let at = now
    let waitMs = 0
    while (left > 0) {
      const phase = at % 7
      if (phase < 3) {
        const part = Math.min(left / 2, 3 - phase)
        left -= 2 * part
        at += part + 1e-9
      } else {
        waitMs += 7 - phase
        at += 7 - phase
      }
    }
    return { ms: at - now, waitMs }
  }

/** A chooser of two threads that has set one aside, as it hindered in steps of so many milliseconds. */
function onOne(ms: number): ThreadChooser {
  const chooser = new ThreadChooser(2, 2)
  const hindered: Step = threads => ({ ms: ms * threads, waitMs: threads > 1 ? ms : 0 })
  run(chooser, hindered, 40 * ms)
  expect(chooser.yieldedTo).toBe(1)
  return chooser
}

describe('threads that help', () => {
  it.each([0.3, 15, 130])('share every step of %d ms', ms => {
    const { steps, shareOf } = run(new ThreadChooser(2, 2), idle(ms), 10_000)
    expect(shareOf(2)).toBeGreaterThan(0.97)
    expect(steps).toBeGreaterThan(0.985 * (20_000 / ms))
  })

  it('are found, one after another, when the processor has become free', () => {
    const chooser = new ThreadChooser(8, 8)
    const taken: Step = (threads, now) => {
      const free = now < 3000 ? 3 : 8
      // Whoever shares a core keeps the others waiting.
      const waitMs = threads > free ? 10 : 0
      return { ms: 60 / Math.min(threads, free) + waitMs, waitMs }
    }
    const before = run(chooser, taken, 3000)
    expect(before.shareOf(3)).toBeGreaterThan(0.5)
    run(chooser, taken, 1500, before.now)
    expect(chooser.next()).toBeGreaterThanOrEqual(7)
  })
})

describe('a processor that is never steady', () => {
  /** Every tenth step or so takes three times as long, whoever shares it. */
  const unsteady = (ms: number): Step => {
    let seed = 7
    return threads => {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
      return { ms: (ms / threads) * (seed < 2 ** 32 / 10 ? 3 : 1), waitMs: 0 }
    }
  }

  it.each([0.3, 15, 60, 450])('keeps its threads in steps of %d ms', ms => {
    expect(run(new ThreadChooser(2, 2), unsteady(ms), 30_000).shareOf(2)).toBeGreaterThan(0.9)
  })

  it.each([0.3, 30])('does not use more threads than it has cores in steps of %d ms', ms => {
    const step = unsteady(ms)
    const crowd: Step = (threads, now) => {
      const { ms: took } = step(Math.min(threads, 2), now)
      return { ms: took * (threads > 2 ? 1.1 : 1), waitMs: 0 }
    }
    expect(run(new ThreadChooser(8, 2), crowd, 30_000).shareOf(2)).toBeGreaterThan(0.9)
  })
})

describe('a processor that gets hot', () => {
  /** Its cores slow down one after another, by half in the end, and others come and go meanwhile. */
  it.each([0.3, 15])('keeps the best number of threads in steps of %d ms', ms => {
    const slow = (now: number) => 1 + Math.min(1, now / 60_000)
    const best = (threads: number, now: number) => {
      const isBusy = Math.floor(now / 7000) % 2 === 1
      const step = isBusy ? oneBusy(ms) : idle(ms)
      const { ms: took, waitMs } = step(threads, now)
      return { ms: took * slow(now), waitMs }
    }
    const { steps } = run(new ThreadChooser(2, 2), best, 119_000)
    // The better fixed number of every 7 s.
    let could = 0
    for (let began = 0; began < 119_000; began += 7000) {
      const [one, two] = [1, 2].map(threads => {
        let [now, done] = [began, 0]
        for (; now < began + 7000; done++) now += best(threads, now).ms
        return done
      })
      could += Math.max(one, two)
    }
    expect(steps).toBeGreaterThan(0.9 * could)
  })
})

describe('threads that hinder', () => {
  it.each([0.3, 15, 100])(
    'are set aside within a tenth of a second or three steps of %d ms',
    ms => {
      const chooser = new ThreadChooser(2, 2)
      const first = run(chooser, idle(ms), 2000)
      const { steps, shareOf } = run(chooser, oneBusy(ms), 10_000, first.now)
      expect(shareOf(1)).toBeGreaterThan(0.75)
      expect(steps).toBeGreaterThan(0.93 * (10_000 / ms))
    },
  )

  it('are used again within a second of the moment when they help', () => {
    const chooser = new ThreadChooser(2, 2)
    const busy = run(chooser, oneBusy(0.3), 20_000)
    const { steps } = run(chooser, idle(0.3), 1000, busy.now)
    expect(steps).toBeGreaterThan(1.15 * (1000 / 0.3))
    expect(run(chooser, idle(0.3), 1000, busy.now + 1000).shareOf(2)).toBeGreaterThan(0.95)
  })

  it('are set aside when they slow the first one down, though it never waits', () => {
    const chooser = new ThreadChooser(2, 2)
    const before = run(chooser, idle(0.3), 2000)
    const crowded: Step = threads => ({ ms: threads === 1 ? 0.3 : 0.6, waitMs: 0 })
    expect(run(chooser, crowded, 5000, before.now).shareOf(1)).toBeGreaterThan(0.9)
    expect(chooser.yieldedTo).toBe(1)
  })

  it('are set aside where handing out the work costs more than it saves, though nobody waits', () => {
    const chooser = new ThreadChooser(2, 2)
    expect(run(chooser, idle(0.2, 0.15), 10_000).shareOf(1)).toBeGreaterThan(0.95)
    // Nobody else is to blame for it.
    expect(chooser.yieldedTo).toBeUndefined()
  })
})

describe('a load that comes and goes', () => {
  it.each([0.3, 15])('every second costs less than a tenth of steps of %d ms', ms => {
    const chooser = new ThreadChooser(2, 2)
    let now = 0
    let steps = 0
    let best = 0
    for (let second = 0; second < 60; second++) {
      const step = second % 2 === 1 ? oneBusy(ms) : idle(ms)
      // The first fifth of a second is not steady yet.
      const settling = run(chooser, step, 200, now)
      const { steps: done, now: end } = run(chooser, step, 800, settling.now)
      now = end
      steps += done
      best += second % 2 === 1 ? 800 / ms : 1600 / ms
    }
    expect(steps).toBeGreaterThan(0.9 * best)
  })

  it('a single hiccup sets nobody aside', () => {
    const chooser = new ThreadChooser(2, 2)
    const hiccups: Step = (threads, now) => {
      const late = Math.floor(now / 500) !== Math.floor((now + 0.15) / 500)
      return late ? { ms: 4.15, waitMs: 4 } : { ms: 0.3 / threads, waitMs: 0 }
    }
    expect(run(chooser, hiccups, 10_000).shareOf(2)).toBeGreaterThan(0.9)
  })
})

/**
 * Two cores that so many others want as well: who runs is drawn for every slice of 3 ms. Ours get on while all of them
 * run, as one that was stopped holds a piece.
 */
function crowd(others: number) {
  let seed = 42
  const draw = (below: number) => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
    return Math.floor((seed / 2 ** 32) * below)
  }
  let slice = -1
  let running = new Set<number>()
  /** Takes the step to its end; `chooser` hears when the first thread has waited. */
  return (work: number, threads: number, from: number, chooser?: ThreadChooser) => {
    let count = threads
    let left = work
    let now = from
    let waitMs = 0
    while (left > 1e-9) {
      const present = Math.floor(now / 3)
      if (present !== slice) {
        slice = present
        running = new Set()
        while (running.size < 2) running.add(draw(others + 2))
      }
      const end = (present + 1) * 3 + 1e-6
      if (Array.from({ length: count }, (_, t) => t).every(t => running.has(t))) {
        const part = Math.min(left / count, end - now)
        left -= part * count
        now += part
      } else {
        if (running.has(0)) waitMs += end - now
        now = end
        if (chooser?.isHopeless(waitMs)) count = chooser.giveUp(waitMs)
      }
    }
    return { now, waitMs }
  }
}

describe('cores that others want', () => {
  it.each([
    [0.3, 1],
    [0.3, 2],
    [15, 1],
    [15, 2],
    [60, 1],
    [15, 8],
  ])('steps of %d ms beside %d others run as with the best fixed number', (work, others) => {
    const stepsWith = (fixed: number | undefined) => {
      const step = crowd(others)
      const chooser = new ThreadChooser(2, 2)
      let now = 0
      let steps = 0
      while (now < 60_000) {
        const began = now
        const adapting = fixed === undefined ? chooser : undefined
        const { now: end, waitMs } = step(work, fixed ?? chooser.next(), now, adapting)
        now = end
        steps++
        adapting?.took(now - began, waitMs, 1)
      }
      return steps / now
    }
    const best = Math.max(stepsWith(1), stepsWith(2))
    expect(stepsWith(undefined)).toBeGreaterThan((others > 2 ? 0.75 : 0.9) * best)
  })

  it('are shared by more threads where that gets more of them, however late they come', () => {
    const chooser = onOne(15)
    // Beside many others, each of ours gets a share, and waits.
    const shares: Step = threads => ({ ms: 100 / threads, waitMs: threads > 1 ? 12 : 0 })
    expect(run(chooser, shares, 20_000).shareOf(2)).toBeGreaterThan(0.85)
  })

  it('are told where one thread is enough, as trials of more meet them', () => {
    const chooser = new ThreadChooser(2, 2)
    const alone = run(chooser, idle(0.2, 0.15), 5000)
    expect(chooser.yieldedTo).toBeUndefined()
    let now = alone.now
    const take = (waitMs: number) => {
      const threads = chooser.next()
      const late = threads === 2 && waitMs > 0
      const ms = late ? 0.2 + waitMs : threads === 2 ? 0.25 : 0.2
      now += ms
      chooser.took(ms, late ? waitMs : 0, 1)
    }
    while (now < alone.now + 2000) take(3)
    expect(chooser.yieldedTo).toBe(1)
    while (now < alone.now + 5000) take(0)
    expect(chooser.yieldedTo).toBeUndefined()
  })

  it('end a trial of more threads in the middle of its step', () => {
    const chooser = onOne(5)
    let now = 0
    while (chooser.next() === 1) {
      expect(chooser.isHopeless(100)).toBe(false)
      now += 5
      chooser.took(5, 0, 1)
    }
    // A step took 5 ms, a trial takes 12 at least.
    expect(chooser.isHopeless(12)).toBe(false)
    expect(chooser.isHopeless(13)).toBe(true)
    expect(chooser.giveUp(13)).toBe(1)
    expect(chooser.isHopeless(100)).toBe(false)
    now += 18
    chooser.took(18, 13, 1)
    expect(chooser.next()).toBe(1)
    // It cost 13 ms, so it is not tried again before 30 times that.
    const failed = now
    while (chooser.next() === 1) {
      now += 5
      chooser.took(5, 0, 1)
    }
    expect(now - failed).toBeGreaterThanOrEqual(390)
    expect(now - failed).toBeLessThan(1000)
  })
})

it('one thread is left alone', () => {
  const chooser = new ThreadChooser(1, 1)
  expect(run(chooser, idle(1), 1000).shareOf(1)).toBeGreaterThan(0.99)
})

it('more threads than cores are tried now and then, not used', () => {
  const crowd: Step = threads => {
    const waitMs = threads > 2 ? 8 : 0
    return { ms: 30 / Math.min(threads, 2) + waitMs, waitMs }
  }
  const { shareOf, steps } = run(new ThreadChooser(8, 2), crowd, 20_000)
  expect(shareOf(2)).toBeGreaterThan(0.85)
  expect(steps).toBeGreaterThan(0.95 * (20_000 / 15))
})
