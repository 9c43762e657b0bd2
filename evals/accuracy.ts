// What every rounding costs: perplexity and choices under each option against strict, over the same windows and
// documents, with paired 95 % intervals. `npx tsx evals/accuracy.ts` writes docs/ACCURACY.md and
// docs/accuracy.json; `--model FILE` adds a model, `--webgpu` the GPU, `--only NAME` measures some options again,
// `--windows N` and `--tasks a,b` measure less.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { parseArgs } from 'node:util'
import type { LoadOptions } from 'ryzanstein'
import { nodeGpuFactory } from '../tools/node-gpu.ts'
import { loadInNode } from '../tools/node-sdk.ts'
import { type Delta, pairedMean, pairedPerplexity } from './metrics/paired.ts'
import { verdictOf } from './metrics/verdict.ts'
import { runPlan } from './run/run.ts'
import { ownPlan, SUITE_TASKS } from './set/suite.ts'
import type { EvalEngine } from './types.ts'

/** Tokens of a window; windows are the documents of the intervals. */
const WINDOW = 256

const { values } = parseArgs({
  options: {
    model: { type: 'string', multiple: true, default: [] },
    own: { type: 'string', multiple: true },
    only: { type: 'string', multiple: true },
    webgpu: { type: 'boolean', default: false },
    windows: { type: 'string' },
    tasks: { type: 'string' },
  },
})

interface Option {
  readonly name: string
  readonly load: LoadOptions
  readonly what: string
}

const STRICT: Option = {
  name: 'strict',
  load: { strict: true },
  what: 'file’s values in embedding and head, f32 KV, activations rounded to int8 as trained',
}

/** Each changes one thing against strict, but for the last ones. */
const OPTIONS: readonly Option[] = [
  {
    name: 'float activations',
    load: { strict: true, activations: 'float' },
    what: 'int8 rounding of activations left out',
  },
  { name: 'f16 KV', load: { strict: true, kv: 'f16' }, what: 'KV cache in f16' },
  { name: 'int8 KV', load: { strict: true, kv: 'int8' }, what: 'KV cache in int8' },
  { name: 'int4 KV', load: { strict: true, kv: 'int4' }, what: 'KV cache in int4' },
  {
    name: 'int8 head',
    load: { kv: 'f32' },
    what: 'embedding and head in int8, their activations too',
  },
  { name: 'int4 head', load: { kv: 'f32', head: 'int4' }, what: 'embedding and head in int4' },
  { name: 'default', load: {}, what: 'int8 head and f16 KV: what load() takes' },
  { name: 'smallest', load: { head: 'int4', kv: 'int4' }, what: 'int4 head and int4 KV' },
]
const GPU: Option = {
  name: 'webgpu',
  load: { backend: 'webgpu', kv: 'f16', allowSoftwareAdapter: true },
  what: 'WebGPU with int8 head and f16 KV',
}

const OWN = ['ryz-tales', 'ryz-chat'].map(name => `demo/public/models/${name}-tq2_0-embq8_0.gguf`)
/** Those that end in a choice. */
const CHOICES = SUITE_TASKS.filter(name => name !== 'gsm8k' && name !== 'wikitext')
const TASKS = values.tasks?.split(',') ?? CHOICES

interface Measured {
  /** Log-likelihood of each window, and of every option of every document. */
  windows: number[]
  tokens: number[]
  acc: number[]
}

interface Row {
  model: string
  option: string
  what: string
  load: LoadOptions
  perplexity: number
  /** As a factor minus 1. */
  perplexityDelta: Delta
  accuracy: number
  accuracyDelta: Delta
  windows: number
  documents: number
  verdict: string
}

/** Text that the model itself wrote, where the repository has some; else the documents of our own. */
async function windowsOf(path: string, engine: EvalEngine): Promise<number[][]> {
  const read = (file: string) => JSON.parse(readFileSync(file, 'utf8'))
  const name = basename(path)
  let ids: number[]
  if (name.startsWith('ryz-tales')) ids = read('test/golden/ryz-tales/sampled.json').ids
  else if (name.startsWith('ryz-chat')) ids = read('test/golden/ryz-chat/golden.json').sampled.ids
  else {
    const { documents } = (await ownPlan('wikitext')).parts[0]!
    const texts = documents.map(({ item }) => item.target).join('\n')
    ids = await engine.tokenize(texts, { bos: engine.model.addsBos })
  }
  const most = values.windows ? Number(values.windows) : Number.POSITIVE_INFINITY
  const windows: number[][] = []
  for (let at = 0; at + 1 < ids.length && windows.length < most; at += WINDOW) {
    windows.push(ids.slice(at, at + WINDOW + 1))
  }
  return windows
}

