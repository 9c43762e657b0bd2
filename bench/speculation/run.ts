// `make bench-speculation`: what guessing tokens gains, in Node: a copying text and one where nothing repeats on
// the 0.7B shape (copying.ts says how), and the chat model's tool calls and JSON, with prompt lookup and with its
// draft. Rounds alternate, and each asks the chat model something else; every answer is held against the one without
// guesses. A cell is a kernel variant and a number of threads; what is measured replaces the same rows of
// docs/bench/speculation.json, the others stay.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'
import { Engine } from '../../src/engine/engine.ts'
import { grammarPart } from '../../src/engine/grammar/part.ts'
import { openEngineParts } from '../../src/engine/load/open-parts.ts'
import type { Input } from '../../src/options/input.ts'
import type { GenerateResult, KernelVariant, LoadOptions } from '../../src/types/index.ts'
import { commitText, machineText } from '../../tools/machine.ts'
import { nodeKernels } from '../../tools/node-kernels.ts'
import { ensureModel } from '../models.ts'
import type {
  SpeculationCell,
  SpeculationReport,
  SpeculationRow,
} from '../report/speculation-section.ts'
import { type TextKind, writing } from './copying.ts'
import { CHATS, type Question } from './prompts.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    threads: { type: 'string', default: '1,2' },
    shape: { type: 'string', default: 'bitnet-large' },
    /** Of the kernels; 'relaxed' is what Chrome and Firefox run. */
    variants: { type: 'string', default: 'relaxed,simd128' },
    tokens: { type: 'string', default: '200' },
    /** Which texts. */
    texts: { type: 'string', default: 'copies,nothing repeats,tool calls,JSON' },
    /** 'cpu' counts the process's processor time: for one thread, where other programs run. */
    clock: { type: 'string', default: 'wall' },
    out: { type: 'string', default: 'docs/bench/speculation.json' },
  },
})
const rounds = Number(values.rounds)
const clock = values.clock === 'cpu' ? 'cpu' : 'wall'
const MODELS = 'demo/public/models'
const CHAT = join(MODELS, 'ryz-chat-tq2_0-embq8_0.gguf')
const DRAFT = join(MODELS, 'ryz-chat-draft-tq2_0-embq8_0.gguf')

/** One of several engines of the same model that take turns. */
interface Rival {
  readonly guesses: string
  readonly engine: Engine
}

type Cell = SpeculationCell & { readonly variant: KernelVariant }
type Questions = (round: number) => readonly Question[]

