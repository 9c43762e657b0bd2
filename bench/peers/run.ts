// `make bench-peers`: ours, wllama (two versions) in Chromium and llama.cpp natively, on the same
// synthetic weights, taking turns round by round. Writes peers.json and then the report.
import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { commitText, machineText } from '../machine.ts'
import { ensureModel } from '../models.ts'
import { OURS, type PeerEntry, type PeersReport } from '../report/peers-section.ts'
import { writeReport } from '../report/write.ts'
import { installPeers, NODE_LLAMA_CPP, WLLAMA_2, WLLAMA_3 } from './install.ts'
import { nativeSampler, ourSampler, type Sampler, wllamaSampler } from './samplers.ts'

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    shape: { type: 'string' },
    prompt: { type: 'string', default: '64' },
    generate: { type: 'string', default: '64' },
    threads: { type: 'string' },
    out: { type: 'string' },
    site: { type: 'string', default: 'demo/dist' },
  },
})
const MODELS = 'build/bench/models'
const quick = values.quick
const shape = values.shape ?? (quick ? 'tiny' : 'bitnet-large')
const rounds = Number(values.rounds ?? (quick ? 1 : 3))
const prompt = quick ? 16 : Number(values.prompt)
const generate = quick ? 8 : Number(values.generate)
const out = values.out ?? (quick ? 'build/bench/quick' : 'docs/bench')
const threadCounts = values.threads?.split(',').map(Number) ?? [...new Set([1, cpus().length])]

const modules = resolve(installPeers('build/peers'))
const contestants: { engine: string; where: PeerEntry['where']; type: string; take: Sampler }[] = [
  { engine: OURS, where: 'browser', type: 'tq2_0', take: ourSampler(values.site) },
  {
    engine: `wllama ${WLLAMA_3}`,
    where: 'browser',
    type: 'tq2_0',
    take: wllamaSampler(modules, 'text'),
  },
  {
    engine: `wllama ${WLLAMA_2}`,
    where: 'browser',
    type: 'q8_0',
    take: wllamaSampler(modules, 'tokens'),
  },
  {
    engine: `wllama ${WLLAMA_2}`,
    where: 'browser',
    type: 'q4_0',
    take: wllamaSampler(modules, 'tokens'),
  },
  {
    engine: `node-llama-cpp ${NODE_LLAMA_CPP}`,
    where: 'native',
    type: 'tq2_0',
    take: nativeSampler(modules),
  },
]

// llama.cpp knows the shape of 2B-4T under the name of its older sibling.
const arch = shape === 'bitnet-2b-4t' ? ['--arch', 'bitnet'] : []
const fileOf = (type: string) => `${shape}${arch.length > 0 ? '-bitnet' : ''}-${type}.gguf`
for (const type of new Set(contestants.map(c => c.type))) {
  await ensureModel(MODELS, {
    file: fileOf(type),
    synth: ['--shape', shape, '--type', type, ...arch],
  })
}

const runs = threadCounts.flatMap(threads =>
  contestants.map(({ engine, where, type, take }) => {
    const entry: PeerEntry = { engine, where, file: fileOf(type), threads, rounds: [] }
    return { entry, take }
  }),
)
for (let round = 0; round < rounds; round++) {
  for (const { entry, take } of runs) {
    const { file, threads } = entry
    const work = { models: MODELS, file, threads, prompt, generate, limitSeconds: quick ? 60 : 600 }
    try {
      const sample = await take(work)
      entry.rounds.push(sample)
      console.log(
        `${round + 1} ${entry.engine} ${file} x${threads}: decode ${sample.decode_tok_s}, prefill ${sample.prefill_tok_s} tok/s, peak ${sample.peak_rss_mb} MB`,
      )
    } catch (caught) {
      entry.rounds.push(null)
      entry.error = (caught instanceof Error ? caught.message : String(caught)).split('\n')[0]
      console.log(`${round + 1} ${entry.engine} ${file} x${threads}: ${entry.error}`)
    }
  }
}

const report: PeersReport = {
  head: { machine: machineText(), commit: commitText(), date: new Date().toISOString(), quick },
  prompt_tokens: prompt,
  new_tokens: generate,
  entries: runs.map(({ entry }) => entry),
}
mkdirSync(out, { recursive: true })
writeFileSync(join(out, 'peers.json'), `${JSON.stringify(report, null, 1)}\n`)
console.log(
  `wrote ${writeReport(out, quick ? join(out, 'PERFORMANCE.md') : 'docs/PERFORMANCE.md')}`,
)
process.exit(report.entries.some(e => e.rounds.every(r => r === null)) ? 1 : 0)
