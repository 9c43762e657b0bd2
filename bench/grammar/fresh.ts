// What a format adds to drawing the first tokens of a process, whose code is not compiled yet: each kind of grammar in
// processes of its own, over 151,936 tokens, prepared in slices as the engine does it, for models that know what comes next
// and for one that does not. `npx tsx bench/grammar/fresh.ts [processes [kinds [models]]]`.
import { execFileSync } from 'node:child_process'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import { compile } from '../../src/engine/grammar/compile.ts'
import { grammarPart } from '../../src/engine/grammar/part.ts'
import type { CompiledGrammar } from '../../src/engine/grammar/run/filter.ts'
import { Budget, type Work } from '../../src/engine/grammar/work.ts'
import { Random } from '../../src/engine/sampling/random.ts'
import { Sampler, SamplerScratch } from '../../src/engine/sampling/sampler.ts'
import { type ResolvedSampling, resolveGenerate } from '../../src/engine/tasks/options.ts'
import type { SamplingOptions } from '../../src/types/index.ts'
import { KINDS } from './kinds.ts'
import { large } from './vocabularies.ts'

/** As the engine's: src/engine/tasks/grammars.ts. */
const SLICE_MS = 8
const MAX_PREPARE_MS = 400

/** Logits and how a token is drawn of them. */
const MODELS: Readonly<Record<string, { sure: boolean; sampling: SamplingOptions }>> = {
  'sure, greedy': { sure: true, sampling: { temperature: 0 } },
  'sure, sampled': { sure: true, sampling: {} },
  'lost, greedy': { sure: false, sampling: { temperature: 0 } },
  'lost, sampled': { sure: false, sampling: {} },
  'lost, of all tokens': { sure: false, sampling: { temperature: 1, topK: 0, topP: 1 } },
}

const utf8 = new TextEncoder()

interface Draw {
  readonly wallMs: number
  /** Of all threads of the process: those that compile and collect, too. */
  readonly cpuMs: number
  readonly after: string
}

const rest = () => new Promise(done => setTimeout(done, 0))

/** What it came to, and how long it took and its longest piece was; given up after so much work. */
async function inSlices<T>(
  work: Work<T>,
  limitMs = Number.POSITIVE_INFINITY,
): Promise<{ made: T | undefined; ms: number; longestMs: number }> {
  let ms = 0
  let longestMs = 0
  for (;;) {
    const began = performance.now()
    let made: { value: T } | undefined
    while (made === undefined && performance.now() - began < SLICE_MS) {
      const { done, value } = work.next()
      if (done) made = { value: value as T }
    }
    const took = performance.now() - began
    ms += took
    longestMs = Math.max(longestMs, took)
    if (made !== undefined || ms > limitMs) return { made: made?.value, ms, longestMs }
    await rest()
  }
}

interface Run {
  readonly masks: Draw[]
  readonly compileMs: number
  readonly prepareMs: number
  /** The longest piece of either. */
  readonly longestMs: number
  /** Means of the same masks once more, and the dearest, with all states forgotten and code that is warm. */
  readonly warmMs: number
  readonly warmMostMs: number
}

/** In a process that has done nothing else. */
async function runOf(name: string, model: string): Promise<Run> {
  const { spec, text } = KINDS[name]!
  const source = large(151_936)
  const ids = new Map<string, number>()
  const read = new TextDecoder()
  for (let id = 0; id < source.size; id++)
    if (source.isText(id)) ids.set(read.decode(source.bytes(id)), id)
  await rest()
  const vocabulary = (await inSlices(grammarPart.vocabulary(source))).made!
  const prepared = async () => {
    const compiling = await inSlices(compile(spec, vocabulary, new Budget()))
    const { grammar } = compiling.made!
    const preparing = await inSlices(grammarPart.prepare(compiling.made!), MAX_PREPARE_MS)
    return { grammar, compiling, preparing }
  }
  const drawing = new Drawing(source.size, model)
  const { grammar, compiling, preparing } = await prepared()
  const masks = await drawing.along(name, grammar, text, ids)
  const again = await drawing.along(name, (await prepared()).grammar, text, ids)
  return {
    masks,
    compileMs: compiling.ms,
    prepareMs: preparing.ms,
    longestMs: Math.max(compiling.longestMs, preparing.longestMs),
    warmMs: again.reduce((sum, { wallMs }) => sum + wallMs, 0) / again.length,
    warmMostMs: Math.max(...again.map(({ wallMs }) => wallMs)),
  }
}

class Drawing {
  readonly #row: Float32Array
  readonly #sure: boolean
  readonly #options: ResolvedSampling
  readonly #scratch: SamplerScratch
  readonly #random = new Random(14)
  /** Without a format. */
  readonly #plainMs: number

