// Comma-separated values as RFC 4180 has them: quotes, doubled quotes, line ends inside quotes; CRLF or LF.
import { HarnessError } from '../harness-error.ts'

/** Cells by line; empty lines are left out. @throws HarnessError for a quote that is never closed */
export function parseCsv(text: string): string[][] {
  const lines: string[][] = []
  let cells: string[] = []
  let cell = ''
  let at = text.charCodeAt(0) === 0xfeff ? 1 : 0
  const endLine = () => {
    cells.push(cell)
    if (cells.length > 1 || cell !== '') lines.push(cells)
    cells = []
    cell = ''
  }
  while (at < text.length) {
    const c = text[at]!
    if (c === '"' && cell === '') {
      const begun = at++
      for (;;) {
        const end = text.indexOf('"', at)
        if (end < 0) {
          throw new HarnessError(
            `the quote at character ${begun} of line ${lines.length + 1} is never closed`,
          )
        }
        cell += text.slice(at, end)
        at = end + 1
        if (text[at] !== '"') break
        cell += '"'
        at++
      }
    } else if (c === ',') {
      cells.push(cell)
      cell = ''
      at++
    } else if (c === '\n' || c === '\r') {
      endLine()
      at += c === '\r' && text[at + 1] === '\n' ? 2 : 1
    } else {
      const end = text.slice(at + 1).search(/[,\r\n]/)
      const stop = end < 0 ? text.length : at + 1 + end
      cell += text.slice(at, stop)
      at = stop
    }
  }
  endLine()
  return lines
}
