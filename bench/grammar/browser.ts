// What a token takes with and without a format in Chromium, with the built package (`npm run build` first): as tokens.ts
// does in Node. `npx tsx bench/grammar/browser.ts [--rounds N] [--only chat|shape]`.
import { spawn } from 'node:child_process'
import { parseArgs } from 'node:util'
import { chromium } from '@playwright/test'
import type * as Sdk from '../../src/index.ts'
import { CHROMIUM, CHROMIUM_ARGS } from '../../tools/chromium.ts'
import { commitText, machineText } from '../../tools/machine.ts'
import { ensureModel } from '../models.ts'
import { FORMATS, printRows } from './formats.ts'

declare global {
  var ryzanstein: typeof Sdk
}

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    tokens: { type: 'string', default: '64' },
    threads: { type: 'string', default: '2' },
    shape: { type: 'string', default: 'bitnet-large' },
    port: { type: 'string', default: '5391' },
    only: { type: 'string' },
  },
})
const rounds = Number(values.rounds)
const maxTokens = Number(values.tokens)

const args = ['e2e/server.mjs', '--root', '.', '--isolate', '--csp', '--port', values.port]
const server = spawn(process.execPath, args, { stdio: 'ignore' })
const browser = await chromium.launch({ executablePath: CHROMIUM, args: [...CHROMIUM_ARGS] })
try {
  const page = await browser.newPage()
  const url = `http://localhost:${values.port}/e2e/fixtures/embed.html`
  for (let tries = 0; ; tries++) {
    if (await page.goto(url).catch(() => null)) break
    if (tries > 50) throw new Error(`${url} does not answer`)
    await new Promise(done => setTimeout(done, 100))
  }
  await page.waitForFunction(() => 'ryzanstein' in globalThis)
  console.log(
    `${machineText()}, Chromium ${browser.version()}, ${values.threads} threads, commit ${commitText()}; median of ${rounds} rounds, ${maxTokens} tokens each`,
  )

  const measure = async (name: string, model: string, prompt: string | number[]) => {
    const ms = await page.evaluate(
      async ({ model, prompt, formats, rounds, maxTokens, threads }) => {
        const options = { backend: 'wasm', threads, contextLength: 512, cache: 'off' } as const
        const engine = await ryzanstein.load(model, options)
        const found: [string, number[]][] = formats.map(([format]) => [format, []])
        // The first round compiles the formats, and the engine's code gets warm.
        for (let round = 0; round <= rounds; round++) {
          for (const [i, [, format]] of formats.entries()) {
            const asked = { temperature: 0, reuse: false, maxTokens, ...format }
            const result = await engine.generate(prompt, asked).result
            if (result.tokens.length !== maxTokens) throw new Error(`${formats[i]![0]}: ended`)
            if (round > 0) found[i]![1].push(result.decodeMs / (maxTokens - 1))
          }
        }
        await engine.close()
        return found
      },
      {
        model,
        prompt,
        formats: Object.entries(FORMATS),
        rounds,
        maxTokens,
        threads: Number(values.threads),
      },
    )
    printRows(name, new Map(ms))
  }
  if (values.only !== 'shape')
    await measure(
      'ryz-chat',
      '/demo/public/models/ryz-chat-tq2_0-embq8_0.gguf',
      'Tell me of the sea.',
    )
  if (values.only !== 'chat') {
    const file = `${values.shape}-tq2_0.gguf`
    await ensureModel('build/bench/models', {
      file,
      synth: ['--shape', values.shape, '--type', 'tq2_0'],
    })
    const tokens = Array.from({ length: 32 }, (_, i) => 5 + ((i * 37) % 900))
    await measure(values.shape, `/build/bench/models/${file}`, tokens)
  }
} finally {
  await browser.close()
  server.kill()
}
