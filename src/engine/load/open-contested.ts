// GPU or CPU, or both: where a GPU stands in front by itself, the loaded model is measured on it, and on the CPU where
// the memory budget has room for both. What is faster stays: one of them alone, or the GPU for prompts and the CPU for
// answers. Also how a model is poured again when its GPU is lost. Called by open-parts.ts.
import { type BackendFactory, isKernel, pathName } from '../../backend/factory.ts'
import { RyzError } from '../../errors.ts'
import { type MemoryPlan, PAGE_BYTES } from '../../model/memory-plan.ts'
import type { Network } from '../../model/network.ts'
import { activationBytes } from '../../model/run-network.ts'
import type { BackendChoice, ExpectedSpeed, ModelSource } from '../../types/index.ts'
import { SELF_TEST_BYTES } from '../faults/self-test.ts'
import type { Arranged, Contest } from './arrange.ts'
import { measureSpeed } from './measure-speed.ts'
import { hybridBytes, openHybrid } from './open-hybrid.ts'
import {
  gpuFailure,
  type NetworkRequest,
  type OpenBackend,
  type OpenNetwork,
  openNetwork,
  without,
} from './open-network.ts'
import { type StoredModelFile, withStored } from './stored-model.ts'

export interface Contested {
  readonly open: OpenNetwork
  readonly choice: BackendChoice | undefined
}

/** The first path that works; where a GPU stands in front by itself, what `contest` finds the fastest. */
export async function openContested(
  request: NetworkRequest,
  source: ModelSource,
  paths: readonly BackendFactory[],
  { contest, choice }: Arranged,
): Promise<Contested> {
  const open = await openNetwork(request, paths)
  if (contest === undefined) return { open, choice }
  if (open.path.backend !== 'webgpu') {
    const why = open.fallbacks.find(f => f.from.startsWith('WebGPU'))?.reason
    const reason = why ?? 'it did not start'
    return { open, choice: { backend: 'wasm', source: 'skipped', reason } }
  }
  try {
    return await decide(request, source, paths, contest, open)
  } catch (caught) {
    const failed = gpuFailure(caught)
    open.network.close()
    if (failed === undefined) throw caught
    const next = await pourAgain(request, source, without(paths, failed))
    return {
      open: next,
      choice: { backend: 'wasm', source: 'measured', reason: failed.message },
    }
  }
}

async function decide(
  request: NetworkRequest,
  source: ModelSource,
  paths: readonly BackendFactory[],
  contest: Contest,
  gpu: OpenBackend,
): Promise<Contested> {
  const measure = (network: Network, side: 'webgpu' | 'wasm'): Promise<ExpectedSpeed> =>
    contest.measure?.(network, side) ?? measureSpeed(network)
  const inSight = contest.watch?.()
  const speed = await measure(gpu.network, 'webgpu')
  const again = canPourAgain(request.stored, source)
  const noRoom = again ? noRoomForBoth(request, paths, gpu) : NOT_STORED
  const known = contest.cpu
  const figures = { gpu: speed, cpu: known?.speed, measured: known?.measured === true, noRoom }
  let chosen = contest.decide(figures)
  let cpu: OpenBackend | undefined
  // A figure of this model on the CPU, where none is known; and whoever may compute is loaded in any case.
  if (noRoom === undefined && (!figures.measured || chosen.backend === 'hybrid')) {
    const beside = await openBeside(request, source, paths, gpu)
    if (typeof beside === 'string') chosen = contest.decide({ ...figures, noRoom: beside })
    else {
      cpu = beside
      try {
        const measured = await measure(cpu.network, 'wasm')
        chosen = contest.decide({ ...figures, cpu: measured, measured: true })
      } catch (caught) {
        cpu.network.close()
        throw caught
      }
    }
  }
  if (inSight?.() === false) chosen = { ...chosen, reason: `${chosen.reason}; ${UNSEEN}` }
  else await contest.keep(chosen)
  return settle(request, source, paths, { gpu, cpu }, chosen)
}

/** A GPU of a hidden page is slower than it is. */
const UNSEEN = 'the page was hidden meanwhile, so this is not remembered'

