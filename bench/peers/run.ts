// `make bench-peers`: ours, wllama (two versions) in Chromium and llama.cpp natively, on the same
// synthetic weights, taking turns round by round. Writes peers.json and then the report.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { EMBEDDED } from '../../demo/bench/settings.ts'
import { commitText, machineText } from '../../tools/machine.ts'
import { openBenchHost } from '../lib/bench-page.ts'
import { Profiles } from '../lib/profiles.ts'
import { ensureModel } from '../models.ts'
import { OURS, type PeerEntry, type PeersReport, peersSection } from '../report/peers-section.ts'
import { writeReport } from '../report/write.ts'
import { installPeers, NODE_LLAMA_CPP, WLLAMA_2, WLLAMA_3 } from './install.ts'
import { nativeSampler, ourSampler, type Sampler, wllamaSampler } from './samplers.ts'

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    shape: { type: 'string' },
    /** Tokens of the prompt; of the one for wllama, which is too slow for that. */
    prompt: { type: 'string', default: '512' },
    short: { type: 'string', default: '64' },
    generate: { type: 'string', default: '32' },
    /** Only those whose name begins so. */
    engine: { type: 'string' },
    threads: { type: 'string' },
    out: { type: 'string' },
    site: { type: 'string', default: 'demo/dist' },
  },
})
const MODELS = 'build/bench/models'
const EMBEDDED_FILE = 'demo/public/models/ryz-tales-tq2_0-embq8_0.gguf'
/** Its context is 512; and so fast that 32 tokens are nothing. */
const EMBEDDED_PROMPT = 256
const EMBEDDED_NEW = 200
const quick = values.quick
const shape = values.shape ?? (quick ? 'tiny' : 'bitnet-large')
const rounds = Number(values.rounds ?? (quick ? 1 : 3))
const prompt = quick ? 32 : Number(values.prompt)
const short = quick ? 16 : Number(values.short)
const generate = quick ? 8 : Number(values.generate)
const out = values.out ?? (quick ? 'build/bench/quick' : 'docs/bench')
const threadCounts = values.threads?.split(',').map(Number) ?? [...new Set([1, cpus().length])]

if (!existsSync(join(values.site, 'bench/index.html'))) {
  console.error(`${values.site}/bench is missing; run \`make bench-peers\`, which builds it first`)
  process.exit(1)
}
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))
const modules = resolve(installPeers('build/peers'))
const host = await openBenchHost(values.site, MODELS)
const profiles = new Profiles(host)

interface Contestant {
  readonly engine: string
  readonly where: PeerEntry['where']
  /** Type of the synthetic file; the embedded model without one. */
  readonly type?: string
  readonly take: Sampler
}
const ours = { engine: OURS, where: 'browser', take: ourSampler(host, profiles) } as const
const native = {
  engine: `node-llama-cpp ${NODE_LLAMA_CPP}`,
  where: 'native',
  take: nativeSampler(modules),
} as const
const wllama = (version: string, api: 'text' | 'tokens') =>
  ({ engine: `wllama ${version}`, where: 'browser', take: wllamaSampler(modules, api) }) as const
const contestants: readonly Contestant[] = [
  { ...ours, type: 'tq2_0' },
  { ...native, type: 'tq2_0' },
  { ...wllama(WLLAMA_3, 'text'), type: 'tq2_0' },
  { ...wllama(WLLAMA_2, 'tokens'), type: 'q8_0' },
  { ...wllama(WLLAMA_2, 'tokens'), type: 'q4_0' },
  ours,
  native,
].filter(({ engine }) => values.engine === undefined || engine.startsWith(values.engine))

// llama.cpp knows the shape of 2B-4T under the name of its older sibling.
const arch = shape === 'bitnet-2b-4t' ? ['--arch', 'bitnet'] : []
const synthetic = (type: string) => `${shape}${arch.length > 0 ? '-bitnet' : ''}-${type}.gguf`
for (const type of new Set(contestants.flatMap(c => c.type ?? []))) {
  await ensureModel(MODELS, {
    file: synthetic(type),
    synth: ['--shape', shape, '--type', type, ...arch],
  })
}

const runs = threadCounts.flatMap(threads =>
  contestants.map(({ engine, where, type, take }) => {
    const path = type === undefined ? EMBEDDED_FILE : join(MODELS, synthetic(type))
    const entry: PeerEntry = { engine, where, file: basename(path), threads, rounds: [] }
    const model = type === undefined ? EMBEDDED : `/synth/${synthetic(type)}`
    return { entry, take, path, model }
  }),
)
const report: PeersReport = {
  head: { machine: machineText(), commit: commitText(), date: new Date().toISOString(), quick },
  prompt_tokens: prompt,
  short_prompt_tokens: short,
  new_tokens: generate,
  entries: runs.map(({ entry }) => entry),
}
mkdirSync(out, { recursive: true })
const began = Date.now()
for (let round = 0; round < rounds; round++) {
  for (const { entry, take, path, model } of runs) {
    const { threads } = entry
    const limitSeconds = quick ? 60 : 180
    try {
      const work = { path, model, threads, short, limitSeconds, ...lengths(model) }
      const sample = await take(work)
      entry.rounds.push(sample)
      say(round, entry, JSON.stringify(sample))
    } catch (caught) {
      entry.rounds.push(null)
      entry.error = (caught instanceof Error ? caught.message : String(caught)).split('\n')[0]
      say(round, entry, entry.error)
    }
  }
  // Each round is kept as it ends.
  writeFileSync(join(out, 'peers.json'), `${JSON.stringify(report, null, 1)}\n`)
}
profiles.remove()
await host.close()
const markdown = out === 'docs/bench' ? 'docs/PERFORMANCE.md' : join(out, 'PERFORMANCE.md')
console.log(`wrote ${writeReport(out, markdown)}`)
console.log(peersSection(report))
process.exit(report.entries.some(e => e.rounds.every(r => r === null)) ? 1 : 0)

/** Of the long prompt and the answer. */
function lengths(model: string): { prompt: number; generate: number } {
  if (model !== EMBEDDED || quick) return { prompt, generate }
  return { prompt: EMBEDDED_PROMPT, generate: EMBEDDED_NEW }
}

function say(round: number, { engine, file, threads }: PeerEntry, text: string): void {
  const seconds = Math.round((Date.now() - began) / 1000)
  console.log(`${seconds} s, round ${round + 1}: ${engine}, ${file}, ${threads} threads: ${text}`)
}
