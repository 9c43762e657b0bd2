// Evaluates a model in Node: `npx tsx evals/run.ts --model FILE --task NAME --data FILES [--shots FILES]`, or
// `make evals`. A run that was cut goes on when it is started again. See --help.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { LoadOptions } from 'ryzanstein'
import { loadInNode } from '../tools/node-sdk.ts'
import { folderStore, openFiles } from './node/files.ts'
import { FileJournal } from './node/journal-file.ts'
import { readRows } from './read/rows.ts'
import { markdownPage } from './report/markdown.ts'
import { type DataFact, resultsOf } from './report/results.ts'
import { hashOf } from './run/journal.ts'
import type { BosRule } from './run/model.ts'
import { planTask, SHOT_SEED } from './run/plan.ts'
import { runPlan } from './run/run.ts'
import { TASKS, taskNamed } from './tasks/table.ts'

const HELP = `npx tsx evals/run.ts --model FILE.gguf --task NAME --data FILE|FOLDER|URL ...

  --task      ${TASKS.map(task => task.name).join(', ')}
  --data      the documents (several times for several files)
  --shots     the files that examples come from
  --fewshot   examples before each question (the task's own number unless given)
  --limit     documents of each part at most
  --bos       tokenizer (default), never (older releases of the definition), always
  --load      options of load() as JSON: '{"strict":true,"activations":"float"}'
  --seed      of the draw of examples (${SHOT_SEED})
  --out       folder of results and journal (build/evals)
  --samples   also write every document with its answers
`

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    task: { type: 'string' },
    data: { type: 'string', multiple: true },
    shots: { type: 'string', multiple: true },
    fewshot: { type: 'string' },
    limit: { type: 'string' },
    bos: { type: 'string', default: 'tokenizer' },
    load: { type: 'string', default: '{}' },
    seed: { type: 'string' },
    out: { type: 'string', default: 'build/evals' },
    samples: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
if (values.help || !values.model || !values.task || !values.data) {
  console.log(HELP)
  process.exit(values.help ? 0 : 2)
}

const { out } = values
const task = taskNamed(values.task)
const count = (name: 'fewshot' | 'limit' | 'seed'): number | undefined => {
  const text = values[name]
  if (text === undefined) return undefined
  const number = Number(text)
  if (Number.isInteger(number) && number >= 0) return number
  throw new Error(`--${name} is ${text}; it must be a whole number`)
}
if (!['tokenizer', 'never', 'always'].includes(values.bos)) {
  throw new Error(`--bos is ${values.bos}; it must be tokenizer, never or always`)
}
const limit = count('limit')
const seed = count('seed') ?? SHOT_SEED
const store = folderStore(join(out, 'data'))
const documents = await openFiles(values.data, store)
const examples = await openFiles(values.shots ?? [], store)
const plan = planTask(task, await readRows(task, documents), await readRows(task, examples), {
  shots: count('fewshot'),
  limit,
  seed,
})
const data: DataFact[] = []
for (const [use, files] of [
  ['documents', documents],
  ['examples', examples],
] as const) {
  for (const { name, blob, url } of files) {
    data.push({ name, bytes: blob.size, sha256: await hashOf(blob), use, ...(url && { url }) })
  }
}

const load = JSON.parse(values.load) as LoadOptions
const engine = await loadInNode(values.model, load)
const run = await runPlan(engine, plan, {
  bos: values.bos as BosRule,
  data: data.map(({ sha256, use }) => [sha256, use]),
  journal: new FileJournal(join(out, 'journal')),
  onProgress({ part, done, total, documentsPerSecond, tokensPerSecond, secondsLeft }) {
    if (!process.stderr.isTTY && done % 50 !== 0 && done !== total) return
    const left = secondsLeft === null ? '' : `, ${Math.ceil(secondsLeft)} s left`
    const rate = `${documentsPerSecond.toFixed(1)} documents/s, ${Math.round(tokensPerSecond)} tokens/s`
    process.stderr.write(
      `${process.stderr.isTTY ? '\r\x1b[K' : ''}${part}: ${done} of ${total}, ${rate}${left}${process.stderr.isTTY ? '' : '\n'}`,
    )
  },
})
process.stderr.write('\n')
const stats = await engine.stats()
const results = resultsOf([run], {
  stats,
  model: values.model,
  options: { load },
  data,
  limit,
  seed,
})
await engine.close()
const folder = join(out, run.key)
mkdirSync(folder, { recursive: true })
writeFileSync(join(folder, 'results.json'), `${JSON.stringify(results, null, 2)}\n`)
writeFileSync(join(folder, 'results.md'), markdownPage(results))
if (values.samples) {
  for (const { part, records } of run.parts) {
    const lines = records.map(record => {
      const { item, context } = part.documents[record.index]!
      return JSON.stringify({ ...record, target: item.target, requests: item.requests(context) })
    })
    writeFileSync(join(folder, `samples_${part.name}.jsonl`), `${lines.join('\n')}\n`)
  }
}
console.log(markdownPage(results))
console.log(`${run.resumed} documents were found in the journal. Written to ${folder}`)
