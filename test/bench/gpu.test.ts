// The GPU's part of the report: what was measured is told with adapter and driver, what was not is an estimate by name,
// and a software adapter gives no speed.
import { expect, test } from 'vitest'
import type { GpuReport } from '../../bench/gpu/report.ts'
import { gpuSection } from '../../bench/report/gpu-section.ts'
import { performanceMarkdown } from '../../bench/report/performance.ts'
import { planCells } from '../../demo/bench/plan.ts'
import type { BenchRow } from '../../demo/bench/results.ts'
import { DEFAULTS } from '../../demo/bench/settings.ts'

const PLAN: GpuReport['plans'][number] = {
  shape: '0.7B',
  layers: 24,
  dispatches_a_layer: { once: 10, fused: 6 },
  dispatches: { once: 246, fused: 152 },
  prefill_dispatches: 247,
  weight_bytes: 219e6,
  kv_bytes_2048: 302e6,
  macs: 729e6,
  roofline: [
    {
      kind: 'integrated',
      bandwidth_gb_s: 60,
      dispatch_us: 5,
      wait_ms: 1,
      decode_tok_s: 120,
      decode_2048_tok_s: 60,
      label: 'estimate',
    },
  ],
}
const HEAD = { machine: 'a machine', node: 'v20', webgpu: '0.6.2', commit: 'c', quick: false }
const NONE: GpuReport = {
  head: { ...HEAD, date: '2026-11-28T00:00:00Z' },
  adapter: null,
  why: 'no adapter',
  plans: [PLAN],
}
const MEASURED: GpuReport = {
  ...NONE,
  head: { ...HEAD, date: '2026-11-29T00:00:00Z' },
  adapter: {
    name: 'maker card',
    description: 'Card 9 driver 1.2.3',
    software: false,
    features: [],
    inner_loop: 'packed',
  },
  costs: { dispatch_us: 4, wait_ms: 0.5, bandwidth_gb_s: 100 },
  shapes: [
    {
      shape: '0.7B',
      decode_tok_s: { 'batch 1': 111, 'batch 4': 222, 'batch 8': 333 },
      decode_2048_tok_s: 44.4,
      prefill_512_tok_s: 5555,
      ops_ms: { linear_t2: 3.5, attend: 0.25 },
      profile: 'timestamp-query',
    },
  ],
}

test('without a GPU: why, the plan, and estimates that say what they are', () => {
  const text = gpuSection([NONE])
  expect(text).toContain('**No speed here was measured on a GPU**')
  expect(text).toContain('no adapter')
  expect(text).toContain('| 0.7B | 10, 6 | 246, 152 | 247 | 219 | 302 | 0.73 |')
  expect(text).toContain('| 0.7B | integrated (estimate) | 60 | 5 | 1 | 120 | 60 |')
  expect(gpuSection([])).toContain('Not measured')
})

test('with one: adapter, driver, costs, speeds beside the aim, and the times of ops by their method', () => {
  const text = gpuSection([NONE, MEASURED])
  expect(text).not.toContain('No speed here')
  for (const part of ['### maker card', 'Card 9 driver 1.2.3', '4 µs', '(timestamp-query)']) {
    expect(text).toContain(part)
  }
  // 1.5 x (246 dispatches of 4 us + 219 MB at 60 GB/s).
  const aim = 1.5 * (0.984 + 3.65)
  expect(text).toContain(`| 0.7B | 111 | 222 | 333 | 44.4 | 5,560 | ${aim.toPrecision(3)} | 9.01 |`)
  expect(text).toContain('| linear_t2 | 3.5 |')
})

test('a software adapter gives no speed', () => {
  const software = {
    ...MEASURED,
    why: undefined,
    adapter: { ...MEASURED.adapter!, software: true },
  }
  const text = gpuSection([software])
  expect(text).toContain('a software adapter')
  expect(text).not.toContain('111')
})

test('rows of the bench page tell the GPU, what a token costs and why; a software adapter’s tell no speed', () => {
  const gpu = {
    ...{ adapter: 'maker card', software: false, features: ['subgroups'], inner_loop: 'packed' },
    ...{ dispatches: 151, token_bytes: 219.1e6, waits: 42, form: 'fused', ahead: 2, wait_ms: 0.5 },
    tuning: 'measured: once 2.00, fused 1.50',
  }
  const row = (software: boolean) =>
    ({
      ...{ job: 'empty', sweep: 'threads', value: '2', model: 'm', decode_tok_s: 77.7, spread: {} },
      ...{ backend: 'webgpu', variant: 'wgsl', threads: 1, fallbacks: ['a instead of b: c'] },
      ...{ choice: 'measured: the GPU reached more', gpu: { ...gpu, software } },
    }) as unknown as BenchRow
  const text = gpuSection([NONE], [row(false)])
  expect(text).toContain(
    '| empty 2 | maker card | subgroups | 151 | 219 | 42 | 2, a wait takes 0.5 ms | form fused, inner loop packed |',
  )
  for (const why of [
    '- a instead of b: c',
    '- measured: the GPU reached more',
    '- form fused, inner loop packed: measured: once 2.00, fused 1.50',
  ]) {
    expect(text).toContain(why)
  }
  const head = { ...{ version: 1, machine: 'M', browser: 'B', commit: 'c', date: '2026-11-28' } }
  const whole = (software: boolean) =>
    performanceMarkdown({
      results: {
        head: { ...head, cross_origin_isolated: true, quick: true },
        rows: [row(software)],
      },
      plots: {},
    })
  expect(whole(false)).toContain('77.7')
  expect(whole(true)).not.toContain('77.7')
  expect(whole(true)).toContain('| empty 2 | maker card (software) |')
  expect(
    gpuSection([NONE], [{ ...row(false), gpu: undefined } as unknown as BenchRow]),
  ).not.toContain('rows of the bench page')
})

test('only a breakdown is profiled, and only where it is asked for a software adapter will do', () => {
  const cell = (sweep: 'breakdown' | 'context', software = false) =>
    planCells({ ...DEFAULTS, sweep, software, values: ['64'], backend: 'webgpu' }, 1)[0]!.load
  expect(cell('breakdown')).toMatchObject({ backend: 'webgpu', profileGpu: true })
  expect(cell('context').profileGpu).toBeUndefined()
  expect(cell('context').allowSoftwareAdapter).toBeUndefined()
  expect(cell('context', true).allowSoftwareAdapter).toBe(true)
})
