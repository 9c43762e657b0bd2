// Every order of the pool's steps in small setups: nothing is lost, done twice, done late, or waited for without need.
// The same protocol with a mistake in it must be found out, or the explorer would prove nothing.
import { describe, expect, it } from 'vitest'
import { type Mistake, PoolModel, type Setup } from './pool-model.ts'

const region = (pieces: number, active: number) => ({ pieces, active })
/** Its pieces can be taken back. */
const own = (pieces: number, active: number) => ({ pieces, active, own: true })

const SETUPS: readonly Setup[] = [
  { threads: 2, regions: [region(3, 2), region(2, 2), region(3, 2), region(1, 2)] },
  // Workers are parked and come back.
  { threads: 2, regions: [region(2, 1), region(3, 2), region(2, 1), region(2, 2)] },
  { threads: 3, regions: [region(3, 3), region(2, 3)] },
  { threads: 3, regions: [region(2, 3), region(2, 2), region(2, 3)] },
  { threads: 2, regions: [own(3, 2), own(2, 2), own(2, 2)] },
  { threads: 2, regions: [own(2, 2), region(2, 1), region(2, 2), own(2, 2)] },
  { threads: 3, regions: [own(2, 3), own(1, 3)] },
]
/** Where mistakes with such pieces show; few states, as they are found late in a search. */
const OWN_SETUPS: readonly Setup[] = [{ threads: 2, regions: [own(2, 2), own(2, 2)] }]
const OWN_MISTAKES: readonly Mistake[] = [
  'results are brought over without asking',
  'who lost a piece counts it as done',
  'a piece is held before the region is read',
]

describe('the pool, in every order of its steps', () => {
  it.each(SETUPS)('$threads threads, regions $regions', setup => {
    const { states, fault } = new PoolModel(setup).explore()
    expect(fault).toBeUndefined()
    expect(states).toBeGreaterThan(1000)
  })
})

const FOUND: Readonly<Record<Mistake, RegExp>> = {
  'the range is stored, not swapped': /twice|left out|over/,
  'the region is read before a piece is taken': /a region that is over/,
  'pieces are dealt before they are counted': /left out|than there were|who has no piece/,
  'a piece counts as done before it is': /left out|over/,
  'thread 0 does not wait for pieces': /left out/,
  'who did the last piece wakes nobody': /all threads sleep|who has no piece/,
  'parked workers are not woken': /stays parked/,
  'results are brought over without asking': /twice|over/,
  'who lost a piece counts it as done': /left out|than there were|over|who has no piece/,
  'a piece is held before the region is read': /over is read/,
}

describe('a mistake is found', () => {
  it.each(Object.keys(FOUND) as Mistake[])('%s', mistake => {
    let fault: string | undefined
    const setups = OWN_MISTAKES.includes(mistake) ? OWN_SETUPS : SETUPS
    for (const setup of setups) fault ??= new PoolModel({ ...setup, mistake }).explore().fault
    expect(fault).toMatch(FOUND[mistake])
  })
})
