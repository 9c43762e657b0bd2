// Writes what a soak of losses found, where LOSS_REPORT names a folder (`make losses`).
import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import type { LossReport } from './losses.ts'

export function writeLosses(found: Omit<LossReport, 'date' | 'machine'>): void {
  console.log(`losses: ${JSON.stringify(found)}`)
  const folder = process.env.LOSS_REPORT
  if (folder === undefined) return
  const machine = `${cpus()[0]?.model ?? 'unknown'}, ${cpus().length} cores`
  const date = new Date().toISOString().slice(0, 10)
  const report: LossReport = { ...found, date, machine, seconds: Math.round(found.seconds) }
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, `losses-${found.kind}.json`), `${JSON.stringify(report, null, 1)}\n`)
}
