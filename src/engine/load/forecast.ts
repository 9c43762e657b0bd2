// "Will it run?", from the header alone: what would be downloaded, how much memory it would take, on
// which path and how fast. The same checks and the same plan as a load, without one weight. Called by
// worker/engine-api.ts.
import { able, type BackendFactory, pathFields, pathName } from '../../backend/factory.ts'
import { type Remembered, rememberedInIndexedDb } from '../../cache/remembered.ts'
import { REFUSALS } from '../../cache/session.ts'
import { type StoredFile, type StoredFileOptions, storedFile } from '../../cache/stored-file.ts'
import { asRyzError, type ErrorCode, RyzError } from '../../errors.ts'
import type { ByteSource, ModelFile } from '../../format/model-file.ts'
import { openModel } from '../../format/open.ts'
import { readConfig } from '../../model/config.ts'
import { type MemoryPlan, PAGE_BYTES } from '../../model/memory-plan.ts'
import type { ModelConfig } from '../../model/model-config.ts'
import type { NetworkOptions } from '../../net/retry.ts'
import { openChat } from '../../tokenizer/chat/open-chat.ts'
import type {
  BackendChoice,
  Fallback,
  LoadOptions,
  ModelSource,
  RunForecast,
} from '../../types/index.ts'
import { SELF_TEST_BYTES } from '../faults/self-test.ts'
import type { Arrange, Arranged } from './arrange.ts'
import { hubSource } from './hub-source.ts'
import { type DraftNeeds, draftNeeds, requireSameVocabulary } from './open-draft.ts'
import { hybridBytes } from './open-hybrid.ts'
import { openTokenizer } from './open-tokenizer.ts'
import { checkLoadOptions } from './options.ts'
import { type LoadPlan, planLoad, workOf } from './plan.ts'
import { networkOf } from './stored-model.ts'

/** These say that the question was wrong or could not be put, not that the model will not run. */
const NO_ANSWER: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['ABORTED', 'BAD_OPTION', 'NETWORK'])
/** Far above any plan: what it would take if memory were no object. */
const NO_BUDGET = 2 ** 50

export interface ForecastExtras {
  /** Replaces the global fetch and the clock between tries, for tests. */
  readonly network?: NetworkOptions
  /** Replaces what is remembered in IndexedDB. */
  readonly remembered?: Remembered
  readonly selfTested?: boolean
  /** Replaces the look into IndexedDB, for tests. */
  readonly stored?: (url: string, options: StoredFileOptions) => Promise<StoredFile | undefined>
}

/**
 * Reads the header and plans, with the self-test of the kernels where load() has one; a model that load() would refuse is told with the reason.
 * @throws RyzError ABORTED | BAD_OPTION | NETWORK
 */
export async function forecast(
  source: ModelSource,
  options: LoadOptions,
  signal: AbortSignal,
  factories: readonly BackendFactory[],
  arrange: Arrange,
  extras: ForecastExtras = {},
): Promise<RunForecast> {
  const { network, remembered = rememberedInIndexedDb() } = extras
  let from: ModelSource
  try {
    from = await hubSource(source, options, signal, remembered, network)
  } catch (caught) {
    if (!(caught instanceof RyzError) || NO_ANSWER.has(caught.code)) throw caught
    return { ...nothingKnown(), refusal: { code: caught.code, message: caught.message } }
  }
  const store = lookUp(options, signal, extras)
  const told = await foretell(from, options, signal, factories, arrange, extras, store)
  // Stored bytes that are refused say nothing of what the server has by now: load() would fetch it anew.
  if (!told.refusal || !store.used() || !REFUSALS.has(told.refusal.code)) return told
  if (options.cache === 'only') return told
  try {
    const past = lookUp({ ...options, cache: 'off' }, signal, extras)
    return await foretell(from, options, signal, factories, arrange, extras, past)
  } catch (caught) {
    if (caught instanceof RyzError && caught.code === 'NETWORK') return told
    throw caught
  }
}

