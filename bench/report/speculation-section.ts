// The report's part about guessed tokens: how many times as fast each text is, by kernel build and threads. Pure.
import { figure, NOT_MEASURED, table } from './markdown.ts'

/** One text, with one way of guessing. */
export interface SpeculationRow {
  text: string
  /** 'none', 'lookup' or 'draft'. */
  guesses: string
  /** Of an answer, without its prompt. */
  tokensPerSecond: number
  /** Over the same without guesses, median of the rounds' quotients. */
  times: number
  /** The same of whole answers, their prompts included; absent in reports of before. */
  whole?: number
  rounds: number
  accepted: number
  proposed: number
  length: number
  /** Rows of a step and what it took, in milliseconds, as the engine measured it. */
  costs: string
}

/** A kernel build and a number of threads. */
export interface SpeculationCell {
  variant: string
  threads: number
  /** What time was counted: the clock's, or the processor's for this process. */
  clock: 'wall' | 'cpu'
  machine: string
  node: string
  commit: string
  rows: SpeculationRow[]
}

export interface SpeculationReport {
  shape: string
  /** What else there is to know, such as other programs that ran. */
  note?: string
  cells: SpeculationCell[]
}

/** What the copies and the chat model's answers must reach, and no text may be below. */
export const ASKED = { gain: 1.5, least: 0.97 }

/** The figures that are not what was asked. */
export function missed({ cells }: SpeculationReport): string[] {
  return cells.flatMap(cell =>
    cell.rows.flatMap(({ text, guesses, times }) => {
      if (guesses === 'none') return []
      const asked = text === 'nothing repeats' ? ASKED.least : ASKED.gain
      if (times >= asked) return []
      return [`${text}, ${guesses}, ${cellName(cell)}: ${figure(times, 3)} of ${asked}`]
    }),
  )
}

function cellName({ variant, threads, clock }: SpeculationCell): string {
  const count = threads === 1 ? '1 thread' : `${threads} threads`
  return `${variant}, ${count}${clock === 'cpu' ? ', processor time' : ''}`
}

export function speculationSection(report: SpeculationReport | undefined): string {
  const title = '## Several tokens a step'
  // A file in the form of before has no cells.
  if (!report?.cells?.length) {
    return `${title}\n\n${NOT_MEASURED}: run \`make bench-speculation\`.`
  }
  const { cells, shape } = report
  const kinds = new Map<string, { text: string; guesses: string }>()
  for (const { rows } of cells) {
    for (const { text, guesses } of rows) {
      if (guesses !== 'none') kinds.set(`${text} ${guesses}`, { text, guesses })
    }
  }
  const cellText = ({ rows }: SpeculationCell, text: string, guesses: string): string => {
    const row = rows.find(r => r.text === text && r.guesses === guesses)
    if (row === undefined) return ''
    const share = row.proposed > 0 ? `, ${row.accepted} of ${row.proposed}` : ''
    const whole = row.whole === undefined ? '' : `, with its prompt ${figure(row.whole, 3)}`
    return `${figure(row.times, 3)} (${figure(row.tokensPerSecond)} tok/s${share}${whole})`
  }
  const rounds = new Set(cells.flatMap(({ rows }) => rows.map(row => row.rounds)))
  const machines = new Set(cells.map(({ machine, node }) => `${machine}, Node ${node}`))
  const commits = new Set(cells.map(({ commit }) => commit))
  const cpu = cells.some(({ clock }) => clock === 'cpu')
    ? '; processor time is that of the process, which other programs on the machine change less'
    : ''
  const short = missed(report)
  return `${title}

Guessed tokens, which change none (\`make bench-speculation\`; ${[...machines].join('; ')}; commit ${[...commits].join(', ')}). Copies
and the text in which nothing repeats are made on the ${shape} shape, whose logits are replaced after every step; calls (\`toolChoice\` left out)
and JSON (\`json_schema\`) are answers of ryz-chat, other questions in each round. Times as fast as without guesses, the median of
${[...rounds].sort((a, b) => a - b).join(' or ')} rounds in turns${cpu}; in brackets the speed, how many of the guessed tokens were right, and times as fast with the prompt's time, whose last step brings the first guesses along.

${report.note === undefined ? '' : `**${report.note}**\n\n`}${table(
  ['text', 'guesses', ...cells.map(cellName)],
  [...kinds.values()].map(({ text, guesses }) => [
    text,
    guesses === 'draft' ? 'text, form and a draft' : 'text and form',
    ...cells.map(cell => cellText(cell, text, guesses)),
  ]),
)}

${short.length === 0 ? `Asked were ${ASKED.gain}, and ${ASKED.least} where nothing repeats.` : `Asked were ${ASKED.gain}, and ${ASKED.least} where nothing repeats. **Not met**: ${short.join('; ')}.`}`
}
