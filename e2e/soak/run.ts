// One soak, part by part: two browsers with the same engine, of which one answers the traffic and the other
// rests. What was found, drift included, is written down after every piece, so that a run that was cut goes on with the
// tokens that are missing. A page or engine that dies is a failure, and the next part goes on.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { LoadOptions } from '../../src/index.ts'
import { type Client, openClient } from './client.ts'
import type { Pairs, SoakRun } from './judge.ts'
import type { Loaded, Piece } from './page.ts'
import { noTally, sumOf } from './traffic.ts'

export interface SoakSetting {
  readonly name: string
  readonly model: string
  /** URL of the model on the page. */
  readonly path: string
  readonly options: LoadOptions
  readonly tokens: number
  readonly seed: number
  /** Callers at once. */
  readonly callers: number
  /** Of prompts and answers, beside a busy page's. */
  readonly length: number
  /** Pieces of traffic; after each all requests have ended, and the logits are looked at. */
  readonly pieces: number
  /** Of the fixed request. */
  readonly speedTokens: number
  /** Milliseconds of one measurement of its speed at least. */
  readonly speedMs: number
  /** Seconds of pairs at the start, and as many at the end. */
  readonly pairSeconds: number
  readonly mounts: Readonly<Record<string, string>>
  /** What the report says of where and how. */
  readonly head: Pick<SoakRun, 'date' | 'machine' | 'command'>
  /** File of what was found so far. */
  readonly state: string
}

const WARM_SHARE = 0.02
const FEWEST_PAIRS = 5
/** After a piece that is not the last. */
const PAIRS_BETWEEN = 3
const MOST_PAIRS = 1000
const MOST_FAILURES = 5

/** Runs to its end, or goes on from where an earlier run of the same setting was cut. */
export async function runSoak(setting: SoakSetting): Promise<SoakRun> {
  const run = begunBefore(setting) ?? begin(setting)
  let failedAt: number | undefined
  while (run.tokens < setting.tokens || run.drift === null) {
    const tokensBefore = run.tokens
    try {
      await part(setting, run, () => {
        if (failedAt === undefined) return
        run.failures.at(-1)!.secondsDown = (Date.now() - failedAt) / 1000
        failedAt = undefined
      })
    } catch (caught) {
      failedAt = Date.now()
      const message = caught instanceof Error ? caught.message : String(caught)
      console.error(`\n${setting.name}: failed at ${run.tokens} tokens: ${message}`)
      run.failures.push({ tokens: run.tokens, secondsDown: 0, message })
      if (run.failures.length > MOST_FAILURES || run.tokens === tokensBefore) break
    }
  }
  rmSync(setting.state, { force: true })
  return run
}

function begin(setting: SoakSetting): SoakRun {
  const { name, model, seed, head } = setting
  const books = { tokens: 0, seconds: 0, parts: 0, failures: [], requests: noTally() }
  const found = { wrong: [], logits: [], drift: null, samples: [] }
  const path = { backend: '', variant: '', threads: 0 }
  return { name, model, ...path, ...head, seed, ...books, ...found }
}

function begunBefore({ state, name, tokens }: SoakSetting): SoakRun | undefined {
  if (!existsSync(state)) return undefined
  const before = JSON.parse(readFileSync(state, 'utf8')) as { of: number; run: SoakRun }
  if (before.of !== tokens) return undefined
  console.log(`${name}: goes on at ${before.run.tokens} tokens`)
  return before.run
}

