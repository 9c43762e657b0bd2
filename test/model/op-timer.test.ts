// Times by op: prompts in full, decode steps by one in sixteen that stands for all.
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

it('times one decode step in sixteen, which counts for all sixteen', () => {
  const { ops, step, forwarded } = timer()
  for (let i = 0; i < 15; i++) step(8)
  expect(ops.times()).toEqual([])
  for (let i = 15; i < 48; i++) step(1)
  expect(ops.times()).toMatchObject([{ op: 'add', calls: 96 }])
  expect(ops.times()[0]!.ms).toBeGreaterThanOrEqual(0)
  expect(forwarded()).toBe(96)
})

it('times a read until its values are there, whether it waits or not', async () => {
  const values = Float32Array.of(1)
  const later = new Promise<Float32Array>(resolve => setTimeout(resolve, 20, values))
  for (const given of [values, later]) {
    const ops = new OpTimer({ read: () => given } as unknown as Backend)
    ops.begin(9)
    expect(await ops.read(slot, 0, 1)).toBe(values)
    const [read] = ops.times()
    expect(read).toMatchObject({ op: 'read', calls: 1 })
    if (given === later) expect(read!.ms).toBeGreaterThan(15)
  }
})
