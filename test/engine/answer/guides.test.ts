// The form of calls as a guide of guesses: in answers that are held to nothing, what a call leaves no choice about comes
// several tokens at a time, in the form of each family; no answer depends on it, and none is refused for it.
import { expect, it } from 'vitest'
import { Guesser, newOdds } from '../../../src/engine/draft/guesser.ts'
import { TokenTexts } from '../../../src/engine/draft/token-texts.ts'
import { Engine } from '../../../src/engine/engine.ts'
import { grammarPart } from '../../../src/engine/grammar/part.ts'
import { finish } from '../../../src/engine/grammar/work.ts'
import type { Guide } from '../../../src/engine/sampling/logit-filter.ts'
import { openChat } from '../../../src/tokenizer/chat/open-chat.ts'
import type { ChatTool, GenerateResult, LoadOptions } from '../../../src/types/index.ts'
import { byteTokenizer, FakeNetwork, fakeParts, spelling } from '../fakes.ts'

const light: ChatTool = {
  type: 'function',
  function: {
    name: 'switch_light',
    parameters: {
      type: 'object',
      properties: { room: { type: 'string' }, level: { type: 'integer' } },
      required: ['room', 'level'],
      additionalProperties: false,
    },
  },
}
const now: ChatTool = { type: 'function', function: { name: 'now' } }
const SHOWN = '{{ tools | length if tools }}{{ messages[0].content }}:'

async function ask(
  template: string,
  answer: string,
  tools: readonly ChatTool[],
  speculation: LoadOptions['speculation'],
) {
  const chat = openChat(byteTokenizer, template)
  const messages = [{ role: 'user', content: 'x' }] as const
  const { length } = (await chat.render({ messages, tools })).text
  const network = new FakeNetwork({
    contextLength: 4096,
    blocks: 256,
    maxWantedRows: 32,
    logits: spelling(answer, length + 1),
  })
  const engine = new Engine(
    { ...fakeParts(network), chat },
    { speculation },
    { grammar: async () => grammarPart },
  )
  const results: GenerateResult[] = []
  // The guide of the first answer may come when that has begun.
  for (let n = 0; n < 2; n++) {
    results.push(
      await new Promise((done, error) => {
        const options = { temperature: 0, maxTokens: 400, seed: 1, reuse: false }
        const input = { kind: 'chat', messages, tools } as const
        engine.generate(input, options, { token: () => undefined, done, error })
      }),
    )
  }
  await engine.close()
  const told = results.map(({ text, tokens, toolCalls, finishReason }) => {
    return { text, tokens, toolCalls, finishReason }
  })
  return { told }
}

const SOURCE = {
  size: byteTokenizer.vocabSize,
  endTokens: byteTokenizer.endTokens,
  bytes: (id: number) => byteTokenizer.tokenBytes(id),
  isText: (id: number) => byteTokenizer.isText(id),
}

/** Tokens of an answer, one a byte, that were guessed right before they came. */
function hits(answer: string, guide?: Guide): number {
  const guesser = new Guesser([], newOdds(), new TokenTexts(byteTokenizer))
  if (guide !== undefined) guesser.guideBy(guide)
  let right = 0
  for (const token of byteTokenizer.encode(answer, { addSpecial: false })) {
    if (guesser.guess(1, 0.3, undefined).tokens[0] === token) right++
    guesser.push(token)
  }
  return right
}

const EVERY = { maxTokens: 12, adaptive: false }

it.each([
  [
    'Hermes',
    `${SHOWN}{# <tool_call> #}`,
    'I will.\n<tool_call>\n{"name": "switch_light", "arguments": {"room": "hall", "level": 4}}\n</tool_call>',
  ],
  [
    'Llama 3',
    `${SHOWN}{# <|python_tag|> #}`,
    '{"name": "switch_light", "parameters": {"room": "hall", "level": 4}}',
  ],
  [
    'Mistral',
    `${SHOWN}{# [TOOL_CALLS] #}`,
    '[TOOL_CALLS] [{"name": "switch_light", "arguments": {"room": "hall", "level": 4}}]',
  ],
  [
    'Mistral, later',
    `${SHOWN}{# [TOOL_CALLS] [ARGS] #}`,
    '[TOOL_CALLS]switch_light[ARGS]{"room": "hall", "level": 4}',
  ],
  [
    'Qwen3-Coder',
    `${SHOWN}{# <tool_call> <function= <parameter= #}`,
    '<tool_call>\n<function=switch_light>\n<parameter=room>\nhall\n</parameter>\n<parameter=level>\n4\n</parameter>\n</function>\n</tool_call>',
  ],
])('%s', async (_, template, answer) => {
  const plain = await ask(template, answer, [light, now], 'off')
  expect(plain.told[0]!.toolCalls).toMatchObject([
    { function: { name: 'switch_light', arguments: expect.stringMatching(/"room": ?"hall"/) } },
  ])
  const guessing = await ask(template, answer, [light, now], EVERY)
  expect(guessing.told).toEqual(plain.told)

  const input = { kind: 'chat', messages: [], tools: [light, now] } as const
  const { spec } = grammarPart.chatPlan(input, template, byteTokenizer).guide([])!
  const guided = hits(answer, finish(grammarPart.guide(spec, SOURCE)).begin())
  expect(guided).toBeGreaterThan(answer.length * 0.6)
  expect(hits(answer)).toBeLessThan(guided * 0.6)
})

it('an answer that is no call, and a schema that cannot be compiled, are answered as ever', async () => {
  const template = `${SHOWN}{# <tool_call> #}`
  const odd: ChatTool = {
    type: 'function',
    function: {
      name: 'odd',
      parameters: { type: 'object', properties: { a: { type: 'string', pattern: '(' } } },
    },
  }
  const call = '<tool_call>\n{"name": "odd", "arguments": {"a": "b"}}\n</tool_call>'
  for (const [answer, tools] of [
    ['It is 4 < 5, "as {you: know}".', [light]],
    ['<tool_call>\nnot JSON', [light]],
    ['<tool_call>\n{"name": "light", "x": [1, 2]}\n</tool_call> and so on', [light]],
    [call, [odd]],
  ] as const) {
    const plain = await ask(template, answer, tools, 'off')
    const guessing = await ask(template, answer, tools, EVERY)
    expect(guessing.told).toEqual(plain.told)
  }
})
