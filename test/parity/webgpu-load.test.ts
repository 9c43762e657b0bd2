// Loading onto a GPU: shaders compile while the weights arrive, and progress counts both; a GPU that fails then costs
// another pour and no second download. Real shaders, on SwiftShader in Node.
import { afterEach, describe, expect, it } from 'vitest'
import { webGpuFactory } from '../../src/backend/webgpu/webgpu-factory.ts'
import { openEngineParts } from '../../src/engine/load/open-parts.ts'
import type { LoadOptions, LoadProgress, ModelSource } from '../../src/types/index.ts'
import { CASES, caseFiles } from '../golden/load.ts'
import { referenceFactory } from '../support/open.ts'
import { wasmFactory } from '../support/wasm.ts'
import { adapterHere, nodeGpu } from '../support/webgpu.ts'

const adapter = await adapterHere()
const CPU = wasmFactory('simd128', 1)
const MODEL = caseFiles(CASES.find(c => c.name === 'b158-x86')!)[0]!
const guards = { reference: referenceFactory }

const URL_OF = 'https://models.example/model.gguf'
/** From a server that honours ranges, into no store. */
const UNKEPT: LoadOptions = {
  cache: 'off',
  fetch: async (_, init) => {
    const range = /bytes=(\d+)-(\d*)/.exec(new Headers(init?.headers).get('range') ?? '')
    if (range === null) return new Response(MODEL)
    const [start, end] = [Number(range[1]), Number(range[2] || MODEL.size - 1)]
    const headers = { 'content-range': `bytes ${start}-${end}/${MODEL.size}` }
    return new Response(MODEL.slice(start, end + 1), { status: 206, headers })
  },
}

/** A file whose last bytes come when `gate` resolves. */
function withheld(file: File, gate: Promise<void>): File {
  const blob = new File([file], file.name)
  const slice = blob.slice.bind(blob)
  blob.slice = (start, end, type) => {
    const part = slice(start, end, type)
    if (end !== file.size) return part
    const held = async function* () {
      const bytes = new Uint8Array(await part.arrayBuffer())
      yield bytes.subarray(0, bytes.length - 64)
      await gate
      yield bytes.subarray(bytes.length - 64)
    }
    const read = held()
    const stream = () =>
      new ReadableStream({
        async pull(controller) {
          const { done, value } = await read.next()
          if (done) controller.close()
          else controller.enqueue(value)
        },
      })
    return Object.assign(part, { stream }) as unknown as Blob
  }
  return blob
}

/** A GPU object whose pipelines can be made to fail. */
function failing(label: string | undefined, real = nodeGpu()): GPU {
  const wrap = <T extends object>(target: T, over: Record<string, unknown>): T =>
    new Proxy(target, {
      get(t, key) {
        if (Object.hasOwn(over, key)) return over[key as string]
        const value = Reflect.get(t, key, t) as unknown
        return typeof value === 'function' ? value.bind(t) : value
      },
    })
  return wrap(real, {
    async requestAdapter(options?: GPURequestAdapterOptions) {
      const found = await real.requestAdapter(options)
      if (found === null) return null
      return wrap(found, {
        async requestDevice(descriptor: GPUDeviceDescriptor) {
          const device = await found.requestDevice(descriptor)
          return wrap(device, {
            createComputePipelineAsync(asked: GPUComputePipelineDescriptor) {
              if (asked.label === label) return Promise.reject(new Error('internal compiler error'))
              return device.createComputePipelineAsync(asked)
            },
          })
        },
      })
    },
  })
}

/** On Dawn's null backend: such a load ends before anything runs, and no driver compiles for it. */
const failingAdd = () => failing('add', nodeGpu('backend=null'))

