// The load sequence: header -> config -> tokenizer -> memory plan -> the first backend of the ladder
// that works -> weights -> warm-up. Everything opened is closed again when a later step fails. The
// concrete backends arrive as factories from worker/main.ts, best first.
import type { Backend, BackendLimits } from '../../backend/backend.ts'
import { collectGarbage } from '../../discard.ts'
import { asRyzError, type ErrorCode, RyzError, throwIfAborted } from '../../errors.ts'
import type { ModelFile } from '../../format/model-file.ts'
import { readConfig } from '../../model/config.ts'
import { loadWeights } from '../../model/load-weights.ts'
import type { MemoryPlan } from '../../model/memory-plan.ts'
import type { ModelConfig } from '../../model/model-config.ts'
import { Network } from '../../model/network.ts'
import { tokenizerFromGguf } from '../../tokenizer/from-gguf.ts'
import { tokenizerFromJson } from '../../tokenizer/from-json.ts'
import type { Tokenizer } from '../../tokenizer/tokenizer.ts'
import type {
  BackendName,
  Calibration,
  Fallback,
  KernelVariant,
  KvType,
  LoadOptions,
  LoadPhase,
  ModelSource,
} from '../../types/index.ts'
import { createGuard } from '../faults/guard.ts'
import { firstDifference, type Probe, runProbes, SELF_TEST_BYTES } from '../faults/self-test.ts'
import type { EngineParts, LoadHooks } from './engine-parts.ts'
import { createWithin } from './memory-refused.ts'
import { type CheckedLoadOptions, checkLoadOptions } from './options.ts'
import { type ModelWork, planLoad, workOf } from './plan.ts'
import { openStored, type StoredModelFile } from './stored-model.ts'

/** One rung of the ladder. */
export interface BackendFactory {
  readonly name: BackendName
  readonly variant: KernelVariant | 'typescript'
  readonly threads: number
  /** Why this rung cannot be used here; absent when it can. */
  readonly unavailable?: string
  /** Bytes beside weights, KV and activations. */
  scratchBytes(limits: BackendLimits): number
  /** @throws whatever keeps it from starting; the next rung is tried then */
  create(memoryBytes: number, limits: BackendLimits): Promise<Backend>
}

/** The factories in the order to try, and why. */
export interface Arranged {
  readonly factories: readonly BackendFactory[]
  readonly calibration?: Calibration
}

/** Puts the factories in order for the work of one model; see calibrate.ts. */
export type Arrange = (factories: readonly BackendFactory[], work: ModelWork) => Promise<Arranged>

/** Plainer backends that judge what a rung computes; without them it is taken at its word. */
export interface Guards {
  /** The truth; also the last repair. */
  readonly reference: BackendFactory
  /** The first repair. */
  readonly scalar?: BackendFactory
}

const asTheyAre: Arrange = async factories => ({ factories })

/**
 * Opens a model on the best backend that works.
 * @throws RyzError any of the format, config, tokenizer, budget, network and option codes
 */
export async function openEngineParts(
  source: ModelSource,
  options: LoadOptions,
  hooks: LoadHooks,
  factories: readonly BackendFactory[],
  arrange: Arrange = asTheyAre,
  guards?: Guards,
): Promise<EngineParts> {
  const checked = checkLoadOptions(options)
  const report = progressReporter(hooks)
  report('header', 0, 0)
  const stored = await openStored(source, options, hooks.signal)
  try {
    return await openParts(stored, options, hooks, factories, arrange, guards, checked, report)
  } catch (caught) {
    await stored.close(caught)
    throw caught
  }
}

