// The device: asked for with care (an adapter may come late or never, a limit or feature be refused), judged
// (software or not, what it can), and watched (lost, errors that nobody caught). Knows nothing of models.
// Called by worker/main.ts and by tests, which hand in a GPU object of their own.
import { RyzError } from '../../errors.ts'
import type { GpuTuning } from '../../types/index.ts'
import { Pipelines } from './pipelines.ts'
import { PLAIN, type ShaderChoice } from './shaders.ts'

export interface GpuOptions {
  readonly powerPreference?: GPUPowerPreference
  /** Take an adapter that computes on the CPU; for tests. */
  readonly allowSoftwareAdapter?: boolean
  /** Forces variants, for tests; by default what the device can. */
  readonly choice?: Partial<ShaderChoice>
  /** Times each dispatch; see LoadOptions.profileGpu. */
  readonly profile?: boolean
  /** Milliseconds that one answer of the browser may take (default 10000). */
  readonly limitMs?: number
}

/** What is told of a device. */
export interface GpuInfo {
  readonly vendor: string
  readonly architecture: string
  readonly description: string
  readonly software: boolean
}

/** What a device may use beyond what every device can; which of it is faster is measured (tune.ts). */
export interface GpuCan {
  readonly packed: boolean
  readonly subgroups: boolean
  readonly f16: boolean
}

/** One device and what is made on it once. */
export interface Gpu {
  readonly device: GPUDevice
  readonly info: GpuInfo
  readonly pipelines: Pipelines
  readonly limits: { readonly maxBuffer: number; readonly maxBinding: number }
  readonly can: GpuCan
  /** Which variants are fastest here; set by tune.ts, once. */
  tuning: GpuTuning | undefined
  /** Each dispatch is timed, and whether by the device's own clock. */
  readonly profile: boolean
  readonly timestamps: boolean
  /** Resolves with what ended it: loss, or an error that nobody caught. Never rejects. */
  readonly lost: Promise<RyzError>
  /** What ended it, once that is known. */
  readonly failure: RyzError | undefined
  /** It is of no more use, for a reason that it did not tell. */
  fail(error: RyzError): void
  close(): void
}

/** An adapter that is not there yet is asked for once more after this. */
const ADAPTER_RETRY_MS = 300
const LIMIT_MS = 10_000
const NO_WEBGPU = 'this browser has no WebGPU'
const SOFTWARE_NAMES = /swiftshader|llvmpipe|lavapipe|softpipe|warp|basic render/i
/** Having it on is said to cost speed: only where times are wanted. */
const TIMESTAMPS: GPUFeatureName = 'timestamp-query'
const SUBGROUPS: GPUFeatureName = 'subgroups'
const F16: GPUFeatureName = 'shader-f16'
/** A language feature that shaders may use by name. */
const PACKED_DOT = 'packed_4x8_integer_dot_product'

/** The features that variants use. */
export function featuresOf({ inner, subgroups, f16 }: ShaderChoice): string[] {
  return [
    ...(inner === 'packed' ? [PACKED_DOT] : []),
    ...(subgroups ? [SUBGROUPS] : []),
    ...(f16 ? [F16] : []),
  ]
}

/**
 * Opens a device on the best adapter.
 * @throws RyzError UNSUPPORTED_FEATURE where there is none that may be used; DEVICE_LOST
 */
export async function openGpu(gpu: GPU | undefined, options: GpuOptions = {}): Promise<Gpu> {
  if (gpu === undefined) throw noGpu(NO_WEBGPU)
  const adapter = await requestAdapter(gpu, options)
  const refusal = refusalOf(adapter, options)
  if (refusal !== undefined) throw noGpu(refusal)
  const { device, ...has } = await requestDevice(gpu, adapter, options)
  const { profile = false } = options
  const can = { ...has, packed: gpu.wgslLanguageFeatures?.has(PACKED_DOT) === true }
  const choice = chosen(can, options.choice)
  return watched(device, adapter, choice, { profile, can, software: isSoftware(adapter) })
}

/**
 * Whether there is an adapter that may be used; makes no device.
 * @returns why not, or nothing
 */
export async function whyNoGpu(
  gpu: GPU | undefined,
  options: GpuOptions = {},
): Promise<string | undefined> {
  if (gpu === undefined) return NO_WEBGPU
  try {
    return refusalOf(await requestAdapter(gpu, options), options)
  } catch (caught) {
    return caught instanceof RyzError ? caught.message : String(caught)
  }
}

/** Names the adapter with what it has and may, for what is remembered of it; nothing where there is none. */
export async function gpuIdentity(
  gpu: GPU | undefined,
  options: GpuOptions = {},
): Promise<string | undefined> {
  if (gpu === undefined) return undefined
  try {
    const { info, features, limits } = await requestAdapter(gpu, options)
    const { maxBufferSize, maxStorageBufferBindingSize } = limits
    const all = [...features].sort().join(' ')
    return [adapterName(info), all, maxBufferSize, maxStorageBufferBindingSize].join('|')
  } catch {
    return undefined // opening it says why
  }
}

/** A software adapter that was not allowed. */
function refusalOf(adapter: GPUAdapter, options: GpuOptions): string | undefined {
  if (!isSoftware(adapter) || options.allowSoftwareAdapter === true) return undefined
  return `the only adapter (${adapterName(adapter.info)}) computes on the CPU`
}

