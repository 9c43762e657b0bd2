// How an answer to a chat is made and read: the options of chat() beside those of its prompt and of sampling. Used
// by src/api and src/engine.
import type { ChatAnswerOptions, ChatTool } from '../types/index.ts'
import { badOption, flag, kindOf, type Rules, whole } from './rules.ts'

const CHOICES: readonly unknown[] = ['auto', 'none', 'required']

export const ANSWER_RULES: Rules<ChatAnswerOptions> = {
  toolChoice: value =>
    CHOICES.includes(value) ||
    (kindOf(value) === 'Object' && typeof (value as { name?: unknown }).name === 'string')
      ? undefined
      : "'auto', 'none', 'required' or { name } of a tool",
  parallelToolCalls: flag,
  reasoning: flag,
  maxReasoningTokens: whole(0, Number.MAX_SAFE_INTEGER),
}

/**
 * Options that contradict each other, or the tools.
 * @throws RyzError BAD_OPTION
 */
export function checkAnswer(
  { toolChoice = 'auto' }: ChatAnswerOptions,
  tools: readonly ChatTool[] | undefined,
): void {
  const offered = tools ?? []
  if (typeof toolChoice === 'object') {
    if (!offered.some(tool => tool.function.name === toolChoice.name)) {
      throw badOption('toolChoice', toolChoice.name, 'the name of one of the tools')
    }
  } else if (toolChoice === 'required' && offered.length === 0) {
    throw badOption('toolChoice', toolChoice, "left out without tools, 'auto' or 'none'")
  }
}
