// The load sequence: header -> config -> tokenizer -> memory plan -> the first backend of the ladder
// that works -> weights -> warm-up. Everything opened is closed again when a later step fails. The
// concrete backends arrive as factories from worker/main.ts, best first.
import type { BackendFactory, Guards } from '../../backend/factory.ts'
import { collectGarbage } from '../../discard.ts'
import { RyzError, throwIfAborted } from '../../errors.ts'
import type { ModelFile } from '../../format/model-file.ts'
import { readConfig } from '../../model/config.ts'
import { loadWeights } from '../../model/load-weights.ts'
import type { ModelConfig } from '../../model/model-config.ts'
import { BackendNetwork } from '../../model/run-network.ts'
import { tokenizerFromGguf } from '../../tokenizer/from-gguf.ts'
import { tokenizerFromJson } from '../../tokenizer/from-json.ts'
import type { Tokenizer } from '../../tokenizer/tokenizer.ts'
import type { Calibration, LoadOptions, LoadPhase, ModelSource } from '../../types/index.ts'
import { createGuard } from '../faults/guard.ts'
import type { EngineParts, LoadHooks } from './engine-parts.ts'
import { openFirst } from './open-first.ts'
import { type CheckedLoadOptions, checkLoadOptions } from './options.ts'
import { type ModelWork, planLoad, workOf } from './plan.ts'
import { type StoredModelFile, withStored } from './stored-model.ts'

/** The factories in the order to try, and why. */
export interface Arranged {
  readonly factories: readonly BackendFactory[]
  readonly calibration?: Calibration
}

/** Puts the factories in order for the work of one model; see calibrate.ts. */
export type Arrange = (factories: readonly BackendFactory[], work: ModelWork) => Promise<Arranged>

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
  return withStored(source, { options, signal: hooks.signal }, stored =>
    openParts(stored, options, hooks, factories, arrange, guards, checked, report),
  )
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

  const { factories: paths } = arranged
  const opened = await openFirst(paths, limits, plan.memory, guards, plan.needs)
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
    const network = new BackendNetwork(config, backend, poured.weights, {
      activations: checked.activations,
      strict: checked.strict,
      kv,
      kvBlocks: opened.plan.kvBlocks,
      contextLength,
      maxRows: limits.maxRows,
      wantedRows: opened.plan.wantedRows,
      repair: guard?.repair,
    })
    report('warmup', 0, 0)
    await backend.settle?.(true)
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
      path: backend.path,
      traits: backend.traits,
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
function closing(network: BackendNetwork): () => void {
  return () => network.close()
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
async function warmUp(network: BackendNetwork): Promise<void> {
  const seq = network.kv.open()
  try {
    if (!network.kv.reserve(seq, 1)) return
    await network.forward([{ seq, token: 0, wants: 'logits' }])
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
