// The report's part on a busy machine: speeds beside other processes, and what was asked of them. Pure.
import type { PoolFigures } from '../../demo/bench/results.ts'
import { median, spread } from '../../demo/bench/statistics.ts'
import { figure, NOT_MEASURED, table, withSpread } from './markdown.ts'

/** One engine beside so many busy processes: what each round gave. */
export interface BusyEntry {
  where: 'Chromium' | 'Node'
  /** 'before' is the version that was handed in. */
  version: 'this' | 'before'
  model: string
  /** Other processes that each keep a core busy. */
  busy: number
  threads: number
  /** In Node, threads of the pool; entries with the same share one copy of the model. */
  asked?: number
  /** Threads that do not help are set aside. */
  adapts: boolean
  decode_tok_s: number[]
  prefill_tok_s: number[]
  /** Of the last round. */
  pool?: PoolFigures
  /** It wrote something else than the others. */
  wrong?: boolean
}

/** A load that comes and goes every second, in Node: steady parts of seconds. */
export interface BusySwitching {
  model: string
  seconds: number
  /** Medians with threads that adapt, and of the better fixed number. */
  idle_tok_s: number
  busy_tok_s: number
  best_idle_tok_s: number
  best_busy_tok_s: number
  /** Of each stretch, its idle seconds and its busy ones: adapting over the better fixed number beside it. */
  shares: number[]
  /** Their medians at the beginning and at the end: what a long run changes. */
  first_third?: number
  last_third?: number
}

/** llama.cpp and ours under the same load, round by round. */
export interface BusyNative {
  engine: string
  model: string
  busy: number
  threads: number
  ours_tok_s: number[]
  theirs_tok_s: number[]
}

export interface BusyReport {
  head: {
    machine: string
    commit: string
    date: string
    quick: boolean
    cores: number
    /** Cores that other programs kept busy while nothing of this ran. */
    others: number
    /** The other version. */
    before?: string
    /** Parts that were measured at another time. */
    kept?: readonly { part: string; commit: string; date: string; others: number }[]
  }
  entries: BusyEntry[]
  switching: BusySwitching[]
  native: BusyNative[]
  problems: string[]
}

type Rate = 'decode_tok_s' | 'prefill_tok_s'

/** The median of ours over theirs, round by round: what slows both falls out. */
export function ratioOf(
  ours: BusyEntry | undefined,
  theirs: BusyEntry | undefined,
  rate: Rate,
): number | undefined {
  if (ours === undefined || theirs === undefined) return undefined
  const ratios = ours[rate].flatMap((mine, i) => {
    const other = theirs[rate][i]
    return other === undefined ? [] : [mine / other]
  })
  return ratios.length === 0 ? undefined : median(ratios)
}

/** The one with the highest median. */
function bestOf(entries: readonly BusyEntry[], rate: Rate): BusyEntry | undefined {
  return [...entries].sort((a, b) => median(b[rate]) - median(a[rate]))[0]
}

export interface Verdict {
  what: string
  asked: number
  decode: number | undefined
  /** Where prompts are judged too. */
  prefill?: number | undefined
}

const RATES = ['decode_tok_s', 'prefill_tok_s'] as const

/** What the pool must show, with what was measured. */
export function verdictsOf(report: BusyReport): Verdict[] {
  return [
    ...places(report).flatMap(place => placeVerdicts(report, place)),
    ...report.switching.map(s => ({
      what: `${s.model}, Node, a load that comes and goes every second: of the best fixed threads`,
      asked: 0.9,
      decode: median(s.shares),
    })),
    ...report.native.map(n => ({
      what: `${n.model}, ${busyText(n.busy)}: times ${n.engine} on ${n.threads} threads`,
      asked: 3,
      decode: median(n.ours_tok_s.map((ours, i) => ours / (n.theirs_tok_s[i] ?? Number.NaN))),
    })),
  ]
}

type Place = Pick<BusyEntry, 'where' | 'model' | 'busy'>

function places({ entries }: BusyReport): Place[] {
  const seen = new Map<string, Place>()
  for (const { where, model, busy } of entries) {
    seen.set(`${where} ${model} ${busy}`, { where, model, busy })
  }
  return [...seen.values()]
}

