// All tasks by name, each with the definition and version that it follows. A new task is a file beside this
// one and a line here.
import { HarnessError } from '../harness-error.ts'
import type { Task } from '../types.ts'
import { gsm8k } from './gsm8k.ts'
import { hellaswag } from './hellaswag.ts'
import { lambada } from './lambada.ts'
import { mmlu } from './mmlu.ts'
import { arcChallenge, arcEasy, boolQ, commonsenseQa, openBookQa, piqa } from './questions.ts'
import { wikitext } from './wikitext.ts'
import { winogrande } from './winogrande.ts'

export const TASKS: readonly Task[] = [
  mmlu,
  hellaswag,
  arcEasy,
  arcChallenge,
  commonsenseQa,
  piqa,
  openBookQa,
  boolQ,
  winogrande,
  lambada,
  gsm8k,
  wikitext,
]

/** @throws HarnessError naming the tasks there are */
export function taskNamed(name: string): Task {
  const task = TASKS.find(task => task.name === name)
  if (task) return task
  const names = TASKS.map(task => task.name).join(', ')
  throw new HarnessError(`${JSON.stringify(name)} is no task; there are ${names}`)
}
