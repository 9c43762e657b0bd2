// `make bench-experts`: a mixture of experts beside the dense model whose token reads as many weights, in Node on the
// kernels: decode, prefill, and bytes of feed-forward weights a token, by what stats() counted. Both engines stay
// loaded and take turns. Writes docs/bench/experts.json and docs/PERFORMANCE.md.
import { readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'
import { layoutBytes } from '../../src/backend/backend.ts'
import { Engine } from '../../src/engine/engine.ts'
import { openEngineParts } from '../../src/engine/load/open-parts.ts'
import type { GenerateResult, ModelInfo } from '../../src/types/index.ts'
import { commitText, machineText } from '../../tools/machine.ts'
import { nodeKernels } from '../../tools/node-kernels.ts'
import { type BenchModel, ensureModel } from '../models.ts'
import { writeReport } from '../report/write.ts'
import type { ExpertsReport, ExpertsRow } from './report.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '9' },
    threads: { type: 'string', default: '2' },
    out: { type: 'string', default: 'docs/bench' },
  },
})
const rounds = Number(values.rounds)
const threads = Number(values.threads)
const FOLDER = 'build/bench/models'
const PROMPT = 128
const DECODED = 48
const MODELS: readonly (BenchModel & { readonly name: ExpertsRow['model'] })[] = [
  {
    name: 'mixture',
    file: 'moe-large-tq2_0.gguf',
    synth: ['--shape', 'moe-large', '--type', 'tq2_0'],
  },
  {
    name: 'dense',
    file: 'bitnet-large-llama-tq2_0.gguf',
    synth: ['--shape', 'bitnet-large', '--arch', 'llama', '--type', 'tq2_0'],
  },
]

const kernels = nodeKernels('simd128', threads)

interface Rival {
  readonly name: ExpertsRow['model']
  readonly engine: Engine
  readonly decode: number[]
  readonly prefill: number[]
  bytes: number
}

async function open({ name, file, synth }: (typeof MODELS)[number]): Promise<Rival> {
  await ensureModel(FOLDER, { file, synth })
  const source = new File([readFileSync(join(FOLDER, file))], basename(file))
  const options = { contextLength: 192, cache: 'off', memoryBudget: 1e9 } as const
  const hooks = { progress: () => undefined, signal: new AbortController().signal }
  const engine = new Engine(await openEngineParts(source, options, hooks, [kernels]), {})
  return { name, engine, decode: [], prefill: [], bytes: 0 }
}

function answer(engine: Engine, tokens: readonly number[], maxTokens: number) {
  return new Promise<GenerateResult>((done, error) => {
    const options = { maxTokens, temperature: 0, ignoreEos: true, reuse: false }
    const input = { kind: 'tokens', tokens } as const
    engine.generate(input, options, { token: () => undefined, done, error })
  })
}

/** Of the three matrices of one expert, or of a dense feed-forward. */
function feedForwardBytes({ hidden, ffn }: ModelInfo): number {
  return 2 * layoutBytes('t2', ffn, hidden) + layoutBytes('t2', hidden, ffn)
}

/** Rows that experts computed so far; of a dense model, one a layer and row. */
function used({ engine }: Rival): number {
  const { experts, decode, prefill, model } = engine.stats()
  if (experts) return experts.tokens.flat().reduce((sum, n) => sum + n, 0)
  return model.layers * (decode.tokens + prefill.tokens)
}

async function round(rival: Rival, keep: boolean): Promise<void> {
  const { engine } = rival
  const prompt = Array.from({ length: PROMPT }, (_, i) => 20 + ((i * 131) % 9000))
  const long = await answer(engine, prompt, 1)
  const before = used(rival)
  const short = await answer(engine, prompt.slice(0, 1), DECODED)
  const { model } = engine.stats()
  // One row at a time: each reads the experts that compute it. The last token is given and not computed.
  rival.bytes = ((used(rival) - before) * feedForwardBytes(model)) / DECODED
  if (!keep) return
  rival.prefill.push((PROMPT * 1000) / long.prefillMs)
  rival.decode.push(((DECODED - 1) * 1000) / short.decodeMs)
}

function median(list: readonly number[]): number {
  const sorted = [...list].sort((a, b) => a - b)
  return (sorted[(sorted.length - 1) >> 1]! + sorted[sorted.length >> 1]!) / 2
}

const rivals = [await open(MODELS[0]!), await open(MODELS[1]!)]
for (let i = 0; i <= rounds; i++) {
  for (const rival of i % 2 === 0 ? rivals : rivals.toReversed()) await round(rival, i > 0)
}
const rows = rivals.map((rival): ExpertsRow => {
  const { model, memory } = rival.engine.stats()
  const times = (which: 'decode' | 'prefill') =>
    median(rival[which].map((speed, i) => speed / rivals[1]![which][i]!))
  return {
    model: rival.name,
    experts: model.experts ? `${model.experts.used} of ${model.experts.count}` : 'none',
    weightsMb: memory.weights / 1e6,
    feedForwardMb: rival.bytes / 1e6,
    plannedMb: ((model.experts?.used ?? 1) * model.layers * feedForwardBytes(model)) / 1e6,
    decodeTokS: median(rival.decode),
    prefillTokS: median(rival.prefill),
    decodeTimes: times('decode'),
    prefillTimes: times('prefill'),
  }
})
for (const { engine } of rivals) await engine.close()
const report: ExpertsReport = {
  date: new Date().toISOString().slice(0, 10),
  machine: machineText(),
  commit: commitText(),
  threads,
  rounds,
  rows,
}
writeFileSync(join(values.out, 'experts.json'), `${JSON.stringify(report, null, 1)}\n`)
console.table(rows)
console.log(writeReport('docs/bench', 'docs/PERFORMANCE.md'))
