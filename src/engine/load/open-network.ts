// From paths to a network that computes: the first path that works, weights poured into it, one token run. A
// GPU that fails on the way is passed over by name, and the next path is poured. Called by open-parts.ts for a
// load, and again when the GPU is lost later.
import type { BackendTraits } from '../../backend/backend.ts'
import type { BackendFactory, BackendNeeds, Guards } from '../../backend/factory.ts'
import { collectGarbage } from '../../discard.ts'
import { RyzError, throwIfAborted } from '../../errors.ts'
import type { KvCache } from '../../model/kv-cache.ts'
import { loadWeights, type PouredWeights } from '../../model/load-weights.ts'
import type { MemoryPlan } from '../../model/memory-plan.ts'
import type { ModelConfig } from '../../model/model-config.ts'
import type { Network } from '../../model/network.ts'
import { BackendNetwork } from '../../model/run-network.ts'
import type {
  ExecutionPath,
  Fallback,
  FaultStats,
  GpuStats,
  HybridStats,
  LoadOptions,
  LoadPhase,
  PoolStats,
} from '../../types/index.ts'
import { createGuard } from '../faults/guard.ts'
import { type Opened, openFirst } from './open-first.ts'
import type { CheckedLoadOptions } from './options.ts'
import type { LoadPlan } from './plan.ts'
import type { StoredModelFile } from './stored-model.ts'

/** A network, and the facts about it that stats() reports. */
export interface OpenNetwork {
  readonly network: Network & { readonly kv: KvCache }
  readonly path: ExecutionPath
  readonly traits: BackendTraits
  readonly plan: MemoryPlan
  readonly poured: PouredWeights
  /** Paths that were passed over. */
  readonly fallbacks: readonly Fallback[]
  /** Of the GPU, where one computes. */
  gpu(): GpuStats | undefined
  /** Of the threads, where several compute. */
  pool(): PoolStats | undefined
  readonly faults: (() => Omit<FaultStats, 'restarts'>) | undefined
  /** Of a GPU: what is known of it, to be looked at again. */
  readonly proven?: Proven
  /** Where two backends share the work. */
  readonly hybrid?: () => HybridStats
  /** What goes on alone when the GPU is lost, as it holds the weights already. */
  readonly spare?: {
    readonly open: OpenNetwork
    /** Ends the GPU; resolves when no step runs there. */
    leave(): Promise<void>
  }
}

/** A GPU that computed right when it was loaded. */
export interface Proven {
  /** A part of the proof once more, see Proof.sample(). */
  sample(stopped: () => boolean): Promise<string | undefined>
  /** Its network by itself, and the logits of token 0 that it gave at first. */
  readonly network: Network
  readonly logits: Float32Array
  /** It is of no more use. */
  condemn(error: RyzError): void
}

/** One on one backend. */
export interface OpenBackend extends OpenNetwork {
  readonly network: BackendNetwork
}

export interface NetworkRequest {
  readonly stored: StoredModelFile
  readonly config: ModelConfig
  readonly options: LoadOptions
  readonly checked: CheckedLoadOptions
  readonly plan: LoadPlan
  readonly guards: Guards | undefined
  readonly signal: AbortSignal
  report(phase: LoadPhase, loadedBytes: number, totalBytes: number, fromCacheBytes?: number): void
  /**
   * Told while shaders compile. Where they may do so beside the download, a path that fails its proof then is passed
   * over: so the weights must be there for another.
   */
  readonly compile?: Pick<BackendNeeds, 'compiled' | 'compilesBeside'>
  /** The book of a cache that goes on; its blocks are empty on the new backend. */
  readonly book?: KvCache
}

/** @throws RyzError of openFirst, loadWeights and the store */
export async function openNetwork(
  request: NetworkRequest,
  factories: readonly BackendFactory[],
): Promise<OpenBackend> {
  let paths = factories
  let finished: Promise<void> | undefined
  // A model is committed once, however often it is poured.
  const finish = (): Promise<void> => {
    finished ??= request.stored.finish(request.config)
    return finished
  }
  for (;;) {
    const { limits, memory, needs } = request.plan
    const opened = await openFirst(paths, limits, memory, request.guards, needs, request.compile)
    const { backend } = opened
    try {
      return await pour(request, opened, finish)
    } catch (caught) {
      backend.close()
      const failed = caught instanceof Unproven ? caught.why : gpuFailure(caught)
      if (backend.path.backend !== 'webgpu' || failed === undefined) throw caught
      throwIfAborted(request.signal, 'loading')
      paths = without(paths, failed)
    }
  }
}

