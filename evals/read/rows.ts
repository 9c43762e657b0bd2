// From files to the rows of a task: which reader a file needs, says its content (Parquet has a mark) and its
// ending. Labels in a file of their own (PIQA) are put to the rows before them.
import { HarnessError } from '../harness-error.ts'
import { pagesOf } from '../tasks/wikitext.ts'
import type { Row, Task } from '../types.ts'
import { parseCsv } from './csv.ts'
import { parseJsonl } from './jsonl.ts'
import { readParquet } from './parquet.ts'

/** A file of a task: of the device or fetched. `name` may have folders, which say what it is part of. */
export interface DataFile {
  readonly name: string
  readonly blob: Blob
}

/** A row and where it comes from. */
export interface PlacedRow {
  readonly row: Row
  readonly file: string
  /** Its place in the file, from 1. */
  readonly line: number
}

/** All rows of these files, in the order of the files' names. @throws HarnessError naming the file */
export async function readRows(task: Task, files: readonly DataFile[]): Promise<PlacedRow[]> {
  const inOrder = [...files].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
  const labels = inOrder.filter(file => file.name.endsWith('.lst'))
  const rows: PlacedRow[] = []
  for (const file of inOrder) {
    if (labels.includes(file)) continue
    const read = await rowsOf(task, file)
    if (read.length === 0) throw new HarnessError(`${file.name} holds no rows`)
    rows.push(...read.map((row, i) => ({ row, file: file.name, line: i + 1 })))
  }
  const lines: string[] = []
  for (const { blob } of labels) {
    const text = await blob.text()
    lines.push(
      ...text
        .split('\n')
        .map(line => line.trim())
        .filter(line => line !== ''),
    )
  }
  if (labels.length === 0) return rows
  if (lines.length !== rows.length) {
    throw new HarnessError(`${lines.length} labels do not fit ${rows.length} rows`)
  }
  return rows.map((placed, i) => ({ ...placed, row: { ...placed.row, label: lines[i]! } }))
}

async function rowsOf(task: Task, { name, blob }: DataFile): Promise<Row[]> {
  if (await isParquet(blob)) return joinPages(task, await readParquet(blob, name), name)
  if (/\.parquet$/i.test(name)) {
    throw new HarnessError(
      `${name} is not Parquet: it does not begin with PAR1; what was downloaded is another thing, as a web page or a Git LFS pointer`,
    )
  }
  const text = await blob.text()
  if (/\.csv$/i.test(name)) return tableRows(task, parseCsv(text), name)
  if (/\.(jsonl?|ndjson)$/i.test(name)) return joinPages(task, parseJsonl(text, name), name)
  if (task.layout === 'pages') return pagesOf(text).map(page => ({ page }))
  throw new HarnessError(
    `${name} has an ending that says nothing; it must be .jsonl, .json, .csv or .parquet`,
  )
}

async function isParquet(blob: Blob): Promise<boolean> {
  return (await blob.slice(0, 4).text()) === 'PAR1'
}

function tableRows(task: Task, lines: readonly string[][], name: string): Row[] {
  if (task.layout === 'cells') return lines.map(cells => ({ cells }))
  const [names, ...rest] = lines
  return rest.map((cells, i) => {
    if (cells.length !== names!.length) {
      throw new HarnessError(
        `line ${i + 2} of ${name} has ${cells.length} cells, its header has ${names!.length}`,
      )
    }
    return Object.fromEntries(names!.map((column, c) => [column, cells[c]]))
  })
}

/** Rows that each hold one line of the raw text, as the hub has it, are put together again. */
function joinPages(task: Task, rows: readonly Row[], name: string): Row[] {
  if (task.layout !== 'pages' || rows.every(row => typeof row.page === 'string')) return [...rows]
  const wrong = rows.findIndex(row => typeof row.text !== 'string')
  if (wrong >= 0) {
    throw new HarnessError(`line ${wrong + 1} of ${name} has neither a page nor a text`)
  }
  const lines = rows.map(row => row.text as string)
  // A line has its line end in some copies and not in others.
  const raw = lines.map(line => (line.endsWith('\n') ? line : `${line}\n`)).join('')
  return pagesOf(raw).map(page => ({ page }))
}
