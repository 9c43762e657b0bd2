// What the first masks of a process take, whose code is not compiled yet: each kind of grammar in processes of its
// own, over 151,936 tokens, prepared in slices as the engine does it. `npx tsx bench/grammar/fresh.ts [processes]`.
import { execFileSync } from 'node:child_process'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import { compile } from '../../src/engine/grammar/compile.ts'
import { grammarPart } from '../../src/engine/grammar/part.ts'
import { Budget, finish, type Work } from '../../src/engine/grammar/work.ts'
import { KINDS } from './kinds.ts'
import { large } from './vocabularies.ts'

/** As the engine's: src/engine/tasks/grammars.ts. */
const SLICE_MS = 8
const utf8 = new TextEncoder()

interface Mask {
  readonly wallMs: number
  /** Of all threads of the process: those that compile and collect, too. */
  readonly cpuMs: number
  readonly after: string
}

const rest = () => new Promise(done => setTimeout(done, 0))

async function inSlices<T>(work: Work<T>): Promise<T> {
  for (;;) {
    const began = performance.now()
    while (performance.now() - began < SLICE_MS) {
      const { done, value } = work.next()
      if (done) return value as T
    }
    await rest()
  }
}

/** In a process that has done nothing else. */
async function masksOf(name: string): Promise<Mask[]> {
  const { spec, text } = KINDS[name]!
  const source = large(151_936)
  const ids = new Map<string, number>()
  const read = new TextDecoder()
  for (let id = 0; id < source.size; id++)
    if (source.isText(id)) ids.set(read.decode(source.bytes(id)), id)
  await rest()
  const vocabulary = await inSlices(grammarPart.vocabulary(source))
  const { grammar } = finish(compile(spec, vocabulary, new Budget()))
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

const [, , first, kind] = process.argv
if (first === 'child') console.log(JSON.stringify(await masksOf(kind!)))
else {
  const processes = Number(first ?? 10)
  const names = kind === undefined ? Object.keys(KINDS) : kind.split(',')
  const self = fileURLToPath(import.meta.url)
  const got = new Map<string, Mask[][]>(names.map(name => [name, []]))
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
    const worst = runs.map(masks => masks.reduce((a, b) => (b.wallMs > a.wallMs ? b : a)))
    const of = worst.map(({ wallMs }) => wallMs).sort((a, b) => a - b)
    const all = runs.flat()
    const mean = all.reduce((sum, { wallMs }) => sum + wallMs, 0) / all.length
    const top = worst.reduce((a, b) => (b.wallMs > a.wallMs ? b : a))
    dearest = Math.max(dearest, top.wallMs)
    console.log(
      `${name.padEnd(20)} mean ${mean.toFixed(3)} ms; dearest of a process: median ${of[of.length >> 1]!.toFixed(2)}, most ${top.wallMs.toFixed(2)} ms (${top.cpuMs.toFixed(2)} ms of processor, after ${JSON.stringify(top.after)}), most processor time of a mask ${Math.max(...all.map(({ cpuMs }) => cpuMs)).toFixed(2)} ms`,
    )
  }
  console.log(`all: dearest mask ${dearest.toFixed(2)} ms`)
}
