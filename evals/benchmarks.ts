// The benchmarks of a folder of published files, with the model as load() takes it beside its twin: the same weights
// with activations as they are and f16 KV. The difference is paired, document by document.
//   npx tsx evals/benchmarks.ts --files FOLDER [--model FILE] [--task NAME] [--limit N | TASK=N] [--write]
// The kernels are slow with activations that are not rounded; `--requests FILE` writes what would be asked, for
// scripts/golden/evals-twin.py, whose answers `--answers FILE` takes instead of the engine's.
// Goes on where it was cut. `--write` puts the rows of the original report into docs/bench/quality.json.
import { readFileSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { parseArgs } from 'node:util'
import type { LoadOptions } from 'ryzanstein'
import { loadInNode } from '../tools/node-sdk.ts'
import { mean, meanError } from './metrics/aggregate.ts'
import { pairedMean } from './metrics/paired.ts'
import { FileJournal } from './node/journal-file.ts'
import { planOfFiles, publishedIn } from './node/published.ts'
import { type Encode, fitPair, pairTokens } from './requests/split.ts'
import { hashOf } from './run/journal.ts'
import type { Plan } from './run/plan.ts'
import { type RunResult, runPlan } from './run/run.ts'
import type { LikelihoodAnswer, Scores } from './types.ts'

const { values } = parseArgs({
  options: {
    files: { type: 'string' },
    model: { type: 'string', default: 'demo/public/models/ryz-chat-tq2_0-embq8_0.gguf' },
    task: { type: 'string', multiple: true },
    limit: { type: 'string', multiple: true, default: [] },
    threads: { type: 'string', default: '1' },
    out: { type: 'string', default: 'build/evals' },
    requests: { type: 'string' },
    answers: { type: 'string' },
    write: { type: 'boolean', default: false },
  },
})
if (!values.files) {
  console.log('npx tsx evals/benchmarks.ts --files FOLDER [--model FILE] [--task NAME] [--limit N]')
  process.exit(2)
}

/** What the model is compared with: nothing rounded but its weights, and the KV cache to f16. */
const TWIN: LoadOptions = { strict: true, activations: 'float', kv: 'f16' }

/** Rows of the original report, and the metric that each is given in. */
const ROWS: Readonly<Record<string, readonly [row: string, metric: string]>> = {
  mmlu: ['MMLU, 5-shot', 'acc,none'],
  hellaswag: ['HellaSwag', 'acc_norm,none'],
  arc_challenge: ['ARC Challenge', 'acc_norm,none'],
  commonsense_qa: ['CommonSense', 'acc,none'],
}

/** Documents of each part at most: `--limit 100` for all tasks, `--limit mmlu=10` for one. */
function limitOf(task: string): number | undefined {
  const own = values.limit.find(text => text.startsWith(`${task}=`))
  const text = own?.slice(task.length + 1) ?? values.limit.find(each => !each.includes('='))
  return text === undefined ? undefined : Number(text)
}
const journal = new FileJournal(`${values.out}/journal`)

interface Measured {
  readonly task: string
  readonly metric: string
  /** Of every document. */
  readonly all: readonly number[]
  /** Of the documents that both answered. */
  readonly ours: readonly number[]
  readonly twin: readonly number[]
}

const scoresOf = (run: Scored, key: string): (number | undefined)[] =>
  run.parts.flatMap(({ records }) => records.map(record => record?.scores[key] as number))

interface Open {
  readonly task: string
  readonly plan: Plan
  readonly data: readonly string[]
}

async function plans(): Promise<Open[]> {
  const wanted = publishedIn(values.files!).filter(({ task }) =>
    (values.task ?? Object.keys(ROWS)).includes(task),
  )
  return Promise.all(
    wanted.map(async published => {
      const { plan, files } = await planOfFiles(values.files!, published, {
        limit: limitOf(published.task),
      })
      return { task: published.task, plan, data: await Promise.all(files.map(f => hashOf(f.blob))) }
    }),
  )
}

const keyOf = (part: string, index: number) => `${part}/${index}`

/** One line a document: the tokens of each option, and where what is scored begins. */
async function writeRequests(file: string): Promise<void> {
  const engine = await loadInNode(values.model)
  const { contextLength } = await engine.stats()
  const { addsBos, bos } = engine.model
  const encode: Encode = (text, before) =>
    engine.tokenize(text, { bos: before && addsBos, special: true })
  const lines: string[] = []
  for (const { plan } of await plans()) {
    for (const { name, documents } of plan.parts) {
      for (const { index, item, context } of documents) {
        const pairs = []
        for (const request of item.requests(context)) {
          if (request.kind !== 'loglikelihood') throw new Error(`${name} asks for no options`)
          const pair = await pairTokens(request.context, request.continuation, encode, bos)
          const { tokens, from } = fitPair(pair.context, pair.continuation, contextLength)
          pairs.push({ tokens, from })
        }
        lines.push(JSON.stringify({ key: keyOf(name, index), pairs }))
      }
    }
  }
  await engine.close()
  writeFileSync(file, `${lines.join('\n')}\n`)
}

/** The twin's runs, of answers that were given elsewhere. */
async function readAnswers(file: string): Promise<Map<string, Scored>> {
  const given = new Map<string, number[]>()
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    if (line === '') continue
    const { key, logprobs } = JSON.parse(line) as { key: string; logprobs: number[] }
    given.set(key, logprobs)
  }
  const runs = new Map<string, Scored>()
  for (const { task, plan } of await plans()) {
    const parts = plan.parts.map(({ name, documents }) => ({
      records: documents.map(({ index, item }) => {
        const logprobs = given.get(keyOf(name, index))
        if (!logprobs) return null
        const answers = logprobs.map((logprob): LikelihoodAnswer => {
          return { kind: 'loglikelihood', logprob, greedy: false, tokens: 0, cut: 0 }
        })
        return { scores: item.score(answers) }
      }),
    }))
    runs.set(task, { parts })
  }
  return runs
}

