// How the load sequence makes WebGPU backends: one device for all of them, opened by the first and destroyed
// with the last, shaders compiled ahead for what the model needs. Bound to a browser's GPU in worker/main.ts,
// to Dawn in tests.
import { asRyzError, RyzError } from '../../errors.ts'
import type { GpuTuning } from '../../types/index.ts'
import type { Backend } from '../backend.ts'
import type { BackendFactory, BackendNeeds } from '../factory.ts'
import { type Gpu, type GpuOptions, gpuIdentity, openGpu, whyNoGpu } from './device.ts'
import { ALL_SHADERS, type ShaderNeeds, shadersFor } from './shaders.ts'
import { told, tune } from './tune.ts'
import { createWebGpuBackend, scratchBytes, TRAITS } from './webgpu-backend.ts'

const ENDED =
  'the page ended the last time a model was loaded on this GPU; after a second time it is not tried for a day'
/** Milliseconds that compiling all shaders may take. */
const COMPILE_LIMIT_MS = 120_000

const TUNE_LIMIT_MS = 5000

/** Tells later whether the page ended in between. */
export interface GpuMark {
  found(): Promise<boolean>
  set(): Promise<void>
  clear(): Promise<void>
}

/** Remembers that the GPU was lost. */
export interface GpuLosses {
  /** Why it is not tried again yet. */
  found(): Promise<string | undefined>
  note(reason: string): Promise<void>
}

export interface WebGpuFactoryOptions extends GpuOptions {
  /** Set before the GPU is used for a load, cleared when the load is over; see cache/crash-mark.ts. */
  readonly mark?: GpuMark
  /** Asked before the GPU is used, told when it is lost; see cache/loss-mark.ts. */
  readonly losses?: GpuLosses
  /** Milliseconds that compiling all shaders may take (default 120000). */
  readonly compileLimitMs?: number
  /** Milliseconds that measuring variants may take (default 5000). */
  readonly tuneLimitMs?: number
  /** Forces variants instead of measuring them, for tests. */
  readonly tuning?: GpuTuning
  /** Told while shaders compile. */
  readonly onCompiled?: (done: number, total: number) => void
}

/**
 * A factory on the GPU that `find` gives; asked for when a backend is made, not before.
 * @param find  navigator.gpu, undefined where there is none
 */
export function webGpuFactory(
  find: () => GPU | undefined,
  options: WebGpuFactoryOptions = {},
): BackendFactory {
  // Some pages and extensions forbid it by a getter that throws.
  const here = (): GPU | undefined => {
    try {
      return find() ?? undefined
    } catch {
      return undefined
    }
  }
  let opened: Promise<Gpu> | undefined
  let users = 0
  const device = async (): Promise<Gpu> => {
    const before = await opened?.catch(() => undefined)
    if (before === undefined || before.failure !== undefined) {
      opened = openGpu(here(), options)
      void opened.then(gpu => gpu.lost.then(remember)).catch(() => undefined)
    }
    return opened!
  }
  const remember = async (error: RyzError): Promise<void> => {
    const { reason } = error.detail
    // destroy() is somebody's wish, and a command that is refused one shader's fault.
    if (typeof reason === 'string' && reason !== 'destroyed')
      await options.losses?.note(error.message)
  }
  /** Backends that are being filled. */
  let loading = 0
  const begin = async (): Promise<() => void> => {
    if (loading++ === 0) await options.mark?.set()
    let over = false
    return () => {
      if (over) return
      over = true
      if (--loading === 0) void options.mark?.clear()
    }
  }
  const barred = async (): Promise<string | undefined> => {
    if (loading === 0 && (await options.mark?.found()) === true) return ENDED
    return options.losses?.found()
  }
  const release = (gpu: Gpu): void => {
    if (--users > 0) return
    opened = undefined
    gpu.close()
  }
  return {
    path: { backend: 'webgpu', adapter: '' },
    traits: TRAITS,
    scratchBytes,
    whyNot: async () => (await barred()) ?? whyNoGpu(here(), options),
    identity: () => gpuIdentity(here(), options),
    async create(memoryBytes, limits, needs): Promise<Backend> {
      const why = await barred()
      if (why !== undefined) throw new RyzError('UNSUPPORTED_FEATURE', why)
      const loaded = await begin()
      const gpu = await device().catch((caught: unknown) => {
        loaded()
        throw asRyzError(caught, 'UNSUPPORTED_FEATURE', 'the GPU gives no device')
      })
      users++
      try {
        gpu.tuning ??= await tuned(gpu, limits.maxCols, needs, options)
        const compiling = compile(gpu, limits.maxCols, needs, options).catch(async error => {
          if (!withoutFeatures(gpu, error)) throw error
          await compile(gpu, limits.maxCols, needs, options)
        })
        compiling.catch(() => undefined) // told by who waits
        if (needs?.compilesBeside !== true) await compiling
        const onClose = (): void => {
          loaded()
          release(gpu)
        }
        const backend = createWebGpuBackend({ gpu, limits, memoryBytes, onClose })
        await backend.settle(true) // what it took for itself
        backend.onLoaded = loaded
        if (needs?.compilesBeside === true) backend.ready = () => compiling
        return backend
      } catch (caught) {
        loaded()
        release(gpu)
        throw asRyzError(caught, 'UNSUPPORTED_FEATURE', 'the GPU did not start')
      }
    },
    async another(memoryBytes, limits): Promise<Backend> {
      const gpu = await opened
      if (gpu === undefined) throw new RyzError('DEVICE_LOST', 'no GPU device is open')
      if (gpu.failure !== undefined) throw gpu.failure
      users++
      try {
        const onClose = (): void => release(gpu)
        const backend = createWebGpuBackend({ gpu, limits, memoryBytes, onClose })
        await backend.settle(true)
        return backend
      } catch (caught) {
        release(gpu)
        throw caught
      }
    },
  }
}

