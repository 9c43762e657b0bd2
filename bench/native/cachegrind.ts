// Counts cache misses of the ternary matrices with and without lookup tables, under cachegrind, on a
// native build of the SIMD kernels: `npx tsx bench/native/cachegrind.ts` writes
// docs/bench/cachegrind.json. A simulation: of two cache levels, without prefetching. Needs x86, clang++,
// valgrind and libsimde-dev.
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** First-level data cache and last level of the Ryzen 7 7730U class: the original's machine. */
const CACHES = { D1: '32768,8,64', LL: '16777216,16,64' }

/** Of one pass over the matrices, set-up subtracted. */
export interface CacheRun {
  kernel: 'multiply' | 'lookup'
  tokens: number
  instructions: number
  data_refs: number
  d1_misses: number
  ll_misses: number
}

export interface CacheReport {
  simulator: string
  caches: typeof CACHES
  layers: number
  weights: number
  runs: CacheRun[]
}

const FOLDER = 'build/cachegrind'
const PROGRAM = join(FOLDER, 'layers')
const EVENTS = ['Ir', 'Dr', 'Dw', 'D1mr', 'D1mw', 'DLmr', 'DLmw'] as const
type Counts = Record<(typeof EVENTS)[number], number>

function compile(): void {
  mkdirSync(FOLDER, { recursive: true })
  const sources = ['lookup_t2_i8__simd128.cpp', 'linear_t2_i8__relaxed.cpp']
  const flags = ['-std=c++17', '-O3', '-march=x86-64-v2', '-ffp-contract=off']
  execFileSync(
    process.env.NATIVE_CXX ?? 'clang++-19',
    [
      ...flags,
      ...['-fno-exceptions', '-fno-rtti', '-Wno-psabi', '-Ibench/native', '-Ikernels-cpp'],
      'bench/native/layers.cpp',
      ...sources.map(file => join('kernels-cpp', file)),
      ...['-o', PROGRAM],
    ],
    { stdio: 'inherit' },
  )
}

/** What the kernels computed; equal for all of the same tokens, or the counts mean nothing. */
const outputs = new Map<number, string>()

function count(kernel: string, tokens: number): Counts {
  const file = join(FOLDER, `${kernel}-${tokens}.out`)
  const tool = ['--tool=cachegrind', '--cache-sim=yes', `--cachegrind-out-file=${file}`]
  const caches = Object.entries(CACHES).map(([name, value]) => `--${name}=${value}`)
  const args = [...tool, ...caches, PROGRAM, kernel, String(tokens)]
  const output = execFileSync('valgrind', args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const known = outputs.get(tokens)
  if (kernel !== 'none' && known !== undefined && known !== output) {
    throw new Error(`${kernel} computed ${output.trim()}, another kernel ${known.trim()}`)
  }
  if (kernel !== 'none') outputs.set(tokens, output)
  const text = readFileSync(file, 'utf8')
  const names = /^events: (.*)$/m.exec(text)?.[1].split(' ') ?? []
  const totals = /^summary: (.*)$/m.exec(text)?.[1].split(' ').map(Number) ?? []
  return Object.fromEntries(EVENTS.map(event => [event, totals[names.indexOf(event)]])) as Counts
}

compile()
const setUp = count('none', 1)
const runs = (
  [
    ['multiply', 1],
    ['multiply', 32],
    ['lookup', 32],
  ] as const
).map(([kernel, tokens]): CacheRun => {
  const counts = count(kernel, tokens)
  const of = (...events: (keyof Counts)[]) =>
    events.reduce((sum, event) => sum + counts[event] - setUp[event], 0)
  return {
    kernel,
    tokens,
    instructions: of('Ir'),
    data_refs: of('Dr', 'Dw'),
    d1_misses: of('D1mr', 'D1mw'),
    ll_misses: of('DLmr', 'DLmw'),
  }
})
const report: CacheReport = {
  simulator: execFileSync('valgrind', ['--version'], { encoding: 'utf8' }).trim(),
  caches: CACHES,
  layers: 3,
  weights: 3 * (4 * 1536 * 1536 + 3 * 1536 * 4096),
  runs,
}
mkdirSync('docs/bench', { recursive: true })
writeFileSync('docs/bench/cachegrind.json', `${JSON.stringify(report, null, 1)}\n`)
console.log(JSON.stringify(runs, null, 1))
