// Chat templates in their throw-away worker: what they render, and how hostile ones end.
import { afterEach, describe, expect, test, vi } from 'vitest'
import { RyzError } from '../../src/errors.ts'
import {
  type RenderOptions,
  renderChat,
  type TemplateWorker,
} from '../../src/tokenizer/chat-template.ts'
import { tokenizerFromGguf } from '../../src/tokenizer/from-gguf.ts'
import { templateWorkers } from './node-template-worker.ts'
import { BYTE_TOKENS, bytePairMetadata } from './small-vocabulary.ts'

const { spawn, alive } = await templateWorkers()
const messages = [
  { role: 'system', content: 'Be brief.' },
  { role: 'user', content: ' Hi ' },
]

const render = (template: string | undefined, more: Partial<RenderOptions> = {}) =>
  renderChat(template, messages, { bosToken: '<s>', eosToken: '</s>', spawn, ...more })

async function failure(promise: Promise<unknown>): Promise<RyzError> {
  const error = await promise.then(
    () => undefined,
    caught => caught,
  )
  expect(error).toBeInstanceOf(RyzError)
  return error as RyzError
}

afterEach(() => vi.waitFor(() => expect(alive()).toBe(0)))

describe('a chat template', () => {
  test('gets the messages, bos, eos and the generation prompt', async () => {
    const template =
      '{{ bos_token }}{% for m in messages %}[{{ m.role }}]{{ m.content | trim }}{{ eos_token }}{% endfor %}' +
      '{% if add_generation_prompt %}[assistant]{% endif %}'
    expect(await render(template)).toBe('<s>[system]Be brief.</s>[user]Hi</s>[assistant]')
    expect(await render(template, { addGenerationPrompt: false })).toBe(
      '<s>[system]Be brief.</s>[user]Hi</s>',
    )
  })

  test('may use the constants, range, dates and blocks of published templates', async () => {
    const template =
      '{%- if true and not False and none is none %}\n    {{- range(2, 8, 3) | list | length }}\n{%- endif %}' +
      "{{ range(3) | join(',') }}{% if tools is defined %}tools{% endif %}{{ strftime_now('%Y-%m-%d') }}"
    expect(await render(template)).toMatch(/^20,1,2\d{4}-\d\d-\d\d$/)
  })

  test('of BitNet b1.58 2B-4T is known when its GGUF lacks it', async () => {
    const tokens = [...BYTE_TOKENS, '<|begin_of_text|>', '<|end_of_text|>', '<|eot_id|>']
    const more = { 'general.architecture': 'bitnet-b1.58', bos_token_id: 256, eos_token_id: 257 }
    const { chatTemplate } = tokenizerFromGguf(bytePairMetadata({ tokens, merges: [] }, more))
    expect(await render(chatTemplate, { bosToken: '<|begin_of_text|>' })).toBe(
      '<|begin_of_text|>System: Be brief.<|eot_id|>User: Hi<|eot_id|>Assistant: ',
    )
    const own = bytePairMetadata(
      { tokens, merges: [] },
      { ...more, 'tokenizer.chat_template': 'own' },
    )
    expect(tokenizerFromGguf(own).chatTemplate).toBe('own')
    const other = bytePairMetadata(
      { tokens, merges: [] },
      { ...more, 'general.architecture': 'llama' },
    )
    expect(tokenizerFromGguf(other).chatTemplate).toBeUndefined()
  })

  test('that is missing is an error which says what to do', async () => {
    const error = await failure(render(undefined))
    expect(error.code).toBe('TEMPLATE_ERROR')
    expect(error.message).toMatch(/generate\(\)/)
  })

  test('that raises an exception fails with its words', async () => {
    const error = await failure(render("{{ raise_exception('roles must alternate') }}"))
    expect(error.code).toBe('TEMPLATE_ERROR')
    expect(error.message).toContain('roles must alternate')
  })

  test('cannot reach what a worker can reach', async () => {
    expect(await render('{{ self }}{{ postMessage }}{{ globalThis }}')).toBe('')
    for (const path of ['messages.constructor', "messages[0]['__proto__']", 'range.constructor']) {
      const text = await render(`{{ ${path} }}`).catch((error: RyzError) => error.code)
      expect(['', 'TEMPLATE_ERROR', '{}']).toContain(text)
    }
  })
})

describe('a hostile chat template', () => {
  const grow = (step: string) =>
    `{% set ns = namespace(x='aaaaaaaa', l=[1,2,3,4]) %}{% for i in range(90000) %}${step}{% endfor %}`
  test.each([
    ['with a syntax error', '{% for %}'],
    ['left open', '{% if true %}'],
    ['over a huge range', '{% for i in range(1000000000) %}x{% endfor %}'],
    ['over an endless range', '{% for i in range(0, 5, 0) %}x{% endfor %}'],
    [
      'of nested loops',
      '{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}',
    ],
    ['that recurses', '{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}'],
    ['nested deeply', `{{ ${'('.repeat(50_000)}1${')'.repeat(50_000)} }}`],
    ['of deep blocks', '{% if true %}'.repeat(20_000) + '{% endif %}'.repeat(20_000)],
    ['that doubles a text', grow('{% set ns.x = ns.x ~ ns.x %}')],
    ['that doubles a list', grow('{% set ns.l = ns.l + ns.l %}')],
    [
      'that writes too much',
      '{% for i in range(99999) %}{{ "xxxxxxxxxxxxxxxxxxxxxxxx" }}{% endfor %}',
    ],
    ['that joins too much', "{{ range(99999) | join('xxxxxxxxxxxxxxxxxxxxxxxxxxx') }}"],
    ['that is far too long', 'x'.repeat(1_000_001)],
  ])('%s is ended with TEMPLATE_ERROR', async (_, template) => {
    const started = performance.now()
    const error = await failure(render(template, { timeoutMs: 500 }))
    expect(error.code).toBe('TEMPLATE_ERROR')
    expect(performance.now() - started).toBeLessThan(10_000)
  })

  test('is ended when the caller cancels', async () => {
    const abort = new AbortController()
    const endless = '{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}'
    const pending = failure(render(endless, { signal: abort.signal, timeoutMs: 60_000 }))
    setTimeout(() => abort.abort(), 300)
    expect((await pending).code).toBe('ABORTED')
    expect((await failure(render('x', { signal: abort.signal }))).code).toBe('ABORTED')
  })

  test('that kills its worker is an error', async () => {
    const dying = (): TemplateWorker => {
      const worker: TemplateWorker = {
        onmessage: null,
        onerror: null,
        postMessage: () => worker.onerror?.({ message: 'out of memory' }),
        terminate: () => {},
      }
      setTimeout(() => worker.onmessage?.({ data: { kind: 'ready' } }), 1)
      return worker
    }
    expect((await failure(render('x', { spawn: dying }))).message).toContain('out of memory')
  })

  test('has nowhere to run where there are no workers', async () => {
    expect((await failure(render('x', { spawn: undefined }))).code).toBe('TEMPLATE_ERROR')
  })
})
