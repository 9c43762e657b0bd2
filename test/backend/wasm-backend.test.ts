// The life of the WASM backend under Node: starting, memory limits, a pool worker that traps, hangs or
// ends, closing. What the ops compute is in conformance.test.ts.
import { cpus } from 'node:os'
import { afterEach, describe, expect, it } from 'vitest'
import { kvCacheBytes, type Slot } from '../../src/backend/backend.ts'
import {
  createWasmBackend,
  scratchBytes,
  type WasmBackendOptions,
} from '../../src/backend/wasm/open-backend.ts'
import type { WasmBackend } from '../../src/backend/wasm/wasm-backend.ts'
import { RyzError } from '../../src/errors.ts'
import { kernelModule, type NodeSpawner, nodeSpawner } from '../../tools/node-pool.ts'

const LIMITS = { maxRows: 4, maxContext: 64, maxCols: 256 }
const open: WasmBackend[] = []

async function make(
  threads: number,
  more: Partial<WasmBackendOptions> = {},
): Promise<{ backend: WasmBackend; spawner: NodeSpawner }> {
  const spawner = await nodeSpawner()
  const backend = await createWasmBackend({
    variant: 'simd128',
    threads,
    memoryBytes: scratchBytes(LIMITS, threads) + 100_000,
    limits: LIMITS,
    wasm: kernelModule('simd128', threads > 1),
    spawn: spawner.spawn,
    aloneNs: 0,
    adapts: false,
    ...more,
  })
  open.push(backend)
  return { backend, spawner }
}

afterEach(() => {
  for (const backend of open.splice(0)) backend.close()
})

function fill(backend: WasmBackend, slot: Slot, values: Float32Array): void {
  backend.writer(slot).write(0, new Uint8Array(values.buffer))
}

/** Products of one row with a ternary matrix; of a seed, they are the same on every backend. */
const products = {
  cols: 256,
  rows: 4096,
  memoryBytes: (threads: number) => scratchBytes(LIMITS, threads) + 500_000,
  of(backend: WasmBackend): (seed: number) => Float32Array {
    const { cols, rows } = products
    const [weights, scales, x, out] = [(rows * cols) / 4, 4 * rows, 4 * cols, 4 * rows].map(bytes =>
      backend.alloc(bytes, 'product'),
    )
    const codes = Uint8Array.from({ length: weights.bytes }, (_, i) => (i * 7919) & 0x55)
    backend.writer(weights).write(0, codes)
    fill(
      backend,
      scales,
      Float32Array.from({ length: rows }, (_, i) => 1 + i / rows),
    )
    const w = backend.stack([{ layout: 't2', rows, cols, weights, scales, scaleBlock: 0 }])
    return seed => {
      fill(
        backend,
        x,
        Float32Array.from({ length: cols }, (_, i) => Math.sin(seed + i * i)),
      )
      backend.linear(out, x, w, 1, 'int8')
      return backend.read(out, 0, rows).slice()
    }
  },
}

/** Makes steps as the network does: embed, ops, read; each gives the last value of normed rows of threes. */
function steps(backend: WasmBackend): () => number {
  const weights = backend.alloc(4096, 'table')
  const x = backend.alloc(4096, 'x')
  const gain = backend.alloc(1024, 'gain')
  fill(backend, weights, new Float32Array(1024).fill(3))
  fill(backend, gain, new Float32Array(256).fill(1))
  const table = { layout: 'f32', rows: 4, cols: 256, weights, scaleBlock: 0 } as const
  const ids = Int32Array.of(0, 1, 2, 3)
  return () => {
    backend.embed(x, table, ids, 4)
    normRows(backend, x, gain)
    return backend.read(x, 1023, 1)[0]
  }
}

/** Steps for so many milliseconds, with pauses in which workers' messages are heard. */
async function repeat(step: () => number, ms: number): Promise<void> {
  const began = performance.now()
  while (performance.now() - began < ms) {
    for (let i = 0; i < 20; i++) step()
    await new Promise(resolve => setImmediate(resolve))
  }
}

