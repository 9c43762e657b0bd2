// What a run of the busy benchmark does not measure again stays in its file: so a run of some parts, or one that was cut, costs
// no figures. Pure; called by busy.ts.
import type { BusyReport } from '../report/busy-section.ts'

export const PARTS = ['idle', 'busy', 'switching', 'native'] as const
export type Part = (typeof PARTS)[number]

/** With the old rows of what has not been measured again, which keep their own commit and date. */
export function withOthers(report: BusyReport, old: BusyReport): BusyReport {
  const entries = old.entries.filter(
    o => !report.entries.some(n => n.model === o.model && n.where === o.where && n.busy === o.busy),
  )
  const switching = old.switching.filter(o => !report.switching.some(n => n.model === o.model))
  const native = old.native.filter(o => !report.native.some(n => n.busy === o.busy))
  const isOf = {
    idle: [entries.some(e => e.busy === 0), report.entries.some(e => e.busy === 0)],
    busy: [entries.some(e => e.busy > 0), report.entries.some(e => e.busy > 0)],
    switching: [switching.length > 0, report.switching.length > 0],
    native: [native.length > 0, report.native.length > 0],
  } as const satisfies Record<Part, readonly [old: boolean, anew: boolean]>
  const { commit, date, others, before } = old.head
  const kept = PARTS.filter(part => isOf[part][0]).flatMap(part => {
    const earlier = (old.head.kept ?? []).filter(k => k.part.startsWith(part))
    // Unless nothing of it was measured then.
    const times = earlier.some(k => k.part === part)
      ? earlier
      : [...earlier, { commit, date, others }]
    const name = isOf[part][1] || times.length > 1 ? `${part}, what was not measured again` : part
    return times.map(time => ({ ...time, part: name }))
  })
  return {
    ...report,
    head: {
      ...report.head,
      ...(report.head.before === undefined && before !== undefined ? { before } : {}),
      ...(kept.length > 0 ? { kept } : {}),
    },
    entries: [...entries, ...report.entries],
    switching: [...switching, ...report.switching],
    native: [...native, ...report.native],
  }
}
