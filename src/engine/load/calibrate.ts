// Chooses kernel build and thread count for a model: measures what is available on random weights of
// its shape (backend/wasm/calibrate.ts does the timing), remembers the figures, and puts the ladder in
// order. Also says how fast the whole model will be. Called by open-parts.ts and forecast.ts.

import {
  type BackendFactory,
  isKernel,
  type KernelFactory,
  kernelPath,
  pathId,
} from '../../backend/factory.ts'
import type { Remembered } from '../../cache/remembered.ts'
import { asRyzError } from '../../errors.ts'
import { PACKAGE_VERSION } from '../../features.ts'
import type { Calibration, ExpectedSpeed, KernelRates, KernelVariant } from '../../types/index.ts'
import type { Arrange } from './open-parts.ts'
import type { ModelWork } from './plan.ts'

export interface CalibratorParts {
  /**
   * Times one build; throws what keeps it from starting.
   * @returns the variant asked for first, then others that the same build has
   */
  measure(variant: KernelVariant, threads: number, work: ModelWork): Promise<readonly KernelRates[]>
  /** A rung with a thread count that the ladder does not have. */
  factory(variant: KernelVariant, threads: number): BackendFactory
  readonly remembered: Remembered
  /** What the figures depend on besides the model: the browser and its cores. */
  readonly machine: string
  readonly now?: () => number
}

/** No further build is begun after this; with the last one it stays within half a second. */
const BUDGET_MS = 350
/** Below this, all kernels of a token take a few milliseconds: whatever is chosen is fast. */
const WORTH_BYTES = 16e6
/** Another choice than the ladder's own must be this much cheaper, or noise would choose. */
const MUST_WIN = 0.9
/** Context at which speeds are told, in tokens. */
const CONTEXT = 128
/** Attention, multiply-adds a second and thread: from decoding the 0.7B shape at 128 tokens. */
const ATTEND_MACS = 4e9
/** One op of the graph besides its bytes: hand-over, join and the norms between, in milliseconds. */
const OP_MS = 0.006
const OPS_A_LAYER = 10

/**
 * LoadOptions.calibrate, or 'speed' for a forecast: measures whatever the size, to tell a speed, but chooses as a
 * load without the option does.
 */
export type Wanted = boolean | 'speed' | undefined

export function calibrator(parts: CalibratorParts, wanted: Wanted): Arrange {
  return async (factories, work) => {
    const calibration = await calibrate(parts, factories, work, wanted)
    return { factories: reorder(parts, factories, calibration), calibration }
  }
}

async function calibrate(
  parts: CalibratorParts,
  factories: readonly BackendFactory[],
  work: ModelWork,
  wanted: Wanted,
): Promise<Calibration> {
  const skipped = (reason: string): Calibration => ({ source: 'skipped', reason, ms: 0, rates: [] })
  const rungs = factories.filter(isKernel).filter(f => f.unavailable === undefined)
  if (rungs.length === 0) return skipped('no WebAssembly kernels can run here')
  if (wanted === false) return skipped('the option calibrate is false')
  const settled = wanted === true ? undefined : whySettled(rungs, work)
  if (settled !== undefined && wanted !== 'speed') return skipped(settled)
  const pick = (rates: KernelRates[]) =>
    settled === undefined ? choose(rates, work, own) : asItStands(rates, work, own)
  const own = rungs[0]!.path
  const asked = rungs.map(f => `${f.path.variant}*${f.path.threads}`).join(' ')
  const key = ['calibration', PACKAGE_VERSION, parts.machine, work.key, asked].join('|')
  const known = await parts.remembered.get(key)
  const before = isNote(known) ? known : undefined
  if (before?.certain) {
    return { source: 'remembered', ms: 0, ...pick(before.rates) }
  }

  const now = parts.now ?? (() => performance.now())
  const began = now()
  const failures: string[] = []
  const rates = await measureAll(parts, rungs, work, () => now() - began, failures)
  if (rates.length === 0) return skipped(`no kernel could be measured: ${failures.join('; ')}`)
  const found = choose(rates, work, own)
  // A page that starts while the machine is busy sees threads at their worst for a second or two. So
  // what differs from the ladder is used now, but measured again in the next load before it is kept.
  const certain = isOwn(found.chosen, own) || isOwn(found.chosen, before?.chosen)
  await parts.remembered.set(key, { rates, chosen: found.chosen, certain } satisfies Note)
  return { source: 'measured', ms: now() - began, ...pick(rates) }
}

/** Why a load does not measure; undefined when it does. */
function whySettled(rungs: readonly KernelFactory[], work: ModelWork): string | undefined {
  const bytes = work.ternaryBytes + work.headBytes
  if (bytes < WORTH_BYTES) {
    return `a token reads ${(bytes / 1e6).toFixed(1)} MB, too little to matter`
  }
  return hasChoice(rungs) ? undefined : 'the options leave one choice'
}

/** What is kept of a calibration. */
interface Note {
  rates: KernelRates[]
  chosen: Choice
  /** Nothing needs to be measured again. */
  certain: boolean
}

type Choice = NonNullable<Calibration['chosen']>

/** One rung, or one variant whose only other rung is the fallback to one thread. */
function hasChoice(rungs: readonly KernelFactory[]): boolean {
  return rungs.length > 1
}

/**
 * The ladder's variants on all threads, then the better one on half as many, down to one, until time
 * is up or fewer threads have become clearly worse.
 */