async function foretell(
  source: ModelSource,
  options: LoadOptions,
  signal: AbortSignal,
  factories: readonly BackendFactory[],
  arrange: Arrange,
  extras: ForecastExtras,
  store: ReturnType<typeof lookUp>,
): Promise<RunForecast> {
  const checked = checkLoadOptions(options)
  const told = nothingKnown()
  try {
    const http = { ...extras.network, ...networkOf(options), bounded: true }
    const file = await openModel(source, { signal, http, openUrl: store.open })
    told.fileBytes = sumOf(file, part => part.size ?? 0)
    if (typeof source === 'string' || source instanceof URL) {
      told.downloadBytes = sumOf(file, part => (part.size ?? 0) - store.bytesOf(part.name))
    }
    const config = readConfig(file)
    name(told, config)
    const draft = await draftOf(told, options, signal, extras, http, store)
    const arranged = await arrange(factories, workOf(file, config, checked.head))
    if (arranged.calibration) told.calibration = arranged.calibration
    const plan = planLoad(file, config, options, checked, draft?.bytes)
    const rung = choosePath(told, await asked(able(raced(arranged, told), plan.needs)))
    if (told.choice) tellSpeeds(told, told.choice)
    const testBytes = extras.selfTested && rung.path.backend !== 'reference' ? SELF_TEST_BYTES : 0
    const scratch = (rows: number) => rung.scratchBytes(plan.limits, rows) + testBytes
    try {
      const memory = plan.memory(scratch)
      tell(told, withGpu(memory, arranged, told, plan) ?? memory, plan.shortened, draft)
    } catch (caught) {
      tell(told, plan.memory(scratch, NO_BUDGET), plan.shortened, draft)
      throw caught
    }
    const tokenizer = await openTokenizer(file, config)
    if (draft) requireSameVocabulary(draft, tokenizer)
    openChat(tokenizer, options.chatTemplate)
    told.fits = true
  } catch (caught) {
    const error = asRyzError(caught, 'CORRUPT_HEADER', 'the header could not be read')
    if (NO_ANSWER.has(error.code)) throw error
    told.fits = false
    told.refusal = { code: error.code, message: error.message }
  }
  return told
}

/** What the draft model would take and fetch. */
async function draftOf(
  told: RunForecast,
  options: LoadOptions,
  signal: AbortSignal,
  extras: ForecastExtras,
  http: NetworkOptions & { bounded: boolean },
  store: ReturnType<typeof lookUp>,
): Promise<DraftNeeds | undefined> {
  if (options.draft === undefined) return undefined
  const { network, remembered = rememberedInIndexedDb() } = extras
  const source = await hubSource(options.draft, options, signal, remembered, network)
  const file = await openModel(source, { signal, http, openUrl: store.open })
  told.fileBytes += sumOf(file, part => part.size ?? 0)
  if (typeof source === 'string' || source instanceof URL) {
    told.downloadBytes += sumOf(file, part => (part.size ?? 0) - store.bytesOf(part.name))
  }
  return draftNeeds(file, options)
}

/** Paths of which one must ask whether they are here, asked: the first that is decides. */
async function asked(factories: readonly BackendFactory[]): Promise<BackendFactory[]> {
  const known: BackendFactory[] = []
  for (const factory of factories) {
    const open = known.some(f => f.unavailable === undefined)
    const unavailable = factory.unavailable ?? (open ? undefined : await factory.whyNot?.())
    known.push(unavailable === undefined ? factory : { ...factory, unavailable })
  }
  return known
}

function nothingKnown(): RunForecast {
  return {
    fits: false,
    downloadBytes: 0,
    fileBytes: 0,
    peakBytes: { weights: 0, kv: 0, scratch: 0, page: PAGE_BYTES, total: PAGE_BYTES },
    path: { backend: 'reference', variant: 'typescript', threads: 1, fallbacks: [] },
    expectedDecodeTokensPerSecond: 0,
    expectedPrefillTokensPerSecond: 0,
    contextLength: 0,
    kv: 'f16',
    lowered: [],
    name: '',
    architecture: '',
    calibration: { source: 'skipped', reason: 'the header was refused', ms: 0, rates: [] },
  }
}

function name(told: RunForecast, config: ModelConfig): void {
  told.name = config.name
  told.architecture = config.architecture
}

/** What a load found last time, where a GPU is in the race; without that, what the CPU would do is told. */
function raced(
  { factories, contest, choice }: Arranged,
  told: RunForecast,
): readonly BackendFactory[] {
  if (choice) told.choice = choice
  if (contest === undefined) return factories
  const { before } = contest
  told.choice = before ? { ...before, source: 'remembered' } : UNDECIDED
  return before?.backend === 'webgpu' ? factories : factories.slice(1)
}

