// Chooses the kernel build for a model: measures what is available on random weights of its shape
// (backend/wasm/calibrate.ts does the timing), remembers the figures, and puts the ladder in order. On one thread: how
// many threads help is found by the pool while it works. Also says how fast the whole model will be. Called by
// open-parts.ts and forecast.ts.

import {
  type BackendFactory,
  isKernel,
  type KernelFactory,
  type KernelPath,
  kernelPath,
  pathId,
} from '../../backend/factory.ts'
import type { Remembered } from '../../cache/remembered.ts'
import { asRyzError } from '../../errors.ts'
import { PACKAGE_VERSION } from '../../features.ts'
import type { Calibration, ExpectedSpeed, KernelRates, KernelVariant } from '../../types/index.ts'
import type { Arrange } from './arrange.ts'
import type { ModelWork } from './plan.ts'

export interface CalibratorParts {
  /**
   * Times the build of a path on some of its threads; throws what keeps it from starting.
   * @param all  the other variants that the same build has too
   * @returns the variant of the path first
   */
  measure(
    path: KernelPath,
    threads: number,
    work: ModelWork,
    all: boolean,
  ): Promise<readonly KernelRates[]>
  /** A rung that the ladder does not have. */
  factory(variant: KernelVariant, threads: number): BackendFactory
  readonly remembered: Remembered
  /** What the figures depend on besides the model: the browser and its cores. */
  readonly machine: string
  readonly now?: () => number
}

/** No further build is begun after this; with the last one it stays within half a second. */
const BUDGET_MS = 350
/** A second look at all threads is not begun after this. */
const WHOLE_BUDGET_MS = 450
/** Below this, all kernels of a token take a few milliseconds: whatever is chosen is fast. */
export const WORTH_BYTES = 16e6
/** Another choice than the ladder's own must be this much cheaper, or noise would choose. */
const MUST_WIN = 0.9
/** Two looks at one build that differ by more were taken while others used the processor. */
const STEADY = 1.15
/** Context at which speeds are told, in tokens. */
const CONTEXT = 128
/** Attention, multiply-adds a second and thread: from decoding the 0.7B shape at 128 tokens. */
const ATTEND_MACS = 4e9
/** One op of the graph besides its bytes: hand-over, join and the norms between, in milliseconds. */
const OP_MS = 0.006
const OPS_A_LAYER = 10

/**
 * LoadOptions.calibrate, or 'speed' for a forecast: measures whatever the size, to tell a speed, but chooses as a
 * load without the option does. 'contest': the same for a load whose GPU has to be compared with something, where the
 * model is large enough to matter.
 */
export type Wanted = boolean | 'speed' | 'contest' | undefined

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
  const forSpeed = wanted === 'speed' || (wanted === 'contest' && whyTooSmall(work) === undefined)
  if (settled !== undefined && !forSpeed) return skipped(settled)
  const pick = (rates: KernelRates[]) =>
    settled === undefined ? choose(rates, work, own) : asItStands(rates, work, own)
  const own = rungs[0]!.path
  const asked = rungs.map(f => `${f.path.variant}*${f.path.threads}`).join(' ')
  const key = ['calibration', PACKAGE_VERSION, parts.machine, work.key, asked].join('|')
  const known = await parts.remembered.get(key)
  const before = isNote(known) ? known : undefined
  const speedToo = forSpeed && own.threads > 1
  if (before?.certain && !(speedToo && !hasSpeed(before, own))) {
    return { source: 'remembered', ms: 0, ...pick(before.rates) }
  }

  const now = parts.now ?? (() => performance.now())
  const began = now()
  const failures: string[] = []
  const { rates, steady } = before?.certain
    ? { rates: [...before.rates], steady: true }
    : await measureAll(parts, rungs, work, () => now() - began, failures, before)
  if (rates.length === 0) return skipped(`no kernel could be measured: ${failures.join('; ')}`)
  const { chosen } = pick(rates)
  // What a build reaches with all threads is asked for by nobody but a forecast.
  const path = { ...own, ...chosen }
  const elapsed = () => now() - began
  const whole = speedToo ? await twoLooks(parts, path, work, elapsed, failures) : undefined
  const told = betterOfEach([...rates, ...(whole?.rates ?? [])], work)
  // A page that starts while the machine is busy sees builds at their worst for a second or two. So what differs
  // from the ladder is used now, but measured again in the next load before it is kept, and a measurement whose two
  // looks differ is not kept at all.
  const certain = steady && (isOwn(chosen, own) || isOwn(chosen, before?.chosen))
  const kept = whole?.steady ? told : rates
  const note = { rates: kept, chosen: steady ? chosen : undefined, certain }
  await parts.remembered.set(key, note satisfies Note)
  return { source: 'measured', ms: now() - began, ...pick(told) }
}

/** Why a load does not measure; undefined when it does. */
function whySettled(rungs: readonly KernelFactory[], work: ModelWork): string | undefined {
  return whyTooSmall(work) ?? (hasChoice(rungs) ? undefined : 'the options leave one choice')
}

