// The conversations of ryz-chat's goldens through chat(), the facade and engineFetch(): prompts, greedy answers and
// calls as an independent reference has them, token for token until the first step that is too close to call.
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { engineFetch } from '../../src/adapters/openai/engine-fetch.ts'
import { type ChatCompletion, openai } from '../../src/adapters/openai/openai.ts'
import type { Ryzanstein } from '../../src/api/ryzanstein.ts'
import type { ChatMessage, ChatTool } from '../../src/types/index.ts'
import { chatEngine } from '../support/chat-engine.ts'
import { ROOT } from '../support/open.ts'

/** Two correct programs may differ where the two likeliest tokens are closer than this. */
const MARGIN = 0.25

interface Row {
  name: string
  messages: (ChatMessage & { content: string })[]
  tools: ChatTool[] | null
  ids: number[]
  int8: { greedy: number[]; gaps: number[]; text: string }
  call?: { name: string; arguments: object } | null
}
const path = resolve(ROOT, 'test/golden/ryz-chat/golden.json')
const rows = (JSON.parse(readFileSync(path, 'utf8')) as { generation: Row[] }).generation

let engine: Ryzanstein
beforeAll(async () => {
  engine = await chatEngine({ strict: true })
})
afterAll(() => engine.close())

it('the goldens hold plain answers and calls', () => {
  expect(rows).toHaveLength(20)
  expect(rows.filter(row => row.call).length).toBeGreaterThan(3)
})

it.each(rows.map(row => [row.name, row] as const))(
  '%s',
  async (_, { messages, tools, ids, int8, call }) => {
    const maxTokens = int8.greedy.length + 1
    const shared = { temperature: 0, logprobs: 0, maxTokens, ...(tools && { tools }) }
    const stream = engine.chat(messages, shared)
    const texts: string[] = []
    for await (const { logprobs } of stream) {
      for (const [chosen] of logprobs ?? []) texts.push(chosen!.text)
    }
    const result = await stream.result
    expect(result.promptTokens).toBe(ids.length)
    const close = int8.gaps.findIndex(gap => gap < MARGIN)
    const sure = close < 0 ? int8.greedy : int8.greedy.slice(0, close)
    expect(result.tokens.slice(0, sure.length)).toEqual(sure.filter(id => id !== 4))
    const calls = result.toolCalls?.map(one => ({
      name: one.function.name,
      arguments: JSON.parse(one.function.arguments),
    }))
    if (close < 0) {
      if (call) expect(calls).toEqual([call])
      else expect(result.text).toBe(int8.text.replace('<|im_end|>', ''))
      expect(result.finishReason).toBe(call ? 'tool_calls' : 'eos')
    }
    // The same tokens, in the other words.
    const request = {
      ...{ model: engine.model.name, messages, temperature: 0, max_tokens: maxTokens },
      ...{ logprobs: true, seed: result.seed, ...(tools && { tools }) },
    }
    const facade = await openai(engine).chat.completions.create(request)
    const response = await engineFetch(engine)('http://local/v1/chat/completions', {
      method: 'POST',
      body: JSON.stringify(request),
    })
    expect(response.status).toBe(200)
    for (const { choices, usage } of [facade, (await response.json()) as ChatCompletion]) {
      const { message, logprobs, finish_reason } = choices[0]!
      expect(logprobs!.content.map(({ token }) => token)).toEqual(texts)
      expect(usage).toMatchObject({
        prompt_tokens: ids.length,
        completion_tokens: result.tokens.length,
      })
      expect(message.content).toBe(call && result.text === '' ? null : result.text)
      expect(message.tool_calls).toEqual(result.toolCalls)
      if (close < 0) expect(finish_reason).toBe(call ? 'tool_calls' : 'stop')
    }
  },
)
