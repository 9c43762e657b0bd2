// Every order of the pool's steps in small setups: nothing is lost, done twice, done late, or waited for without need.
// The same protocol with a mistake in it must be found out, or the explorer would prove nothing.
import { describe, expect, it } from 'vitest'
import { type Mistake, PoolModel, type Setup } from './pool-model.ts'

const region = (pieces: number, active: number) => ({ pieces, active })

const SETUPS: readonly Setup[] = [
  { threads: 2, regions: [region(3, 2), region(2, 2), region(3, 2), region(1, 2)] },
  // Workers are parked and come back.
  { threads: 2, regions: [region(2, 1), region(3, 2), region(2, 1), region(2, 2)] },
  { threads: 3, regions: [region(3, 3), region(2, 3)] },
  { threads: 3, regions: [region(2, 3), region(2, 2), region(2, 3)] },
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
}

describe('a mistake is found', () => {
  it.each(Object.keys(FOUND) as Mistake[])('%s', mistake => {
    let fault: string | undefined
    for (const setup of SETUPS) fault ??= new PoolModel({ ...setup, mistake }).explore().fault
    expect(fault).toMatch(FOUND[mistake])
  })
})
