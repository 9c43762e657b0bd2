// Rows of a report by job and value, and what several sections make of them. Pure.
import { type BenchReport, type BenchRow, isSoftware } from '../../demo/bench/results.ts'

/** Rows of a report by job and value; those of a GPU in software have no speed to tell, and are left out. */
export class Rows {
  readonly #rows: readonly BenchRow[]

  constructor(report: BenchReport) {
    this.#rows = report.rows.filter(row => !isSoftware(row))
  }

  job(name: string): BenchRow[] {
    const found = this.#rows.filter(row => row.job === name)
    // A value that was measured again stands last.
    const isNumber = found.every(row => row.value !== '' && Number.isFinite(Number(row.value)))
    return isNumber ? found.sort((a, b) => Number(a.value) - Number(b.value)) : found
  }

  at(name: string, value: string | number): BenchRow | undefined {
    return this.job(name).find(row => row.value === String(value))
  }
}

/** Milliseconds of one decoded token. */
export function perToken(row: BenchRow | undefined): number | undefined {
  return row?.decode_tok_s ? 1000 / row.decode_tok_s : undefined
}
