// A result as a Markdown table, with the columns that lm-evaluation-harness prints.
import { type EvalResults, errorKey } from './results.ts'

const HEAD = ['Tasks', 'Version', 'Filter', 'n-shot', 'Metric', '', 'Value', '', 'Stderr']

/** Task after task, groups before their parts. */
export function markdownOf(results: EvalResults): string {
  const lines: string[][] = []
  const inGroup = new Set(Object.values(results.group_subtasks).flat())
  const groups = Object.keys(results.groups)
  const names = [...groups, ...Object.keys(results.results).filter(n => !groups.includes(n))]
  for (const name of names) {
    const figures = results.results[name]!
    let label = `${inGroup.has(name) ? '- ' : ''}${name}`
    let version = results.versions[name]!
    for (const key of Object.keys(figures).sort()) {
      const [metric, filter] = key.split(',')
      if (filter === undefined || metric!.endsWith('_stderr')) continue
      const error = figures[errorKey(key)]!
      const better = results.higher_is_better[name]![metric!] ? '↑' : '↓'
      const shots = String(results['n-shot'][name])
      const row = [label, version, filter, shots, metric!, better, digits(figures[key]!)]
      lines.push([...row, '±', typeof error === 'number' ? digits(error) : error])
      label = ''
      version = ''
    }
  }
  const write = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  const rule = HEAD.map((_, i) => (i < 6 ? '---' : '---:'))
  return [write(HEAD), write(rule), ...lines.map(write), ''].join('\n')
}

function digits(value: number | string): string {
  return typeof value === 'number' ? value.toFixed(4) : value
}

/** The table with what it was measured on, as a page of its own. */
export function markdownPage(results: EvalResults): string {
  const { model, path, bos, data, notes, cut, fallbacks } = results.ryzanstein
  const facts = Object.entries(path).map(([name, value]) => `${name} ${value}`)
  const lines = [
    `# ${model.name}: ${Object.keys(results.configs).length} tasks`,
    '',
    markdownOf(results),
    `Model: ${results.config.model_args}, ${model.parameters} parameters. Path: ${facts.join(', ')}.`,
    `Bos before every text: ${bos ? 'yes' : 'no'}.`,
    `Data: ${data.map(file => `${file.name} (SHA-256 ${file.sha256.slice(0, 12)})`).join(', ')}.`,
  ]
  if (results.config.limit !== null)
    lines.push(`The first ${results.config.limit} documents of each part.`)
  for (const [name, count] of Object.entries(cut)) {
    lines.push(`${name}: ${count} documents were longer than the context and lost their beginning.`)
  }
  for (const { from, to, reason } of fallbacks) lines.push(`${to} instead of ${from}: ${reason}.`)
  for (const note of notes) lines.push(`Note: ${note}.`)
  return `${lines.join('\n')}\n`
}
