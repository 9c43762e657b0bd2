// From input to prompt tokens: where bos goes, what a chat becomes, what is refused. The template
// itself is rendered in a worker; here its text is given.
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { promptTokens } from '../../../src/engine/tasks/prompt.ts'
import { RyzError } from '../../../src/errors.ts'
import type { Tokenizer } from '../../../src/tokenizer/tokenizer.ts'
import type { ChatMessage } from '../../../src/types/index.ts'
import { BOS, byteTokenizer, EOS, VOCAB } from '../fakes.ts'

const render = vi.hoisted(() => vi.fn())
vi.mock('../../../src/tokenizer/chat-template.ts', () => ({ renderChat: render }))

/** Reads '<bos>' written out when asked to. */
const tokenizer: Tokenizer = {
  ...byteTokenizer,
  chatTemplate: 'a template',
  encode(text, options = {}) {
    if (!options.parseSpecial) return byteTokenizer.encode(text, options)
    const parts = text.split(/(<bos>)/)
    return parts.flatMap(part => (part === '<bos>' ? [BOS] : byteTokenizer.encode(part, options)))
  },
}
const messages: ChatMessage[] = [{ role: 'user', content: 'hi' }]
const chat = { kind: 'chat', messages } as const

beforeEach(() => {
  render.mockReset()
})

describe('promptTokens', () => {
  it('never appends eos, even when the model asks for it', async () => {
    expect(tokenizer.addEos).toBe(true)
    const tokens = await promptTokens({ kind: 'text', text: 'a' }, tokenizer, { vocab: VOCAB })
    expect(tokens).toEqual([BOS, 97])
  })

  it('reads control tokens in a chat but not in a text', async () => {
    render.mockResolvedValue('<bos>x')
    expect(await promptTokens(chat, tokenizer, { vocab: VOCAB })).toEqual([BOS, 120])
    const text = await promptTokens({ kind: 'text', text: '<bos>' }, tokenizer, { vocab: VOCAB })
    expect(text).toEqual([BOS, 60, 98, 111, 115, 62])
  })

  it('adds the bos that a template does not write, once', async () => {
    render.mockResolvedValue('x')
    expect(await promptTokens(chat, tokenizer, { vocab: VOCAB })).toEqual([BOS, 120])
    const without = { ...tokenizer, addBos: false }
    expect(await promptTokens(chat, without, { vocab: VOCAB })).toEqual([120])
  })

  it('gives the template its tokens, a time limit and the signal', async () => {
    render.mockResolvedValue('x')
    const { signal } = new AbortController()
    await promptTokens(chat, tokenizer, { vocab: VOCAB, signal })
    const given = {
      bosToken: '<bos>',
      eosToken: '<eos>',
      addGenerationPrompt: true,
      timeoutMs: 1000,
      signal,
    }
    expect(render).toHaveBeenCalledWith('a template', messages, given)
    expect(tokenizer.endTokens.has(EOS)).toBe(true)
  })

  it('passes the error of a template on', async () => {
    render.mockRejectedValue(new RyzError('TEMPLATE_ERROR', 'endless'))
    await expect(promptTokens(chat, tokenizer, { vocab: VOCAB })).rejects.toMatchObject({
      code: 'TEMPLATE_ERROR',
    })
  })

  it.each([[[]], [[{ role: 'user' }]], [[{ role: 1, content: 'x' }]], [[null]], ['text']])(
    'refuses the messages %j',
    async wrong => {
      const input = { kind: 'chat', messages: wrong as unknown as ChatMessage[] } as const
      await expect(promptTokens(input, tokenizer, { vocab: VOCAB })).rejects.toMatchObject({
        code: 'BAD_OPTION',
      })
      expect(render).not.toHaveBeenCalled()
    },
  )

  it('refuses ids that the embedding table has no row for, even if the tokenizer knows them', async () => {
    const input = { kind: 'tokens', tokens: [10] } as const
    await expect(promptTokens(input, tokenizer, { vocab: 10 })).rejects.toMatchObject({
      code: 'BAD_OPTION',
    })
    expect(await promptTokens(input, tokenizer, { vocab: 11 })).toEqual([10])
  })
})
