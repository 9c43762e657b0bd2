// A whole run: the cells of a sweep one after the other, each row handed on as it comes.
import { type Bench, measureCell } from './measure.ts'
import type { Cell } from './plan.ts'
import type { BenchRow } from './results.ts'

/** @throws what `signal` cancelled; everything else that goes wrong stands in the rows */
export async function runCells(
  bench: Bench,
  cells: readonly Cell[],
  onCell: (cell: Cell, index: number) => void,
  onRow: (row: BenchRow) => Promise<void> | void,
): Promise<BenchRow[]> {
  const rows: BenchRow[] = []
  for (const [index, cell] of cells.entries()) {
    bench.signal?.throwIfAborted()
    if (index > 0) await bench.settle()
    onCell(cell, index)
    const row = await measureCell(bench, cell)
    rows.push(row)
    await onRow(row)
  }
  return rows
}