/** The error of a GPU that is gone or full, which says nothing against other paths. */
export function gpuFailure(caught: unknown): RyzError | undefined {
  const isOne = caught instanceof RyzError && ['DEVICE_LOST', 'GPU_OOM'].includes(caught.code)
  return isOne ? caught : undefined
}

/** The paths with the GPU's marked, so that it is named as passed over. */
export function without(paths: readonly BackendFactory[], why: RyzError): BackendFactory[] {
  return paths.map(f => (f.path.backend === 'webgpu' ? { ...f, unavailable: why.message } : f))
}

async function pour(
  request: NetworkRequest,
  opened: Opened,
  finish: () => Promise<void>,
): Promise<OpenBackend> {
  const { stored, config, options, checked, guards, signal, report } = request
  const { limits } = request.plan
  const { backend, plan } = opened
  let bytes = 0
  const pouring = (stop: AbortSignal) =>
    loadWeights(stored.file, config, backend, {
      head: checked.head,
      i2sLayout: options.i2sLayout ?? 'x86',
      signal: stop,
      onBytes: (loaded, total) => {
        bytes = total
        report('weights', loaded, total, stored.fromCacheBytes)
      },
    })
  const poured = await besideProof(pouring, opened.proof, signal, () =>
    report('compile', bytes, bytes, stored.fromCacheBytes),
  )
  await finish()
  collectGarbage()
  const { kv, contextLength } = plan
  const spec = { config, limits, network: { kv, contextLength }, main: backend }
  const guard = guards && createGuard(spec, guards)
  const network = new BackendNetwork(config, backend, poured.weights, {
    activations: checked.activations,
    strict: checked.strict,
    kv,
    kvBlocks: plan.kvBlocks,
    contextLength,
    maxRows: limits.maxRows,
    wantedRows: plan.wantedRows,
    repair: guard?.repair,
    book: request.book,
  })
  report('warmup', 0, 0)
  await backend.settle?.(true)
  const logits = await logitsOfFirst(network)
  throwIfAborted(signal, 'loading')
  const { sample } = opened
  const { condemn } = backend
  const known = sample && condemn && logits
  return {
    ...(known && { proven: { sample, network, logits, condemn: condemn.bind(backend) } }),
    network,
    path: backend.path,
    traits: backend.traits,
    plan,
    poured,
    fallbacks: opened.fallbacks,
    gpu: () => backend.gpuStats?.(),
    pool: () => backend.poolStats?.(),
    faults: guard?.stats,
  }
}

/** A path that failed its proof while it was loaded. */
class Unproven {
  readonly why: RyzError

  constructor(why: RyzError) {
    this.why = why
  }
}

/**
 * Work that ends early when the proof beside it fails, and is over when both are.
 * @param waits  told when the proof alone is waited for
 * @throws Unproven, and whatever the work throws
 */
async function besideProof<T>(
  work: (signal: AbortSignal) => Promise<T>,
  proof: Promise<RyzError | undefined> | undefined,
  signal: AbortSignal,
  waits: () => void,
): Promise<T> {
  if (proof === undefined) return work(signal)
  const stop = new AbortController()
  let leave: () => void = () => undefined
  const left = new Promise<void>(resolve => {
    leave = resolve
  })
  const follow = () => {
    stop.abort()
    leave()
  }
  if (signal.aborted) follow()
  signal.addEventListener('abort', follow)
  let wrong: RyzError | undefined
  let proven = false
  const judging = proof.then(error => {
    wrong = error
    proven = true
    if (error !== undefined) stop.abort()
  })
  try {
    const done = await work(stop.signal)
    if (!proven) waits()
    await Promise.race([judging, left])
    throwIfAborted(signal, 'loading')
    if (wrong !== undefined) throw new Unproven(wrong)
    return done
  } catch (caught) {
    throw wrong === undefined || signal.aborted ? caught : new Unproven(wrong)
  } finally {
    signal.removeEventListener('abort', follow)
  }
}

/**
 * One token through every kernel, so that the first request finds compiled code.
 * @returns its logits, a copy; nothing where no block is free
 */
export async function logitsOfFirst(network: Network): Promise<Float32Array | undefined> {
  const seq = network.kv.open()
  try {
    if (!network.kv.reserve(seq, 1)) return undefined
    const { logits } = await network.forward([{ seq, token: 0, wants: 'logits' }])
    return logits.slice()
  } finally {
    network.kv.close(seq)
  }
}
