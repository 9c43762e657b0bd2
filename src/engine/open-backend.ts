// The load sequence: header -> config -> tokenizer -> memory plan -> the first backend of the ladder
// that works -> weights -> warm-up. Everything opened is closed again when a later step fails. The
// concrete backends arrive as factories from worker/main.ts, best first.
import type { Backend, BackendLimits } from '../backend/backend.ts'
import { asRyzError, RyzError, throwIfAborted } from '../errors.ts'
import type { ModelFile } from '../format/model-file.ts'
import { openModel } from '../format/open.ts'
import { Network } from '../model/bitnet.ts'
import { readConfig, requiredTensors } from '../model/config.ts'
import { loadWeights } from '../model/load-weights.ts'
import type { MemoryPlan, PlannedTensor } from '../model/memory-plan.ts'
import { DEFAULT_BUDGET, planMemory, weightBytes } from '../model/memory-plan.ts'
import type { ModelConfig } from '../model/model-config.ts'
import { tokenizerFromGguf } from '../tokenizer/from-gguf.ts'
import { tokenizerFromJson } from '../tokenizer/from-json.ts'
import type { Tokenizer } from '../tokenizer/tokenizer.ts'
import type {
  BackendName,
  Fallback,
  KernelVariant,
  LoadOptions,
  LoadPhase,
  ModelSource,
} from '../types.ts'
import type { EngineParts, LoadHooks } from './engine-parts.ts'
import { checkLoadOptions } from './load-options.ts'

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

/** Contexts longer than this are only opened when asked for: the RoPE tables and plan grow with it. */
const DEFAULT_CONTEXT_CAP = 4096

/**
 * Opens a model on the best backend that works.
 * @throws RyzError any of the format, config, tokenizer, budget, network and option codes
 */
export async function openEngineParts(
  source: ModelSource,
  options: LoadOptions,
  hooks: LoadHooks,
  factories: readonly BackendFactory[],
): Promise<EngineParts> {
  const checked = checkLoadOptions(options)
  const report = progressReporter(hooks)
  report('header', 0, 0)
  const file = await openModel(source, { signal: hooks.signal })
  const config = readConfig(file)
  throwIfAborted(hooks.signal, 'loading')
  report('tokenizer', 0, 0)
  const tokenizer = await openTokenizer(file, config)
  throwIfAborted(hooks.signal, 'loading')

  const asked = options.contextLength ?? Math.min(config.contextLength, DEFAULT_CONTEXT_CAP)
  const contextLength = Math.min(asked, config.contextLength)
  const maxSequences = checked.maxSequences
  const limits: BackendLimits = {
    maxRows: checked.prefillPiece + maxSequences,
    maxContext: contextLength,
    maxCols: Math.max(config.hidden, config.ffn, config.heads * config.headDim),
  }
  const weights = weightBytes(plannedTensors(file, config), checked.strict)
  const plan = (scratchBytes: number): MemoryPlan =>
    planMemory(config, weights, {
      budget: options.memoryBudget ?? DEFAULT_BUDGET,
      kv: options.kv ?? (checked.strict ? 'f32' : undefined),
      contextLength,
      contextFixed: options.contextLength !== undefined,
      maxSequences,
      maxRows: limits.maxRows,
      strict: checked.strict,
      scratchBytes,
    })

  const opened = await openFirst(factories, limits, plan)
  const { backend } = opened
  try {
    const poured = await loadWeights(file, config, backend, {
      strict: checked.strict,
      i2sLayout: options.i2sLayout ?? 'x86',
      signal: hooks.signal,
      onBytes: (loaded, total) => report('weights', loaded, total),
    })
    const network = new Network(config, backend, poured.weights, {
      activations: checked.activations,
      strict: checked.strict,
      kv: opened.plan.kv,
      kvBlocks: opened.plan.kvBlocks,
      contextLength: opened.plan.contextLength,
      maxRows: limits.maxRows,
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
        ...opened.fallbacks,
        ...(asked > contextLength ? [shorterContext(asked, contextLength)] : []),
        ...opened.plan.lowered,
      ],
      memory: {
        weights: opened.plan.weightBytes,
        kv: opened.plan.kvBytes,
        scratch: opened.plan.scratchBytes,
      },
      backendName: backend.name,
      variant: backend.variant,
      threads: backend.threads,
      strict: checked.strict,
      activations: checked.activations,
      kvType: opened.plan.kv,
      close: () => network.close(),
    }
  } catch (caught) {
    backend.close()
    throw caught
  }
}

/** The first rung that is available, fits and starts; what was passed over is named. */
async function openFirst(
  factories: readonly BackendFactory[],
  limits: BackendLimits,
  plan: (scratchBytes: number) => MemoryPlan,
): Promise<{ backend: Backend; plan: MemoryPlan; fallbacks: Fallback[] }> {
  const passed: { rung: string; reason: string }[] = []
  for (const factory of factories) {
    const rung = rungName(factory)
    if (factory.unavailable !== undefined) {
      passed.push({ rung, reason: factory.unavailable })
      continue
    }
    const planned = plan(factory.scratchBytes(limits))
    try {
      const backend = await factory.create(planned.totalBytes, limits)
      const fallbacks = passed.map(({ rung: from, reason }) => ({ from, to: rung, reason }))
      return { backend, plan: planned, fallbacks }
    } catch (caught) {
      passed.push({ rung, reason: asRyzError(caught, 'KERNEL_TRAP', 'it did not start').message })
    }
  }
  const reasons = passed.map(p => `${p.rung}: ${p.reason}`).join('; ')
  throw new RyzError('BAD_OPTION', `no backend can run here (${reasons})`, {})
}

function shorterContext(asked: number, made: number): Fallback {
  return {
    from: `context ${asked}`,
    to: `context ${made}`,
    reason: `the model was made for ${made} tokens`,
  }
}

function rungName(f: BackendFactory): string {
  if (f.name === 'reference') return 'reference (TypeScript)'
  return `${f.variant} with ${f.threads} thread${f.threads === 1 ? '' : 's'}`
}

async function openTokenizer(file: ModelFile, config: ModelConfig): Promise<Tokenizer> {
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

const TERNARY_BLOCKS: Readonly<Record<string, number>> = {
  I2_S: 0,
  HF_T2: 0,
  TQ1_0: 256,
  TQ2_0: 256,
  Q2_0_64: 64,
  Q2_0_128: 128,
}

function* plannedTensors(file: ModelFile, config: ModelConfig): Generator<PlannedTensor> {
  for (const { name, role } of requiredTensors(config)) {
    const info = file.tensors.get(name)
    if (!info) continue
    yield {
      role,
      rows: info.rows,
      cols: info.cols,
      mayStayFloat: !Object.hasOwn(TERNARY_BLOCKS, info.type) && !config.masters,
      scaleBlock: TERNARY_BLOCKS[info.type] ?? 0,
      half: info.type === 'F16',
    }
  }
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
  return (phase: LoadPhase, loadedBytes: number, totalBytes: number): void => {
    const now = performance.now()
    if (phase === lastPhase && now - last < 50 && loadedBytes < totalBytes) return
    last = now
    lastPhase = phase
    const bytesPerSecond = now > start ? (loadedBytes / (now - start)) * 1000 : 0
    hooks.progress({ phase, loadedBytes, totalBytes, bytesPerSecond })
  }
}
