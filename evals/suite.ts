// The task suite of the original report: question answering (50 tokens), code completion (20), summarisation (100).
// For each: latency, first token, memory, success, and how close the answers are to those of the same model with
// activations as they are and f16 KV. `npx tsx evals/suite.ts [--model FILE] [--load JSON] [--write]`; times mean
// something only on a quiet machine. `--write` puts the rows into docs/bench/quality.json.
import { readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'
import type { LoadOptions } from 'ryzanstein'
import { loadInNode } from '../tools/node-sdk.ts'
import { mean } from './metrics/aggregate.ts'
import { exactMatch, rougeL, tokenF1 } from './metrics/text-match.ts'
import type { EvalEngine } from './types.ts'

const { values } = parseArgs({
  options: {
    model: { type: 'string', default: 'demo/public/models/ryz-chat-tq2_0-embq8_0.gguf' },
    load: { type: 'string', default: '{}' },
    runs: { type: 'string', default: '3' },
    write: { type: 'boolean', default: false },
  },
})

interface Prompt {
  readonly kind: 'question' | 'code' | 'summary'
  readonly prompt: string
}

const KINDS = {
  question: { title: 'question answering, 50 tokens', maxTokens: 50 },
  code: { title: 'code completion, 20 tokens', maxTokens: 20 },
  summary: { title: 'summarisation, 100 tokens', maxTokens: 100 },
} as const

/** What the answers are compared with: nothing rounded but the weights, and the KV cache to f16. */
const FULL: LoadOptions = { strict: true, activations: 'float', kv: 'f16' }

interface Answered {
  readonly text: string
  readonly totalMs: number
  readonly firstMs: number
}

const file = join(import.meta.dirname, 'set/suite.jsonl')
const prompts = readFileSync(file, 'utf8')
  .split('\n')
  .filter(line => line !== '')
  .map(line => JSON.parse(line) as Prompt)

/** Greedy; prefixes are not reused, so that each prompt is read. */
async function answer(engine: EvalEngine, { kind, prompt }: Prompt): Promise<Answered> {
  const options = { maxTokens: KINDS[kind].maxTokens, temperature: 0, reuse: false }
  const began = performance.now()
  const stream =
    kind === 'code'
      ? engine.generate(prompt, options)
      : engine.chat([{ role: 'user', content: prompt }], options)
  const { text, ttftMs } = await stream.result
  return { text, totalMs: performance.now() - began, firstMs: ttftMs }
}

async function answers(load: LoadOptions, runs: number) {
  const engine = await loadInNode(values.model, load)
  const texts = new Map<Prompt, string>()
  const times = new Map<Prompt, Answered[]>()
  let failed = 0
  for (let run = 0; run < runs; run++) {
    for (const prompt of prompts) {
      try {
        const given = await answer(engine, prompt)
        texts.set(prompt, given.text)
        times.set(prompt, [...(times.get(prompt) ?? []), given])
      } catch (caught) {
        failed++
        console.error(`${prompt.kind}: ${caught instanceof Error ? caught.message : caught}`)
      }
    }
  }
  const { memory } = await engine.stats()
  await engine.close()
  return { texts, times, failed, bytes: memory.total, asked: runs * prompts.length }
}

const rows: Record<string, string> = {}
const median = (list: readonly number[]) => [...list].sort((a, b) => a - b)[list.length >> 1]!
const full = await answers(FULL, 1)
const ours = await answers(JSON.parse(values.load), Number(values.runs))
console.log(
  '| task | n | end to end ms | first token ms | engine MB | exact match | token F1 | ROUGE-L |',
)
console.log('| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |')
for (const [kind, { title }] of Object.entries(KINDS)) {
  const own = prompts.filter(prompt => prompt.kind === kind && ours.texts.has(prompt))
  const all = own.flatMap(prompt => ours.times.get(prompt)!)
  const percent = (score: (answer: string, right: string) => number) =>
    `${(100 * mean(own.map(p => score(ours.texts.get(p)!, full.texts.get(p) ?? '')))).toFixed(1)} %`
  const cells = [
    title,
    own.length,
    median(all.map(a => a.totalMs)).toFixed(0),
    median(all.map(a => a.firstMs)).toFixed(0),
    (ours.bytes / 1e6).toFixed(0),
    percent(exactMatch),
    percent(tokenF1),
    percent(rougeL),
  ]
  console.log(`| ${cells.join(' | ')} |`)
  const [, n, total, first, mb, exact, f1, rouge] = cells
  const share =
    (100 * all.length) / (Number(values.runs) * prompts.filter(p => p.kind === kind).length)
  rows[title] =
    `${total} ms, first token ${first} ms, ${mb} MB, ${share.toFixed(1)} % success; answers beside the full model's: exact match ${exact}, token F1 ${f1}, ROUGE-L ${rouge}; n ${n}`
}
const share = (1 - ours.failed / ours.asked) * 100
console.log(
  `\nSuccess: ${share.toFixed(1)} % of ${ours.asked} requests. Medians of ${values.runs} runs.`,
)

if (values.write) {
  const file = 'docs/bench/quality.json'
  const quality: Record<string, string> = JSON.parse(readFileSync(file, 'utf8'))
  const name = basename(values.model).replace(/-tq2.*|\.gguf$/, '')
  const { threads = 1 } = JSON.parse(values.load) as LoadOptions
  quality.suite = `${name} in Node ${process.version} with ${threads} thread${threads === 1 ? '' : 's'}, median of ${values.runs} runs`
  writeFileSync(file, `${JSON.stringify({ ...quality, ...rows }, null, 2)}\n`)
}
