// The page of the soak: loads the built package and does what the server that serves it says, one command
// after the other (client.ts): traffic, a fixed request against the clock, the logits of a fixed prompt.
import type { LoadOptions, Ryzanstein } from '../../src/index.ts'
import { ALL_KINDS, type Kind } from './requests.ts'
import { discrepancies, noTally, runTraffic, settled, sumOf, type Tally } from './traffic.ts'

export type Command =
  | { readonly do: 'load'; readonly model: string; readonly options: LoadOptions }
  | {
      readonly do: 'traffic'
      readonly tokens: number
      readonly seed: number
      readonly callers: number
      /** Of prompts and answers, beside a busy page's. */
      readonly length: number
    }
  | { readonly do: 'speed'; readonly tokens: number; readonly ms: number }
  | { readonly do: 'logits' }
  /** Nothing yet: ask again. */
  | { readonly do: 'wait' }

/** What runs. */
export interface Loaded {
  backend: string
  variant: string
  threads: number
  adapter?: string
}

/** After a piece of traffic, when every request has ended. */
export interface Piece {
  tally: Tally
  seconds: number
  /** What is wrong with answers, ends and books, in words. */
  wrong: string[]
  kvBlocksCached: number
  /** Bytes that the engine has reserved. */
  engineBytes: number
}

/** What the page sends for its next command. */
export interface Done {
  readonly value?: unknown
  readonly error?: string
}

let engine: Ryzanstein
let first: Loaded
let contextLength = 0
let books = noTally()
/** Answers that must come out the same; a GPU's sums may round otherwise in another step. */
let answers: Map<string, string> | undefined
/** Kinds that were not asked for yet: sessions and what else is rare before what comes anyway. */
const due: Kind[] = ALL_KINDS.toSorted((a, b) => a.weight - b.weight)
const PROMPT = Array.from({ length: 40 }, (_, i) => 11 + 7 * i)

async function loaded(): Promise<Loaded> {
  const { backend, variant, threads, gpu } = await engine.stats()
  return { backend, variant, threads, ...(gpu && { adapter: gpu.description || gpu.architecture }) }
}

async function traffic(
  tokens: number,
  seed: number,
  callers: number,
  length: number,
): Promise<Piece> {
  const began = performance.now()
  const options = { tokens, seed, contextLength, callers, length, rich: true, answers, due }
  const tally = await runTraffic(engine, options)
  const seconds = (performance.now() - began) / 1000
  const stats = await settled(engine)
  books = { ...sumOf(books, tally), wrong: tally.wrong }
  const wrong = discrepancies(books, stats)
  const now = JSON.stringify(await loaded())
  if (now !== JSON.stringify(first)) wrong.push(`it runs on ${now} now`)
  const { kvBlocksCached, total } = stats.memory
  return { tally, seconds, wrong, kvBlocksCached, engineBytes: total }
}

/** Tokens a second of the fixed request, repeated until it has decoded for so long. */
async function speed(maxTokens: number, ms: number): Promise<number> {
  let [tokens, spent] = [0, 0]
  while (spent < ms) {
    const options = { maxTokens, temperature: 0, ignoreEos: true }
    const result = await engine.generate(PROMPT, options).result
    books = sumOf(books, { ...noTally(), asked: 1, served: 1 })
    tokens += result.tokens.length - 1
    spent += result.decodeMs
  }
  return (1000 * tokens) / spent
}

/** SHA-256 of the logits after each token of the fixed prompt. */
async function logits(): Promise<string> {
  const { logits } = await engine.score(PROMPT, { logits: true })
  const hash = await crypto.subtle.digest('SHA-256', logits!.slice().buffer)
  return [...new Uint8Array(hash)].map(byte => byte.toString(16).padStart(2, '0')).join('')
}

async function run(command: Command): Promise<unknown> {
  switch (command.do) {
    case 'load': {
      const library = '/dist/index.js'
      const { load }: typeof import('../../src/index.ts') = await import(/* @vite-ignore */ library)
      engine = await load(command.model, command.options)
      contextLength = command.options.contextLength!
      first = await loaded()
      answers = first.backend === 'webgpu' ? undefined : new Map()
      return first
    }
    case 'traffic':
      return traffic(command.tokens, command.seed, command.callers, command.length)
    case 'speed':
      return speed(command.tokens, command.ms)
    case 'logits': {
      const value = await logits()
      books = sumOf(books, { ...noTally(), asked: 1, served: 1 })
      return value
    }
    case 'wait':
      return undefined
    default:
      return command satisfies never
  }
}

async function obey(): Promise<never> {
  let done: Done = {}
  for (;;) {
    const answer = await fetch('/next', { method: 'POST', body: JSON.stringify(done) })
    const command: Command = await answer.json()
    if (command.do === 'wait') done = {}
    else {
      done = await run(command).then(
        value => ({ value }),
        error => ({ error: `${error?.code ?? ''} ${error}` }),
      )
    }
  }
}

void obey()
