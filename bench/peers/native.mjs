// One sample of llama.cpp, natively, through node-llama-cpp: a process of its own, which prints one JSON
// line. node native.mjs NODE_MODULES MODEL THREADS PROMPT_TOKENS NEW_TOKENS
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

const [modules, modelPath, ...numbers] = process.argv.slice(2)
const [threads, prompt, newTokens] = numbers.map(Number)
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
  for await (const _ of sequence.evaluate(last, { temperature: 0, yieldEogToken: true })) {
    if (++made === wanted) break
  }
  return { prefillMs: middle - begin, decodeMs: performance.now() - middle }
}

await measure(16, 4)
const { prefillMs, decodeMs } = await measure(prompt, newTokens)
const peakKb = /^VmHWM:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? 0
console.log(
  JSON.stringify({
    prompt_tokens: prompt,
    prefill_tok_s: ((prompt - 1) * 1000) / prefillMs,
    decode_tok_s: (newTokens * 1000) / decodeMs,
    peak_rss_mb: (Number(peakKb) * 1024) / 1e6,
    threads: context.currentThreads,
  }),
)
process.exit(0)
