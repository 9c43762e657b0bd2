// One way to run, before it runs: its path, its traits, what it needs, and how it is made. Concrete
// factories are made in worker/main.ts (and in tests); the load sequence walks them, best first.
import type { ExecutionPath, KernelVariant, KvType, PathVariant } from '../types/index.ts'
import type { Backend, BackendLimits, BackendTraits } from './backend.ts'
import type { ModelNeeds } from './cases.ts'

/** What a network asks of its backend. */
export interface BackendNeeds extends ModelNeeds {
  readonly kv: KvType
  /** Told while shaders compile. */
  readonly compiled?: (done: number, total: number) => void
  /** Shaders may go on compiling after create(), and Backend.ready() waits for them; else create() does. */
  readonly compilesBeside?: boolean
}

export interface BackendFactory {
  readonly path: ExecutionPath
  readonly traits: BackendTraits
  /** Why this path cannot be used here; absent when it can. */
  readonly unavailable?: string
  /**
   * Why it cannot be used here, where that takes asking: whether there is a GPU. Starts nothing; absent where
   * `unavailable` says all.
   */
  whyNot?(): Promise<string | undefined>
  /** What its speed depends on, where that takes asking; absent where the path says all. */
  identity?(): Promise<string | undefined>
  /**
   * Bytes beside weights, KV and activations.
   * @param wantedRows  rows of a step whose logits may be read; 0 when absent
   */
  scratchBytes(limits: BackendLimits, wantedRows?: number): number
  /**
   * @param needs  what will be asked of it, for a backend that compiles ahead; everything, where absent
   * @throws whatever keeps it from starting; the next path is tried then
   */
  create(memoryBytes: number, limits: BackendLimits, needs?: BackendNeeds): Promise<Backend>
  /**
   * One more on the device of the last one, to look at that device: nothing is opened, asked for or remembered.
   * @throws RyzError DEVICE_LOST where the device is gone; GPU_OOM
   */
  another?(memoryBytes: number, limits: BackendLimits): Promise<Backend>
}

/** A factory of the kernels in WebAssembly. */
export type KernelFactory = BackendFactory & { readonly path: KernelPath }
export type KernelPath = Extract<ExecutionPath, { backend: 'wasm' }>

/** Plainer backends that judge what a path computes; without them it is taken at its word. */
export interface Guards {
  /** The truth; also the last repair. */
  readonly reference: BackendFactory
  /** The first repair. */
  readonly scalar?: BackendFactory
}

/** The factories, those that lack what the model needs marked with the reason. */
export function able(factories: readonly BackendFactory[], needs: ModelNeeds): BackendFactory[] {
  return factories.map(f =>
    needs.experts && !f.traits.experts && f.unavailable === undefined
      ? { ...f, unavailable: 'it does not compute mixtures of experts' }
      : f,
  )
}

/** Traits of a backend that gives the reference's bits at once, in the reference's layouts. */
export const EXACT: BackendTraits = {
  exact: true,
  immediate: true,
  cpuLayouts: true,
  experts: true,
}

export const REFERENCE_PATH: ExecutionPath = { backend: 'reference' }

export function kernelPath(variant: KernelVariant, threads: number): KernelPath {
  return { backend: 'wasm', variant, threads }
}

export function isKernel(factory: BackendFactory): factory is KernelFactory {
  return factory.path.backend === 'wasm'
}

/** Names a path for programs: 'wasm/relaxed/2'. The same for the same path in every version. */
export function pathId(path: ExecutionPath): string {
  switch (path.backend) {
    case 'wasm':
      return `wasm/${path.variant}/${path.threads}`
    case 'webgpu':
      return 'webgpu'
    case 'reference':
      return 'reference'
    default:
      return path satisfies never
  }
}

/** Names a path for people: 'relaxed with 2 threads'. */
export function pathName(path: ExecutionPath): string {
  switch (path.backend) {
    case 'wasm':
      return `${path.variant} with ${path.threads} thread${path.threads === 1 ? '' : 's'}${promptsOf(path)}`
    case 'webgpu':
      return path.adapter === '' ? 'WebGPU' : `WebGPU on ${path.adapter}`
    case 'reference':
      return 'reference (TypeScript)'
    default:
      return path satisfies never
  }
}

function promptsOf({ prompts }: KernelPath): string {
  return prompts === undefined
    ? ''
    : `, prompts on ${pathName({ backend: 'webgpu', adapter: prompts })}`
}

/** The three fields by which stats() and willItRun() tell a path. */
export function pathFields(path: ExecutionPath): {
  backend: ExecutionPath['backend']
  variant: PathVariant
  threads: number
} {
  switch (path.backend) {
    case 'wasm':
      return { backend: 'wasm', variant: path.variant, threads: path.threads }
    case 'webgpu':
      return { backend: 'webgpu', variant: 'wgsl', threads: 1 }
    case 'reference':
      return { backend: 'reference', variant: 'typescript', threads: 1 }
    default:
      return path satisfies never
  }
}