async function measureAll(
  parts: CalibratorParts,
  rungs: readonly KernelFactory[],
  work: ModelWork,
  elapsed: () => number,
  failures: string[],
): Promise<KernelRates[]> {
  const rates: KernelRates[] = []
  const attempt = async (variant: KernelVariant, threads: number): Promise<KernelRates | null> => {
    try {
      const measured = await parts.measure(variant, threads, work)
      rates.push(...measured)
      return measured[0]!
    } catch (caught) {
      // The ladder meets the same, should it come to this rung.
      const { message } = asRyzError(caught, 'KERNEL_TRAP', 'it did not start')
      failures.push(`${variant} with ${threads}: ${message}`)
      return null
    }
  }
  const most = rungs[0]!.path.threads
  for (const { variant, threads } of rungs.map(f => f.path)) {
    if (threads === most && (rates.length === 0 || elapsed() < BUDGET_MS)) {
      await attempt(variant, threads)
    }
  }
  const best = fastest(rates, work)
  if (best === undefined) return rates
  for (let threads = most >> 1; threads >= 1 && elapsed() < BUDGET_MS; threads >>= 1) {
    const measured = await attempt(best.variant, threads)
    if (measured && costMs(measured, work) > 1.5 * costMs(best, work)) break
  }
  // What others do on the machine only ever slows: the better of two looks is the truer one.
  const own = rungs[0]!.path
  if (isOwn(choose(rates, work, own).chosen, own)) return rates
  if (rates.some(r => isOwn(r, own))) await attempt(own.variant, own.threads)
  return betterOfEach(rates, work)
}

/** One entry a variant and thread count, in the order they came first. */
function betterOfEach(rates: readonly KernelRates[], work: ModelWork): KernelRates[] {
  const better = new Map<string, KernelRates>()
  for (const r of rates) {
    const key = `${r.variant} ${r.threads}`
    const known = better.get(key)
    if (known === undefined || costMs(r, work) < costMs(known, work)) better.set(key, r)
  }
  return [...better.values()]
}

type Found = Required<Pick<Calibration, 'rates' | 'chosen' | 'expected'>>

/** @param own  the ladder's first rung */
function choose(rates: KernelRates[], work: ModelWork, own: Choice): Found {
  const ladders = rates.find(r => isOwn(r, own))
  const best = fastest(rates, work)!
  const wins = ladders === undefined || costMs(best, work) < MUST_WIN * costMs(ladders, work)
  const taken = wins ? best : ladders
  const { variant, threads } = taken
  return { rates, chosen: { variant, threads }, expected: expectedSpeed(taken, work) }
}

/** The ladder's first rung with its speed; the best of the others where that one could not be measured. */
function asItStands(rates: KernelRates[], work: ModelWork, own: Choice): Found {
  const ladders = rates.find(r => isOwn(r, own))
  if (ladders === undefined) return choose(rates, work, own)
  const { variant, threads } = own
  return { rates, chosen: { variant, threads }, expected: expectedSpeed(ladders, work) }
}

function isOwn(choice: Choice, own: Choice | undefined): boolean {
  return choice.variant === own?.variant && choice.threads === own.threads
}

function fastest(rates: readonly KernelRates[], work: ModelWork): KernelRates | undefined {
  let best: KernelRates | undefined
  for (const r of rates) if (!best || costMs(r, work) < costMs(best, work)) best = r
  return best
}

/** One token read and one written: prompts and answers are about as long. */
function costMs(rates: KernelRates, work: ModelWork): number {
  return decodeMs(rates, work) + prefillMs(rates, work)
}

function decodeMs(rates: KernelRates, work: ModelWork): number {
  const weights = (work.ternaryBytes + work.floatBytes) / rates.gemvBytesPerSecond
  const head = work.headBytes / rates.headBytesPerSecond
  const ops = work.layers * OPS_A_LAYER * OP_MS
  return 1000 * (weights + head) + attendMs(rates, work) + ops
}

function prefillMs(rates: KernelRates, work: ModelWork): number {
  // Float matrices count a multiply-add per 4 bytes, at the speed of the ternary ones divided by 8.
  const macs = work.ternaryWeights + 2 * work.floatBytes
  return (1000 * macs) / rates.gemmMacsPerSecond + attendMs(rates, work)
}

function attendMs(rates: KernelRates, work: ModelWork): number {
  return (1000 * work.attendMacs * CONTEXT) / (ATTEND_MACS * rates.threads)
}

/** Tokens a second of the whole model from the rates of its kernels. */
export function expectedSpeed(rates: KernelRates, work: ModelWork): ExpectedSpeed {
  return {
    decodeTokensPerSecond: 1000 / decodeMs(rates, work),
    prefillTokensPerSecond: 1000 / prefillMs(rates, work),
  }
}

/** The choice before everything that can run; what cannot keeps its place, so that it is still named. */
function reorder(
  parts: CalibratorParts,
  factories: readonly BackendFactory[],
  { chosen }: Calibration,
): readonly BackendFactory[] {
  if (chosen === undefined) return factories
  const { variant, threads } = chosen
  const isChosen = (f: BackendFactory) => pathId(f.path) === pathId(kernelPath(variant, threads))
  const rest = factories.filter(f => !isChosen(f))
  // A GPU stands in front because it was asked for.
  const first = rest.findIndex(f => f.unavailable === undefined && f.path.backend !== 'webgpu')
  const factory = factories.find(isChosen) ?? parts.factory(variant, threads)
  const at = first < 0 ? rest.length : first
  return [...rest.slice(0, at), factory, ...rest.slice(at)]
}

function isNote(value: unknown): value is Note {
  const note = value as Partial<Note> | null | undefined
  return (
    Array.isArray(note?.rates) &&
    note.rates.length > 0 &&
    note.rates.every(
      r =>
        ['relaxed', 'relaxed-i32', 'simd128', 'scalar'].includes(r?.variant) &&
        Number.isInteger(r.threads) &&
        r.gemvBytesPerSecond > 0 &&
        r.gemmMacsPerSecond > 0 &&
        r.headBytesPerSecond > 0,
    )
  )
}