const UNDECIDED: BackendChoice = {
  backend: 'wasm',
  source: 'skipped',
  reason: 'whether the GPU is faster is measured when the model is loaded',
}

/** With a GPU; the CPU's are those of calibration. */
function tellSpeeds(told: RunForecast, { backend, gpu, cpu }: BackendChoice): void {
  if (gpu === undefined || backend === 'wasm') return
  const writes = backend === 'hybrid' ? cpu : gpu
  if (writes) told.expectedDecodeTokensPerSecond = writes.decodeTokensPerSecond
  told.expectedPrefillTokensPerSecond = gpu.prefillTokensPerSecond
}

/** Weights and KV of both, where both compute and there is still room; undefined else. */
function withGpu(
  cpu: MemoryPlan,
  { factories: [gpu] }: Arranged,
  { choice, path }: RunForecast,
  { limits, budget }: LoadPlan,
): MemoryPlan | undefined {
  if (choice?.backend !== 'hybrid' || path.backend !== 'wasm' || !gpu) return undefined
  const gpuScratch = gpu.scratchBytes(limits, cpu.wantedRows)
  const totalBytes = hybridBytes(cpu, gpuScratch)
  if (totalBytes + PAGE_BYTES > budget) return undefined
  const [weightBytes, kvBytes] = [2 * cpu.weightBytes, 2 * cpu.kvBytes]
  return {
    ...cpu,
    weightBytes,
    kvBytes,
    scratchBytes: totalBytes - weightBytes - kvBytes,
    totalBytes,
  }
}

/** The first rung that is available; creating it may still fail, then load() goes on to the next. */
function choosePath(told: RunForecast, factories: readonly BackendFactory[]): BackendFactory {
  const first = factories.findIndex(f => f.unavailable === undefined)
  const rung = factories[first]
  if (rung === undefined) {
    const reasons = factories.map(f => `${pathName(f.path)}: ${f.unavailable}`).join('; ')
    throw new RyzError('BAD_OPTION', `no backend can run here (${reasons})`)
  }
  told.path = {
    ...pathFields(rung.path),
    fallbacks: factories
      .slice(0, first)
      .map(f => ({ from: pathName(f.path), to: pathName(rung.path), reason: f.unavailable! })),
  }
  const speed = told.calibration.expected
  if (rung.path.backend === 'wasm' && speed) {
    told.expectedDecodeTokensPerSecond = speed.decodeTokensPerSecond
    told.expectedPrefillTokensPerSecond = speed.prefillTokensPerSecond
  }
  return rung
}

function tell(
  told: RunForecast,
  plan: MemoryPlan,
  shortened: readonly Fallback[],
  draft: DraftNeeds | undefined,
): void {
  const { weightBytes, kvBytes, scratchBytes } = plan
  told.peakBytes = {
    weights: weightBytes,
    kv: kvBytes,
    scratch: scratchBytes,
    ...(draft && { draft: draft.bytes }),
    page: PAGE_BYTES,
    total: plan.totalBytes + (draft?.bytes ?? 0) + PAGE_BYTES,
  }
  told.contextLength = plan.contextLength
  told.kv = plan.kv
  told.lowered = [...shortened, ...plan.lowered]
}

/** What the store has of the files as they are opened: a whole one is read from there, offline too. */
function lookUp(options: LoadOptions, signal: AbortSignal, extras: ForecastExtras) {
  const bytes = new Map<string, number>()
  const mode = options.cache ?? 'auto'
  const network = mode === 'only' ? undefined : { ...extras.network, ...networkOf(options) }
  let used = false
  return {
    /** Whether a file was read from the store. */
    used: () => used,
    bytesOf: (name: string) => bytes.get(name) ?? 0,
    async open(url: string) {
      if (mode === 'off') return undefined
      const stored = await (extras.stored ?? storedFile)(url, { signal, network })
      if (stored) bytes.set(url, stored.bytes)
      used ||= stored?.whole !== undefined
      if (mode !== 'only' || stored?.whole) return stored?.whole
      if (stored?.absent) return 'absent' as const
      throw new RyzError('NETWORK', `${url} is not stored whole and cache is 'only'`, {
        offline: true,
      })
    },
  }
}

function sumOf(file: ModelFile, bytes: (part: ByteSource) => number): number {
  return file.files.reduce((sum, part) => sum + bytes(part), 0)
}
