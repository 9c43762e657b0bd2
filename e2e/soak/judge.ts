// What a soak found, and whether that is enough: drift, memory, books, faults. Pure.
import { median } from '../../demo/bench/statistics.ts'
import { ALL_KINDS } from './requests.ts'
import type { Tally } from './traffic.ts'

/** When every request of a piece of traffic had ended. */
export interface SoakSample {
  tokens: number
  /** Of traffic. */
  seconds: number
  /** Since the sample before. */
  tokensPerSecond: number
  rssMb: number
  kvBlocksCached: number
  /** Bytes that the engine has reserved. */
  engineBytes: number
}

/** The soaked engine against one that rests in a browser of its own: speeds of the fixed request, taken in turns. */
export interface Pairs {
  soaked: number[]
  rested: number[]
}

export interface SoakFailure {
  tokens: number
  /** From the failure until another engine answered. */
  secondsDown: number
  message: string
}

export interface SoakRun {
  /** Of the report's file: embedded, 0.7b, embedded-webgpu. */
  name: string
  model: string
  backend: string
  variant: string
  threads: number
  adapter?: string
  date: string
  machine: string
  /** The command that repeats it. */
  command: string
  seed: number
  /** Tokens received, and seconds of traffic. */
  tokens: number
  seconds: number
  /** Browsers that took part one after the other; more than one where it was cut or failed. */
  parts: number
  failures: SoakFailure[]
  requests: Tally
  /** Answers, ends and books that were not what they must be. */
  wrong: string[]
  /** SHA-256 of the fixed prompt's logits each time they were looked at. */
  logits: string[]
  /** Of the longest part: how many tokens lay between both. */
  drift: { tokens: number; start: Pairs; end: Pairs } | null
  samples: SoakSample[]
}

/** |drift| and growth of memory that are allowed. */
export const MOST_DRIFT = 0.02
export const MOST_GROWTH = 0.05
/** Of the tokens of a run, its drift must lie over so many. */
const LEAST_SHARE = 0.5
/** -ln 0.05: with no failure in T, failures are rarer than one in T / 3 with 95 % confidence. */
export const RULE_OF_THREE = 2.996

export interface Drift {
  /** 0.01: the soaked engine became 1 % faster, beside the one that rested. */
  change: number
  /** 95 % of resamples lie within. */
  range: readonly [number, number]
  /** Medians of tokens a second at start and end. */
  soaked: readonly [number, number]
  pairs: readonly [number, number]
}

/**
 * How the speed of the soaked engine changed, beside one that rested meanwhile: whatever slows the machine, and
 * whatever makes two engines differ from the first, is in both.
 */
export function driftOf({ start, end }: { start: Pairs; end: Pairs }): Drift {
  const ratios = ({ soaked, rested }: Pairs) => soaked.map((speed, i) => speed / rested[i]!)
  const [before, after] = [ratios(start), ratios(end)]
  const change = median(after) / median(before) - 1
  let state = 1
  const upTo = (n: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * n)
  }
  const again = (values: readonly number[]) =>
    median(Array.from(values, () => values[upTo(values.length)]!))
  const resampled = Array.from({ length: 2000 }, () => again(after) / again(before) - 1)
  resampled.sort((a, b) => a - b)
  return {
    change,
    range: [resampled[50]!, resampled[1949]!],
    soaked: [median(start.soaked), median(end.soaked)],
    pairs: [before.length, after.length],
  }
}

/** Memory in the last quarter of the tokens against the second: the first warms up. */
export function memoryOf({ samples, tokens }: SoakRun): { mb: [number, number]; growth: number } {
  const quarter = (i: number) =>
    median(
      samples
        .filter(s => s.tokens > (tokens * i) / 4 && s.tokens <= (tokens * (i + 1)) / 4)
        .map(s => s.rssMb),
    )
  const mb: [number, number] = [quarter(1), quarter(3)]
  return { mb, growth: mb[1] / mb[0] - 1 }
}

/** Requests that ended as they must, of all; time in which an engine answered; hours to a failure at least. */
export function availabilityOf(run: SoakRun) {
  const down = run.failures.reduce((sum, failure) => sum + failure.secondsDown, 0)
  const lost = run.wrong.length
  return {
    requests: 1 - lost / Math.max(1, run.requests.asked),
    time: run.seconds / Math.max(run.seconds + down, 1e-9),
    /** With no failure the bound of 95 % confidence, else the mean. */
    hoursBetweenFailures: run.seconds / 3600 / (run.failures.length || RULE_OF_THREE),
  }
}

/** What was not met, in words; empty where all was. */
export function notMet(run: SoakRun): string[] {
  const found = run.wrong.map(what => `wrong: ${what}`)
  for (const { tokens, message } of run.failures) found.push(`failed at ${tokens}: ${message}`)
  if (new Set(run.logits).size !== 1) found.push('the logits of the fixed prompt changed')
  if (run.drift) {
    const { change } = driftOf(run.drift)
    if (!(Math.abs(change) < MOST_DRIFT)) found.push(`drift ${percent(change)}`)
    const { tokens } = run.drift
    if (tokens < LEAST_SHARE * run.tokens) found.push(`a drift over ${tokens} tokens alone`)
  } else found.push('no drift was measured')
  const { mb, growth } = memoryOf(run)
  if (mb[0] > 0 && !(growth < MOST_GROWTH)) found.push(`memory grew by ${percent(growth)}`)
  if (new Set(run.samples.map(s => s.engineBytes)).size !== 1) found.push('the engine grew')
  const asked = Object.keys(run.requests.kinds)
  const missing = ALL_KINDS.filter(({ name }) => !asked.some(key => key.startsWith(`${name} `)))
  if (missing.length > 0) found.push(`never asked: ${missing.map(kind => kind.name).join(', ')}`)
  return found
}

export function percent(share: number): string {
  return `${share >= 0 ? '+' : ''}${(100 * share).toFixed(2)} %`
}
