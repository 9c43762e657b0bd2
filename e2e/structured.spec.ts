// Structured output with the built package and the chat model, under the strict policy: streamed, greedy and
// sampled, beside other requests; and what it costs a page that never asks for it: not one byte.
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { expect, type Page, test } from '@playwright/test'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { build } from 'vite'
import type * as Sdk from '../src/index.ts'
import { collectTrouble } from './demo-page.ts'
import { HOSTS } from './hosts.ts'

declare global {
  var ryzanstein: typeof Sdk
}

const MODEL = '/demo/public/models/ryz-chat-tq2_0-embq8_0.gguf'
const PERSON = {
  type: 'object',
  properties: {
    name: { type: 'string', minLength: 1, maxLength: 24 },
    age: { type: 'integer', minimum: 0, maximum: 130 },
    city: { type: 'string', pattern: "^\\p{Lu}[\\p{L} '-]{1,20}$" },
    likes: {
      type: 'array',
      items: { enum: ['music', 'sports', 'books', 'cooking'] },
      uniqueItems: true,
      maxItems: 3,
    },
    pet: { oneOf: [{ type: 'null' }, { enum: ['cat', 'dog', 'none'] }] },
  },
  required: ['name', 'age', 'city', 'likes', 'pet'],
  additionalProperties: false,
}
const MESSAGES = [
  {
    role: 'user',
    content:
      'Fill in the form as JSON: I am Anna, 34 years old, from Oslo. I like music and books.',
  },
]

/** What the page has fetched of the package, its workers included. */
async function open(page: Page): Promise<string[]> {
  const fetched: string[] = []
  page.context().on('request', request => fetched.push(new URL(request.url()).pathname))
  await page.goto(`${HOSTS.library.url}e2e/fixtures/embed.html`)
  await page.waitForFunction(() => 'ryzanstein' in globalThis)
  return fetched
}

test('the chat model fills in a schema: greedy, sampled, streamed, and beside plain text', async ({
  page,
}) => {
  const trouble = collectTrouble(page)
  await open(page)
  const seen = await page.evaluate(
    async ({ model, messages, schema }) => {
      const engine = await ryzanstein.load(model)
      const responseFormat = { type: 'json_schema', schema } as const
      const one = async (options: object) => {
        const stream = engine.chat(messages, { responseFormat, maxTokens: 300, ...options })
        let text = ''
        const partial: unknown[] = []
        for await (const chunk of stream) {
          text += chunk.text
          partial.push(ryzanstein.partialJson(text))
        }
        const { complete, finishReason } = await stream.result
        return { text, partial, complete, finishReason }
      }
      const plain = engine.chat(messages, { temperature: 0, maxTokens: 20 }).text()
      const answers = await Promise.all([
        one({ temperature: 0 }),
        one({ seed: 1 }),
        one({ seed: 2, temperature: 1.5, topK: 0, topP: 1 }),
      ])
      const again = await one({ seed: 1 })
      const cut = await engine.chat(messages, { responseFormat, temperature: 0, maxTokens: 6 })
        .result
      const grammar = await engine.chat(messages, {
        temperature: 0,
        responseFormat: { type: 'grammar', ebnf: 'root ::= ("yes" | "no") ", " [a-z ]{5,30} "."' },
      }).result
      const regex = await engine.chat(messages, {
        seed: 4,
        responseFormat: { type: 'regex', pattern: '\\d{4}-\\d{2}-\\d{2}' },
      }).result
      const refused = await engine
        .chat(messages, {
          responseFormat: {
            type: 'json_schema',
            schema: { properties: { a: { $ref: '#/nowhere' } } },
          },
        })
        .text()
        .catch(error => ({ code: error.code, place: error.detail.place }))
      const stats = await engine.stats()
      await engine.close()
      return {
        plain: await plain,
        answers,
        again,
        cut,
        grammar,
        regex,
        refused,
        queue: stats.queue,
      }
    },
    { model: MODEL, messages: MESSAGES, schema: PERSON },
  )
  const validate = new Ajv2020().compile(PERSON)
  for (const { text, partial, complete, finishReason } of seen.answers) {
    expect(complete).toBe(true)
    expect(finishReason).toBe('eos')
    expect(validate(JSON.parse(text)), text).toBe(true)
    expect(partial.at(-1)).toEqual(JSON.parse(text))
  }
  expect(seen.again.text).toBe(seen.answers[1].text)
  expect(seen.cut).toMatchObject({ complete: false, finishReason: 'length' })
  expect(seen.grammar.text).toMatch(/^(yes|no), [a-z ]{5,30}\.$/)
  expect(seen.regex.text).toMatch(/^\d{4}-\d{2}-\d{2}$/)
  expect(seen.refused).toEqual({ code: 'BAD_OPTION', place: '/properties/a/$ref' })
  expect(seen.plain).not.toBe('')
  expect(seen.queue).toMatchObject({ running: 0, waiting: 0, failed: 1 })
  expect(trouble).toEqual([])
})

