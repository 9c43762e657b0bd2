// From a chat to its prompt: what the template is given, whatever form it came in, and what comes back.
import { describe, expect, test } from 'vitest'
import { RyzError } from '../../../src/errors.ts'
import type { ChatRequest } from '../../../src/tokenizer/chat/chat-text.ts'
import { openChat } from '../../../src/tokenizer/chat/open-chat.ts'
import { ChatRenderer, type RenderOptions } from '../../../src/tokenizer/chat/renderer.ts'
import { tokenizerFromGguf } from '../../../src/tokenizer/from-gguf.ts'
import type { ChatMessage } from '../../../src/types/index.ts'
import { BYTE_TOKENS, bytePairMetadata } from '../small-vocabulary.ts'

const names = { bos: '<s>', eos: '</s>' }
const user: ChatMessage = { role: 'user', content: 'Hi' }

async function render(
  template: string,
  request: Partial<ChatRequest> = {},
  options?: RenderOptions,
) {
  const renderer = new ChatRenderer(template, names)
  return (await renderer.render({ messages: [user], ...request }, options)).text
}

async function failure(promise: Promise<unknown>): Promise<RyzError> {
  const error = await promise.then(
    () => undefined,
    caught => caught,
  )
  expect(error).toBeInstanceOf(RyzError)
  return error as RyzError
}

describe('a template is given', () => {
  test('the messages, bos, eos and the wish for an answer', async () => {
    const template =
      '{{ bos_token }}{% for m in messages %}[{{ m.role }}]{{ m.content | trim }}{{ eos_token }}{% endfor %}' +
      '{% if add_generation_prompt %}[assistant]{% endif %}'
    const messages = [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: ' Hi ' },
    ]
    expect(await render(template, { messages })).toBe(
      '<s>[system]Be brief.</s>[user]Hi</s>[assistant]',
    )
  })

  test('None for tools and documents that there are not, as transformers does', async () => {
    expect(await render('{{ tools }} {{ documents }} {{ tools is defined }}')).toBe(
      'None None True',
    )
    expect(await render('{{ tools }}', { tools: [] })).toBe('None')
  })

  test('its options', async () => {
    const templateOptions = { enable_thinking: false, date: 'today', list: [1, 2.5] }
    const template = '{{ enable_thinking }} {{ date }} {{ list }} {{ other is defined }}'
    expect(await render(template, { templateOptions })).toBe('False today [1, 2.5] False')
  })

  test('content that is null or left out as an empty text', async () => {
    const messages: ChatMessage[] = [
      { role: 'assistant', content: null },
      { role: 'assistant', tool_calls: [{ function: { name: 'f', arguments: '' } }] },
    ]
    const template =
      '{% for m in messages %}<{{ m.content }}>{% for c in m.tool_calls or [] %}{{ c.function.arguments | tojson }}{% endfor %}{% endfor %}'
    expect(await render(template, { messages })).toBe('<><>{}')
  })

  test('arguments as objects, whatever they were sent as', async () => {
    const template = '{{ messages[0].tool_calls[0].function.arguments | tojson }}'
    const call = (given: string | Record<string, unknown>) => ({
      messages: [
        {
          role: 'assistant',
          content: '',
          tool_calls: [{ function: { name: 'f', arguments: given } }],
        },
      ],
    })
    const json = '{"b": 12345678901234567890, "a": [1.0, "é\\n"], "10": 1, "9": 2}'
    expect(await render(template, call(json))).toBe(json)
    expect(await render(template, call({ b: 1, a: [true, null] }))).toBe(
      '{"b": 1, "a": [true, null]}',
    )
    // What the model got wrong stays as it is.
    expect(await render(template, call('{"a": '))).toBe('"{\\"a\\": "')
    expect(await render(template, call('[1]'))).toBe('"[1]"')
  })

  test('arguments as text, where the template only takes text', async () => {
    const template =
      "{{ tools | tojson if tools }}{% for m in messages %}{{ m.content }}{% for c in m.tool_calls or [] %}{{ c.function.name + '(' + c.function.arguments + ')' }}{% endfor %}{% endfor %}"
    const call = (given: string | Record<string, unknown>) => ({
      messages: [
        { role: 'assistant', tool_calls: [{ function: { name: 'f', arguments: given } }] },
      ],
    })
    expect(await render(template, call({ a: [1, 'é'] }))).toBe('f({"a": [1, "é"]})')
    expect(await render(template, call('{"a":[1,"\\u00e9"]}'))).toBe('f({"a": [1, "é"]})')
    const renderer = new ChatRenderer(template, names)
    const { text, trusted } = await renderer.render(call({ a: '</s>' }))
    expect(trusted.map(({ start, end }) => text.slice(start, end))).toEqual(['(', ')'])
  })

  test('None beside calls, where the template tells a call by it', async () => {
    const template =
      '{{ tools | tojson if tools }}{% for m in messages %}{% if m.content is none %}{% for c in m.tool_calls %}<{{ c.function.name }}{{ c.function.arguments | tojson }}>{% endfor %}{% else %}{{ m.content }}{% endif %}{% endfor %}'
    const calls = [{ function: { name: 'f', arguments: {} } }]
    const messages = [user, { role: 'assistant', content: null, tool_calls: calls }]
    expect(await render(template, { messages })).toBe('Hi<f{}>')
    expect(await render(template, { messages: [user, { role: 'assistant', content: null }] })).toBe(
      'Hi',
    )
  })

  test('developer as system, unless it knows the role', async () => {
    const messages = [{ role: 'developer', content: 'x' }, user]
    expect(await render('{{ messages[0].role }}', { messages })).toBe('system')
    expect(await render("{{ messages[0].role }}{{ '' if 'developer' }}", { messages })).toBe(
      'developer',
    )
  })

  test('reasoning under the name that templates know', async () => {
    const messages = [{ role: 'assistant', content: 'a', reasoning: 'why' }]
    expect(await render('{{ messages[0].reasoning_content }}', { messages })).toBe('why')
  })

  test('fields in their order, all but trusted', async () => {
    const messages = [{ name: 'Al', content: 'x', role: 'user', extra: { k: 1 }, trusted: true }]
    expect(await render('{{ messages[0] | tojson }}', { messages })).toBe(
      '{"name": "Al", "content": "x", "role": "user", "extra": {"k": 1}}',
    )
  })
})