/** What the comparison needs of a run. */
interface Scored {
  /** Null for a document that was not answered. */
  readonly parts: readonly { readonly records: readonly ({ readonly scores: Scores } | null)[] }[]
}

async function measure(load: LoadOptions): Promise<Map<string, RunResult>> {
  const engine = await loadInNode(values.model, { threads: Number(values.threads), ...load })
  const runs = new Map<string, RunResult>()
  try {
    for (const { task, plan, data } of await plans()) {
      const run = await runPlan(engine, plan, { journal, data })
      runs.set(task, run)
      console.error(`${task}: ${run.seconds.toFixed(0)} s, ${run.resumed} resumed`)
    }
  } finally {
    await engine.close()
  }
  return runs
}

if (values.requests) {
  await writeRequests(values.requests)
  process.exit(0)
}
const ours = await measure({})
const twin = values.answers ? await readAnswers(values.answers) : await measure(TWIN)
const measured: Measured[] = [...ours].flatMap(([task, run]) =>
  Object.keys(run.parts[0]!.records[0]!.scores).map(metric => {
    const all = scoresOf(run, metric) as number[]
    const other = scoresOf(twin.get(task)!, metric)
    const both = all.map((_, i) => i).filter(i => other[i] !== undefined)
    return { task, metric, all, ours: both.map(i => all[i]!), twin: both.map(i => other[i]!) }
  }),
)

const percent = (x: number) => (100 * x).toFixed(1)
const shown = (list: readonly number[]) => `${percent(mean(list))} ± ${percent(meanError(list))}`
const deltaOf = ({ ours, twin }: Measured) => {
  const { value, low, high } = pairedMean(twin, ours)
  return `${value < 0 ? '-' : '+'}${percent(Math.abs(value))} (${percent(low)} to ${percent(high)})`
}
console.log('| task | metric | n | ours | n | ours | twin | difference, 95 % | differ |')
console.log('| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |')
for (const m of measured) {
  const { task, metric, all, ours, twin } = m
  const differ = ours.filter((x, i) => x !== twin[i]).length
  const own = [task, metric, all.length, shown(all)]
  const beside =
    ours.length < 2
      ? [0, '', '', '', '']
      : [ours.length, shown(ours), shown(twin), deltaOf(m), differ]
  console.log(`| ${[...own, ...beside].join(' | ')} |`)
}

if (values.write) {
  const file = 'docs/bench/quality.json'
  const quality: Record<string, string> = JSON.parse(readFileSync(file, 'utf8'))
  const name = basename(values.model).replace(/-tq2.*|\.gguf$/, '')
  const rows = measured.filter(({ task, metric }) => ROWS[task]?.[1] === metric)
  for (const m of rows) {
    const [row, metric] = ROWS[m.task]!
    const count = (list: readonly number[]) => list.length.toLocaleString('en')
    const isWhole = m.ours.length === m.all.length
    const text = isWhole
      ? `${shown(m.all)} / ${shown(m.twin)} (n ${count(m.all)}): ${deltaOf(m)}`
      : `${shown(m.all)} (n ${count(m.all)})`
    const beside =
      isWhole || m.ours.length < 2
        ? ''
        : `; ${percent(mean(m.ours))} / ${percent(mean(m.twin))} over the ${count(m.ours)} that the full model answered: ${deltaOf(m)}`
    quality[row] = `${name}, ${metric.split(',')[0]}: ${text}${beside}`
  }
  if (rows.length === Object.keys(ROWS).length) {
    quality.average = percent(mean(rows.map(m => mean(m.all))))
  }
  if (rows.length === Object.keys(ROWS).length && rows.every(m => m.ours.length > 1)) {
    const ours = mean(rows.map(m => mean(m.ours)))
    const full = mean(rows.map(m => mean(m.twin)))
    // Rows are independent: their variances add up.
    const error = Math.hypot(...rows.map(m => meanError(m.ours.map((x, i) => x - m.twin[i]!)))) / 4
    const gap = `${percent(ours - full)} (${percent(ours - full - 1.96 * error)} to ${percent(ours - full + 1.96 * error)})`
    quality.average = rows.every(m => m.ours.length === m.all.length)
      ? `${percent(ours)} / ${percent(full)}: ${gap}`
      : `${quality.average}; ${percent(ours)} / ${percent(full)} over what the full model answered: ${gap}`
  }
  writeFileSync(file, `${JSON.stringify(quality, null, 2)}\n`)
}