function whyTooSmall({ ternaryBytes, headBytes }: ModelWork): string | undefined {
  const bytes = ternaryBytes + headBytes
  if (bytes >= WORTH_BYTES) return undefined
  return `a token reads ${(bytes / 1e6).toFixed(1)} MB, too little to matter`
}

/** What is kept of a calibration. */
interface Note {
  rates: KernelRates[]
  /** Absent where others used the processor. */
  chosen: Choice | undefined
  /** Nothing needs to be measured again. */
  certain: boolean
}

/** Whether the speed of the whole model is known. */
function hasSpeed({ rates, chosen }: Note, own: KernelPath): boolean {
  return rates.some(r => r.threads === own.threads && r.variant === chosen?.variant)
}

type Choice = NonNullable<Calibration['chosen']>

/** Several variants; their numbers of threads are the pool's affair. `relaxed` on its own may be two, see main.ts. */
function hasChoice(rungs: readonly KernelFactory[]): boolean {
  return new Set(rungs.map(f => f.path.variant)).size > 1
}

/** The ladder's variants on one thread, as far as time allows, and the first of them again at the end. */
async function measureAll(
  parts: CalibratorParts,
  rungs: readonly KernelFactory[],
  work: ModelWork,
  elapsed: () => number,
  failures: string[],
  known: Note | undefined,
): Promise<{ rates: KernelRates[]; steady: boolean }> {
  const rates: KernelRates[] = []
  const most = rungs[0]!.path.threads
  const tried = rungs.map(f => f.path).filter(path => path.threads === most)
  const measured: KernelPath[] = []
  for (const path of tried) {
    if (rates.length > 0 && elapsed() >= BUDGET_MS) break
    if (await attempt(parts, path, 1, work, rates, failures, true)) measured.push(path)
  }
  const [first] = measured
  if (first === undefined) return { rates, steady: false }
  const again: KernelRates[] = []
  if (elapsed() < BUDGET_MS) await attempt(parts, first, 1, work, again, failures)
  // Where time did not allow a second look, the last load's is one.
  const isFirst = (r: KernelRates) => r.variant === first.variant && r.threads === 1
  const second = again.find(isFirst) ?? known?.rates.find(isFirst)
  // What others do on the machine only ever slows: the better of two looks is the truer one.
  const better = betterOfEach([...rates, ...again], work)
  return { rates: better, steady: agree(rates.find(isFirst), second, work) }
}

/** One path with all its threads. */
async function twoLooks(
  parts: CalibratorParts,
  path: KernelPath,
  work: ModelWork,
  elapsed: () => number,
  failures: string[],
): Promise<{ rates: KernelRates[]; steady: boolean }> {
  const rates: KernelRates[] = []
  await attempt(parts, path, path.threads, work, rates, failures)
  if (elapsed() < WHOLE_BUDGET_MS) await attempt(parts, path, path.threads, work, rates, failures)
  const [first, second] = rates.filter(r => r.variant === path.variant)
  return { rates, steady: agree(first, second, work) }
}

/** Whether two looks at one build say the same. */
function agree(a: KernelRates | undefined, b: KernelRates | undefined, work: ModelWork): boolean {
  if (a === undefined || b === undefined) return false
  const [first, second] = [costMs(a, work), costMs(b, work)]
  return Math.max(first, second) < STEADY * Math.min(first, second)
}

/** @returns whether the build could be measured */
async function attempt(
  parts: CalibratorParts,
  path: KernelPath,
  threads: number,
  work: ModelWork,
  rates: KernelRates[],
  failures: string[],
  all = false,
): Promise<boolean> {
  try {
    rates.push(...(await parts.measure(path, threads, work, all)))
    return true
  } catch (caught) {
    // The ladder meets the same, should it come to this rung.
    const { message } = asRyzError(caught, 'KERNEL_TRAP', 'it did not start')
    failures.push(`${path.variant} with ${threads}: ${message}`)
    return false
  }
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

type Found = Required<Pick<Calibration, 'rates' | 'chosen'>> & Pick<Calibration, 'expected'>

/** @param own  the ladder's first rung */
function choose(rates: KernelRates[], work: ModelWork, own: Choice): Found {
  const single = rates.filter(r => r.threads === 1)
  const ladders = single.find(r => r.variant === own.variant)
  const best = fastest(single, work)!
  const wins = ladders === undefined || costMs(best, work) < MUST_WIN * costMs(ladders, work)
  return outcome(rates, work, { variant: (wins ? best : ladders).variant, threads: own.threads })
}

/** The ladder's first rung with its speed; the best of the others where that one could not be measured. */
function asItStands(rates: KernelRates[], work: ModelWork, own: Choice): Found {
  if (!rates.some(r => r.variant === own.variant)) return choose(rates, work, own)
  return outcome(rates, work, { variant: own.variant, threads: own.threads })
}

function outcome(rates: KernelRates[], work: ModelWork, chosen: Choice): Found {
  const whole = rates.find(r => isOwn(r, chosen))
  return { rates, chosen, ...(whole && { expected: expectedSpeed(whole, work) }) }
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
    note.rates.some(r => r?.threads === 1) &&
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
