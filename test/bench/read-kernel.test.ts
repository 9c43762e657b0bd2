// The hand-built wasm module of the bandwidth probe: valid, and it reads what it says it reads.
import { describe, expect, test } from 'vitest'
import { leb, readKernel } from '../../demo/bench/read-kernel.ts'

describe('the reading kernel', () => {
  test.each([false, true])(
    'folds every 16-byte lane into its result (shared: %s)',
    async shared => {
      const memory = new WebAssembly.Memory({ initial: 2, maximum: 2, shared })
      const module = await WebAssembly.compile(readKernel(2, shared))
      const { exports } = await WebAssembly.instantiate(module, { e: { m: memory } })
      const read = exports.read as (from: number, to: number) => number
      const words = new Uint32Array(memory.buffer)
      expect(read(0, 4096)).toBe(0)
      // One bit in lane 0 of each of 32 vectors: four turns of eight loads.
      for (let i = 0; i < 32; i++) words[64 + i * 4] = 2 ** i
      expect(read(256, 768) >>> 0).toBe(0xffffffff)
      expect(read(256, 384) >>> 0).toBe(0xff)
      words[64 + 32 * 4] = 1
      expect(read(1024, 2048)).toBe(0)
    },
  )

  test('numbers are written in LEB128', () => {
    expect(leb(0)).toEqual([0])
    expect(leb(128)).toEqual([0x80, 1])
    expect(leb(4096)).toEqual([0x80, 0x20])
  })
})