/** What was not chosen gives its memory back. */
async function settle(
  request: NetworkRequest,
  source: ModelSource,
  paths: readonly BackendFactory[],
  { gpu, cpu }: { gpu: OpenBackend; cpu: OpenBackend | undefined },
  choice: BackendChoice,
): Promise<Contested> {
  if (choice.backend === 'hybrid' && cpu !== undefined) {
    return { open: openHybrid(gpu, cpu), choice }
  }
  if (choice.backend !== 'wasm') {
    cpu?.network.close()
    gpu.network.kv.copyBy((from, to) => gpu.network.copyBlock(from, to))
    return { open: gpu, choice }
  }
  if (cpu !== undefined) {
    gpu.network.close()
    const passed = { from: pathName(gpu.path), to: pathName(cpu.path), reason: choice.reason }
    return { open: { ...cpu, fallbacks: [passed, ...cpu.fallbacks] }, choice }
  }
  if (!canPourAgain(request.stored, source)) {
    return {
      open: gpu,
      choice: { ...choice, backend: 'webgpu', reason: `${choice.reason}; but ${NOT_STORED}` },
    }
  }
  gpu.network.close()
  const passed = new RyzError('UNSUPPORTED_FEATURE', choice.reason)
  return { open: await pourAgain(request, source, without(paths, passed)), choice }
}

const NOT_STORED = 'the model is not stored, and would be fetched again'

/** Whether the weights can be had again without a second download. */
export function canPourAgain(stored: StoredModelFile, source: ModelSource): boolean {
  if (source instanceof ReadableStream) return false
  if (typeof source !== 'string' && !(source instanceof URL)) return true
  const state = stored.stats()?.state
  return state !== undefined && state !== 'uncached' && state !== 'off'
}

/** Why weights and KV cannot be held twice; undefined where they can. */
function noRoomForBoth(
  { plan, config }: NetworkRequest,
  paths: readonly BackendFactory[],
  gpu: OpenNetwork,
): string | undefined {
  const kernels = paths.filter(isKernel).find(f => f.unavailable === undefined)
  if (kernels === undefined) return 'no WebAssembly kernels can run here'
  const { limits, budget } = plan
  const scratch = kernels.scratchBytes(limits) + SELF_TEST_BYTES
  const activations = activationBytes(config, limits.maxRows, gpu.plan.wantedRows)
  const total = PAGE_BYTES + hybridBytes(gpu.plan, scratch + activations)
  if (total <= budget) return undefined
  const mb = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`
  return `both copies need ${mb(total)} of a memory budget of ${mb(budget)}`
}

/** The model on the CPU with the book of the GPU's cache, while the GPU holds it; or why not. */
async function openBeside(
  request: NetworkRequest,
  source: ModelSource,
  paths: readonly BackendFactory[],
  gpu: OpenBackend,
): Promise<OpenBackend | string> {
  const kernels = paths.filter(f => f.path.backend !== 'webgpu')
  try {
    const plan = planOf(request, gpu)
    const book = gpu.network.kv
    const open = await pourAgain({ ...request, plan, book }, source, kernels)
    if (open.path.backend === 'wasm') return open
    open.network.close()
    return 'no WebAssembly kernels work here'
  } catch (caught) {
    if (request.signal.aborted || !(caught instanceof RyzError)) throw caught
    return caught.message
  }
}

/** The plan of the network before, with the scratch of another backend. */
function planOf({ config, plan }: NetworkRequest, before: OpenNetwork): NetworkRequest['plan'] {
  const memory = (scratchBytes: (wantedRows: number) => number): MemoryPlan => {
    const { weightBytes, kvBytes, wantedRows } = before.plan
    const scratch =
      scratchBytes(wantedRows) + activationBytes(config, plan.limits.maxRows, wantedRows)
    return { ...before.plan, scratchBytes: scratch, totalBytes: weightBytes + kvBytes + scratch }
  }
  return { ...plan, memory }
}

/** From the store or wherever it came from. */
function pourAgain(
  request: NetworkRequest,
  source: ModelSource,
  paths: readonly BackendFactory[],
): Promise<OpenBackend> {
  const { options, signal } = request
  return withStored(source, { options, signal }, stored =>
    openNetwork({ ...request, stored }, paths),
  )
}

/** The model on the paths behind the GPU, when that is lost; the KV cache keeps its shape. */
export function reopen(
  request: NetworkRequest,
  source: ModelSource,
  factories: readonly BackendFactory[],
  error: RyzError,
  before: OpenNetwork,
): Promise<OpenNetwork> {
  const { signal } = new AbortController()
  const plan = planOf(request, before)
  const report = () => undefined
  const book = before.network.kv
  const again = { ...request, plan, signal, report, book, compile: undefined }
  return pourAgain(again, source, without(factories, error))
}