/** An op with enough items for every thread. */
function normRows(backend: WasmBackend, x: Slot, gain: Slot): void {
  backend.norm(x, x, gain, 1e-5, 4, 256)
}

async function codeOf(run: () => unknown): Promise<string> {
  try {
    await run()
  } catch (caught) {
    if (caught instanceof RyzError) return caught.code
    throw caught
  }
  return 'none'
}

describe('memory', () => {
  it('is given out zeroed, aligned to 64 bytes and not overlapping', async () => {
    const { backend } = await make(1)
    const a = backend.alloc(100, 'a')
    const b = backend.alloc(100, 'b')
    expect(a.at % 64).toBe(0)
    expect(b.at).toBe(a.at + 128)
    expect(await backend.read(b, 0, 25)).toEqual(new Float32Array(25))
  })

  it('ends in MEMORY_BUDGET, and the planned bytes are enough for what was planned', async () => {
    const kv = { layers: 1, kvHeads: 1, headDim: 32, blocks: 2, type: 'f16' } as const
    const { backend } = await make(2, {
      memoryBytes: scratchBytes(LIMITS, 2) + kvCacheBytes(kv) + 1_000_000,
    })
    backend.createKv(kv)
    const tables = new Float32Array(LIMITS.maxContext * 128)
    backend.createRope(tables, tables, 256)
    backend.alloc(1_000_000, 'weights')
    expect(await codeOf(() => backend.alloc(2_000_000, 'too much'))).toBe('MEMORY_BUDGET')
  })

  it('over 4 GiB is refused before anything is made', async () => {
    expect(await codeOf(() => make(1, { memoryBytes: 5e9 }))).toBe('MEMORY_BUDGET')
  })

  it('a write or read past the end of a slot is refused', async () => {
    const { backend } = await make(1)
    const slot = backend.alloc(8, 'eight')
    expect(() => backend.writer(slot).write(4, new Uint8Array(5))).toThrow(RangeError)
    expect(() => backend.read(slot, 1, 2)).toThrow(RangeError)
  })

  it('is read without a promise, and as one view while the place is the same', async () => {
    const { backend } = await make(1)
    const slot = backend.alloc(64, 'sixteen')
    const logits = backend.read(slot, 0, 8)
    backend.add(slot, slot, 16)
    expect(backend.read(slot, 0, 8)).toBe(logits)
    expect(backend.read(slot, 0, 9)).toHaveLength(9)
    expect(backend.read(slot, 1, 8).byteOffset).toBe(logits.byteOffset + 4)
  })

  it('more rows than the limit are refused', async () => {
    const { backend } = await make(1)
    const x = backend.alloc(8192, 'x')
    const weights = backend.alloc(16, 'w')
    const w = backend.stack([{ layout: 'i8', rows: 1, cols: 16, weights, scaleBlock: 0 }])
    expect(() => backend.linear(x, x, w, 5, 'float')).toThrow('5 rows in one call, limit 4')
  })
})

