// The conversations of ryz-chat's goldens through the engine: prompts, greedy answers and calls as an independent
// reference has them, token for token until the first step that is too close to call.
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { Engine } from '../../src/engine/engine.ts'
import type { ChatMessage, ChatTool, GenerateResult } from '../../src/types/index.ts'
import { fileOf, openParts, ROOT } from '../support/open.ts'
import { wasmFactory } from '../support/wasm.ts'

/** Two correct programs may differ where the two likeliest tokens are closer than this. */
const MARGIN = 0.25

interface Row {
  name: string
  messages: ChatMessage[]
  tools: ChatTool[] | null
  ids: number[]
  int8: { greedy: number[]; gaps: number[]; text: string }
  call?: { name: string; arguments: object } | null
}
const path = resolve(ROOT, 'test/golden/ryz-chat/golden.json')
const rows = (JSON.parse(readFileSync(path, 'utf8')) as { generation: Row[] }).generation

let engine: Engine
beforeAll(async () => {
  const file = fileOf('demo/public/models/ryz-chat-tq2_0-embq8_0.gguf')
  engine = new Engine(await openParts([file], wasmFactory('simd128', 1), { strict: true }))
})
afterAll(() => engine.close())

it.each(rows.map(row => [row.name, row] as const))(
  '%s',
  async (_, { messages, tools, ids, int8, call }) => {
    const input = { kind: 'chat', messages, ...(tools && { tools }) } as const
    const options = { temperature: 0, maxTokens: int8.greedy.length + 1 }
    const result = await new Promise<GenerateResult>((done, error) => {
      engine.generate(input, options, { token: () => {}, done, error })
    })
    expect(result.promptTokens).toBe(ids.length)
    const close = int8.gaps.findIndex(gap => gap < MARGIN)
    const sure = close < 0 ? int8.greedy : int8.greedy.slice(0, close)
    expect(result.tokens.slice(0, sure.length)).toEqual(sure.filter(id => id !== 4))
    if (close >= 0) return
    const calls = result.toolCalls?.map(one => ({
      name: one.function.name,
      arguments: JSON.parse(one.function.arguments),
    }))
    if (call) expect(calls).toEqual([call])
    else expect(result.text).toBe(int8.text.replace('<|im_end|>', ''))
    expect(result.finishReason).toBe(call ? 'tool_calls' : 'eos')
  },
)