async function part(setting: SoakSetting, run: SoakRun, answers: () => void): Promise<void> {
  const { tokens, mounts, options, callers, length, pairSeconds } = setting
  const gpu = options.backend === 'webgpu'
  const soaked = await openClient(mounts, gpu)
  const rested = await openClient(mounts, gpu)
  try {
    for (const client of [soaked, rested]) {
      const load = { do: 'load', model: setting.path, options } as const
      console.log(`${setting.name}: loading`)
      Object.assign(run, await client.call<Loaded>(load))
    }
    answers()
    run.parts++
    const warm = {
      do: 'traffic',
      tokens: Math.ceil(WARM_SHARE * tokens),
      seed: setting.seed,
      callers,
      length,
    } as const
    console.log(`${setting.name}: ${run.backend} ${run.variant}, getting warm`)
    await rested.call<Piece>(warm)
    enter(setting, run, await soaked.call<Piece>(warm), soaked.rssMb())
    const from = run.tokens
    run.logits.push(await soaked.call<string>({ do: 'logits' }))
    const start = await pairs(setting, soaked, rested, pairSeconds)
    const size = Math.ceil(tokens / setting.pieces)
    do {
      const seed = setting.seed + run.samples.length
      const left = tokens - run.tokens
      const wanted = left > 0 ? Math.min(size, left) : size
      const what = { tokens: wanted, seed, callers, length } as const
      const piece = await soaked.call<Piece>({ do: 'traffic', ...what })
      enter(setting, run, piece, soaked.rssMb())
      run.logits.push(await soaked.call<string>({ do: 'logits' }))
      // Written down with every piece: whoever is cut later has a drift of the tokens so far.
      const isOver = run.tokens >= tokens
      const end = await pairs(setting, soaked, rested, isOver ? pairSeconds : undefined)
      drifted(setting, run, { tokens: run.tokens - from, start, end })
    } while (run.tokens < tokens)
  } finally {
    await Promise.all([soaked.close(), rested.close()])
  }
}

/** Enters a piece into the books, and writes them down. */
function enter(setting: SoakSetting, run: SoakRun, piece: Piece, rssMb: number): void {
  run.requests = { ...sumOf(run.requests, { ...piece.tally, wrong: [] }) }
  run.tokens = run.requests.tokens
  run.seconds = rounded(run.seconds + piece.seconds)
  run.wrong.push(...piece.wrong)
  const { kvBlocksCached, engineBytes } = piece
  run.samples.push({
    tokens: run.tokens,
    seconds: run.seconds,
    tokensPerSecond: rounded(piece.tally.tokens / piece.seconds),
    rssMb,
    kvBlocksCached,
    engineBytes,
  })
  save(setting, run)
  process.stdout.write(
    `\r${setting.name}: ${run.tokens} of ${setting.tokens} tokens, ${rssMb} MB  `,
  )
  const died = piece.wrong.find(what => /DIED|TRAP|LOST|OOM|CLOSED/.test(what))
  if (died !== undefined) throw new Error(died)
}

/** The drift over the most tokens that one engine has answered. */
export function longest(a: SoakRun['drift'], b: SoakRun['drift']): SoakRun['drift'] {
  return a === null || (b !== null && b.tokens >= a.tokens) ? b : a
}

function drifted(setting: SoakSetting, run: SoakRun, drift: NonNullable<SoakRun['drift']>): void {
  run.drift = longest(run.drift, drift)
  save(setting, run)
}

function save({ state, tokens }: SoakSetting, run: SoakRun): void {
  mkdirSync(dirname(state), { recursive: true })
  writeFileSync(state, JSON.stringify({ of: tokens, run }))
}

/** The fixed request on both engines in turns, who is first changing from pair to pair. */
async function pairs(
  { speedTokens, speedMs }: SoakSetting,
  soaked: Client,
  rested: Client,
  seconds?: number,
): Promise<Pairs> {
  const fewest = seconds === undefined ? PAIRS_BETWEEN : FEWEST_PAIRS
  const found: Pairs = { soaked: [], rested: [] }
  const speed = { do: 'speed', tokens: speedTokens, ms: speedMs } as const
  for (const client of [soaked, rested]) await client.call<number>(speed)
  const until = Date.now() + 1000 * (seconds ?? 0)
  for (let i = 0; i < MOST_PAIRS && (i < fewest || Date.now() < until); i++) {
    const turns = [
      ['soaked', soaked],
      ['rested', rested],
    ] as const
    for (const [name, client] of i % 2 === 0 ? turns : turns.toReversed()) {
      found[name].push(rounded(await client.call<number>(speed)))
    }
  }
  return found
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100
}