describe('threads', () => {
  it('more than one need the threaded module', async () => {
    const wasm = kernelModule('simd128', false)
    expect(await codeOf(() => make(2, { wasm }))).toBe('BAD_OPTION')
    expect(await codeOf(() => make(0))).toBe('BAD_OPTION')
  })

  it('the threaded module also runs alone', async () => {
    const { backend } = await make(1, { wasm: kernelModule('simd128', true) })
    const x = backend.alloc(4, 'x')
    fill(backend, x, Float32Array.of(2))
    backend.add(x, x, 1)
    expect(await backend.read(x, 0, 1)).toEqual(Float32Array.of(4))
  })

  it('work again after they went to sleep', async () => {
    const { backend } = await make(3, { spin: 0 })
    const x = backend.alloc(4096, 'x')
    const gain = backend.alloc(1024, 'gain')
    fill(backend, gain, new Float32Array(256).fill(1))
    for (let round = 0; round < 20; round++) {
      fill(backend, x, new Float32Array(1024).fill(3))
      normRows(backend, x, gain)
      expect((await backend.read(x, 1023, 1))[0]).toBeCloseTo(1, 5)
      await new Promise(resolve => setTimeout(resolve, 2))
    }
  })

  it('a worker whose script fails to start ends the start with WORKER_DIED', async () => {
    const spawn: WasmBackendOptions['spawn'] = listener => {
      queueMicrotask(() => listener.died('no such file'))
      return { start: () => {}, terminate: () => {} }
    }
    expect(await codeOf(() => make(2, { spawn }))).toBe('WORKER_DIED')
  })
})

describe('a pool worker', () => {
  it('that traps ends the op in KERNEL_TRAP at once, and every later call too', async () => {
    const { backend } = await make(3)
    const x = backend.alloc(4, 'x')
    const started = performance.now()
    expect(await codeOf(() => backend.provokeFault('trap'))).toBe('KERNEL_TRAP')
    expect(performance.now() - started).toBeLessThan(5000) // the join limit is 10 s
    expect(await codeOf(() => backend.add(x, x, 1))).toBe('KERNEL_TRAP')
    expect(await codeOf(() => backend.read(x, 0, 1))).toBe('KERNEL_TRAP')
  })

  it('that never returns ends the op in WORKER_DIED within the time limit', async () => {
    const { backend } = await make(2, { joinLimitMs: 300 })
    const started = performance.now()
    expect(await codeOf(() => backend.provokeFault('hang'))).toBe('WORKER_DIED')
    const took = performance.now() - started
    expect(took).toBeGreaterThanOrEqual(290)
    expect(took).toBeLessThan(5000)
  })

  it('that was terminated between two ops is reported, and the next op is WORKER_DIED', async () => {
    const deaths: string[] = []
    const { backend, spawner } = await make(2)
    backend.lost.then(e => deaths.push(e.code))
    const x = backend.alloc(4096, 'x')
    await spawner.workers[0].terminate()
    await new Promise(resolve => setTimeout(resolve, 20))
    expect(deaths).toEqual(['WORKER_DIED'])
    expect(await codeOf(() => backend.norm(x, x, x, 1e-5, 4, 256))).toBe('WORKER_DIED')
  })

  it('that is gone without a word holds nobody up, and ends a step in WORKER_DIED when the limit is over', async () => {
    const { spawn, workers } = await nodeSpawner()
    // Browsers send no event for a worker that was ended: the listener hears only messages here.
    const silent: WasmBackendOptions['spawn'] = listener =>
      spawn({ message: m => listener.message(m), died: () => {} })
    const { backend } = await make(2, { spawn: silent, joinLimitMs: 300 })
    const step = steps(backend)
    await workers[0].terminate()
    const began = performance.now()
    expect(step()).toBeCloseTo(1, 5)
    expect(performance.now() - began).toBeLessThan(290)
    expect(await codeOf(() => repeat(step, 5000))).toBe('WORKER_DIED')
    const took = performance.now() - began
    expect(took).toBeGreaterThan(290)
    expect(took).toBeLessThan(3000)
  })

  it('that was parked and is gone is missed as soon as it is wanted again', async () => {
    const { spawn, workers } = await nodeSpawner()
    const silent: WasmBackendOptions['spawn'] = listener =>
      spawn({ message: m => listener.message(m), died: () => {} })
    const options = { spawn: silent, joinLimitMs: 300, adapts: true, cores: 1 }
    const { backend } = await make(2, options)
    const step = steps(backend)
    expect(backend.poolStats()!.active).toBe(1)
    await workers[0].terminate()
    // Trials of two threads ask for it.
    expect(await codeOf(() => repeat(step, 10_000))).toBe('WORKER_DIED')
  })

  it('that is parked owes no answer', async () => {
    let now = 0
    const options = { joinLimitMs: 300, adapts: true, cores: 1, now: () => now }
    const { backend } = await make(2, options)
    const step = steps(backend)
    for (let i = 0; i < 100; i++) {
      now += 500
      expect(step()).toBeCloseTo(1, 5)
      // Gives the worker time to be heard after a trial.
      await new Promise(resolve => setTimeout(resolve, 1))
    }
  })
})