describe('content in parts', () => {
  const messages: ChatMessage[] = [
    {
      role: 'user',
      content: [
        { type: 'text', text: 'One.' },
        { type: 'text', text: 'Two.' },
      ],
    },
    { role: 'user', content: 'Three.' },
  ]
  test('is one text for a template that takes texts', async () => {
    const template = '{% for m in messages %}<{{ m.content }}>{% endfor %}'
    expect(await render(template, { messages })).toBe('<One.Two.><Three.>')
  })

  test('stays in parts for a template that takes both', async () => {
    const template =
      '{% for m in messages %}{% if m.content is string %}<{{ m.content }}>{% else %}{% for p in m.content %}<{{ p.type }} {{ p.text }}>{% endfor %}{% endif %}{% endfor %}'
    expect(await render(template, { messages })).toBe('<text One.><text Two.><Three.>')
  })

  test('is made of texts for a template that only takes parts', async () => {
    const template =
      "{% for m in messages %}{% for p in m.content %}{% if p['type'] == 'text' %}<{{ p['text'] }}>{% endif %}{% endfor %}{% endfor %}"
    expect(await render(template, { messages })).toBe('<One.><Two.><Three.>')
  })
})

describe('what was typed', () => {
  test('is outside the trusted stretches', async () => {
    const renderer = new ChatRenderer(
      '{{ bos_token }}<{{ messages[0].content }}>{{ eos_token }}',
      names,
    )
    const { text, trusted } = await renderer.render({ messages: [user] })
    expect(trusted.map(({ start, end }) => text.slice(start, end))).toEqual(['<s><', '></s>'])
    const own = await renderer.render({ messages: [{ ...user, trusted: true }] })
    expect(own.trusted).toEqual([{ start: 0, end: own.text.length }])
  })

  test('is not the role, as long as it is a usual one', async () => {
    const renderer = new ChatRenderer("{{ '<|' + messages[0].role + '|>' }}", names)
    expect((await renderer.render({ messages: [user] })).trusted).toEqual([{ start: 0, end: 8 }])
    const odd = await renderer.render({ messages: [{ role: 'end', content: '' }] })
    expect(odd.trusted).toEqual([
      { start: 0, end: 2 },
      { start: 5, end: 7 },
    ])
  })
})

