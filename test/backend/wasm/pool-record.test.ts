// What stats() tells of the pool from made-up steps: seconds, means, and when others count as busy.
import { describe, expect, it } from 'vitest'
import { PoolRecord } from '../../../src/backend/wasm/pool-record.ts'

function step(
  record: PoolRecord,
  now: number,
  ms: number,
  active: number,
  lateMs: number,
  yielded: boolean,
): void {
  record.worked(now, ms, active)
  record.step(now, ms, lateMs, yielded)
}

describe('the record of the pool', () => {
  it('is empty before the first step', () => {
    const told = new PoolRecord(2).told(123_456)
    expect(told).toEqual({ msByActive: [0, 0], activeBySecond: [], othersBusy: false })
  })

  it('tells mean threads second by second, 0 where nothing ran, and forgets what is a minute old', () => {
    const record = new PoolRecord(4)
    step(record, 10_100, 50, 4, 0, false)
    step(record, 10_900, 150, 2, 0, false)
    step(record, 12_500, 10, 1, 0, false)
    const { msByActive, activeBySecond } = record.told(12_600)
    expect(msByActive).toEqual([10, 150, 0, 50])
    expect(activeBySecond).toEqual([(4 * 50 + 2 * 150) / 200, 0, 1])
    expect(record.told(13_000).activeBySecond).toEqual([2.5, 0, 1, 0])
    expect(record.told(69_999).activeBySecond.slice(0, 3)).toEqual([2.5, 0, 1])
    expect(record.told(70_000).activeBySecond[0]).toBe(1)
    expect(record.told(73_000).activeBySecond).toEqual([])
    // The place of second 10 is used again.
    step(record, 70_500, 5, 3, 0, false)
    expect(record.told(70_500).activeBySecond).toEqual([1, ...Array(57).fill(0), 3])
  })

  it('calls others busy while late pieces take a twentieth of the time, and for a second and a half', () => {
    const record = new PoolRecord(2)
    let now = 0
    const steps = (count: number, lateEvery: number) => {
      for (let i = 0; i < count; i++) {
        now += 10
        step(record, now, 10, 2, i % lateEvery === 0 ? 4 : 0, false)
      }
    }
    // One late piece in a second is what any machine has.
    steps(100, 100)
    expect(record.told(now).othersBusy).toBe(false)
    steps(50, 2)
    expect(record.told(now).othersBusy).toBe(true)
    steps(50, 50)
    expect(record.told(now).othersBusy).toBe(true)
    steps(250, 250)
    expect(record.told(now).othersBusy).toBe(false)
  })

  it('calls others busy while threads are set aside because of them', () => {
    const record = new PoolRecord(2)
    step(record, 1000, 10, 1, 0, true)
    expect(record.told(2400).othersBusy).toBe(true)
    expect(record.told(2500).othersBusy).toBe(false)
    step(record, 3000, 10, 1, 0, false)
    expect(record.told(3000).othersBusy).toBe(false)
  })
})
