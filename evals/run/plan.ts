// What a run will ask: the documents of a task by part (MMLU's subjects), each with the examples that stand
// before it. All of it is fixed before the first request, so that a run that is cut goes on the same.
import { HarnessError } from '../harness-error.ts'
import type { PlacedRow } from '../read/rows.ts'
import { PythonRandom } from '../text/python-random.ts'
import type { Item, Task } from '../types.ts'

/** As in the definition. */
export const SHOT_SEED = 1234

export interface PlanOptions {
  /** Examples before each question; the task's own number unless given. */
  readonly shots?: number
  /** Documents of each part at most. */
  readonly limit?: number
  /** Of the draw of examples. */
  readonly seed?: number
}

/** One part of a task: its documents in the order of the files. */
export interface PlannedPart {
  /** `mmlu_anatomy`; the task's name where it has no parts. */
  readonly name: string
  readonly part: string
  readonly documents: readonly PlannedDocument[]
  /** Documents there are, before `limit`. */
  readonly original: number
  readonly shots: number
}

export interface PlannedDocument {
  readonly index: number
  readonly item: Item
  /** The examples before it, with the description. */
  readonly context: string
  readonly place: string
}

export interface Plan {
  readonly task: Task
  readonly parts: readonly PlannedPart[]
  /** What the data lacks, told in the result. */
  readonly notes: readonly string[]
}

/**
 * @param rows  documents to be asked
 * @param examples  rows that examples come from: never the documents themselves
 * @throws HarnessError for rows that are not as published, or too few examples
 */
export function planTask(
  task: Task,
  rows: readonly PlacedRow[],
  examples: readonly PlacedRow[],
  options: PlanOptions = {},
): Plan {
  const count = options.shots ?? task.shots
  const documents = byPart(task, rows)
  const shots = byPart(task, examples)
  const seed = options.seed ?? SHOT_SEED
  const notes = new Set<string>()
  for (const { row } of rows) {
    const note = task.note?.(row)
    if (note) notes.add(note)
  }
  const parts = [...documents].map(([part, placed]): PlannedPart => {
    const items = placed.slice(0, options.limit).map(opened(task))
    const all = new Set(placed.map(({ row }) => JSON.stringify(row)))
    const isSame = (shots.get(part) ?? []).every(({ row }) => all.has(JSON.stringify(row)))
    const given = (count > 0 ? (shots.get(part) ?? []) : []).map(opened(task))
    if (count > 0 && given.length < count + (isSame ? 1 : 0)) {
      const where = part === '' ? '' : ` for ${part}`
      throw new HarnessError(
        `${count} examples stand before each question and ${given.length} are given${where}; give the file of examples (${task.files}) or ask for fewer`,
      )
    }
    const contexts = contextsOf(task, part, given, items, count, seed, isSame)
    return {
      name: part === '' ? task.name : `${task.name}_${part}`,
      part,
      original: placed.length,
      shots: count,
      documents: items.map((item, index) => ({
        index,
        item,
        context: contexts[index]!,
        place: `line ${placed[index]!.line} of ${placed[index]!.file}`,
      })),
    }
  })
  const twice = rows.length - new Set(rows.map(({ row }) => JSON.stringify(row))).size
  if (twice > 0) notes.add(`${twice} documents stand in the data a second time, and are counted so`)
  if (parts.length === 0) throw new HarnessError(`there are no documents for ${task.name}`)
  return { task, parts, notes: [...notes] }
}

/**
 * What stands before each question: description, then examples, each with an empty line after it. Where examples
 * come from the documents themselves, one more is taken, and the document's own is left out.
 */
function contextsOf(
  task: Task,
  part: string,
  examples: readonly Item[],
  items: readonly Item[],
  count: number,
  seed: number,
  isSame: boolean,
): string[] {
  const description = task.description?.(part) ?? ''
  const more = isSame ? 1 : 0
  const write = (chosen: readonly Item[], item: Item) => {
    const others = chosen.filter(({ shot }) => shot !== item.shot).slice(0, count)
    return description + others.map(({ shot }) => `${shot}\n\n`).join('')
  }
  if (count === 0 || task.shotOrder === 'first') {
    return items.map(item => write(count === 0 ? [] : examples.slice(0, count + more), item))
  }
  // One stream of draws for all documents, in their order: each gets examples of its own.
  const random = new PythonRandom(seed)
  const most = Math.min(count + more, examples.length)
  return items.map(item =>
    write(
      random.sample(examples.length, most).map(i => examples[i]!),
      item,
    ),
  )
}

function byPart(task: Task, rows: readonly PlacedRow[]): Map<string, PlacedRow[]> {
  const parts = new Map<string, PlacedRow[]>()
  for (const placed of rows) {
    const part = task.part?.(placed.row, placed.file) ?? ''
    const list = parts.get(part)
    if (list) list.push(placed)
    else parts.set(part, [placed])
  }
  return new Map([...parts].sort(([a], [b]) => (a < b ? -1 : 1)))
}

function opened(task: Task): (placed: PlacedRow) => Item {
  return ({ row, file, line }) => {
    try {
      return task.open(row)
    } catch (cause) {
      if (!(cause instanceof HarnessError)) throw cause
      throw new HarnessError(`line ${line} of ${file}: ${cause.message}`, { cause })
    }
  }
}