  constructor(size: number, model: string) {
    const { sure, sampling } = MODELS[model]!
    this.#row = new Float32Array(size)
    this.#sure = sure
    this.#options = resolveGenerate({ seed: 1, ...sampling }, size, () => 1)
    this.#scratch = new SamplerScratch(size)
    const times: number[] = []
    const sampler = new Sampler(this.#options, this.#scratch)
    for (let i = 0; i < 60; i++) {
      this.#think(i)
      const began = performance.now()
      sampler.sample(this.#row)
      if (i >= 30) times.push(performance.now() - began)
    }
    this.#plainMs = median(times)
  }

  /** Logits as models have them: a bell of width 2; who is sure gives the right token more than any other has. */
  #think(right: number | undefined): void {
    for (let i = 0; i < this.#row.length; i++) {
      let sum = 0
      for (let k = 0; k < 4; k++) sum += this.#random.uint32() / 0x100000000 - 0.5
      this.#row[i] = 3.5 * sum
    }
    if (this.#sure && right !== undefined) this.#row[right] = 16
  }

  /** What the format adds to each token of a text. */
  async along(
    name: string,
    grammar: CompiledGrammar,
    text: string,
    ids: ReadonlyMap<string, number>,
  ): Promise<Draw[]> {
    const filter = grammar.begin()
    const sampler = new Sampler(this.#options, this.#scratch)
    sampler.addFilter(filter)
    const draws: Draw[] = []
    for (let at = 0; at < text.length; ) {
      let length = Math.min(16, text.length - at)
      while (length > 1 && !ids.has(text.slice(at, at + length))) length--
      const next = text.slice(at, at + length)
      const right = ids.get(next)
      this.#think(right)
      const before = process.cpuUsage()
      const began = performance.now()
      sampler.sample(this.#row)
      const wallMs = performance.now() - began - this.#plainMs
      const { user, system } = process.cpuUsage(before)
      draws.push({
        wallMs,
        cpuMs: (user + system) / 1000 - this.#plainMs,
        after: text.slice(Math.max(0, at - 8), at),
      })
      if (!filter.acceptBytes(utf8.encode(next))) throw new Error(`${name}: ${text.slice(0, at)}`)
      at += length
      await rest()
    }
    return draws
  }
}

const median = (list: readonly number[]) => list.toSorted((a, b) => a - b)[list.length >> 1]!

const [, , first, kind, model] = process.argv
if (first === 'child') console.log(JSON.stringify(await runOf(kind!, model!)))
else {
  const processes = Number(first ?? 5)
  const names = kind === undefined ? Object.keys(KINDS) : kind.split(',')
  const self = fileURLToPath(import.meta.url)
  console.log(
    `${cpus()[0]!.model}, Node ${process.version}, ${processes} processes a kind and model, 151,936 tokens; milliseconds that a format adds to a token`,
  )
  for (const way of model === undefined ? Object.keys(MODELS) : model.split(';')) {
    console.log(`\n${way}`)
    let dearest = 0
    for (const name of names) {
      const runs = Array.from({ length: processes }, (): Run => {
        const args = [...process.execArgv, self, 'child', name, way]
        return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' }))
      })
      const worst = runs.map(({ masks }) => masks.reduce((a, b) => (b.wallMs > a.wallMs ? b : a)))
      const all = runs.flatMap(({ masks }) => masks)
      const mean = all.reduce((sum, { wallMs }) => sum + wallMs, 0) / all.length
      const top = worst.reduce((a, b) => (b.wallMs > a.wallMs ? b : a))
      dearest = Math.max(dearest, top.wallMs)
      const of = (pick: (run: Run) => number) => median(runs.map(pick))
      console.log(
        `${name.padEnd(20)} mean ${mean.toFixed(2)}, dearest of a process ${median(worst.map(({ wallMs }) => wallMs)).toFixed(1)} (median), ${top.wallMs.toFixed(1)} (most, after ${JSON.stringify(top.after)}), processor ${Math.max(...all.map(({ cpuMs }) => cpuMs)).toFixed(1)}; warm: mean ${of(run => run.warmMs).toFixed(2)}, most ${of(run => run.warmMostMs).toFixed(1)}; compiled in ${of(run => run.compileMs).toFixed(0)}, prepared in ${of(run => run.prepareMs).toFixed(0)} ms, longest piece ${of(run => run.longestMs).toFixed(0)}`,
      )
    }
    console.log(`all: dearest ${dearest.toFixed(1)}`)
  }
}
