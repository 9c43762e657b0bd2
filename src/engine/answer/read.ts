// Whether there is anything to read in the answer to a chat. All of answer/ that every page pays; the rest comes
// with grammar.js. Called by engine.ts.
import type { ChatInput } from '../../options/input.ts'

/** How reasoning stands out in an answer. */
export interface ReasoningTags {
  readonly open: string
  readonly close: string
}

const TAGS: readonly ReasoningTags[] = [
  { open: '<think>', close: '</think>' },
  { open: '[THINK]', close: '[/THINK]' },
]

/** The tags that a template knows reasoning by; undefined where it knows none. */
export function reasoningOf(template: string): ReasoningTags | undefined {
  return TAGS.find(({ close }) => template.includes(close))
}

/** The option that makes an answer more than text; undefined where it is text. */
export function whyRead(
  { tools = [], toolChoice, reasoning }: ChatInput,
  template: string,
): 'tools' | 'reasoning' | undefined {
  if (tools.length > 0 && toolChoice !== 'none') return 'tools'
  return reasoning !== false && reasoningOf(template) ? 'reasoning' : undefined
}
