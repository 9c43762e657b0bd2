// Engines that die and are started again: what open requests are told, what the next one gets, and that
// it never goes on for ever.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Heartbeat } from '../../../src/api/link/connection.ts'
import { connect, type Ryzanstein } from '../../../src/api/ryzanstein.ts'
import { RyzError } from '../../../src/errors.ts'
import type { LoadOptions } from '../../../src/types/index.ts'
import type { OpenParts } from '../../../src/worker/engine-api.ts'
import { FakeNetwork, type FakeOptions, fakeParts } from '../../engine/fakes.ts'
import { FakeWorker } from '../fake-worker.ts'

const quick: Heartbeat = { intervalMs: 10, silenceMs: 80, loadSilenceMs: 200 }
const warn = vi.spyOn(console, 'warn')
const workers: FakeWorker[] = []
const loads: unknown[] = []
beforeEach(() => {
  warn.mockReset().mockImplementation(() => undefined)
})
afterEach(() => {
  vi.useRealTimers()
  for (const worker of workers.splice(0)) worker.terminate()
  loads.length = 0
})

/** Worker number n runs `plans[n]`; the last plan serves all further ones. */
async function start(
  plans: (FakeOptions | Error)[],
  options: LoadOptions = {},
): Promise<Ryzanstein> {
  const spawn = () => {
    const plan = plans[Math.min(workers.length, plans.length - 1)]!
    const open: OpenParts = async (_, wire) => {
      loads.push(wire)
      if (plan instanceof Error) throw plan
      const parts = fakeParts(new FakeNetwork(plan))
      return { ...parts, path: { backend: 'wasm', variant: 'relaxed', threads: 2 } }
    }
    const worker = new FakeWorker({}, open)
    workers.push(worker)
    return worker
  }
  return connect(spawn(), 'fake.gguf', options, quick, spawn)
}

/** Traps in step `at` of the engine's life; step 1 measures its speed. */
const trapIn = (at: number): FakeOptions => ({
  onStep: (_, step) => {
    if (step === at) throw new RyzError('KERNEL_TRAP', 'linear trapped: unreachable')
  },
})

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'no error',
    error => (error instanceof RyzError ? error.code : `not a RyzError: ${error}`),
  )
const write = (engine: Ryzanstein) =>
  engine.generate('abc', { maxTokens: 5, temperature: 0 }).text()

