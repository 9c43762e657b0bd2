// Compares the numpy goldens with llama.cpp, through node-llama-cpp, in float mode. Not part of the
// tests: node-llama-cpp is large and native, so it lives outside the repository. test/golden/README.md
// says how to run this and what came out. `node scripts/golden/llama-cpp.mjs NODE_MODULES DENSE_DIR`.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

const [modules, denseDir] = process.argv.slice(2)
if (!modules || !denseDir) {
  console.error('usage: llama-cpp.mjs NODE_MODULES_WITH_NODE_LLAMA_CPP DENSE_DIR')
  process.exit(2)
}
const GOLDEN = new URL('../../test/golden/', import.meta.url)
// llama.cpp's F32 path is f32 throughout. Its quantised types round the activations of every matrix,
// embeddings and heads included, to 8 bits per block; a wrong bit order would be near 140 %.
const DENSE_MAX_DIFF = 2e-3
const QUANTISED_NRMSE = 0.05

const require = createRequire(join(resolve(modules), 'x.js'))
const { getLlama, LlamaLogLevel } = await import(pathToFileURL(require.resolve('node-llama-cpp')))
const { version } = JSON.parse(
  readFileSync(join(resolve(modules), 'node-llama-cpp/package.json'), 'utf8'),
)
const llama = await getLlama({
  gpu: false,
  build: 'never',
  logLevel: LlamaLogLevel.error,
  progressLogs: false,
})
console.log(`node-llama-cpp ${version}, llama.cpp ${llama.llamaCppRelease?.release}`)

function readSafetensors(url) {
  const bytes = readFileSync(url)
  const n = Number(bytes.readBigUInt64LE(0))
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + n))
  const out = {}
  for (const [name, t] of Object.entries(header)) {
    const [start, end] = t.data_offsets
    out[name] = {
      shape: t.shape,
      data: new Float32Array(
        bytes.buffer.slice(bytes.byteOffset + 8 + n + start, bytes.byteOffset + 8 + n + end),
      ),
    }
  }
  return out
}

async function logitsOf(sequence, ids, vocab) {
  await sequence.clearHistory()
  const input = ids.map(id => [id, { generateNext: { logits: true } }])
  const results = await sequence.controlledEvaluate(input)
  return results.map(r => {
    const row = new Float64Array(vocab).fill(Number.NaN)
    for (const [id, value] of r.next.logits) row[id] = value
    return row
  })
}

function readGolden(url) {
  return [
    JSON.parse(readFileSync(url, 'utf8')),
    readSafetensors(new URL(String(url).replace(/json$/, 'safetensors'))),
  ]
}

async function compare(file, golden, tensors) {
  const model = await llama.loadModel({ modelPath: file, useMmap: false })
  const context = await model.createContext({
    contextSize: 128,
    batchSize: 128,
    flashAttention: false,
    experimentalKvCacheKeyType: 'F32',
    experimentalKvCacheValueType: 'F32',
  })
  const sequence = context.getSequence()
  let maxDiff = 0
  let worstNrmse = 0
  for (const [i, prompt] of golden.prompts.entries()) {
    const want = tensors[`float.${i}`]
    const vocab = want.shape[1]
    const got = await logitsOf(sequence, prompt.ids, vocab)
    let squares = 0
    let sum = 0
    let sumSquares = 0
    prompt.positions.forEach((position, row) => {
      for (let v = 0; v < vocab; v++) {
        const w = want.data[row * vocab + v]
        const d = got[position][v] - w
        maxDiff = Number.isFinite(d) ? Math.max(maxDiff, Math.abs(d)) : Number.NaN
        squares += d * d
        sum += w
        sumSquares += w * w
      }
    })
    const n = want.data.length
    const sd = Math.sqrt(sumSquares / n - (sum / n) ** 2)
    worstNrmse = Math.max(worstNrmse, Math.sqrt(squares / n) / sd)
  }
  await context.dispose()
  await model.dispose()
  return { maxDiff, nrmse: worstNrmse }
}

let failures = 0
function report(name, kind, r, ok) {
  if (!ok) failures++
  console.log(
    `${ok ? 'ok  ' : 'FAIL'} ${name.padEnd(28)} ${kind.padEnd(10)} max ${r.maxDiff.toExponential(1)} nrmse ${(100 * r.nrmse).toFixed(3)} %`,
  )
}

for (const file of readdirSync(denseDir).sort()) {
  if (!file.endsWith('.gguf')) continue
  // A ReLU2 network stands there with SiLU and a golden of its own: this llama.cpp has no ReLU2.
  const own = pathToFileURL(join(denseDir, file.replace(/gguf$/, 'json')))
  const golden = existsSync(own) ? own : new URL(`data/${basename(file, '.gguf')}.json`, GOLDEN)
  const r = await compare(join(denseDir, file), ...readGolden(golden))
  report(basename(file, '.gguf'), 'F32', r, r.maxDiff <= DENSE_MAX_DIFF)
}
const { cases } = JSON.parse(readFileSync(new URL('manifest.json', GOLDEN), 'utf8'))
for (const c of cases.filter(x => x.llamaCpp)) {
  const r = await compare(
    new URL(c.files[0], GOLDEN).pathname,
    ...readGolden(new URL(c.golden, GOLDEN)),
  )
  report(c.name, 'as stored', r, r.nrmse <= QUANTISED_NRMSE)
}

const tales = new URL('../../demo/public/models/ryz-tales-tq2_0-embq8_0.gguf', import.meta.url)
const talesGolden = JSON.parse(readFileSync(new URL('ryz-tales/golden.json', GOLDEN), 'utf8'))
const asPrompts = {
  prompts: talesGolden.generation.map(g => ({ ids: g.ids, positions: [g.ids.length - 1] })),
}
const talesTensors = Object.entries(
  readSafetensors(new URL('ryz-tales/golden.safetensors', GOLDEN)),
).filter(([name]) => name.startsWith('logits.float.'))
const r = await compare(
  tales.pathname,
  asPrompts,
  Object.fromEntries(
    talesTensors.map(([name, t]) => [
      name.slice('logits.'.length),
      { ...t, shape: [1, t.shape[0]] },
    ]),
  ),
)
report('ryz-tales', 'as stored', r, r.nrmse <= QUANTISED_NRMSE)
await llama.dispose()
console.log(failures === 0 ? 'all agree' : `${failures} disagree`)
process.exit(failures === 0 ? 0 : 1)
