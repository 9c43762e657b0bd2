// `make soak`: hours of use in minutes. One page of a real Chromium answers mixed requests until 200,000
// tokens came back from the embedded model and 20,000 from a synthetic one of the 0.7B shape; speed and
// renderer memory over time go to docs/bench/soak.json and docs/bench/soak-*.svg. Arguments:
// --embedded N and --large N change the numbers of tokens (0 leaves one out), --out the folder,
// --seed repeats a run.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { build } from 'vite'
import { openBrowser } from '../../bench/lib/chromium.ts'
import { browserProcesses, renderers } from '../../bench/lib/processes.ts'
import { serveSite } from '../../bench/lib/site.ts'
import { ensureModel } from '../../bench/models.ts'
import type { Report } from './page.ts'
import { soakSvg } from './plot.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const MODELS = join(ROOT, 'build/bench/models')
const EMBEDDED = 'ryz-tales-tq2_0-embq8_0.gguf'
const LARGE = {
  file: 'bitnet-large-tq2_0.gguf',
  synth: ['--shape', 'bitnet-large', '--type', 'tq2_0'],
}

export interface SoakSample {
  tokens: number
  seconds: number
  /** Since the sample before. */
  tokensPerSecond: number
  rssMb: number
  kvBlocksCached: number
}

export interface SoakRun {
  model: string
  variant: string
  threads: number
  tokens: number
  seconds: number
  seed: number
  /** Mean speed of the last quarter over that of the second: 1 is no drift. */
  drift: number
  rssMbAtQuarter: number
  rssMbAtEnd: number
  requests: Record<string, number>
  discrepancies: string[]
  samples: SoakSample[]
}

const { values } = parseArgs({
  options: {
    embedded: { type: 'string', default: '200000' },
    large: { type: 'string', default: '20000' },
    out: { type: 'string', default: join(ROOT, 'docs/bench') },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
  },
})
const seed = Number(values.seed)
console.log(`soak: seed ${seed}`)

await build({
  configFile: false,
  logLevel: 'warn',
  build: {
    outDir: join(ROOT, 'build/soak'),
    lib: { entry: join(ROOT, 'e2e/soak/page.ts'), formats: ['es'], fileName: 'page' },
    minify: false,
    emptyOutDir: true,
  },
})
const runs: SoakRun[] = []
const wanted = [
  { model: EMBEDDED, tokens: Number(values.embedded), context: 256 },
  { model: LARGE.file, tokens: Number(values.large), context: 256 },
]
for (const { model, tokens, context } of wanted) {
  if (tokens === 0) continue
  if (model === LARGE.file) await ensureModel(MODELS, LARGE)
  runs.push(await soak(model, tokens, context))
}
mkdirSync(values.out, { recursive: true })
const head = {
  date: new Date().toISOString().slice(0, 10),
  machine: `${cpus()[0]?.model ?? 'unknown'}, ${cpus().length} cores`,
}
writeFileSync(join(values.out, 'soak.json'), `${JSON.stringify({ head, runs }, null, 1)}\n`)
for (const run of runs) {
  const name = run.model === EMBEDDED ? 'embedded' : '0.7b'
  writeFileSync(join(values.out, `soak-${name}.svg`), soakSvg(run))
  const { requests, discrepancies, drift, rssMbAtQuarter, rssMbAtEnd } = run
  const rate = Math.round(run.tokens / run.seconds)
  console.log(
    `${run.model}: ${run.tokens} tokens, ${rate} tok/s, last quarter ${drift} of the second, renderer ${rssMbAtQuarter} -> ${rssMbAtEnd} MB, ${JSON.stringify(requests)}`,
  )
  for (const what of discrepancies) console.error(`wrong books: ${what}`)
  if (discrepancies.length > 0) process.exitCode = 1
}

async function soak(model: string, tokens: number, context: number): Promise<SoakRun> {
  const samples: SoakSample[] = []
  let engine: Pick<Report, 'variant' | 'threads'> = {}
  let profile: string | undefined
  let finish: (last: Report) => void = () => undefined
  const ended = new Promise<Report>(done => {
    finish = done
  })
  const onReport = (body: unknown): void => {
    const report = body as Report
    if (report.kind === 'start') engine = report
    if (report.kind === 'end' || report.kind === 'failed') finish(report)
    if (report.kind !== 'sample' || profile === undefined) return
    const before = samples.at(-1) ?? { tokens: 0, seconds: 0 }
    const at = { tokens: report.tally!.tokens, seconds: report.seconds! }
    const rate = (at.tokens - before.tokens) / Math.max(at.seconds - before.seconds, 1e-3)
    samples.push({
      tokens: at.tokens,
      seconds: Math.round(at.seconds * 100) / 100,
      tokensPerSecond: Math.round(rate * 10) / 10,
      rssMb: rendererRssMb(profile),
      kvBlocksCached: report.kvBlocksCached!,
    })
    process.stdout.write(`\r${at.tokens} of ${tokens} tokens, ${samples.at(-1)!.rssMb} MB  `)
  }
  const site = await serveSite({
    mounts: {
      '/dist/': join(ROOT, 'dist'),
      '/soak/': join(ROOT, 'build/soak'),
      '/models/': join(ROOT, 'demo/public/models'),
      '/synth/': MODELS,
    },
    pages: {
      '/': '<!doctype html><title>soak</title><script type="module" src="/soak/page.js"></script>',
    },
    posts: { '/report': onReport },
  })
  const path = model === EMBEDDED ? `/models/${model}` : `/synth/${model}`
  const query = new URLSearchParams({
    model: path,
    tokens: String(tokens),
    context: String(context),
    seed: String(seed),
  })
  const browser = openBrowser(`${site.origin}/?${query}`)
  profile = browser.profile
  const gone = browser.ended.then((): Report => ({ kind: 'failed', message: 'the browser ended' }))
  const last = await Promise.race([ended, gone])
  await browser.close()
  await site.close()
  process.stdout.write('\n')
  if (last.kind === 'failed') throw new Error(`${model}: ${last.message}`)
  const { tokens: received, ...requests } = last.tally!
  const quarter = (i: number) =>
    samples.filter(s => s.tokens > (tokens * i) / 4 && s.tokens <= (tokens * (i + 1)) / 4)
  return {
    model,
    variant: engine.variant ?? 'unknown',
    threads: engine.threads ?? 0,
    tokens: received,
    seconds: Math.round(last.seconds! * 100) / 100,
    seed,
    drift: Math.round((speed(quarter(3)) / speed(quarter(1))) * 1000) / 1000,
    rssMbAtQuarter: quarter(1)[0]?.rssMb ?? 0,
    rssMbAtEnd: samples.at(-1)?.rssMb ?? 0,
    requests: { ...requests },
    discrepancies: last.discrepancies!,
    samples,
  }
}

/** Tokens per second from the first to the last of these samples. */
function speed(samples: readonly SoakSample[]): number {
  const [first, last] = [samples[0], samples.at(-1)]
  if (first === undefined || last === undefined || first === last) return Number.NaN
  return (last.tokens - first.tokens) / (last.seconds - first.seconds)
}

/** Resident now, of the largest renderer; 0 elsewhere than on Linux. */
function rendererRssMb(profile: string): number {
  const sizes = renderers(browserProcesses(profile)).map(({ pid }) => {
    try {
      const status = readFileSync(`/proc/${pid}/status`, 'utf8')
      return (Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) * 1024) / 1e6
    } catch {
      return 0 // it ended while we looked
    }
  })
  return Math.round(Math.max(0, ...sizes) * 10) / 10
}
