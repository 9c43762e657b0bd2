// From input to prompt tokens: where bos goes, what a chat becomes, what is refused and when.
import { describe, expect, it, vi } from 'vitest'
import { type PromptMaker, promptTokens } from '../../../src/engine/tasks/prompt.ts'
import { openChat } from '../../../src/tokenizer/chat/open-chat.ts'
import type { Tokenizer } from '../../../src/tokenizer/tokenizer.ts'
import type { ChatMessage } from '../../../src/types/index.ts'
import { BOS, byteTokenizer, EOS, VOCAB } from '../fakes.ts'

/** Reads '<bos>' written out where it is trusted. */
const tokenizer: Tokenizer = {
  ...byteTokenizer,
  encode(text, options = {}) {
    if (!options.parseSpecial) return byteTokenizer.encode(text, options)
    const ids: number[] = []
    for (let at = 0; at < text.length; ) {
      const isToken =
        text.startsWith('<bos>', at) &&
        options.trusted?.some(({ start, end }) => start <= at && at + 5 <= end)
      ids.push(...(isToken ? [BOS] : byteTokenizer.encode(text[at]!, options)))
      at += isToken ? 5 : 1
    }
    return ids
  },
}
const messages: ChatMessage[] = [{ role: 'user', content: 'hi' }]
const chat = { kind: 'chat', messages } as const

function maker(chatTemplate?: string, more: Partial<Tokenizer> = {}): PromptMaker {
  const own = { ...tokenizer, chatTemplate, ...more }
  return { tokenizer: own, chat: openChat(own) }
}
const bytes = (text: string) => [...new TextEncoder().encode(text)]

describe('promptTokens', () => {
  it('never appends eos, even when the model asks for it', async () => {
    expect(tokenizer.addEos).toBe(true)
    const tokens = await promptTokens({ kind: 'text', text: 'a' }, maker(), { vocab: VOCAB })
    expect(tokens).toEqual([BOS, 97])
    expect(tokenizer.endTokens.has(EOS)).toBe(true)
  })

  it('reads control tokens of a template, but not in a text nor in a message', async () => {
    const made = maker('{{ bos_token }}{{ messages[0].content }}')
    expect(await promptTokens(chat, made, { vocab: VOCAB })).toEqual([BOS, ...bytes('hi')])
    const text = await promptTokens({ kind: 'text', text: '<bos>' }, made, { vocab: VOCAB })
    expect(text).toEqual([BOS, ...bytes('<bos>')])
    const forged = { kind: 'chat', messages: [{ role: 'user', content: 'x<bos>' }] } as const
    expect(await promptTokens(forged, made, { vocab: VOCAB })).toEqual([BOS, ...bytes('x<bos>')])
    const own = [{ role: 'user', content: 'x<bos>', trusted: true }]
    const trusted = { kind: 'chat', messages: own } as const
    expect(await promptTokens(trusted, made, { vocab: VOCAB })).toEqual([BOS, 120, BOS])
  })

  it('adds the bos that a template does not write, once', async () => {
    expect(await promptTokens(chat, maker('x'), { vocab: VOCAB })).toEqual([BOS, 120])
    expect(await promptTokens(chat, maker('x'), { vocab: VOCAB, noBos: true })).toEqual([120])
    expect(await promptTokens(chat, maker('x', { addBos: false }), { vocab: VOCAB })).toEqual([120])
  })

  it('passes the error of a template on', async () => {
    const raising = maker("{{ raise_exception('no') }}")
    await expect(promptTokens(chat, raising, { vocab: VOCAB })).rejects.toMatchObject({
      code: 'TEMPLATE_ERROR',
      message: 'the chat template failed at line 1: no',
    })
  })

  it('refuses a chat that cannot fit before it is tokenized', async () => {
    const encode = vi.fn(tokenizer.encode)
    const wordy = maker("{{ 'x' * 900000 }}", { encode })
    const limits = { vocab: VOCAB, contextLength: 100 }
    await expect(
      promptTokens(chat, maker('{{ "x" * 101 }}', { encode }), limits),
    ).rejects.toMatchObject({
      code: 'CONTEXT_FULL',
      detail: { maxChars: 100 },
    })
    await expect(promptTokens(chat, wordy, limits)).rejects.toMatchObject({
      code: 'TEMPLATE_ERROR',
    })
    await expect(promptTokens(chat, wordy, { vocab: VOCAB })).rejects.toMatchObject({
      code: 'TEMPLATE_ERROR',
    })
    expect(encode).not.toHaveBeenCalled()
    expect(await promptTokens(chat, maker('{{ "x" * 99 }}'), limits)).toHaveLength(100)
    // Where the prompt may slide, or length tells nothing, it is counted.
    const hundreds = maker('{{ "x" * 300 }}')
    expect(await promptTokens(chat, hundreds, { vocab: VOCAB })).toHaveLength(301)
    const vague = maker('{{ "x" * 300 }}', { fewestTokens: () => 0 })
    expect(await promptTokens(chat, vague, limits)).toHaveLength(301)
  })

  it.each([
    [[]],
    [[{ role: 'user' }]],
    [[{ role: 1, content: 'x' }]],
    [[null]],
    ['text'],
    [[{ role: 'user', content: [{ type: 'image_url', image_url: 'x' }] }]],
    [[{ role: 'assistant', tool_calls: [{}] }]],
    [[{ role: 'user', content: 'x', trusted: 1 }]],
  ])('refuses the messages %j', async wrong => {
    const input = { kind: 'chat', messages: wrong as unknown as ChatMessage[] } as const
    await expect(promptTokens(input, maker('x'), { vocab: VOCAB })).rejects.toMatchObject({
      code: 'BAD_OPTION',
    })
  })

  it('refuses ids that the embedding table has no row for, even if the tokenizer knows them', async () => {
    const input = { kind: 'tokens', tokens: [10] } as const
    await expect(promptTokens(input, maker(), { vocab: 10 })).rejects.toMatchObject({
      code: 'BAD_OPTION',
    })
    expect(await promptTokens(input, maker(), { vocab: 11 })).toEqual([10])
  })
})
