// `make soak`: days of use in minutes. Real Chromiums answer mixed requests until enough tokens came back; speed,
// memory, books and bits at start and end go to docs/bench/soak-*.json, their plots, and docs/PERFORMANCE.md.
// --shape embedded | 0.7b and --backend wasm | webgpu choose one run (default: all three), --tokens its length,
// --out another folder, --seed repeats a run. A run that was cut goes on; --fresh begins it anew.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { build } from 'vite'
import { ensureModel } from '../../bench/models.ts'
import { writeReport } from '../../bench/report/write.ts'
import type { LoadOptions } from '../../src/index.ts'
import { driftOf, memoryOf, notMet, percent } from './judge.ts'
import { soakSvg } from './plot.ts'
import { TEMPLATE } from './requests.ts'
import { runSoak } from './run.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const MODELS = join(ROOT, 'build/bench/models')
const DOCS = join(ROOT, 'docs/bench')
const EMBEDDED = 'ryz-tales-tq2_0-embq8_0.gguf'
const LARGE = {
  file: 'bitnet-large-tq2_0.gguf',
  synth: ['--shape', 'bitnet-large', '--type', 'tq2_0'],
}

interface Kind {
  readonly name: string
  readonly shape: 'embedded' | '0.7b'
  readonly backend: 'wasm' | 'webgpu'
  readonly tokens: number
  readonly speedTokens: number
  readonly callers: number
  readonly pieces: number
  readonly context: number
  /** Of prompts and answers, beside a busy page's. */
  readonly length: number
  readonly speedMs: number
}
/** On the CPU; a GPU in software takes seconds for a prompt, and about one for the 8 tokens of a measurement. */
const BUSY = { callers: 10, pieces: 25, context: 320, length: 1, speedMs: 300 } as const
const CALM = { callers: 4, pieces: 8, context: 128, length: 0.5, speedMs: 500 } as const
const KINDS: readonly Kind[] = [
  {
    name: 'embedded',
    shape: 'embedded',
    backend: 'wasm',
    tokens: 1_000_000,
    speedTokens: 200,
    ...BUSY,
  },
  { name: '0.7b', shape: '0.7b', backend: 'wasm', tokens: 50_000, speedTokens: 24, ...BUSY },
  {
    name: 'embedded-webgpu',
    shape: 'embedded',
    backend: 'webgpu',
    tokens: 2000,
    speedTokens: 8,
    ...CALM,
  },
]

const { values } = parseArgs({
  options: {
    shape: { type: 'string' },
    backend: { type: 'string' },
    tokens: { type: 'string' },
    'pair-seconds': { type: 'string', default: '60' },
    out: { type: 'string', default: DOCS },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    fresh: { type: 'boolean', default: false },
  },
})
const one = values.shape !== undefined || values.backend !== undefined
const wanted = KINDS.filter(
  kind =>
    !one ||
    (kind.shape === (values.shape ?? 'embedded') && kind.backend === (values.backend ?? 'wasm')),
)
if (wanted.length === 0) {
  throw new Error(`there is no soak of ${values.shape} on ${values.backend}: ${namesOf(KINDS)}`)
}

await build({
  configFile: false,
  logLevel: 'warn',
  build: {
    outDir: join(ROOT, 'build/soak/page'),
    lib: { entry: join(ROOT, 'e2e/soak/page.ts'), formats: ['es'], fileName: 'page' },
    minify: false,
    emptyOutDir: true,
  },
})
// The browsers end with this process; what was found so far stays for the next call.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))
mkdirSync(values.out, { recursive: true })
for (const kind of wanted) await soak(kind)
const home = resolve(values.out) === DOCS ? join(ROOT, 'docs') : values.out
console.log(writeReport(values.out, join(home, 'PERFORMANCE.md')))

async function soak(kind: Kind): Promise<void> {
  const { name, shape, backend, context, ...how } = kind
  const tokens = Number(values.tokens ?? kind.tokens)
  const seed = Number(values.seed)
  if (shape === '0.7b') await ensureModel(MODELS, LARGE)
  const [model, path] =
    shape === '0.7b' ? [LARGE.file, `/synth/${LARGE.file}`] : [EMBEDDED, `/models/${EMBEDDED}`]
  const options: LoadOptions = {
    backend,
    allowSoftwareAdapter: true,
    contextLength: context,
    maxSequences: 6,
    queueLimit: 6,
    cache: 'off',
    memoryBudget: 1e9,
    chatTemplate: TEMPLATE,
    autoRestart: false,
  }
  const state = join(ROOT, `build/soak/${name}.json`)
  if (values.fresh) rmSync(state, { force: true })
  const run = await runSoak({
    ...how,
    name,
    model,
    path,
    options,
    tokens,
    seed,
    pairSeconds: Number(values['pair-seconds']),
    mounts: {
      '/dist/': join(ROOT, 'dist'),
      '/soak/': join(ROOT, 'build/soak/page'),
      '/models/': join(ROOT, 'demo/public/models'),
      '/synth/': MODELS,
    },
    head: {
      date: new Date().toISOString().slice(0, 10),
      machine: `${cpus()[0]?.model ?? 'unknown'}, ${cpus().length} cores`,
      command: `make soak SHAPE=${shape} BACKEND=${backend} TOKENS=${tokens} SEED=${seed}`,
    },
    state,
  })
  writeFileSync(join(values.out, `soak-${name}.json`), `${JSON.stringify(run, null, 1)}\n`)
  writeFileSync(join(values.out, `soak-${name}.svg`), soakSvg(run))
  const rate = Math.round((10 * run.tokens) / run.seconds) / 10
  const drift = run.drift ? driftOf(run.drift) : undefined
  const { mb } = memoryOf(run)
  console.log(
    `\n${name}: ${run.tokens} tokens, ${rate} tok/s, drift ${drift ? percent(drift.change) : 'unknown'} (${drift?.range.map(percent)}), ${mb[0]} -> ${mb[1]} MB, ${run.requests.asked} requests`,
  )
  for (const what of notMet(run)) console.error(`not met: ${what}`)
  if (notMet(run).length > 0) process.exitCode = 1
}

function namesOf(kinds: readonly Kind[]): string {
  return kinds.map(({ shape, backend }) => `${shape} on ${backend}`).join(', ')
}
