// What make bench-gpu runs in Node on npm webgpu: with a GPU, tokens a second of two shapes and the rows of the bench
// page, beside what a dispatch and a wait cost there; always, the dispatches and bytes of a token and what a roofline
// makes of them, labelled as an estimate. No speed is told of an adapter that computes on the CPU, but in a quick run,
// which proves that all this works. node measure.js OUT MODELS [--quick]
import { writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { create, globals } from 'webgpu'
import { NOBODY } from '../../demo/bench/observer.ts'
import { planCells } from '../../demo/bench/plan.ts'
import type { BenchRow } from '../../demo/bench/results.ts'
import { runCells } from '../../demo/bench/run.ts'
import packageJson from '../../package.json' with { type: 'json' }
import { adapterName, featuresOf, type Gpu, openGpu } from '../../src/backend/webgpu/device.ts'
import { webGpuFactory } from '../../src/backend/webgpu/webgpu-factory.ts'
import { commitText, machineText } from '../../tools/machine.ts'
import { loadInNode } from '../../tools/node-engine.ts'
import { allJobs, type Job, jobsOn, quickJobs } from '../jobs.ts'
import { ensureModel } from '../models.ts'
import { costsOf } from './costs.ts'
import { BENCH_SHAPES, type BenchShape } from './network.ts'
import { plans } from './plans.ts'
import type { GpuReport } from './report.ts'
import { shapeFigures } from './shapes.ts'

Object.assign(globalThis, globals)

const [out, models, ...flags] = process.argv.slice(2)
const quick = flags.includes('--quick')
const gpu = create([])
const options = { allowSoftwareAdapter: quick }
const found = await openGpu(gpu, options).catch((error: unknown) =>
  error instanceof Error ? error.message : String(error),
)
const report: GpuReport = {
  head: {
    machine: machineText(),
    node: process.version,
    webgpu: packageJson.devDependencies.webgpu,
    commit: commitText(),
    date: new Date().toISOString(),
    quick,
  },
  adapter: null,
  plans: await plans(create(['backend=null'])),
}
if (typeof found === 'string') report.why = found
else await measure(found)
writeFileSync(out!, `${JSON.stringify(report, null, 1)}\n`)
process.exit(0)

async function measure(device: Gpu): Promise<void> {
  const { description, software } = device.info
  report.adapter = {
    name: adapterName(device.info),
    description,
    software,
    features: featuresOf(device.pipelines.choice),
    inner_loop: device.pipelines.choice.inner,
  }
  report.costs = await costsOf(device)
  device.close()
  const shapes: BenchShape[] = quick ? ['tiny'] : (Object.keys(BENCH_SHAPES) as BenchShape[])
  report.shapes = []
  for (const shape of shapes.filter(name => quick || name !== 'tiny')) {
    report.shapes.push(await shapeFigures(gpu, options, shape, quick))
    console.log(JSON.stringify(report.shapes.at(-1)))
  }
  report.rows = []
  const cores = cpus().length
  const all = quick ? quickJobs(cores) : allJobs(cores)
  const jobs = jobsOn(all, 'webgpu', cores, quick)
  // The CPU of this machine beside it: a prompt of 512 tokens, as that is where a GPU should be far ahead.
  const beside = all.filter(job => job.name === 'prompt')
  const cpu = beside.map(job => ({
    ...job,
    name: 'cpu-prompt',
    settings: { ...job.settings, backend: 'wasm', values: quick ? ['16'] : ['512'] },
  }))
  const few = quick ? ['empty', 'breakdown'] : undefined
  for (const job of [...jobs.filter(j => few?.includes(j.name) ?? true), ...cpu]) {
    if (job.model) report.rows.push(...(await rowsOf(job)))
  }
}

async function rowsOf({ name, model, settings }: Job): Promise<BenchRow[]> {
  if (settings.sweep === 'load') return [] // no store in Node
  await ensureModel(models!, model!)
  const path = join(models!, model!.file)
  const factory = (given: { profileGpu?: boolean }) =>
    webGpuFactory(() => gpu, { ...options, profile: given.profileGpu === true })
  const bench = {
    load: loadInNode(path, factory),
    source: path,
    model: model!.file,
    shape: settings.shape,
    observe: NOBODY,
    forget: async () => undefined,
    readBandwidth: () => Promise.reject(new Error('not in Node')),
    settle: async () => undefined,
  }
  const rows: BenchRow[] = []
  await runCells(
    bench,
    planCells(settings, cpus().length),
    () => undefined,
    row => {
      rows.push({ ...row, job: name })
      console.log(
        JSON.stringify({ job: name, value: row.value, decode: row.decode_tok_s, error: row.error }),
      )
    },
  )
  return rows
}
