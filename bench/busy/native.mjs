// llama.cpp through node-llama-cpp, open as long as it is asked: node native.mjs NODE_MODULES MODEL THREADS. Each line of
// input is a number of tokens; it answers with the tokens a second of so many after a prompt of four, as JSON.
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'

const [modules, modelPath, threads] = process.argv.slice(2)
const entry = join(resolve(modules), 'node-llama-cpp/dist/index.js')
const { getLlama, LlamaLogLevel } = await import(pathToFileURL(entry).href)
const llama = await getLlama({
  gpu: false,
  build: 'never',
  maxThreads: Number(threads),
  logLevel: LlamaLogLevel.error,
  progressLogs: false,
})
const model = await llama.loadModel({ modelPath, useMmap: true })
const context = await model.createContext({ contextSize: 256, threads: Number(threads) })
const sequence = context.getSequence()

async function rate(wanted) {
  await sequence.clearHistory()
  let made = 0
  let first = 0
  // The first token comes out of the prompt's rows.
  for await (const _ of sequence.evaluate([300, 337, 374, 411], {
    temperature: 0,
    yieldEogToken: true,
  })) {
    if (made === 0) first = performance.now()
    if (++made > wanted) break
  }
  return (1000 * (made - 1)) / (performance.now() - first)
}

console.log(JSON.stringify({ ready: context.currentThreads }))
for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify({ tok_s: await rate(Number(line)) }))
}
process.exit(0)
