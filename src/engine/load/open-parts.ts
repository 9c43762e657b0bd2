// The load sequence: header -> config -> tokenizer -> memory plan -> the first backend of the ladder
// that works -> weights -> warm-up. Everything opened is closed again when a later step fails. The
// concrete backends arrive as factories from worker/main.ts, best first.
import { able, type BackendFactory, type Guards } from '../../backend/factory.ts'
import { throwIfAborted } from '../../errors.ts'
import { readConfig } from '../../model/config.ts'
import type { ModelConfig } from '../../model/model-config.ts'
import { openChat } from '../../tokenizer/chat/open-chat.ts'
import type {
  Fallback,
  LoadOptions,
  LoadPhase,
  LoadProgress,
  ModelInfo,
  ModelSource,
} from '../../types/index.ts'
import { GpuWatch } from '../faults/gpu-watch.ts'
import { RevivingNetwork } from '../faults/reviving-network.ts'
import type { Arrange } from './arrange.ts'
import type { EngineParts, LoadHooks } from './engine-parts.ts'
import { canPourAgain, openContested, reopen } from './open-contested.ts'
import { type OpenDraft, openDraft, requireSameVocabulary } from './open-draft.ts'
import { NO_FAULTS } from './open-hybrid.ts'
import type { NetworkRequest } from './open-network.ts'
import { openTokenizer } from './open-tokenizer.ts'
import { type CheckedLoadOptions, checkLoadOptions } from './options.ts'
import { planLoad, workOf } from './plan.ts'
import { type StoredModelFile, withStored } from './stored-model.ts'

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
  draftFactories: readonly BackendFactory[] = factories,
): Promise<EngineParts> {
  const checked = checkLoadOptions(options)
  const report = progressReporter(hooks)
  report('header', 0, 0)
  const { signal } = hooks
  const draft =
    options.draft === undefined
      ? undefined
      : await openDraft(options.draft, { options, signal, factories: draftFactories })
  try {
    return await withStored(source, { options, signal }, stored =>
      openParts(stored, source, options, hooks, factories, arrange, guards, checked, report, draft),
    )
  } catch (caught) {
    draft?.close()
    throw caught
  }
}