/** Which variants are fastest here; without measuring where that does not work, as the others still may. */
async function tuned(
  gpu: Gpu,
  cols: number,
  needs: BackendNeeds | undefined,
  { tuning, ...options }: WebGpuFactoryOptions,
): Promise<GpuTuning> {
  // Shaders that hang here would hang there.
  const { compileLimitMs = COMPILE_LIMIT_MS, tuneLimitMs = TUNE_LIMIT_MS } = options
  const limitMs = Math.min(tuneLimitMs, compileLimitMs)
  if (tuning !== undefined) return tuning
  const { choice } = gpu.pipelines
  let isOver = false
  const skipped = (reason: string): GpuTuning => {
    if (!isOver) gpu.pipelines.choose(choice)
    return { form: 'once', ...told(choice), source: 'skipped', reason, ms: {} }
  }
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<GpuTuning>(resolve => {
    timer = setTimeout(() => resolve(skipped(`not over within ${limitMs} ms`)), limitMs)
  })
  const lost = gpu.lost.then(error => {
    throw error
  })
  const { linears, gates } = needs ?? ALL_SHADERS
  const attention = needs && { kv: needs.kv, headDim: needs.headDim }
  const measured = tune(gpu, { cols, linears, gates, ...attention, isOver: () => isOver }).catch(
    (cause: unknown) => skipped(`measuring failed: ${cause}`),
  )
  try {
    return await Promise.race([measured, late, lost])
  } finally {
    isOver = true
    clearTimeout(timer)
  }
}

/**
 * A feature may keep a shader from compiling that the measuring did not run.
 * @returns whether the plain shaders are worth a try
 */
function withoutFeatures(gpu: Gpu, error: RyzError): boolean {
  const { choice } = gpu.pipelines
  const refused = error.cause !== undefined && gpu.failure === undefined
  if (!refused || !(choice.subgroups || choice.f16)) return false
  const plain = { ...choice, subgroups: false, f16: false }
  gpu.pipelines.choose(plain)
  const reason = `${gpu.tuning!.reason}; subgroups or f16 do not compile: ${error.message}`
  gpu.tuning = { ...gpu.tuning!, ...told(plain), reason }
  return true
}

/** All at once, raced with the loss of the device. */
async function compile(
  gpu: Gpu,
  cols: number,
  needs: BackendNeeds | undefined,
  { onCompiled, compileLimitMs = COMPILE_LIMIT_MS }: WebGpuFactoryOptions,
): Promise<void> {
  const some = needs === undefined ? ALL_SHADERS : shaderNeeds(needs)
  const shaders = shadersFor({ ...some, cols, forms: [gpu.tuning?.form ?? 'once'] })
  needs?.compiled?.(0, shaders.length)
  let timer: ReturnType<typeof setTimeout> | undefined
  const limit = new Promise<RyzError>(resolve => {
    const late = `the GPU's ${shaders.length} shaders did not compile within ${compileLimitMs} ms`
    timer = setTimeout(() => resolve(new RyzError('UNSUPPORTED_FEATURE', late)), compileLimitMs)
  })
  let isOver = false
  const done = gpu.pipelines
    .prepare(shaders, n => {
      // Those that were given up may still come, while another path loads.
      if (isOver) return
      onCompiled?.(n, shaders.length)
      needs?.compiled?.(n, shaders.length)
    })
    .then(
      () => undefined,
      (cause: unknown) =>
        new RyzError(
          'UNSUPPORTED_FEATURE',
          `a GPU shader does not compile: ${cause}`,
          {},
          { cause },
        ),
    )
  try {
    const error = await Promise.race([done, gpu.lost, limit])
    if (error !== undefined) throw error
  } finally {
    isOver = true
    clearTimeout(timer)
  }
}

function shaderNeeds(needs: BackendNeeds): ShaderNeeds {
  return {
    kvTypes: [needs.kv],
    headDims: [needs.headDim],
    tables: needs.tables,
    linears: needs.linears,
    gates: needs.gates,
    ...(needs.experts && { experts: true }),
  }
}