async function openParts(
  stored: StoredModelFile,
  options: LoadOptions,
  hooks: LoadHooks,
  factories: readonly BackendFactory[],
  arrange: Arrange,
  guards: Guards | undefined,
  checked: CheckedLoadOptions,
  report: ReturnType<typeof progressReporter>,
): Promise<EngineParts> {
  const { file } = stored
  const config = readConfig(file)
  throwIfAborted(hooks.signal, 'loading')
  report('tokenizer', 0, 0)
  const tokenizer = await openTokenizer(file, config)
  throwIfAborted(hooks.signal, 'loading')

  const plan = planLoad(file, config, options, checked)
  const { limits } = plan
  const arranged = await arrange(factories, workOf(file, config, checked.head))
  throwIfAborted(hooks.signal, 'loading')

  const opened = await openFirst(arranged.factories, limits, plan.memory, guards)
  const { backend } = opened
  try {
    const poured = await loadWeights(file, config, backend, {
      head: checked.head,
      i2sLayout: options.i2sLayout ?? 'x86',
      signal: hooks.signal,
      onBytes: (loaded, total) => report('weights', loaded, total, stored.fromCacheBytes),
    })
    await stored.finish(config)
    collectGarbage()
    const { kv, contextLength } = opened.plan
    const guard =
      guards &&
      createGuard({ config, limits, network: { kv, contextLength }, main: backend }, guards)
    const network = new Network(config, backend, poured.weights, {
      activations: checked.activations,
      strict: checked.strict,
      kv,
      kvBlocks: opened.plan.kvBlocks,
      contextLength,
      maxRows: limits.maxRows,
      repair: guard?.repair,
    })
    report('warmup', 0, 0)
    await warmUp(network)
    throwIfAborted(hooks.signal, 'loading')
    return {
      network,
      tokenizer,
      info: {
        name: config.name,
        architecture: config.architecture,
        container: config.container,
        layers: config.layers,
        hidden: config.hidden,
        ffn: config.ffn,
        heads: config.heads,
        kvHeads: config.kvHeads,
        headDim: config.headDim,
        vocab: config.vocab,
        contextLength: config.contextLength,
        parameters: poured.parameters,
        layouts: poured.layouts,
        notes: [...config.notes, ...poured.notes],
      },
      fallbacks: [
        ...stored.fallbacks,
        ...opened.fallbacks,
        ...plan.shortened,
        ...opened.plan.lowered,
      ],
      memory: {
        weights: poured.bytes,
        kv: opened.plan.kvBytes,
        scratch: opened.plan.scratchBytes,
      },
      backendName: backend.name,
      variant: backend.variant,
      threads: backend.threads,
      strict: checked.strict,
      head: checked.head,
      activations: checked.activations,
      kvType: opened.plan.kv,
      cache: stored.stats(),
      calibration: arranged.calibration,
      faults: guard?.stats,
      close: closing(network),
    }
  } catch (caught) {
    backend.close()
    throw caught
  }
}

/** Not written where the file is open: it would hold all of the header, merges included. */
function closing(network: Network): () => void {
  return () => network.close()
}

/** The first rung that is available, fits, starts and computes right; what was passed over is named. */
async function openFirst(
  factories: readonly BackendFactory[],
  limits: BackendLimits,
  plan: (scratchBytes: number, budget?: number) => MemoryPlan,
  guards: Guards | undefined,
): Promise<{ backend: Backend; plan: MemoryPlan; fallbacks: Fallback[] }> {
  const passed: { rung: string; reason: string; code: ErrorCode }[] = []
  let right: { kv: KvType; probes: Probe[] } | undefined
  for (const factory of factories) {
    const rung = rungName(factory)
    if (factory.unavailable !== undefined) {
      passed.push({ rung, reason: factory.unavailable, code: 'BAD_OPTION' })
      continue
    }
    const judge = factory.name === 'reference' ? undefined : guards?.reference
    const testBytes = judge === undefined ? 0 : SELF_TEST_BYTES
    // Where the browser refuses memory to the kernels, it has none for slower ones.
    if (factory.name === 'reference' && passed.some(p => p.code === 'MEMORY_BUDGET')) break
    const scratch = factory.scratchBytes(limits) + testBytes
    const first = plan(scratch)
    let backend: Backend | undefined
    try {
      const made = await createWithin(factory, limits, first, budget => plan(scratch, budget))
      const planned = made.plan
      backend = made.backend
      if (judge !== undefined) {
        const { kv } = planned
        if (right?.kv !== kv) right = { kv, probes: await probesOf(judge, limits, kv) }
        const wrong = firstDifference(await runProbes(backend, limits, kv), right.probes)
        if (wrong !== undefined) throw new RyzError('KERNEL_TRAP', `self-test failed: ${wrong}`)
      }
      const fallbacks = passed.map(({ rung: from, reason }) => ({ from, to: rung, reason }))
      return { backend, plan: planned, fallbacks: [...fallbacks, ...made.refused] }
    } catch (caught) {
      backend?.close()
      const { message, code } = asRyzError(caught, 'KERNEL_TRAP', 'it did not start')
      passed.push({ rung, reason: message, code })
    }
  }
  const reasons = passed.map(p => `${p.rung}: ${p.reason}`).join('; ')
  throw new RyzError(codeOfAll(passed), `no backend can run here (${reasons})`)
}

