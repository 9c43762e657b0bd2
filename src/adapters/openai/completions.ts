// /v1/completions: prompts as texts or token ids, continued. Called by engine-fetch.ts.
import type { Ryzanstein } from '../../api/ryzanstein.ts'
import { badOption, flag, oneOf, type Rules, reading, whole } from '../../options/rules.ts'
import type { GenerateOptions, TokenLogprob } from '../../types/index.ts'
import { AnswerStream, type ChunkWriter, wholeAnswers } from './answer-stream.ts'
import type {
  TextCompletion,
  TextCompletionChunk,
  TextCompletionRequest,
  TextLogprobs,
} from './openai-types.ts'
import { finishOf, type Head, headOf, LEAST_LOGPROB, usageOf } from './parts.ts'
import {
  checkChoices,
  checkedFields,
  nthOptions,
  refused,
  SHARED_RULES,
  sharedOptions,
} from './sampling.ts'

type Prompt = string | readonly number[]

const DEFAULT_MAX_TOKENS = 16
const MAX_LOGPROBS = 5

const COMPLETION_RULES: Rules<TextCompletionRequest> = {
  ...SHARED_RULES,
  prompt: () => undefined, // read by promptsOf
  logprobs: whole(0, MAX_LOGPROBS),
  best_of: oneOf(1),
  echo: value => flag(value) ?? (value ? refused(value) : undefined),
  suffix: refused,
}

/**
 * @throws RyzError what refuses the request, or ends it; a stream's before its first token
 */
export async function complete(
  engine: Pick<Ryzanstein, 'generate' | 'model' | 'stats'>,
  request: TextCompletionRequest,
  signal: AbortSignal | undefined,
): Promise<TextCompletion | AnswerStream<TextCompletionChunk>> {
  const asked = reading('the request', () =>
    checkedFields(COMPLETION_RULES, request, 'completions.create()'),
  )
  const prompts = promptsOf(request.prompt)
  const n = asked.n ?? 1
  await checkChoices(engine, prompts.length * n, prompts.length > 1 ? 'prompt' : 'n')
  const options: GenerateOptions = {
    ...sharedOptions(asked),
    maxTokens: asked.max_tokens ?? DEFAULT_MAX_TOKENS,
    logprobs: asked.logprobs ?? undefined,
    signal,
  }
  const answers = prompts.flatMap(prompt =>
    Array.from({ length: n }, (_, i) => engine.generate(prompt, nthOptions(options, i))),
  )
  const head = headOf(asked.model ?? engine.model.name, 'cmpl')
  if (asked.stream === true) {
    const usage = asked.stream_options?.include_usage === true
    return new AnswerStream(answers, textWriter(head, n, usage, asked.logprobs)).begun()
  }
  const { choices, results } = await wholeAnswers(answers, (index, result, logprobs) => ({
    index,
    text: result.text,
    finish_reason: textFinish(result.finishReason),
    logprobs: asked.logprobs === undefined ? null : textLogprobs(logprobs, asked.logprobs ?? 0, 0),
  }))
  return { ...head, object: 'text_completion', choices, usage: usageOf(results, n) }
}

/** @throws RyzError BAD_OPTION */
function promptsOf(prompt: TextCompletionRequest['prompt'] | undefined): Prompt[] {
  if (typeof prompt === 'string') return [prompt]
  const wanted = 'a text, a list of token ids, or a list of such'
  if (!Array.isArray(prompt) || prompt.length === 0) throw badOption('prompt', prompt, wanted)
  if (typeof prompt[0] === 'number') return [prompt as readonly number[]]
  const wrong = prompt.findIndex(one => typeof one !== 'string' && !Array.isArray(one))
  if (wrong >= 0) throw badOption(`prompt[${wrong}]`, prompt[wrong], wanted)
  return prompt as Prompt[]
}

function textFinish(reason: Parameters<typeof finishOf>[0]): 'stop' | 'length' {
  return finishOf(reason, true) === 'length' ? 'length' : 'stop'
}

/** @param n  answers of each prompt */
function textWriter(
  head: Head,
  n: number,
  usage: boolean,
  likeliest: number | null | undefined,
): ChunkWriter<TextCompletionChunk> {
  const common = { ...head, object: 'text_completion' as const, ...(usage && { usage: null }) }
  const offsets = new Map<number, number>()
  return {
    begin: () => [],
    piece(index, { text, logprobs }) {
      if (text === '' && logprobs === undefined) return []
      const from = offsets.get(index) ?? 0
      offsets.set(index, from + lengthOf(logprobs ?? []))
      const told = logprobs ? textLogprobs(logprobs, likeliest ?? 0, from) : null
      return [{ ...common, choices: [{ index, text, logprobs: told, finish_reason: null }] }]
    },
    end: (index, { finishReason }) => [
      {
        ...common,
        choices: [{ index, text: '', logprobs: null, finish_reason: textFinish(finishReason) }],
      },
    ],
    close: results => (usage ? [{ ...common, choices: [], usage: usageOf(results, n) }] : []),
  }
}

function lengthOf(rows: readonly TokenLogprob[][]): number {
  return rows.reduce((sum, [chosen]) => sum + chosen!.text.length, 0)
}

/** @param from  where the first token begins */
function textLogprobs(
  rows: readonly TokenLogprob[][],
  likeliest: number,
  from: number,
): TextLogprobs {
  const least = ({ logprob }: TokenLogprob) => Math.max(logprob, LEAST_LOGPROB)
  const starts: number[] = []
  let at = from
  for (const [chosen] of rows) {
    starts.push(at)
    at += chosen!.text.length
  }
  return {
    tokens: rows.map(([chosen]) => chosen!.text),
    token_logprobs: rows.map(([chosen]) => least(chosen!)),
    ...(likeliest > 0 && {
      top_logprobs: rows.map(row => Object.fromEntries(row.map(one => [one.text, least(one)]))),
    }),
    text_offset: starts,
  }
}