async function measure(path: string, option: Option): Promise<Measured> {
  const factory = option.load.backend === 'webgpu' ? await nodeGpuFactory() : undefined
  const engine = await loadInNode(path, { threads: 1, contextLength: 512, ...option.load }, factory)
  try {
    const measured: Measured = { windows: [], tokens: [], acc: [] }
    for (const ids of await windowsOf(path, engine)) {
      const { logprobs } = await engine.score(ids)
      measured.windows.push(logprobs.reduce((sum, x) => sum + x, 0))
      measured.tokens.push(ids.length - 1)
    }
    for (const name of TASKS) {
      const run = await runPlan(engine, await ownPlan(name))
      for (const { records } of run.parts) {
        measured.acc.push(...records.map(({ scores }) => scores['acc,none'] as number))
      }
    }
    return measured
  } finally {
    await engine.close()
  }
}

const file = 'docs/accuracy.json'
const rows: Row[] = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : []
const sum = (list: readonly number[]) => list.reduce((total, x) => total + x, 0)
const isWanted = (path: string) => !values.own || values.own.some(name => path.includes(name))
for (const path of [...OWN.filter(isWanted), ...values.model]) {
  const strict = await measure(path, STRICT)
  const wanted = [STRICT, ...OPTIONS, ...(values.webgpu ? [GPU] : [])]
  for (const option of wanted.filter(o => !values.only || values.only.includes(o.name))) {
    const measured = option === STRICT ? strict : await measure(path, option)
    const perplexityDelta = pairedPerplexity(strict.windows, measured.windows, strict.tokens)
    const accuracyDelta = pairedMean(strict.acc, measured.acc)
    const row: Row = {
      model: basename(path).replace(/-tq2.*|\.gguf$/, ''),
      option: option.name,
      what: option.what,
      load: option.load,
      perplexity: Math.exp(-sum(measured.windows) / sum(measured.tokens)),
      perplexityDelta,
      accuracy: sum(measured.acc) / measured.acc.length,
      accuracyDelta,
      windows: measured.windows.length,
      documents: measured.acc.length,
      verdict:
        option === STRICT
          ? 'what the others are compared with'
          : verdictOf(perplexityDelta, accuracyDelta),
    }
    const at = rows.findIndex(old => old.model === row.model && old.option === row.option)
    if (at >= 0) rows[at] = row
    else rows.push(row)
    console.log(
      `${row.model}, ${row.option}: perplexity ${row.perplexity.toFixed(4)}; ${row.verdict}`,
    )
    writeFileSync(file, `${JSON.stringify(rows, null, 1)}\n`)
    writeFileSync('docs/ACCURACY.md', pageOf(rows))
  }
}

function pageOf(all: readonly Row[]): string {
  const percent = (x: number) => `${(100 * x).toFixed(2)} %`
  const delta = ({ value, low, high }: Delta) =>
    `${percent(value)} (${percent(low)} to ${percent(high)})`
  const lines = [
    '# What every rounding costs',
    '',
    '<!-- Made by `make accuracy` from docs/accuracy.json. Edit evals/accuracy.ts, not this. -->',
    '',
    'Each option against `strict`, over the same windows of text and the same documents: so the intervals (95 %, paired)',
    'are of the difference alone. Perplexity is over windows of 256 tokens of text that the model itself wrote',
    '(test/golden), each window without what came before it; the interval is a bootstrap over windows. Choices are',
    'those of the documents of our own (evals/set): few, so they show large losses only. A row over fewer windows says so:',
    'its perplexity is of those alone, its difference is from strict over the same ones.',
  ]
  for (const model of new Set(all.map(row => row.model))) {
    const own = all.filter(row => row.model === model)
    const { windows, documents } = own[0]!
    lines.push('', `## ${model}`, '', `${windows} windows, ${documents} documents.`, '')
    lines.push(
      '| option | what | perplexity | against strict | right choices | against strict | verdict |',
    )
    lines.push('| --- | --- | ---: | ---: | ---: | ---: | --- |')
    for (const row of own) {
      const isStrict = row.option === 'strict'
      const less =
        row.windows === windows && row.documents === documents
          ? ''
          : `; ${row.windows} windows, ${row.documents} documents`
      const cells = [
        row.option,
        row.what + less,
        row.perplexity.toFixed(3),
        isStrict ? '' : delta(row.perplexityDelta),
        percent(row.accuracy),
        isStrict ? '' : delta(row.accuracyDelta),
        row.verdict,
      ]
      lines.push(`| ${cells.join(' | ')} |`)
    }
  }
  return `${lines.join('\n')}\n`
}
