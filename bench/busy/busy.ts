// `make bench ONLY=busy`: how fast two models run while 0, 1 and 2 other processes keep cores busy, and beside a load that
// comes and goes. BASE=dist-folder lets another built version take part; PARTS=idle,busy,switching,native and
// PLACES=large-page,large-node,small-page,small-node choose; what is not measured again stays in the file.
// Writes busy.json. Called by bench/run.ts.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join, resolve } from 'node:path'
import { rounded } from '../../demo/bench/statistics.ts'
import { commitText, machineText } from '../../tools/machine.ts'
import { ensureModel } from '../models.ts'
import { type BusyReport, verdictsOf } from '../report/busy-section.ts'
import { type BusyPage, openBusyPage } from './contestants.ts'
import { type Part, withOthers } from './keep.ts'
import { besideNative } from './native.ts'
import { busyCores } from './neighbours.ts'
import { type BusyModel, type Entrant, openAll, steady } from './steady.ts'
import { switching } from './switching.ts'

/** Model and where it runs. */
export const PLACES = ['large-page', 'large-node', 'small-page', 'small-node'] as const
export type Place = (typeof PLACES)[number]

export interface BusyOptions {
  /** Built packages: of this version, and of one to compare with. */
  readonly dist: string
  readonly base?: string
  /** Folder of made models. */
  readonly models: string
  readonly out: string
  readonly quick: boolean
  readonly rounds: number
  readonly parts: readonly Part[]
  readonly places: readonly Place[]
}

const LARGE = {
  file: 'bitnet-large-tq2_0.gguf',
  synth: ['--shape', 'bitnet-large', '--type', 'tq2_0'],
}
const TINY = { file: 'tiny-tq2_0.gguf', synth: ['--shape', 'tiny', '--type', 'tq2_0'] }
const LARGE_SHAPE = 'bitnet-large'
const EMBEDDED = 'demo/public/models'
const EMBEDDED_FILE = 'ryz-tales-tq2_0-embq8_0.gguf'
const LOADS = [0, 1, 2]

export async function runBusy(options: BusyOptions): Promise<BusyReport> {
  const { quick, parts, places } = options
  const file = quick ? TINY : LARGE
  await ensureModel(options.models, file)
  const report = await startReport(options)
  const old = oldReport(options, report.head)
  /** After every round: who stops the run keeps what was measured, and what was not measured again. */
  const save = () => {
    const all = old ? withOthers(report, old) : report
    writeFileSync(join(options.out, 'busy.json'), `${JSON.stringify(all, null, 1)}\n`)
  }
  const large: BusyModel = {
    shape: quick ? 'tiny' : LARGE_SHAPE,
    path: join(options.models, file.file),
    url: `/synth/${file.file}`,
    prompt: quick ? 16 : 64,
    // Short turns: what the machine does meanwhile should hit all.
    tokens: quick ? 8 : 16,
    rounds: quick ? 1 : 2 * options.rounds,
  }
  // So fast that its rounds cost nothing.
  const small: BusyModel = {
    shape: 'ryz-tales',
    path: join(EMBEDDED, EMBEDDED_FILE),
    url: `/models/${EMBEDDED_FILE}`,
    prompt: quick ? 16 : 96,
    tokens: quick ? 16 : 256,
    rounds: quick ? 1 : 6 * options.rounds,
  }
  const began = Date.now()
  const say = (what: string) => {
    save()
    console.log(`busy: ${what}: ${Math.round((Date.now() - began) / 1000)} s`)
  }
  const loads = LOADS.filter(busy => parts.includes(busy === 0 ? 'idle' : 'busy'))
  const isBase = options.base !== undefined
  for (const model of [large, small]) {
    for (const inPage of [true, false]) {
      const switches = parts.includes('switching') && !inPage
      const place: Place = `${model === large ? 'large' : 'small'}-${inPage ? 'page' : 'node'}`
      if ((loads.length === 0 && !switches) || !places.includes(place)) continue
      await guarded(report, `${model.shape} in ${inPage ? 'Chromium' : 'Node'}`, async () => {
        const page = inPage ? await openPage(options) : undefined
        const entrants: Entrant[] = []
        try {
          entrants.push(...(await openAll(model, page, isBase ? ['this', 'before'] : ['this'])))
          for (const busy of quick ? loads.slice(0, 1) : loads) {
            await steady(report, entrants, model, busy, save)
            say(`${model.shape}, ${page ? 'Chromium' : 'Node'}, ${busy} busy`)
          }
          if (switches) {
            const seconds = quick ? 2 : model === large ? 60 : 20
            report.switching.push(await switching(entrants, model, seconds))
            say(`${model.shape}, switching`)
          }
        } finally {
          for (const { contestant } of entrants) await contestant.close().catch(() => undefined)
          await page?.close()
        }
      })
    }
  }
  if (parts.includes('native') && !quick) {
    await guarded(report, 'llama.cpp', async () => {
      const page = await openPage(options)
      try {
        await besideNative(report.native, page, large)
      } finally {
        await page.close()
      }
    })
    say('native')
  }
  save()
  for (const { what, asked, decode, prefill } of verdictsOf(report)) {
    const figures = [decode, prefill].flatMap(n => (n === undefined ? [] : [n.toFixed(3)]))
    console.log(`${what}: ${figures.join(' and ')}, asked ${asked}`)
  }
  for (const { model, where, busy, wrong } of report.entries) {
    if (wrong) console.log(`WRONG TOKENS: ${model}, ${where}, ${busy} busy`)
  }
  return report
}

/** What was measured before on this machine. */
function oldReport({ out, quick }: BusyOptions, head: BusyReport['head']): BusyReport | undefined {
  const file = join(out, 'busy.json')
  if (quick || !existsSync(file)) return undefined
  const old = JSON.parse(readFileSync(file, 'utf8')) as BusyReport
  return old.head.quick || old.head.machine !== head.machine ? undefined : old
}

/** What fails is noted and costs nobody else's figures. */
async function guarded(report: BusyReport, what: string, work: () => Promise<void>) {
  try {
    await work()
  } catch (caught) {
    const problem = `${what}: ${caught instanceof Error ? caught.message : String(caught)}`
    report.problems.push(problem)
    console.log(`busy failed: ${problem}`)
  }
}

function openPage({ dist, base, models }: BusyOptions): Promise<BusyPage> {
  return openBusyPage({
    '/this/': dist,
    ...(base === undefined ? {} : { '/base/': base }),
    '/synth/': models,
    '/models/': EMBEDDED,
  })
}

async function startReport({ dist, base, quick }: BusyOptions): Promise<BusyReport> {
  for (const folder of [dist, ...(base === undefined ? [] : [base])]) {
    if (!existsSync(join(folder, 'index.js'))) {
      throw new Error(`${resolve(folder)} has no index.js; pass the dist folder of a built package`)
    }
  }
  const others = rounded(await busyCores(quick ? 0.3 : 3), 2)
  if (others > 0.15) console.log(`busy: others keep ${others} cores busy; the figures are noisy`)
  return {
    head: {
      machine: machineText(),
      commit: commitText(),
      date: new Date().toISOString(),
      quick,
      cores: cpus().length,
      others,
      ...(base === undefined ? {} : { before: versionOf(base) }),
    },
    entries: [],
    switching: [],
    native: [],
    problems: [],
  }
}

/** As the package beside it says. */
function versionOf(base: string): string {
  const file = join(base, '../package.json')
  const { version } = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {}
  return `the version handed in${version ? `, ${version}` : ''}`
}