function placeVerdicts({ entries, head }: BusyReport, place: Place): Verdict[] {
  const here = entries.filter(
    e => e.where === place.where && e.model === place.model && e.busy === place.busy,
  )
  const find = (version: BusyEntry['version'], threads: number, adapts: boolean) =>
    here.find(
      e =>
        e.version === version &&
        e.threads === threads &&
        e.adapts === adapts &&
        (e.asked ?? head.cores) === head.cores,
    )
  const adapting = find('this', head.cores, true)
  const one = find('this', 1, place.where === 'Chromium')
  const all = find('this', head.cores, false)
  const before = find('before', head.cores, false)
  const name = `${place.model}, ${place.where}, ${busyText(place.busy)}`
  const verdict = (
    what: string,
    asked: number,
    ours: BusyEntry | undefined,
    theirs: (rate: Rate) => BusyEntry | undefined,
  ): Verdict[] => {
    const [decode, prefill] = RATES.map(rate => ratioOf(ours, theirs(rate), rate))
    if (decode === undefined && prefill === undefined) return []
    return [{ what: `${name}: ${what}`, asked, decode, prefill }]
  }
  const byHand = [one, all, before].filter(e => e !== undefined)
  const own = byHand.filter(e => e !== one).length > 0
  const found = [
    ...(place.busy === 0 ? verdict('of the version before', 0.97, adapting, () => before) : []),
    ...(own
      ? verdict('of the better of one and all threads by hand', 0.95, adapting, rate =>
          bestOf(byHand, rate),
        )
      : []),
    ...verdict('of one thread', place.busy === 0 ? 0.95 : 0.9, adapting, () => one),
  ]
  for (const more of here.filter(e => e.version === 'this' && e.threads > head.cores)) {
    const cores = here.find(e => e.asked === more.threads && !e.adapts) ?? adapting
    found.push(...verdict(`${more.threads} threads, of ${head.cores}`, 0.9, more, () => cores))
  }
  return found
}

function busyText(busy: number): string {
  return busy === 0 ? 'idle' : busy === 1 ? '1 busy process' : `${busy} busy processes`
}

function threadsText({ threads, adapts, version, where, asked = threads }: BusyEntry): string {
  const of = asked > threads && threads > 1 ? ` of ${asked}` : ''
  const count = threads === 1 ? '1 thread' : `${threads}${of} threads`
  const kind = threads === 1 || where === 'Chromium' ? '' : adapts ? ', adapting' : ', fixed'
  return `${version === 'before' ? 'before: ' : ''}${count}${kind}`
}

function trendText({ first_third, last_third }: BusySwitching): string {
  if (first_third === undefined || last_third === undefined) return ''
  return ` Of the best fixed number: ${figure(first_third)} in the first third of the time, ${figure(last_third)} in the last.`
}

function ratioText(value: number | undefined): string {
  return value === undefined ? '' : figure(value, 3)
}

export function busySection(report: BusyReport | undefined): string {
  if (!report) {
    return `## On a busy machine\n\n${NOT_MEASURED}: run \`make bench ONLY=busy\`.`
  }
  const { head, entries, switching, problems } = report
  const others =
    head.others > 0.15
      ? ` **Other programs kept ${figure(head.others, 2)} cores busy before it began.**`
      : ''
  const before = head.before ? ` "Before" is ${head.before}.` : ''
  const kept = (head.kept ?? []).map(
    k => `${k.part}: commit ${k.commit}, ${k.date.slice(0, 16).replace('T', ' ')}`,
  )
  const other = kept.length > 0 ? ` Measured at another time: ${kept.join('; ')}.` : ''
  const rate = (e: BusyEntry, of: Rate) => withSpread(median(e[of]), spread(e[of]))
  return `## On a busy machine

${head.machine}, commit ${head.commit}, ${head.date.slice(0, 10)}. So many processes keep one core busy each. The engines stand
open side by side and take turns, round by round; a ratio is the median of the rounds'. All wrote the same
tokens${entries.some(e => e.wrong) ? ', **except where "wrong" stands**' : ''}.${before}${other}${others}${head.quick ? ' **A quick run: the figures mean nothing.**' : ''}

${table(
  ['what', 'asked', 'decode', 'prefill'],
  verdictsOf(report).map(v => [v.what, `${v.asked}`, ratioText(v.decode), ratioText(v.prefill)]),
)}

${table(
  [
    'model',
    'where',
    'busy',
    'threads',
    'decode tok/s',
    'prefill tok/s',
    'threads at work',
    'waiting',
  ],
  entries.map(e => [
    e.model,
    e.where,
    String(e.busy),
    `${threadsText(e)}${e.wrong ? ' (wrong)' : ''}`,
    rate(e, 'decode_tok_s'),
    rate(e, 'prefill_tok_s'),
    e.pool ? figure(e.pool.active, 2) : '',
    e.pool ? `${figure(100 * e.pool.waiting, 2)} %` : '',
  ]),
)}

${switching
  .map(
    s =>
      `- ${s.model}, a load that comes and goes every second for ${s.seconds} s: ${figure(s.idle_tok_s)} tok/s in seconds without it ` +
      `(best fixed ${figure(s.best_idle_tok_s)}), ${figure(s.busy_tok_s)} with it (best fixed ${figure(s.best_busy_tok_s)}).${trendText(s)}`,
  )
  .join('\n')}
${problems.map(p => `- Incomplete: ${p}`).join('\n')}`.trim()
}
