// WikiText-2 (Merity et al. 2017), whole pages: perplexity of the cleaned text, over the words and bytes of
// the page as it was before the clean-up, so that figures of different clean-ups compare.
import { countWords, SPACES, strip, utf8Bytes } from '../text/python-text.ts'
import type { RollingAnswer, Task } from '../types.ts'
import { textOf } from './fields.ts'

export const wikitext: Task = {
  name: 'wikitext',
  title: 'WikiText-2: perplexity of articles',
  definition: { task: 'wikitext', version: '2.0' },
  output: 'loglikelihood_rolling',
  shots: 0,
  shotOrder: 'first',
  metrics: ['word_perplexity', 'byte_perplexity', 'bits_per_byte'],
  files: 'wiki.test.raw, or JSONL or Parquet with page, or with one line of it in each row as text',
  layout: 'pages',
  open(row) {
    const page = textOf(row, 'page')
    const text = detokenize(page)
    return {
      shot: '',
      target: text,
      requests: () => [{ kind: 'rolling', text }],
      score([answer]) {
        const { logprob } = answer as RollingAnswer
        const bytes = utf8Bytes(page)
        return {
          'word_perplexity,none': [logprob, countWords(page)],
          'byte_perplexity,none': [logprob, bytes],
          'bits_per_byte,none': [logprob, bytes],
        }
      },
    }
  },
}

/** Pages of the raw file: a new one begins at ` = Title = `, not at the headings below it (` = = `). */
export function pagesOf(raw: string): string[] {
  const pages: string[] = []
  let lines: string[] = []
  for (const line of raw.split('\n')) {
    const heading = strip(line.replaceAll('= = =', '===').replaceAll('= =', '=='))
    if (heading.startsWith('= ') && heading.endsWith(' =')) {
      if (strip(lines.join('\n')) !== '') pages.push(lines.join('\n'))
      lines = []
    }
    lines.push(line)
  }
  if (strip(lines.join('\n')) !== '') pages.push(lines.join('\n'))
  return pages
}

/** Pairs whose inner margins go. */
const PAIRS: readonly (readonly [RegExp, string, string])[] = [
  [new RegExp(`\\(${SPACES}*([^)]*?)${SPACES}*\\)`, 'g'), '(', ')'],
  [new RegExp(`\\[${SPACES}*([^\\]]*?)${SPACES}*\\]`, 'g'), '[', ']'],
  [new RegExp(`\\{${SPACES}*([^}]*?)${SPACES}*\\}`, 'g'), '{', '}'],
  [new RegExp(`"${SPACES}*([^"]*?)${SPACES}*"`, 'g'), '"', '"'],
  [new RegExp(`'${SPACES}*([^']*?)${SPACES}*'`, 'g'), "'", "'"],
]

const BEFORE_PAIRS = [
  ["s '", "s'"],
  [' @-@ ', '-'],
  [' @,@ ', ','],
  [' @.@ ', '.'],
  [' : ', ': '],
  [' ; ', '; '],
  [' . ', '. '],
  [' ! ', '! '],
  [' ? ', '? '],
  [' , ', ', '],
] as const

const AFTER_PAIRS = [
  ['= = = =', '===='],
  ['= = =', '==='],
  ['= =', '=='],
  [' ° ', '°'],
  [' \n', '\n'],
  ['\n ', '\n'],
  [' N ', ' 1 '],
  [" 's", "'s"],
] as const

/** The text as it was before it was cut into tokens for the data set. */
export function detokenize(page: string): string {
  let text = page
  for (const [from, to] of BEFORE_PAIRS) text = text.replaceAll(from, to)
  // Written so in the definition: slashes are part of the pattern, and what is put in is literal.
  text = text.replace(/\/' [0-9]\//g, "/'[0-9]/")
  for (const [pair, open, close] of PAIRS) {
    text = text.replace(pair, (_, inside: string) => open + inside + close)
  }
  for (const [from, to] of AFTER_PAIRS) text = text.replaceAll(from, to)
  return text
}
