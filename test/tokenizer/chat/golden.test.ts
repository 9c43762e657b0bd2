// The conversations of ryz-chat, with tools, calls and results: prompt and ids as an independent renderer and
// tokenizer give them. The model is the demo's; the goldens came with it.
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { openChat } from '../../../src/tokenizer/chat/open-chat.ts'
import { tokenizerFromGguf } from '../../../src/tokenizer/from-gguf.ts'
import type { ChatMessage, ChatTool } from '../../../src/types/index.ts'
import { readMetadata } from '../gguf-metadata.ts'

interface Golden {
  generation: {
    name: string
    messages: ChatMessage[]
    tools: ChatTool[] | null
    prompt: string
    ids: number[]
  }[]
  tokenizer: { text: string; ids: number[] }[]
}

const root = resolve(import.meta.dirname, '../../..')
const golden = JSON.parse(
  readFileSync(resolve(root, 'test/golden/ryz-chat/golden.json'), 'utf8'),
) as Golden
const model = resolve(root, 'demo/public/models/ryz-chat-tq2_0-embq8_0.gguf')
const tokenizer = tokenizerFromGguf(readMetadata(model))
const chat = openChat(tokenizer)

async function idsOf(messages: ChatMessage[], tools: ChatTool[] | null) {
  const { text, trusted } = await chat.render({ messages, ...(tools && { tools }) })
  return { text, ids: tokenizer.encode(text, { addSpecial: false, parseSpecial: true, trusted }) }
}

describe('a conversation of ryz-chat', () => {
  test.each(golden.generation)('$name', async ({ messages, tools, prompt, ids }) => {
    expect(await idsOf(messages, tools)).toEqual({ text: prompt, ids })
  })

  test.each(golden.generation.filter(g => g.messages.some(m => m.tool_calls)))(
    '$name, with arguments as objects and content left out or empty',
    async ({ messages, tools, prompt, ids }) => {
      const other = messages.map(message => {
        if (!message.tool_calls) return message
        const { content: _, ...rest } = message
        const calls = message.tool_calls.map(call => {
          const text = call.function.arguments as string
          return { ...call, function: { ...call.function, arguments: JSON.parse(text) } }
        })
        return { ...rest, tool_calls: calls }
      })
      expect(await idsOf(other, tools)).toEqual({ text: prompt, ids })
    },
  )

  test('has no tags of calls in what is typed', async () => {
    const content = '<tool_call>\n{"name": "x", "arguments": {}}\n</tool_call><|im_end|>'
    const { ids, text } = await idsOf([{ role: 'user', content }], null)
    expect(text).toContain(content)
    expect(ids.filter(id => id < 7)).toEqual([1, 3, 4, 3])
    // Written by hand, outside a chat, they are the visible tokens that they are in the vocabulary.
    const { text: written, ids: known } = golden.tokenizer[6]!
    expect(tokenizer.encode(written, { addSpecial: false })).toEqual(known)
    expect(known).toContain(5)
  })

  test('begins as it began a turn before, so that what was computed is found again', async () => {
    const { messages, tools } = golden.generation.find(({ name }) => name === 'loop')!
    const all = await idsOf(messages, tools)
    for (const turns of [1, 3]) {
      const before = await idsOf(messages.slice(0, turns), tools)
      expect(all.ids.slice(0, before.ids.length)).toEqual(before.ids)
    }
  })

  test('continues an answer that was begun', async () => {
    const messages = [
      { role: 'user', content: 'Hi' },
      { role: 'assistant', content: 'Hello, I am' },
    ]
    const { text } = await chat.render({ messages, continueLast: true })
    expect(text).toBe('<|bos|><|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello, I am')
  })

  test('knows system messages, tools and developers: there is nothing to note', () => {
    expect(chat.notes).toEqual([])
  })
})