describe.skipIf(adapter === undefined)(`a load onto ${adapter ?? 'no adapter'}`, () => {
  const closing: (() => void)[] = []
  afterEach(() => {
    for (const close of closing.splice(0)) close()
  })

  async function load(
    source: ModelSource,
    gpu: GPU,
    told: (progress: LoadProgress) => void = () => undefined,
    signal = new AbortController().signal,
    more: LoadOptions = {},
  ) {
    const factory = webGpuFactory(() => gpu, { allowSoftwareAdapter: true })
    const options = { contextLength: 64, ...more }
    const hooks = { progress: told, signal }
    const paths = [factory, CPU]
    const parts = await openEngineParts(source, options, hooks, paths, undefined, guards)
    closing.push(() => parts.close())
    return parts
  }

  it('compiles before the last byte has arrived, and counts it in progress', async () => {
    let open: () => void = () => undefined
    const gate = new Promise<void>(resolve => {
      open = resolve
    })
    const told: LoadProgress[] = []
    const parts = await load(withheld(MODEL, gate), failing(undefined), progress => {
      told.push(progress)
      // The last bytes wait for a shader: it would not end if shaders waited for them.
      if ((progress.shaders?.done ?? 0) > 0) open()
    })
    expect(parts.path.backend).toBe('webgpu')
    const beside = told.filter(p => p.phase === 'weights' && p.loadedBytes < p.totalBytes)
    expect(beside.some(p => (p.shaders?.done ?? 0) > 0)).toBe(true)
    const { shaders } = told.at(-1)!
    expect(shaders!.total).toBeGreaterThan(10)
    expect(shaders!.done).toBe(shaders!.total)
    const done = told.map(p => p.shaders?.done ?? 0)
    expect(done).toEqual([...done].sort((a, b) => a - b))
  }, 120_000)

  it('says that it compiles when the weights are there', async () => {
    const phases: string[] = []
    await load(MODEL, failing(undefined), p => phases.push(p.phase))
    expect([...new Set(phases)].filter(p => p !== 'header' && p !== 'tokenizer')).toEqual([
      'weights',
      'compile',
      'warmup',
    ])
  }, 120_000)

  it('compiles before the weights where they could not be had again, and counts that', async () => {
    const told: LoadProgress[] = []
    const parts = await load(URL_OF, failing(undefined), p => told.push(p), undefined, UNKEPT)
    expect(parts.path.backend).toBe('webgpu')
    const phases = [...new Set(told.map(p => p.phase))]
    expect(phases.slice(-3)).toEqual(['compile', 'weights', 'warmup'])
    const compiling = told.filter(p => p.phase === 'compile').map(p => p.shaders!)
    const { total } = compiling[0]!
    expect(total).toBeGreaterThan(10)
    expect(compiling[0]!.done).toBe(0)
    expect(compiling.at(-1)).toEqual({ done: total, total })
    expect(compiling.map(s => s.done)).toEqual(compiling.map(s => s.done).toSorted((a, b) => a - b))
    expect(told.at(-1)!.shaders).toEqual({ done: total, total })
  }, 120_000)

  it('that fails then is passed over before a weight was read', async () => {
    const told: LoadProgress[] = []
    const parts = await load(URL_OF, failingAdd(), p => told.push(p), undefined, UNKEPT)
    expect(parts.path.backend).toBe('wasm')
    expect(parts.fallbacks[0]!.reason).toContain('internal compiler error')
    const last = told.findLastIndex(p => p.phase === 'compile')
    expect(last).toBeGreaterThan(0)
    expect(last).toBeLessThan(told.findIndex(p => p.phase === 'weights'))
  }, 120_000)

  it('whose shader fails beside the download is passed over by name', async () => {
    const phases: string[] = []
    const parts = await load(MODEL, failingAdd(), p => phases.push(p.phase))
    expect(parts.path.backend).toBe('wasm')
    expect(parts.fallbacks[0]).toMatchObject({ from: 'WebGPU', to: 'simd128 with 1 thread' })
    expect(parts.fallbacks[0]!.reason).toContain('internal compiler error')
    expect(phases).toContain('warmup')
  }, 120_000)

  it('that is cancelled while it compiles ends at once', async () => {
    const cancel = new AbortController()
    const opening = load(
      MODEL,
      failing(undefined),
      ({ phase }) => {
        if (phase === 'compile') cancel.abort()
      },
      cancel.signal,
    )
    await expect(opening).rejects.toMatchObject({ code: 'ABORTED' })
  }, 120_000)
})