async function open(
  { variant, threads }: Cell,
  path: string,
  guesses: string,
  load: LoadOptions,
  kind?: TextKind,
) {
  const file = (name: string) => new File([readFileSync(name)], basename(name))
  const options: LoadOptions = {
    ...load,
    cache: 'off',
    ...(guesses === 'draft' && { draft: file(DRAFT) }),
  }
  const hooks = { progress: () => undefined, signal: new AbortController().signal }
  const [pool, one] = [threads, 1].map(count => nodeKernels(variant, count))
  const parts = await openEngineParts(file(path), options, hooks, [pool!], undefined, undefined, [
    one!,
  ])
  const network = kind ? writing(parts.network, kind) : parts.network
  const speculation = guesses === 'none' ? 'off' : 'auto'
  const own = { ...parts, network, close: () => parts.close() }
  const extras = { grammar: async () => grammarPart, ...(clock === 'cpu' && { now: cpuMs }) }
  const engine = new Engine(own, { ...options, speculation }, extras)
  await engine.measure()
  return { guesses, engine }
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

function answer(engine: Engine, { input, options }: Question): Promise<GenerateResult> {
  return new Promise((done, error) => {
    engine.generate(input, options, { token: () => undefined, done, error })
  })
}

/** Each asks all questions of a round; the first round is to get warm. */
async function compete(text: string, rivals: readonly Rival[], questions: Questions) {
  const speeds = rivals.map((): number[] => [])
  const wholes = rivals.map((): number[] => [])
  for (let round = 0; round <= rounds; round++) {
    let said: string | undefined
    for (const [r, { engine, guesses }] of rivals.entries()) {
      let tokens = 0
      let ms = 0
      let promptMs = 0
      const all: number[][] = []
      for (const question of questions(round)) {
        const result = await answer(engine, question)
        tokens += result.tokens.length - 1
        ms += result.decodeMs
        promptMs += result.prefillMs
        all.push(result.tokens)
      }
      const answers = JSON.stringify(all)
      said ??= answers
      if (answers !== said) throw new Error(`${text}: ${guesses} gave another answer`)
      if (round === 0) continue
      speeds[r]!.push((tokens * 1000) / ms)
      wholes[r]!.push(ms + promptMs)
    }
  }
  return rivals.map(({ guesses, engine }, r): SpeculationRow => {
    const { accepted, proposed, length, costs: known } = engine.stats().speculation
    const costs = known.map(([rows, ms]) => `${rows}: ${ms.toFixed(1)}`).join(' ')
    const times = median(speeds[r]!.map((speed, i) => speed / speeds[0]![i]!))
    const whole = median(wholes[r]!.map((ms, i) => wholes[0]![i]! / ms))
    const tokensPerSecond = median(speeds[r]!)
    return {
      text,
      guesses,
      tokensPerSecond,
      times,
      whole,
      rounds,
      accepted,
      proposed,
      length,
      costs,
    }
  })
}

function median(list: readonly number[]): number {
  const sorted = [...list].sort((a, b) => a - b)
  return (sorted[(sorted.length - 1) >> 1]! + sorted[sorted.length >> 1]!) / 2
}

async function measure(
  cell: Cell,
  text: string,
  path: string,
  ways: readonly string[],
  questions: Questions,
  load: LoadOptions,
  kind?: TextKind,
): Promise<void> {
  const rivals: Rival[] = []
  for (const guesses of ways) rivals.push(await open(cell, path, guesses, load, kind))
  for (const row of await compete(text, rivals, questions)) {
    cell.rows.push(row)
    const { guesses, tokensPerSecond, times, whole, accepted, proposed, length, costs } = row
    console.log(
      `${cell.variant}, ${cell.threads} threads, ${text}, guesses ${guesses}: ${tokensPerSecond.toFixed(1)} tok/s, x ${times.toFixed(3)}, with prompts x ${whole?.toFixed(3)}, ${accepted} of ${proposed} right, ${length.toFixed(1)} a step; ${costs}`,
    )
  }
  for (const { engine } of rivals) await engine.close()
}

const nameOf = (cell: SpeculationCell): string =>
  `${cell.clock === 'wall' ? 0 : 1} ${cell.variant} ${cell.threads}`

/** Rows of the same text and guesses are replaced by the new ones. */
function write(cell: Cell): void {
  const { cells = [], note } = existsSync(values.out)
    ? (JSON.parse(readFileSync(values.out, 'utf8')) as Partial<SpeculationReport>)
    : {}
  const same = cells.find(
    c => c.variant === cell.variant && c.threads === cell.threads && c.clock === cell.clock,
  )
  const kept = same?.rows.filter(
    row => !cell.rows.some(r => r.text === row.text && r.guesses === row.guesses),
  )
  const all = cells.filter(c => c !== same)
  all.push({ ...cell, rows: [...(kept ?? []), ...cell.rows] })
  all.sort((a, b) => nameOf(a).localeCompare(nameOf(b)))
  const report: SpeculationReport = { shape: values.shape, ...(note && { note }), cells: all }
  writeFileSync(values.out, `${JSON.stringify(report, null, 2)}\n`)
}

const model = {
  file: `${values.shape}-tq2_0.gguf`,
  synth: ['--shape', values.shape, '--type', 'tq2_0'],
}
await ensureModel('build/bench/models', model)
const large = join('build/bench/models', model.file)
/** Without bos: 200 tokens that are spread over the vocabulary. */
const passage: Input = {
  kind: 'tokens',
  tokens: Array.from({ length: 200 }, (_, i) => 5 + ((i * 37) % 900)),
}
const long = { temperature: 0, maxTokens: Number(values.tokens), ignoreEos: true, reuse: false }
const room: LoadOptions = { contextLength: 512, maxSequences: 1, kv: 'int8', memoryBudget: 2e9 }
const texts = values.texts.split(',')
const { version: node } = process
for (const variant of values.variants.split(',') as KernelVariant[]) {
  for (const threads of values.threads.split(',').map(Number)) {
    const made = { machine: machineText(), node, commit: commitText() }
    const cell: Cell = { variant, threads, clock, ...made, rows: [] }
    for (const kind of ['copies', 'nothing repeats'] as const) {
      if (!texts.includes(kind)) continue
      const asks = () => [{ input: passage, options: long }]
      await measure(cell, kind, large, ['none', 'lookup'], asks, room, kind)
    }
    for (const { text, questions } of CHATS) {
      if (!texts.includes(text)) continue
      await measure(cell, text, CHAT, ['none', 'lookup', 'draft'], questions, { maxSequences: 1 })
    }
    write(cell)
  }
}
console.log(values.out)
process.exit(0)
