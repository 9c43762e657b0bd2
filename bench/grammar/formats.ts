// What a token is measured with: no format, and formats of each kind that never end; and how the rounds are told. Used
// by tokens.ts (Node) and browser.ts (Chromium).
import type { GenerateOptions } from '../../src/types/index.ts'

/** None of them can be complete within the tokens that are asked for. */
export const FORMATS: Readonly<Record<string, GenerateOptions>> = {
  none: { ignoreEos: true },
  'json_schema, free strings': {
    responseFormat: {
      type: 'json_schema',
      schema: { type: 'array', items: { type: 'string' }, minItems: 5000 },
    },
  },
  'json_schema, a form': {
    responseFormat: {
      type: 'json_schema',
      schema: {
        type: 'array',
        minItems: 5000,
        items: {
          type: 'object',
          properties: {
            name: { type: 'string', minLength: 1, maxLength: 12 },
            code: { type: 'string', pattern: '^[A-Z]{2}-[0-9]{1,4}$' },
            kind: { enum: ['open', 'close', 'error'] },
            level: { type: 'number', minimum: 0, maximum: 1 },
          },
          required: ['name', 'code', 'kind', 'level'],
          additionalProperties: false,
        },
      },
    },
  },
  'regex, any text': { responseFormat: { type: 'regex', pattern: '[\\s\\S]{5000,}' } },
  'grammar, words': {
    responseFormat: { type: 'grammar', ebnf: 'root ::= word{5000,}\nword ::= [a-zA-Z]+ " "\n' },
  },
}

function median(list: readonly number[]): number {
  const sorted = list.toSorted((a, b) => a - b)
  return (sorted[(sorted.length - 1) >> 1]! + sorted[sorted.length >> 1]!) / 2
}

/** Medians over the rounds, by format; each format's round against the round without one beside it. */
export function printRows(name: string, ms: ReadonlyMap<string, readonly number[]>): void {
  const none = ms.get('none')!
  for (const [format, list] of ms) {
    const more = median(list.map((one, i) => one - none[i]!))
    const times = median(list.map((one, i) => one / none[i]!))
    const [low, high] = [Math.min(...list), Math.max(...list)]
    console.log(
      `${name}, ${format.padEnd(26)} ${median(list).toFixed(2)} ms a token (${low.toFixed(2)} to ${high.toFixed(2)}), ${more >= 0 ? '+' : ''}${more.toFixed(2)} ms, x ${times.toFixed(3)}`,
    )
  }
}
