// A GPU that was lost is left alone for half a day, after a second loss for a week, and never for longer.
import { expect, it } from 'vitest'
import { lossMark } from '../../src/cache/loss-mark.ts'
import type { Remembered } from '../../src/cache/remembered.ts'

const HOUR = 3600 * 1000

function memory(): Remembered {
  const notes = new Map<string, unknown>()
  return {
    get: async key => structuredClone(notes.get(key)),
    set: async (key, value) => void notes.set(key, structuredClone(value)),
  }
}

it('says when and why, to a later page too, until half a day is over', async () => {
  const notes = memory()
  let now = 1e12
  const clock = () => now
  const mark = lossMark(notes, 'browser 1', clock)
  expect(await mark.found()).toBeUndefined()
  await mark.note('unknown: gone')
  now += 5 * 60_000
  const later = lossMark(notes, 'browser 1', clock)
  expect(await later.found()).toBe(
    'the GPU was lost 5 min ago (unknown: gone); it is not tried again for 12 hours',
  )
  expect(await lossMark(notes, 'browser 2', clock).found()).toBeUndefined()
  now += 12 * HOUR
  expect(await later.found()).toBeUndefined()
})

it('after a second loss it is a week', async () => {
  let now = 1e12
  const mark = lossMark(memory(), 'browser', () => now)
  await mark.note('one')
  now += 13 * HOUR
  await mark.note('two')
  now += 30 * HOUR
  expect(await mark.found()).toContain('lost 30 h ago (two); it is not tried again for a week')
  now += 140 * HOUR
  expect(await mark.found()).toBeUndefined()
  // What was long ago does not count.
  await mark.note('three')
  now += 13 * HOUR
  expect(await mark.found()).toBeUndefined()
})

it('a clock that was set back, or a note of another kind, bars nothing', async () => {
  const notes = memory()
  let now = 1e12
  const mark = lossMark(notes, 'browser', () => now)
  await mark.note('one')
  now -= HOUR
  expect(await mark.found()).toBeUndefined()
  await notes.set('gpu loss|other', { reason: 1 })
  expect(await lossMark(notes, 'other').found()).toBeUndefined()
})

it('where nothing can be remembered, this worker knows all the same', async () => {
  const forgetful: Remembered = { get: async () => undefined, set: async () => undefined }
  const mark = lossMark(forgetful, 'browser')
  await mark.note('one')
  expect(await mark.found()).toContain('lost 0 min ago (one)')
})
