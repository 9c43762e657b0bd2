// Times by op: prompts in full, decode steps by one in eight that stands for all.
import { expect, it } from 'vitest'
import type { Backend, Slot } from '../../src/backend/backend.ts'
import { OpTimer } from '../../src/model/op-timer.ts'

const slot = {} as Slot

function timer() {
  let forwarded = 0
  const backend = { add: () => void forwarded++ } as unknown as Backend
  const ops = new OpTimer(backend)
  const step = (rows: number) => {
    ops.begin(rows)
    ops.add(slot, slot, 1)
    ops.add(slot, slot, 1)
  }
  return { ops, step, forwarded: () => forwarded }
}

it('counts every op of a prompt', () => {
  const { ops, step } = timer()
  for (let i = 0; i < 3; i++) step(9)
  expect(ops.times()).toMatchObject([{ op: 'add', calls: 6 }])
})

it('times one decode step in eight, which counts for all eight', () => {
  const { ops, step, forwarded } = timer()
  for (let i = 0; i < 7; i++) step(8)
  expect(ops.times()).toEqual([])
  for (let i = 7; i < 24; i++) step(1)
  expect(ops.times()).toMatchObject([{ op: 'add', calls: 48 }])
  expect(ops.times()[0]!.ms).toBeGreaterThanOrEqual(0)
  expect(forwarded()).toBe(48)
})