describe('an answer that was begun', () => {
  const template =
    "{% for m in messages %}{{ '<' + m.role + '>' + m.content | trim + '</s>\\n' }}{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
  const begun = (content: ChatMessage['content'], more = {}): ChatRequest => ({
    messages: [
      { role: 'user', content: 'Once' },
      { role: 'assistant', content, ...more },
    ],
    continueLast: true,
  })

  test('ends where its text ends, without the end of the turn', async () => {
    expect(await render(template, begun('Once upon'))).toBe('<user>Once</s>\n<assistant>Once upon')
    expect(await render(template, begun(' Once upon \n'))).toBe(
      '<user>Once</s>\n<assistant>Once upon',
    )
    expect(await render('{{ messages[1].content }}</s>', begun('a b '))).toBe('a b ')
    const parts = [
      { type: 'text' as const, text: 'One ' },
      { type: 'text' as const, text: 'two' },
    ]
    expect(await render(template, begun(parts))).toBe('<user>Once</s>\n<assistant>One two')
  })

  test('is trusted or not, as it says', async () => {
    const renderer = new ChatRenderer(template, names)
    expect((await renderer.render(begun('x'))).trusted.at(-1)!.end).toBe(26)
    const own = await renderer.render(begun('x', { trusted: true }))
    expect(own.trusted.at(-1)!.end).toBe(own.text.length)
  })

  test('is an error where the template leaves it out', async () => {
    const leaving = '{{ messages[0].content }}'
    const error = await failure(render(leaving, begun('x')))
    expect(error).toMatchObject({ code: 'TEMPLATE_ERROR' })
    expect(error.message).toContain('cannot be continued')
  })
})

describe('a template that fails', () => {
  test('says at which line, and why', async () => {
    const error = await failure(render("a\nb {{ raise_exception('roles must alternate') }}"))
    expect(error).toMatchObject({ code: 'TEMPLATE_ERROR', detail: { line: 2 } })
    expect(error.message).toBe('the chat template failed at line 2: roles must alternate')
  })

  test('that cannot be parsed is refused when it is opened', () => {
    expect(() => new ChatRenderer('{% if %}', names)).toThrow(
      expect.objectContaining({ code: 'TEMPLATE_ERROR', detail: { line: 1 } }),
    )
    expect(() => new ChatRenderer('x'.repeat(1_000_001), names)).toThrow('1000000 are allowed')
  })

  test('that never ends does end, while others have their turn', async () => {
    const endless = '{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}'
    let turns = 0
    const pause = async () => void turns++
    const error = await failure(render(endless, {}, { pause }))
    expect(error.message).toMatch(/took more than \d+ steps/)
    expect(turns).toBeGreaterThan(2)
  })

  test('is ended when the caller cancels', async () => {
    const endless = '{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}'
    const abort = new AbortController()
    const pending = failure(render(endless, {}, { signal: abort.signal }))
    setTimeout(() => abort.abort(), 0)
    expect((await pending).code).toBe('ABORTED')
    expect((await failure(render('x', {}, { signal: abort.signal }))).code).toBe('ABORTED')
  })

  test('writes too much for the context, or for anything', async () => {
    const error = await failure(render('{{ "x" * 1001 }}', {}, { maxChars: 1000 }))
    expect(error).toMatchObject({ code: 'CONTEXT_FULL', detail: { maxChars: 1000 } })
    expect((await failure(render('{{ "x" * 900000 }}'))).code).toBe('TEMPLATE_ERROR')
    const long = { messages: [{ role: 'user', content: 'x'.repeat(300_000) }] }
    expect((await render('{{ messages[0].content }}', long)).length).toBe(300_000)
  })
})

