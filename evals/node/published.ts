// A folder of published task files in Node: what it holds by task, and the plan of one of them. Used by
// evals/benchmarks.ts and e2e/published/published.ts.
import { openAsBlob, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { HarnessError } from '../harness-error.ts'
import { type PublishedTask, publishedTasks } from '../read/published.ts'
import { type DataFile, readRows } from '../read/rows.ts'
import { type Plan, type PlanOptions, planTask } from '../run/plan.ts'
import { taskNamed } from '../tasks/table.ts'
import { DATA_FILE } from './files.ts'

/** The tasks whose files lie in a folder or below. @throws HarnessError where there are none */
export function publishedIn(folder: string): PublishedTask[] {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map(name => name.replaceAll('\\', '/'))
    .filter(name => DATA_FILE.test(name))
    .sort()
  const tasks = publishedTasks(names)
  if (tasks.length > 0) return tasks
  throw new HarnessError(
    `${folder} holds no files of the tasks; a file or its folder must have the task's name, as hellaswag_val.jsonl or mmlu/test/anatomy_test.csv`,
  )
}

/** Examples before a question: the task's own number, none where the folder has no file of examples. */
export function shotsOf({ task, examples }: PublishedTask): number {
  return examples.length > 0 ? taskNamed(task).shots : 0
}

/** @throws HarnessError for rows that are not as published */
export async function planOfFiles(
  folder: string,
  published: PublishedTask,
  options: PlanOptions = {},
): Promise<{ plan: Plan; files: DataFile[] }> {
  const task = taskNamed(published.task)
  const open = (names: readonly string[]) =>
    Promise.all(names.map(async name => ({ name, blob: await openAsBlob(join(folder, name)) })))
  const [documents, examples] = await Promise.all([
    open(published.documents),
    open(published.examples),
  ])
  const plan = planTask(task, await readRows(task, documents), await readRows(task, examples), {
    shots: shotsOf(published),
    ...options,
  })
  return { plan, files: [...documents, ...examples] }
}