describe('the pool', () => {
  it('tells who did how much, and of how many threads', async () => {
    const { backend } = await make(3)
    const step = steps(backend)
    await repeat(step, 50)
    const { active, msByActive, activeBySecond, pieces, waitMs, othersBusy } = backend.poolStats()!
    expect(active).toBe(3)
    expect(pieces).toHaveLength(3)
    expect(pieces.every(Number.isInteger)).toBe(true)
    expect(pieces.reduce((a, b) => a + b, 0)).toBeGreaterThan(50)
    expect(msByActive).toHaveLength(3)
    expect(msByActive[2]).toBeGreaterThan(10)
    expect(activeBySecond.at(-1)).toBe(3)
    expect(waitMs).toBeGreaterThanOrEqual(0)
    expect(typeof othersBusy).toBe('boolean')
    expect((await make(1)).backend.poolStats()).toBeUndefined()
  })

  it('does pieces again that others are late with, and gives the same bits', async () => {
    // Far more threads than cores: some are always off their core with a piece.
    const threads = 2 * cpus().length + 6
    const { backend } = await make(threads, { memoryBytes: products.memoryBytes(threads) })
    const alone = await make(1, { memoryBytes: products.memoryBytes(1) })
    const shared = products.of(backend)
    const expected = products.of(alone.backend)
    for (let seed = 0; seed < 20_000; seed++) {
      const got = shared(seed)
      if (seed % 20 === 0) expect(got).toEqual(expected(seed))
      if (seed >= 200 && backend.poolStats()!.piecesAgain > 20) break
    }
    expect(backend.poolStats()!.piecesAgain).toBeGreaterThan(0)
  })

  it('begins with no more threads than there are cores', async () => {
    const { backend } = await make(4, { adapts: true, cores: 2 })
    expect(backend.poolStats()!.active).toBe(2)
  })

  it('does not spin between steps', async () => {
    const { backend } = await make(3)
    steps(backend)()
    await new Promise(resolve => setTimeout(resolve, 50))
    const before = process.cpuUsage()
    await new Promise(resolve => setTimeout(resolve, 400))
    const { user, system } = process.cpuUsage(before)
    // Two workers that spun would take 800 ms, or what the machine has left.
    expect((user + system) / 1000).toBeLessThan(100)
  })
})

describe('a kernel', () => {
  it.each([1, 2])('that leaves memory on thread 0 is KERNEL_TRAP (%i threads)', async threads => {
    const { backend } = await make(threads)
    const outside = { bytes: 4, label: 'outside', at: 0xfffffff0 }
    const x = backend.alloc(64, 'x')
    expect(await codeOf(() => backend.add(outside, x, 16))).toBe('KERNEL_TRAP')
    expect(await codeOf(() => backend.alloc(4, 'after'))).toBe('KERNEL_TRAP')
  })
})

describe('close', () => {
  it('may be called twice, ends the workers, and later calls are CLOSED', async () => {
    const { backend, spawner } = await make(3)
    const exits = spawner.workers.map(w => new Promise(resolve => w.once('exit', resolve)))
    const x = backend.alloc(4, 'x')
    backend.close()
    backend.close()
    await Promise.all(exits)
    expect(await codeOf(() => backend.add(x, x, 1))).toBe('CLOSED')
    expect(await codeOf(() => backend.alloc(4, 'y'))).toBe('CLOSED')
  })
})