/** What all rungs that could have run have in common, for the caller to act upon. */
function codeOfAll(passed: readonly { code: ErrorCode }[]): ErrorCode {
  const codes = new Set(passed.map(p => p.code))
  if (codes.size > 1) codes.delete('BAD_OPTION') // it could not have run here anyway
  const [code] = codes
  return codes.size === 1 && code !== undefined ? code : 'BAD_OPTION'
}

async function probesOf(
  factory: BackendFactory,
  limits: BackendLimits,
  kv: KvType,
): Promise<Probe[]> {
  const backend = await factory.create(2 * SELF_TEST_BYTES, limits)
  try {
    return await runProbes(backend, limits, kv)
  } finally {
    backend.close()
  }
}

/** 'relaxed with 2 threads' */
export function rungName(f: Pick<BackendFactory, 'name' | 'variant' | 'threads'>): string {
  if (f.name === 'reference') return 'reference (TypeScript)'
  return `${f.variant} with ${f.threads} thread${f.threads === 1 ? '' : 's'}`
}

/** @throws RyzError TOKENIZER_MISSING | TOKENIZER_INVALID */
export async function openTokenizer(file: ModelFile, config: ModelConfig): Promise<Tokenizer> {
  if (file.container === 'gguf') return tokenizerFromGguf(file.metadata)
  if (file.tokenizerJson === undefined) {
    throw new RyzError(
      'TOKENIZER_MISSING',
      `tokenizer.json was not found beside the weights of ${config.name}; add it`,
    )
  }
  return tokenizerFromJson(file.tokenizerJson, file.tokenizerConfigJson, {
    generationConfig: file.generationConfig,
    chatTemplate: file.chatTemplate,
  })
}

/** One token through every kernel, so that the first request finds compiled code. */
async function warmUp(network: Network): Promise<void> {
  const seq = network.kv.open()
  try {
    if (!network.kv.reserve(seq, 1)) return
    await network.forward([{ seq, token: 0, wantsLogits: true }])
  } finally {
    network.kv.close(seq)
  }
}

/** Adds the rate; at most 20 weight reports a second. */
function progressReporter(hooks: LoadHooks) {
  const start = performance.now()
  let last = Number.NEGATIVE_INFINITY
  let lastPhase: LoadPhase | undefined
  return (phase: LoadPhase, loadedBytes: number, totalBytes: number, fromCacheBytes = 0): void => {
    const now = performance.now()
    if (phase === lastPhase && now - last < 50 && loadedBytes < totalBytes) return
    last = now
    lastPhase = phase
    const bytesPerSecond = now > start ? (loadedBytes / (now - start)) * 1000 : 0
    const etaSeconds = bytesPerSecond > 0 ? (totalBytes - loadedBytes) / bytesPerSecond : undefined
    hooks.progress({ phase, loadedBytes, totalBytes, bytesPerSecond, etaSeconds, fromCacheBytes })
  }
}