describe('after a trap', () => {
  it('open requests fail with KERNEL_TRAP, and the next one runs past the kernels that trapped', async () => {
    const want = await write(await start([{}]))
    workers.splice(0)
    loads.length = 0
    const engine = await start([trapIn(4), {}])
    const long = 'abc'.repeat(150) // several steps
    const codes = await Promise.all([codeOf(write(engine)), codeOf(engine.score(long))])
    expect(codes).toEqual(['KERNEL_TRAP', 'KERNEL_TRAP'])
    expect(workers).toHaveLength(1) // nothing is loaded before somebody asks
    expect(await write(engine)).toBe(want)
    expect(workers).toHaveLength(2)
    expect(workers[0]!.terminated).toBe(1)
    const reason = 'it ended with KERNEL_TRAP: linear trapped: unreachable'
    expect(loads).toEqual([
      {},
      { avoid: [{ id: 'wasm/relaxed/2', name: 'relaxed with 2 threads', reason }] },
    ])
    expect((await engine.stats()).faults.restarts).toEqual([
      { code: 'KERNEL_TRAP', message: 'linear trapped: unreachable' },
    ])
    expect(warn.mock.calls).toEqual([
      [
        'ryzanstein: the engine is gone (KERNEL_TRAP: linear trapped: unreachable); it is loaded again without relaxed with 2 threads',
      ],
    ])
    await engine.close()
  })

  it('requests that come while it is loaded again wait for it, and share one load', async () => {
    const engine = await start([trapIn(2), {}])
    expect(await codeOf(write(engine))).toBe('KERNEL_TRAP')
    const texts = await Promise.all([write(engine), write(engine), engine.countTokens('abc')])
    expect(texts[1]).toBe(texts[0])
    expect(texts[2]).toBe(3)
    expect(loads).toHaveLength(2)
    await engine.close()
  })

  it('a cancel while it is loaded again ends the request', async () => {
    const engine = await start([trapIn(2), {}])
    expect(await codeOf(write(engine))).toBe('KERNEL_TRAP')
    const abort = new AbortController()
    const text = codeOf(engine.generate('abc', { signal: abort.signal }).text())
    abort.abort()
    expect(await text).toBe('ABORTED')
    expect(await codeOf(write(engine))).toBe('no error')
    await engine.close()
  })

  it('an engine that dies before it has served anything is not started a third time', async () => {
    const engine = await start([trapIn(2)])
    expect(await codeOf(write(engine))).toBe('KERNEL_TRAP')
    expect(await codeOf(write(engine))).toBe('KERNEL_TRAP')
    const last = write(engine)
    await expect(last).rejects.toMatchObject({
      code: 'KERNEL_TRAP',
      message: expect.stringContaining('in vain'),
    })
    expect(await codeOf(engine.stats())).toBe('KERNEL_TRAP')
    expect(workers).toHaveLength(2)
    await engine.close()
  })

  it('any call that was served counts, a tokenizer call too', async () => {
    const engine = await start([trapIn(2)])
    for (let life = 1; life <= 3; life++) {
      expect(await codeOf(write(engine))).toBe('KERNEL_TRAP')
      expect(workers).toHaveLength(life)
      expect(await engine.countTokens('abc')).toBe(3)
    }
    await engine.close()
  })

  it('one that has served is started again when it dies later', async () => {
    // 1 measures, 2..6 write the first text, 7 is the first step of the next.
    const engine = await start([trapIn(7), trapIn(7), {}])
    for (let life = 0; life < 2; life++) {
      expect(await codeOf(write(engine))).toBe('no error')
      expect(await codeOf(write(engine))).toBe('KERNEL_TRAP')
    }
    expect(await codeOf(write(engine))).toBe('no error')
    expect(workers).toHaveLength(3)
    expect((await engine.stats()).faults.restarts).toHaveLength(2)
    await engine.close()
  })

  it('a load that fails the second time gives its own error, and may be tried again', async () => {
    const engine = await start([trapIn(2), new RyzError('NETWORK', 'offline'), {}])
    expect(await codeOf(write(engine))).toBe('KERNEL_TRAP')
    expect(await codeOf(write(engine))).toBe('NETWORK')
    expect(await codeOf(write(engine))).toBe('no error')
    expect((await engine.stats()).faults.restarts).toHaveLength(1)
    await engine.close()
  })

  it('nothing is started again when autoRestart is false, or after close', async () => {
    const engine = await start([trapIn(2)], { autoRestart: false })
    expect(await codeOf(write(engine))).toBe('KERNEL_TRAP')
    expect(await codeOf(write(engine))).toBe('CLOSED')
    expect(workers).toHaveLength(1)
    await engine.close()
    const other = await start([{}, trapIn(2)])
    expect(await codeOf(write(other))).toBe('KERNEL_TRAP')
    await other.close()
    expect(await codeOf(write(other))).toMatch(/CLOSED|KERNEL_TRAP/)
    expect(workers).toHaveLength(2)
  })
})

it('a worker that dies is replaced on the same kernels', async () => {
  const engine = await start([
    { onStep: (_, s) => (s > 1 ? new Promise(() => {}) : undefined) },
    {},
  ])
  const text = codeOf(write(engine))
  setTimeout(() => workers[0]!.die(), 5)
  expect(await text).toBe('WORKER_DIED')
  expect(await codeOf(write(engine))).toBe('no error')
  expect(loads).toEqual([{}, { avoid: [] }])
  await engine.close()
})

it('a worker that died while nothing was open costs no request', async () => {
  const engine = await start([{}, {}])
  workers[0]!.die()
  expect(await codeOf(write(engine))).toBe('no error')
  expect(workers).toHaveLength(2)
  await engine.close()
})

describe('the heartbeat', () => {
  it('gives the worker another period after the device slept', async () => {
    const engine = await start(
      [{ onStep: (_, step) => (step > 1 ? new Promise(() => {}) : undefined) }],
      { autoRestart: false },
    )
    let code: string | undefined
    const began = performance.now()
    void codeOf(write(engine)).then(c => {
      code = c
    })
    await new Promise(resolve => setTimeout(resolve, 5))
    workers[0]!.hang()
    // The clock jumps by a minute again and again, as on a device that naps: never a whole period awake.
    let offset = 0
    const { now } = Date
    vi.spyOn(Date, 'now').mockImplementation(() => now() + offset)
    for (let nap = 0; nap < 6; nap++) {
      await new Promise(resolve => setTimeout(resolve, 40))
      offset += 60_000
    }
    expect(performance.now() - began).toBeGreaterThan(3 * quick.silenceMs - 20)
    expect(code).toBeUndefined()
    await vi.waitFor(() => expect(code).toBe('WORKER_DIED'), { timeout: 1000 })
    vi.restoreAllMocks()
    await engine.close()
  })
})
