// The timing behind calibration: real kernels in Node give plausible rates, and a stall does not count.
import { expect, it } from 'vitest'
import { measureKernels, medianMs } from '../../src/backend/wasm/calibrate.ts'
import { kernelModule, nodeSpawner } from '../../tools/node-pool.ts'

it('measures a kernel build on one thread and on two', async () => {
  const { spawn } = await nodeSpawner()
  const measure = (threads: number) =>
    measureKernels({
      variants: ['relaxed', 'relaxed-i32'],
      threads,
      cols: 1536,
      headLayout: threads > 1 ? 'i4' : 'i8',
      wasm: kernelModule('relaxed', threads > 1),
      spawn,
    })
  for (const threads of [1, 2]) {
    const both = await measure(threads)
    expect(both).toMatchObject([
      { variant: 'relaxed', threads },
      { variant: 'relaxed-i32', threads },
    ])
    for (const rates of both) {
      // From a shared core of an old phone to what no processor reaches.
      for (const rate of [rates.gemvBytesPerSecond, rates.headBytesPerSecond]) {
        expect(rate).toBeGreaterThan(1e7)
        expect(rate).toBeLessThan(1e12)
      }
      expect(rates.gemmMacsPerSecond).toBeGreaterThan(1e8)
      expect(rates.gemmMacsPerSecond).toBeLessThan(1e13)
    }
  }
})

it('a stall of any length does not move the median', () => {
  let at = 0
  let calls = 0
  const steady = medianMs(
    () => {
      calls++
      at += calls === 4 || calls === 6 ? 1000 : 2
    },
    () => at,
  )
  expect(steady).toBe(2)
})

it('a clock too coarse to see a call still gives a finite rate', () => {
  let at = 0
  let calls = 0
  const ms = medianMs(
    () => {
      if (++calls % 50 === 0) at += 1
    },
    () => at,
  )
  expect(ms).toBeGreaterThan(0)
})
