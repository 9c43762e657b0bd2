// How much a prompt has under way on a GPU: every piece is waited for before the next is sent, so that the browser finds
// room for its own drawing between two of them. A submit is over when a read that was asked for behind it has come. On
// SwiftShader in Node.
import { afterEach, describe, expect, it } from 'vitest'
import { webGpuFactory } from '../../../src/backend/webgpu/webgpu-factory.ts'
import { Engine } from '../../../src/engine/engine.ts'
import { openEngineParts } from '../../../src/engine/load/open-parts.ts'
import { CASES, caseFiles } from '../../golden/load.ts'
import { referenceFactory } from '../../support/open.ts'
import { adapterHere, nodeGpu } from '../../support/webgpu.ts'

const adapter = await adapterHere()
const MODEL = caseFiles(CASES.find(c => c.name === 'b158-x86')!)[0]!
/** Submits of a prompt at once: one computes while the next is prepared. */
const MOST = 2

interface Flights {
  submits: number
  /** Of them, those that a read has shown to be over. */
  over: number
  most: number
}

/** A GPU whose submits and reads are followed. */
function followed(): { gpu: GPU; flights: Flights } {
  const real = nodeGpu()
  const flights = { submits: 0, over: 0, most: 0 }
  const wrap = <T extends object>(target: T, own: Record<string, unknown>): T =>
    new Proxy(target, {
      get(object, key) {
        if (Object.hasOwn(own, key)) return own[key as string]
        const value = Reflect.get(object, key, object) as unknown
        return typeof value === 'function' ? value.bind(object) : value
      },
    })
  const deviceOf = (device: GPUDevice): GPUDevice => {
    const queue = wrap(device.queue, {
      submit(commands: GPUCommandBuffer[]) {
        device.queue.submit(commands)
        flights.submits++
        flights.most = Math.max(flights.most, flights.submits - flights.over)
      },
      async onSubmittedWorkDone() {
        const sent = flights.submits
        await device.queue.onSubmittedWorkDone()
        flights.over = Math.max(flights.over, sent)
      },
    })
    const createBuffer = (descriptor: GPUBufferDescriptor): GPUBuffer => {
      const buffer = device.createBuffer(descriptor)
      const map = buffer.mapAsync.bind(buffer)
      buffer.mapAsync = async (...args) => {
        const sent = flights.submits
        await map(...args)
        flights.over = Math.max(flights.over, sent)
      }
      return buffer
    }
    return wrap(device, { queue, createBuffer })
  }
  const gpu = wrap(real, {
    async requestAdapter(options?: GPURequestAdapterOptions) {
      const found = await real.requestAdapter(options)
      if (found === null) return null
      const requestDevice = async (asked: GPUDeviceDescriptor) =>
        deviceOf(await found.requestDevice(asked))
      return wrap(found, { requestDevice })
    },
  })
  return { gpu, flights }
}

describe.skipIf(adapter === undefined)(`prompts on ${adapter ?? 'no adapter'}`, () => {
  let open: Engine | undefined
  afterEach(() => open?.close())

  it('have two submits under way at most, alone and beside an answer', async () => {
    const { gpu, flights } = followed()
    const factory = webGpuFactory(() => gpu, { allowSoftwareAdapter: true })
    const options = { contextLength: 128, maxSequences: 2, speculation: 'off' } as const
    const hooks = { progress: () => undefined, signal: new AbortController().signal }
    const guards = { reference: referenceFactory }
    const parts = await openEngineParts(MODEL, options, hooks, [factory], undefined, guards)
    const engine = new Engine(parts, options, { ahead: 0 })
    open = engine
    expect(engine.stats().backend).toBe('webgpu')

    /** @returns the most that were under way, and the submits in all */
    const during = async (work: () => Promise<unknown>) => {
      const { submits } = flights
      flights.most = 0
      await work()
      return { most: flights.most, submits: flights.submits - submits }
    }
    const run = (first: number, length: number, maxTokens: number) =>
      new Promise<number>((resolve, reject) => {
        const tokens = Array.from({ length }, (_, i) => 1 + ((first + i) % 60))
        const wish = { maxTokens, temperature: 0, ignoreEos: true }
        engine.generate({ kind: 'tokens', tokens }, wish, {
          token: () => undefined,
          done: result => resolve(result.promptTokens),
          error: reject,
        })
      })

    const alone = await during(() => run(0, 48, 1))
    // In pieces, or there is nothing to see.
    expect(alone.submits).toBeGreaterThan(3)
    expect(alone.most).toBeGreaterThan(0)
    expect(alone.most).toBeLessThanOrEqual(MOST)

    const beside = await during(() => Promise.all([run(7, 4, 20), run(11, 40, 1)]))
    expect(beside.submits).toBeGreaterThan(20)
    expect(beside.most).toBeLessThanOrEqual(MOST)
  }, 120_000)
})
