// Shows a result: a line for each figure, groups before their parts, what is worth knowing below; and saves it.
import { markdownPage } from '../../evals/report/markdown.ts'
import { type EvalResults, errorKey } from '../../evals/report/results.ts'
import type { RunResult } from '../../evals/run/run.ts'
import { byId } from '../src/dom.ts'
import { sentence } from '../src/wording.ts'

export function showResults(results: EvalResults): void {
  byId('empty', HTMLElement).hidden = true
  byId('results', HTMLElement).hidden = false
  const groups = Object.keys(results.groups)
  const names = [...groups, ...Object.keys(results.results).filter(n => !groups.includes(n))]
  const rows = names.flatMap(name => rowsOf(results, name, groups.includes(name)))
  byId('table-body', HTMLTableSectionElement).replaceChildren(...rows)
  const notes = notesOf(results).map(note => {
    const item = document.createElement('li')
    item.textContent = sentence(note)
    return item
  })
  byId('notes', HTMLElement).replaceChildren(...notes)
}

function rowsOf(results: EvalResults, name: string, isGroup: boolean): HTMLTableRowElement[] {
  const figures = results.results[name]!
  const keys = Object.keys(figures).filter(
    key => /^[a-z_]+,/.test(key) && !key.includes('_stderr,'),
  )
  return keys.sort().map((key, i) => {
    const [metric, filter] = key.split(',')
    const better = results.higher_is_better[name]![metric!] ? '↑' : '↓'
    const first = i === 0
    const { effective } = results['n-samples'][name]!
    const cells = [
      first ? name : '',
      `${metric} ${better}`,
      digits(figures[key]!),
      digits(figures[errorKey(key)]!),
      first ? effective.toLocaleString('en') : '',
      filter === 'none' ? '' : filter!,
      first ? String(results['n-shot'][name]) : '',
      first ? results.versions[name]! : '',
    ]
    const row = document.createElement('tr')
    if (isGroup) row.className = 'group'
    row.append(
      ...cells.map(text => {
        const cell = document.createElement('td')
        cell.textContent = text
        return cell
      }),
    )
    return row
  })
}

function digits(value: number | string): string {
  return typeof value === 'number' ? value.toFixed(4) : '–'
}

function notesOf({ ryzanstein, config }: EvalResults): string[] {
  const { path, bos, cut, notes, fallbacks, resumed, model } = ryzanstein
  return [
    `${model.name} on ${path.backend}, ${path.variant}, ${path.head} head, ${path.kv} KV, ${path.activations} activations, ${path.contextLength} tokens of context`,
    bos ? 'bos stands before every text' : 'no bos stands before texts',
    ...(config.limit === null ? [] : [`at most ${config.limit} documents of each part`]),
    ...(resumed > 0 ? [`${resumed} documents were answered in an earlier visit`] : []),
    ...Object.entries(cut).map(
      ([name, count]) =>
        `${count} documents of ${name} lost their beginning: longer than the context`,
    ),
    ...notes,
    ...fallbacks.map(({ from, to, reason }) => `${to} instead of ${from}: ${reason}`),
  ]
}

export function saveJson(results: EvalResults): void {
  save('results.json', 'application/json', `${JSON.stringify(results, null, 2)}\n`)
}

export function saveMarkdown(results: EvalResults): void {
  save('results.md', 'text/markdown', markdownPage(results))
}

/** Every document with what was asked and answered, one a line. */
export function saveSamples({ parts }: RunResult): void {
  const lines = parts.flatMap(({ part, records }) =>
    records.map(record => {
      const { item, context } = part.documents[record.index]!
      const { target } = item
      return JSON.stringify({
        task: part.name,
        ...record,
        target,
        requests: item.requests(context),
      })
    }),
  )
  save('samples.jsonl', 'application/jsonl', `${lines.join('\n')}\n`)
}

function save(name: string, type: string, text: string): void {
  const link = document.createElement('a')
  link.href = URL.createObjectURL(new Blob([text], { type }))
  link.download = name
  link.click()
  // Some browsers begin the download a little later.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000)
}