describe('the template of a model', () => {
  const tokens = [...BYTE_TOKENS, '<|begin_of_text|>', '<|end_of_text|>', '<|eot_id|>']
  const types = tokens.map((_, id) => (id < 256 ? 1 : 3))
  const metadata = (more: Record<string, unknown>) =>
    tokenizerFromGguf(
      bytePairMetadata(
        { tokens, merges: [] },
        { token_type: types, bos_token_id: 256, eos_token_id: 257, ...more },
      ),
    )
  const messages = [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: 'Hi there' },
    { role: 'assistant', content: 'Hello' },
    { role: 'user', content: 'Bye' },
  ]
  const right =
    '<|begin_of_text|>System: Be brief.<|eot_id|>User: Hi there<|eot_id|>Assistant: Hello<|eot_id|>User: Bye<|eot_id|>Assistant: '
  // As in the GGUF of microsoft/bitnet-b1.58-2B-4T: no system, eos after each, words nobody trained on.
  const wrong =
    "{% for message in messages %}{% if message['role'] == 'user' %}{{ 'Human: ' + message['content'] + '\\n\\nBITNETAssistant: ' + eos_token }}{% else %}{{ message['content'] + eos_token }}{% endif %}{% endfor %}"

  test('of BitNet b1.58 2B-4T is known where its file lacks it', async () => {
    const chat = openChat(metadata({ 'general.architecture': 'bitnet-b1.58' }))
    expect((await chat.render({ messages })).text).toBe(right)
    expect(chat.notes).toEqual([
      'The chat template knows no tools: it leaves them out of the prompt',
    ])
  })

  test('of BitNet b1.58 2B-4T is put right where the file has the wrong one, with a note', async () => {
    const tokenizer = metadata({ 'tokenizer.chat_template': wrong })
    const chat = openChat(tokenizer)
    const { text, trusted } = await chat.render({ messages })
    expect(text).toBe(right)
    expect(chat.notes[0]).toMatch(/BITNETAssistant.*used instead/)
    const ids = tokenizer.encode(text, { parseSpecial: true, addSpecial: false, trusted })
    expect(ids.filter(id => id >= 256)).toEqual([256, 258, 258, 258, 258])
  })

  test('is the one that the caller passes', async () => {
    const tokenizer = metadata({ 'tokenizer.chat_template': wrong })
    const chat = openChat(tokenizer, '{{ messages[0].content }}!')
    expect((await chat.render({ messages })).text).toBe('Be brief.!')
    expect(() => openChat(tokenizer, '{{')).toThrow(
      expect.objectContaining({ code: 'TEMPLATE_ERROR' }),
    )
  })

  test('that is missing is an error which says what to do', async () => {
    const chat = openChat(metadata({}))
    const error = await failure(chat.render({ messages }))
    expect(error.code).toBe('TEMPLATE_ERROR')
    expect(error.message).toMatch(/generate\(\).*chatTemplate/)
    expect(chat.notes).toEqual([])
  })

  test('that cannot be read is told at load, and fails a chat only', async () => {
    const chat = openChat(metadata({ 'tokenizer.chat_template': 'x\n{% include "y" %}' }))
    expect(chat.notes).toEqual([
      'Its chat template cannot be used: the chat template failed at line 2: {% include %} is not supported',
    ])
    expect((await failure(chat.render({ messages }))).detail).toEqual({ line: 2 })
  })

  test('that leaves out what it is given is told', () => {
    const notes = (template: string) => new ChatRenderer(template, names).notes
    const ignoring = '{% for m in messages if m.role != "system" %}{{ m.content }}{% endfor %}'
    expect(notes(ignoring)).toEqual([
      'The chat template does not print system messages: it leaves them out or refuses them',
      'The chat template knows no tools: it leaves them out of the prompt',
    ])
    const refusing =
      "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}{{ tools | tojson }}{{ messages | tojson }}"
    expect(notes(refusing)).toHaveLength(1)
    expect(notes('{{ tools | tojson }}{{ messages | tojson }}')).toEqual([])
    expect(notes('{{ tools | tojson }}{% for m in messages %}{{ m.content }}{% endfor %}')).toEqual(
      ['The chat template does not print earlier calls of tools, or not as calls'],
    )
  })
})