test('the grammar engine is fetched with the first request that needs it, and once', async ({
  page,
}) => {
  const fetched = await open(page)
  const count = () => fetched.filter(path => path.endsWith('/grammar.js')).length
  await page.evaluate(async model => {
    const engine = await ryzanstein.load(model)
    Object.assign(globalThis, { engine })
    await engine.generate('Hello', { maxTokens: 4, responseFormat: { type: 'text' } }).text()
  }, MODEL)
  expect(fetched.some(path => path.endsWith('/worker.js'))).toBe(true)
  expect(count()).toBe(0)
  const texts = await page.evaluate(async () => {
    const { engine } = globalThis as unknown as { engine: Sdk.Ryzanstein }
    const ask = (pattern: string) =>
      engine.generate('Hello', { responseFormat: { type: 'regex', pattern } }).text()
    const texts = [await ask('[ab]{3}'), await ask('[cd]{3}')]
    await engine.close()
    return texts
  })
  expect(texts[0]).toMatch(/^[ab]{3}$/)
  expect(texts[1]).toMatch(/^[cd]{3}$/)
  expect(count()).toBe(1)
})

test('nothing of the grammar engine is in the files that every page loads', () => {
  const dist = (file: string) => readFileSync(new URL(`../dist/${file}`, import.meta.url), 'utf8')
  // Words that only its code has: a keyword of schemas, and the reader of regular expressions.
  // And what reads calls, and makes models write them.
  for (const word of [
    'patternProperties',
    'Unterminated character class',
    '<parameter=',
    '[ARGS]',
  ]) {
    expect(dist('grammar.js')).toContain(word)
    for (const file of ['index.js', 'worker.js', 'pool-worker.js'])
      expect(dist(file)).not.toContain(word)
  }
  expect(dist('grammar.js').length).toBeLessThan(196_000)
})

/** What the bundler makes of a page, as users build it: the code of the package that it has to fetch first. */
async function bundled(code: string): Promise<string> {
  const page = '\0page'
  const made = await build({
    configFile: false,
    logLevel: 'silent',
    plugins: [
      {
        name: 'page',
        resolveId: id =>
          id === 'page' ? page : id.startsWith('ryzanstein') ? resolve(ENTRIES[id]!) : undefined,
        load: id => (id === page ? code : undefined),
      },
    ],
    build: { write: false, assetsInlineLimit: 0, rolldownOptions: { input: 'page' } },
  })
  const { output } = [made].flat()[0] as Extract<typeof made, { output: unknown }>
  return output.flatMap(file => (file.type === 'chunk' && file.isEntry ? file.code : [])).join('')
}
const ENTRIES: Record<string, string> = {
  ryzanstein: 'dist/index.js',
  'ryzanstein/openai': 'dist/openai.js',
}

test('an app that loads and generates has no byte of the facade, engineFetch or structured output', async () => {
  const plain = `import { load } from 'ryzanstein'
    load('/m.gguf').then(engine => engine.generate('Once').text()).then(console.log)`
  const fetching = `${plain}; import { engineFetch } from 'ryzanstein/openai'; console.log(engineFetch)`
  const facade = plain.replace('{ load }', '{ load, openai, partialJson }')
  const least = await bundled(plain)
  const words = ['chat.completion', 'x-should-retry', 'max_completion_tokens', 'patternProperties']
  for (const word of words) expect(least).not.toContain(word)
  // Named and not used, they cost nothing; used, they do.
  expect((await bundled(facade)).length).toBe(least.length)
  expect(await bundled(fetching)).toContain('x-should-retry')
  expect(await bundled(`${facade}; console.log(openai)`)).toContain('max_completion_tokens')
})
