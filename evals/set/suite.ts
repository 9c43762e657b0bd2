// The documents of our own as plans of every task, read from this folder. Used by the accuracy table and by the
// test that compares with golden.json.
import { openAsBlob, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { type DataFile, readRows } from '../read/rows.ts'
import { type Plan, planTask } from '../run/plan.ts'
import { taskNamed } from '../tasks/table.ts'

const here = import.meta.dirname

/** Files of each task: documents, and examples where the task has some. */
const FILES: Readonly<Record<string, readonly [documents: string, examples?: string]>> = {
  hellaswag: ['hellaswag.jsonl'],
  arc_easy: ['arc.jsonl'],
  commonsense_qa: ['commonsense_qa.jsonl'],
  piqa: ['piqa'],
  openbookqa: ['openbookqa.jsonl'],
  boolq: ['boolq.jsonl'],
  winogrande: ['winogrande.jsonl'],
  lambada_openai: ['lambada.jsonl'],
  mmlu: ['mmlu/test', 'mmlu/dev'],
  gsm8k: ['gsm8k/test.jsonl', 'gsm8k/train.jsonl'],
  wikitext: ['wiki.raw'],
}

export const SUITE_TASKS = Object.keys(FILES)

/** The plan of a task over the documents of this folder. */
export async function ownPlan(name: string): Promise<Plan> {
  const task = taskNamed(name)
  const [documents, examples] = FILES[name]!
  const rows = async (place?: string) => (place ? readRows(task, await filesAt(place)) : [])
  return planTask(task, await rows(documents), await rows(examples))
}

async function filesAt(place: string): Promise<DataFile[]> {
  if (/\.\w+$/.test(place)) return [{ name: place, blob: await openAsBlob(join(here, place)) }]
  return Promise.all(
    readdirSync(join(here, place)).map(async name => ({
      name,
      blob: await openAsBlob(join(here, place, name)),
    })),
  )
}