async function openParts(
  stored: StoredModelFile,
  source: ModelSource,
  options: LoadOptions,
  hooks: LoadHooks,
  factories: readonly BackendFactory[],
  arrange: Arrange,
  guards: Guards | undefined,
  checked: CheckedLoadOptions,
  report: ReturnType<typeof progressReporter>,
  draft: OpenDraft | undefined,
): Promise<EngineParts> {
  const { file } = stored
  const config = readConfig(file)
  throwIfAborted(hooks.signal, 'loading')
  report('tokenizer', 0, 0)
  const tokenizer = await openTokenizer(file, config)
  const chat = openChat(tokenizer, options.chatTemplate)
  throwIfAborted(hooks.signal, 'loading')

  if (draft) requireSameVocabulary(draft, tokenizer)
  const plan = planLoad(file, config, options, checked, draft?.bytes)
  const arranged = await arrange(factories, workOf(file, config, checked.head))
  throwIfAborted(hooks.signal, 'loading')

  // A GPU that fails then costs no second download.
  const compilesBeside = canPourAgain(stored, source)
  const request: NetworkRequest = {
    stored,
    config,
    options,
    checked,
    plan,
    guards,
    signal: hooks.signal,
    report,
    compile: { compiled: report.compiled(compilesBeside), compilesBeside },
  }
  const paths = able(arranged.factories, plan.needs)
  const { open: opened, choice } = await openContested(request, source, paths, arranged)
  const lost: Fallback[] = []
  const network = new RevivingNetwork(
    opened,
    (error, before) => reopen(request, source, paths, error, before),
    ({ message: reason }, from, to) => {
      lost.push({ from, to, reason })
      console.warn(`ryzanstein: ${reason}; it goes on with ${to}`)
    },
  )
  // What is only slow is no reason for another download.
  const contest = compilesBeside ? arranged.contest : undefined
  const watch = new GpuWatch(() => network.running, choice, contest)
  const { poured } = opened
  return {
    network,
    tokenizer,
    chat,
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
      ...(config.pooling && { pooling: config.pooling }),
      ...expertsOf(config),
      parameters: poured.parameters,
      ...(tokenizer.bos !== undefined && { bos: tokenizer.bos }),
      addsBos: tokenizer.addBos && tokenizer.bos !== undefined,
      endTokens: [...tokenizer.endTokens].sort((a, b) => a - b),
      layouts: poured.layouts,
      notes: [...config.notes, ...(tokenizer.notes ?? []), ...poured.notes, ...chat.notes],
    },
    get fallbacks() {
      return [
        ...stored.fallbacks,
        ...opened.fallbacks,
        ...lost,
        ...plan.shortened,
        ...opened.plan.lowered,
      ]
    },
    get memory() {
      const { kvBytes, scratchBytes } = network.running.plan
      return { weights: network.running.poured.bytes, kv: kvBytes, scratch: scratchBytes }
    },
    get path() {
      return network.running.path
    },
    get traits() {
      return network.running.traits
    },
    strict: checked.strict,
    head: checked.head,
    activations: checked.activations,
    kvType: opened.plan.kv,
    cache: stored.stats(),
    calibration: arranged.calibration,
    get choice() {
      return watch.choice
    },
    watch,
    gpu: () => network.running.gpu(),
    pool: () => network.running.pool(),
    hybrid: () => network.running.hybrid?.(),
    faults: opened.faults && (() => network.running.faults?.() ?? NO_FAULTS),
    ...(draft && { draft: { name: draft.name, bytes: draft.bytes, network: draft.network } }),
    close: closing(network, draft),
  }
}

function expertsOf({ experts }: ModelConfig): Pick<ModelInfo, 'experts'> {
  if (!experts) return {}
  const { count, used, shared } = experts
  return { experts: { count, used, ...(shared && { sharedFfn: shared.ffn }) } }
}

/** Not written where the file is open: it would hold all of the header, merges included. */
function closing(network: RevivingNetwork, draft: OpenDraft | undefined): () => void {
  return () => {
    network.close()
    draft?.close()
  }
}

/** Adds the rate, and the shaders of a GPU; at most 20 weight reports a second. */
function progressReporter(hooks: LoadHooks) {
  const start = performance.now()
  let last = Number.NEGATIVE_INFINITY
  let told: LoadProgress | undefined
  let shaders: LoadProgress['shaders']
  const tell = (progress: LoadProgress): void => {
    last = performance.now()
    told = progress
    hooks.progress(progress)
  }
  const report = (
    phase: LoadPhase,
    loadedBytes: number,
    totalBytes: number,
    fromCacheBytes = 0,
  ): void => {
    const now = performance.now()
    if (phase === told?.phase && now - last < 50 && loadedBytes < totalBytes) return
    const bytesPerSecond = now > start ? (loadedBytes / (now - start)) * 1000 : 0
    const etaSeconds = bytesPerSecond > 0 ? (totalBytes - loadedBytes) / bytesPerSecond : undefined
    const bytes = { loadedBytes, totalBytes, bytesPerSecond, etaSeconds, fromCacheBytes }
    tell({ phase, ...bytes, ...(shaders && { shaders }) })
  }
  const compiled = (isBeside: boolean) => (done: number, total: number) => {
    shaders = { done, total }
    if (told === undefined) return
    const phase = isBeside || told.phase !== 'tokenizer' ? told.phase : 'compile'
    if (phase !== told.phase || performance.now() - last >= 50 || done === total) {
      tell({ ...told, phase, shaders })
    }
  }
  return Object.assign(report, { compiled })
}
