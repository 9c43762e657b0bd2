// What the first masks of a process take, whose code is not compiled yet: each kind of grammar in processes of its
// own, over 151,936 tokens, prepared in slices as the engine does it. `npx tsx bench/grammar/fresh.ts [processes]`.
import { execFileSync } from 'node:child_process'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import { compile } from '../../src/engine/grammar/compile.ts'
import { grammarPart } from '../../src/engine/grammar/part.ts'
import type { CompiledGrammar } from '../../src/engine/grammar/run/filter.ts'
import { Budget, type Work } from '../../src/engine/grammar/work.ts'
import { KINDS } from './kinds.ts'
import { large } from './vocabularies.ts'

/** As the engine's: src/engine/tasks/grammars.ts. */
const SLICE_MS = 8
const MAX_PREPARE_MS = 400
const utf8 = new TextEncoder()

interface Mask {
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
  readonly masks: Mask[]
  readonly compileMs: number
  readonly prepareMs: number
  /** The longest piece of either. */
  readonly longestMs: number
  /** Means of the same masks once more, and the dearest, with all states forgotten and code that is warm. */
  readonly warmMs: number
  readonly warmMostMs: number
}

/** In a process that has done nothing else. */
async function runOf(name: string): Promise<Run> {
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
  const { grammar, compiling, preparing } = await prepared()
  const masks = await masksOf(name, grammar, text, ids)
  const again = await masksOf(name, (await prepared()).grammar, text, ids)
  return {
    masks,
    compileMs: compiling.ms,
    prepareMs: preparing.ms,
    longestMs: Math.max(compiling.longestMs, preparing.longestMs),
    warmMs: again.reduce((sum, { wallMs }) => sum + wallMs, 0) / again.length,
    warmMostMs: Math.max(...again.map(({ wallMs }) => wallMs)),
  }
}

/** Along a text. */
async function masksOf(
  name: string,
  grammar: CompiledGrammar,
  text: string,
  ids: ReadonlyMap<string, number>,
): Promise<Mask[]> {
  const filter = grammar.begin()
  const masks: Mask[] = []
  for (let at = 0; at < text.length; ) {
    const before = process.cpuUsage()
    const began = performance.now()
    filter.allowed()
    const wallMs = performance.now() - began
    const { user, system } = process.cpuUsage(before)
    masks.push({
      wallMs,
      cpuMs: (user + system) / 1000,
      after: text.slice(Math.max(0, at - 8), at),
    })
    let length = Math.min(16, text.length - at)
    for (; length > 1; length--) {
      const id = ids.get(text.slice(at, at + length))
      if (id !== undefined && filter.allows(id)) break
    }
    if (!filter.acceptBytes(utf8.encode(text.slice(at, at + length))))
      throw new Error(`${name}: ${text.slice(0, at + length)}`)
    at += length
    await rest()
  }
  return masks
}

const median = (list: readonly number[]) => list.toSorted((a, b) => a - b)[list.length >> 1]!

const [, , first, kind] = process.argv
if (first === 'child') console.log(JSON.stringify(await runOf(kind!)))
else {
  const processes = Number(first ?? 10)
  const names = kind === undefined ? Object.keys(KINDS) : kind.split(',')
  const self = fileURLToPath(import.meta.url)
  const got = new Map<string, Run[]>(names.map(name => [name, []]))
  for (let round = 0; round < processes; round++) {
    for (const name of names) {
      const text = execFileSync(process.execPath, [...process.execArgv, self, 'child', name], {
        encoding: 'utf8',
      })
      got.get(name)!.push(JSON.parse(text))
    }
  }
  console.log(
    `${cpus()[0]!.model}, Node ${process.version}, ${processes} processes a kind, 151,936 tokens`,
  )
  let dearest = 0
  for (const [name, runs] of got) {
    const worst = runs.map(({ masks }) => masks.reduce((a, b) => (b.wallMs > a.wallMs ? b : a)))
    const all = runs.flatMap(({ masks }) => masks)
    const mean = all.reduce((sum, { wallMs }) => sum + wallMs, 0) / all.length
    const top = worst.reduce((a, b) => (b.wallMs > a.wallMs ? b : a))
    dearest = Math.max(dearest, top.wallMs)
    const of = (pick: (run: Run) => number) => median(runs.map(pick))
    console.log(
      `${name.padEnd(20)} mean ${mean.toFixed(3)} ms; dearest of a process: median ${median(worst.map(({ wallMs }) => wallMs)).toFixed(2)}, most ${top.wallMs.toFixed(2)} ms (${top.cpuMs.toFixed(2)} ms of processor, after ${JSON.stringify(top.after)}), most processor time of a mask ${Math.max(...all.map(({ cpuMs }) => cpuMs)).toFixed(2)} ms; warm: mean ${of(run => run.warmMs).toFixed(3)}, most ${of(run => run.warmMostMs).toFixed(2)} ms; compiled in ${of(run => run.compileMs).toFixed(0)}, prepared in ${of(run => run.prepareMs).toFixed(0)} ms, longest piece ${of(run => run.longestMs).toFixed(1)} ms`,
    )
  }
  console.log(`all: dearest mask ${dearest.toFixed(2)} ms`)
}
