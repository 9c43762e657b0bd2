// One sample of llama.cpp, natively, through node-llama-cpp: a process of its own, which prints one JSON
// line. node native.mjs NODE_MODULES MODEL THREADS PROMPT SHORT_PROMPT NEW_TOKENS: prefill of the prompt,
// decode after the short one.
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

const [modules, modelPath, ...numbers] = process.argv.slice(2)
const [threads, prompt, short, newTokens] = numbers.map(Number)
const entry = join(resolve(modules), 'node-llama-cpp/dist/index.js')
const { getLlama, LlamaLogLevel } = await import(pathToFileURL(entry).href)

const llama = await getLlama({
  gpu: false,
  build: 'never',
  maxThreads: threads,
  logLevel: LlamaLogLevel.error,
  progressLogs: false,
})
const model = await llama.loadModel({ modelPath, useMmap: true })
const context = await model.createContext({
  contextSize: Math.max(256, prompt + newTokens + 8),
  batchSize: 512,
  threads,
})
const sequence = context.getSequence()
const ids = count => Array.from({ length: count }, (_, i) => 300 + ((i * 37) % 600))

/** Feeds all ids but the last, then that one and what it leads to. @returns ms of both parts */
async function measure(count, wanted) {
  await sequence.clearHistory()
  const tokens = ids(count)
  const begin = performance.now()
  await sequence.evaluateWithoutGeneratingNewTokens(tokens.slice(0, -1))
  const middle = performance.now()
  const last = [tokens[count - 1]]
  let made = 0
  // The first token comes out of the prompt's last row, as everywhere.
  let first = middle
  for await (const _ of sequence.evaluate(last, { temperature: 0, yieldEogToken: true })) {
    if (made === 0) first = performance.now()
    if (++made === wanted) break
  }
  return { prefillMs: first - begin, decodeMs: performance.now() - first }
}

const RUNS = 2
const mean = values => values.reduce((sum, value) => sum + value, 0) / values.length

await measure(16, 4)
const decode = []
const prefill = []
for (let i = 0; i < RUNS; i++) {
  const { decodeMs } = await measure(short, newTokens)
  decode.push(((newTokens - 1) * 1000) / decodeMs)
  const { prefillMs } = await measure(prompt, 1)
  prefill.push((prompt * 1000) / prefillMs)
}
const peakKb = /^VmHWM:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? 0
console.log(
  JSON.stringify({
    prefill_tok_s: mean(prefill),
    decode_tok_s: mean(decode),
    peak_rss_mb: (Number(peakKb) * 1024) / 1e6,
    threads: context.currentThreads,
  }),
)
process.exit(0)