async function requestAdapter(gpu: GPU, options: GpuOptions): Promise<GPUAdapter> {
  const { powerPreference = 'high-performance' } = options
  for (let attempt = 0; ; attempt++) {
    // Never remembered: the first answer of a young renderer may be null, a later one an adapter.
    const adapter = await within(
      gpu.requestAdapter({ powerPreference }),
      'the browser did not answer the request for an adapter',
      options,
    ).catch((cause: unknown) => {
      throw cause instanceof RyzError ? cause : noGpu(`no GPU adapter: ${String(cause)}`)
    })
    if (adapter !== null) return adapter
    if (attempt > 0) throw noGpu('the browser gives no GPU adapter')
    await new Promise(resolve => setTimeout(resolve, ADAPTER_RETRY_MS))
  }
}

/**
 * With the limits of the adapter, as that saves cuts, and the features that variants need; what is refused is done
 * without. Everything runs on the default device.
 */
/** An adapter makes one device, and a request that failed may have used it up: each try has a fresh one. */
async function requestDevice(
  gpu: GPU,
  first: GPUAdapter,
  options: GpuOptions,
): Promise<{ device: GPUDevice } & Omit<GpuCan, 'packed'>> {
  const { maxBufferSize, maxStorageBufferBindingSize } = first.limits
  const requiredLimits = { maxBufferSize, maxStorageBufferBindingSize }
  const has = (name: GPUFeatureName): boolean => first.features.has(name)
  const optional: GPUFeatureName[] = [SUBGROUPS, F16, ...(options.profile ? [TIMESTAMPS] : [])]
  const wanted = optional.filter(has)
  const tries = [
    { requiredFeatures: wanted, requiredLimits },
    { requiredFeatures: wanted, requiredLimits: {} },
    { requiredFeatures: [], requiredLimits: {} },
  ]
  let refusal: unknown
  for (const [i, { requiredFeatures, requiredLimits }] of tries.entries()) {
    try {
      const adapter = i === 0 ? first : await requestAdapter(gpu, options)
      const device = await within(
        adapter.requestDevice({ label: 'ryzanstein', requiredFeatures, requiredLimits }),
        'the browser did not answer the request for a device',
        options,
      )
      const given = (name: GPUFeatureName): boolean => requiredFeatures.includes(name)
      return { device, subgroups: given(SUBGROUPS), f16: given(F16) }
    } catch (caught) {
      if (caught instanceof RyzError) throw caught
      refusal = caught
    }
  }
  throw noGpu(`the GPU gives no device: ${String(refusal)}`)
}

/** What runs until it is measured: the plain path and the packed dot product, unless a test says otherwise. */
function chosen(can: GpuCan, forced: Partial<ShaderChoice> = {}): ShaderChoice {
  return {
    ...PLAIN,
    inner: can.packed ? 'packed' : 'i32',
    ...forced,
    subgroups: can.subgroups && forced.subgroups === true,
    f16: can.f16 && forced.f16 === true,
  }
}

function watched(
  device: GPUDevice,
  adapter: GPUAdapter,
  choice: ShaderChoice,
  told: Pick<Gpu, 'profile' | 'can'> & Pick<GpuInfo, 'software'>,
): Gpu {
  const { software, profile, can } = told
  let failure: RyzError | undefined
  let tell: (error: RyzError) => void = () => undefined
  const lost = new Promise<RyzError>(resolve => {
    tell = resolve
  })
  const fail = (error: RyzError): void => {
    failure ??= error
    tell(failure)
  }
  void device.lost.then(({ reason, message }) => {
    const why = message === '' ? reason : `${reason}: ${message}`
    fail(new RyzError('DEVICE_LOST', `the GPU device was lost (${why})`, { reason }))
  })
  device.addEventListener('uncapturederror', event => {
    const { message } = (event as GPUUncapturedErrorEvent).error
    fail(new RyzError('DEVICE_LOST', `the GPU refused a command: ${message}`, { message }))
  })
  const { vendor = '', architecture = '', description = '' } = adapter.info ?? {}
  return {
    device,
    info: { vendor, architecture, description, software },
    pipelines: new Pipelines(device, choice),
    limits: {
      maxBuffer: device.limits.maxBufferSize,
      maxBinding: device.limits.maxStorageBufferBindingSize,
    },
    tuning: undefined,
    can,
    profile,
    timestamps: profile && device.features.has(TIMESTAMPS),
    lost,
    get failure() {
      return failure
    },
    fail,
    close() {
      device.destroy()
    },
  }
}

/** By what the adapter says of itself, and by name: `isFallbackAdapter` is missing in some browsers. */
function isSoftware(adapter: GPUAdapter): boolean {
  const { info } = adapter
  if (info?.isFallbackAdapter === true) return true
  return SOFTWARE_NAMES.test(`${info?.vendor} ${info?.architecture} ${info?.description}`)
}

/** What an adapter is called; any of its fields may be missing. */
export function adapterName(
  info: Partial<Pick<GpuInfo, 'vendor' | 'architecture' | 'description'>> | undefined,
): string {
  const words = [info?.vendor, info?.architecture, info?.description]
  return words.filter(word => word !== undefined && word !== '').join(' ') || 'without a name'
}

function noGpu(reason: string): RyzError {
  return new RyzError('UNSUPPORTED_FEATURE', reason)
}

async function within<T>(answer: Promise<T>, late: string, options: GpuOptions): Promise<T> {
  const { limitMs = LIMIT_MS } = options
  let timer: ReturnType<typeof setTimeout> | undefined
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(noGpu(`${late} within ${limitMs} ms`)), limitMs)
  })
  try {
    return await Promise.race([answer, limit])
  } finally {
    clearTimeout(timer)
  }
}
