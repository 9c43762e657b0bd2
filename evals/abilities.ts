// Calling functions and filling in JSON as measured abilities: how often the answer is exactly what was expected,
// with the grammar and without, so that one sees what it buys.
//   npx tsx evals/abilities.ts [--model FILE] [--calls FILE.jsonl] [--extract FILE.jsonl] [--limit N]
// A line holds messages, tools (for calls) and expect: { name, arguments } or the object. Greedy.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { loadInNode } from '../tools/node-sdk.ts'
import { meanError } from './metrics/aggregate.ts'
import { askCall, askJson, type Mark, type Task } from './run/abilities.ts'

const own = (name: string) => join(import.meta.dirname, 'set', name)
const { values } = parseArgs({
  options: {
    model: { type: 'string', default: 'demo/public/models/ryz-chat-tq2_0-embq8_0.gguf' },
    calls: { type: 'string', multiple: true, default: [own('calls.jsonl')] },
    extract: { type: 'string', multiple: true, default: [own('extract.jsonl')] },
    limit: { type: 'string' },
    load: { type: 'string', default: '{}' },
  },
})

const tasksOf = (file: string): Task[] => {
  const lines = readFileSync(file, 'utf8')
    .split('\n')
    .filter(line => line !== '')
  return lines
    .slice(0, values.limit ? Number(values.limit) : lines.length)
    .map(line => JSON.parse(line))
}
const engine = await loadInNode(values.model, JSON.parse(values.load))
const percent = (list: readonly number[]) => {
  const share = list.reduce((sum, x) => sum + x, 0) / list.length
  return `${(100 * share).toFixed(1)} ± ${(100 * meanError(list)).toFixed(1)} %`
}
console.log(
  '| tasks | n | held by the grammar | well-formed | right function | right arguments | all exact |',
)
console.log('| --- | ---: | --- | ---: | ---: | ---: | ---: |')
const kinds = [
  ...values.calls.map(file => ({ file, ask: askCall })),
  ...values.extract.map(file => ({ file, ask: askJson })),
]
for (const { file, ask } of kinds) {
  const tasks = tasksOf(file)
  for (const isHeld of [false, true]) {
    const marks: Mark[] = []
    for (const task of tasks) marks.push(await ask(engine, task, isHeld))
    const cells = (['wellFormed', 'name', 'arguments', 'exact'] as const).map(key =>
      percent(marks.map(mark => Number(mark[key]))),
    )
    const name = file.split('/').at(-1)
    console.log(`| ${name} | ${tasks.length} | ${isHeld ? 'yes' : 'no'} | ${cells.join(' | ')} |`)
  }
}
await engine.close()
