// Backends in one list: options, demo and benchmarks take theirs from it, and each has a conformance suite.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { jobsOn, quickJobs } from '../../bench/jobs.ts'
import { pathFields, REFERENCE_PATH } from '../../src/backend/factory.ts'
import { BACKENDS } from '../../src/options/backends.ts'
import { LOAD_BACKENDS } from '../../src/options/load.ts'
import type { BackendName } from '../../src/types/index.ts'
import { ladder } from '../../src/worker/ladder.ts'

const root = join(import.meta.dirname, '../..')

/** Where each is held against the reference, which is held against formulas of its own. */
const SUITES = {
  wasm: 'test/backend/conformance.test.ts',
  webgpu: 'test/backend/webgpu/conformance.test.ts',
  reference: 'test/backend/reference',
} as const satisfies Record<BackendName, string>

it('load() takes each of them, and auto', () => {
  expect(LOAD_BACKENDS).toEqual(['auto', ...BACKENDS])
  expect(Object.keys(SUITES).toSorted()).toEqual([...BACKENDS].toSorted())
  expect(pathFields(REFERENCE_PATH).backend).toBe('reference')
})

it('the ladder leads to each that is named', () => {
  const features = { wasm: true, simd: true, relaxedSimd: true, threads: true, cores: 2 }
  for (const backend of BACKENDS) {
    const rungs = ladder({ ...features, crossOriginIsolated: true } as never, { backend })
    expect(rungs[0]?.path.backend).toBe(backend)
  }
})

it('conformance suites of all run the table of kinds in backend/cases.ts', () => {
  for (const backend of ['wasm', 'webgpu'] as const) {
    const text = readFileSync(join(root, SUITES[backend]), 'utf8')
    for (const table of ['LINEAR_KINDS', 'TABLE_LAYOUTS', 'KV_TYPES', 'GATE_KINDS']) {
      expect([backend, text.includes(table)]).toEqual([backend, true])
    }
  }
})

it('no page and no benchmark has a list of its own', () => {
  const files = [
    'demo/src/engine-choices.ts',
    'demo/bench/form.ts',
    'bench/run.ts',
    'bench/jobs.ts',
  ]
  for (const file of files) {
    const text = readFileSync(join(root, file), 'utf8')
    expect([file, /\[[^\]]*'wasm'[^\]]*'webgpu'[^\]]*\]/.test(text)]).toEqual([file, false])
  }
  expect(readFileSync(join(root, files[0]!), 'utf8')).toContain('BACKENDS')
})

it('jobs of the benchmark run on the backend that is asked for', () => {
  const jobs = quickJobs(2)
  for (const backend of LOAD_BACKENDS) {
    const on = jobsOn(jobs, backend, 2, true)
    expect(on.every(job => job.settings.backend === backend)).toBe(true)
    expect(on.some(job => job.name === 'empty')).toBe(true)
  }
  expect(jobsOn(jobs, 'wasm', 2, true)).toHaveLength(jobs.length)
  // A GPU has no kernel builds and no threads: their rows are left out, and a sweep of threads is one row.
  const gpu = jobsOn(jobs, 'webgpu', 2, false)
  expect(gpu.map(job => job.settings.sweep)).not.toContain('variant')
  expect(gpu.find(job => job.name === 'empty')?.settings.values).toEqual(['2'])
  expect(gpu.some(job => job.settings.software)).toBe(false)
  for (const sweep of ['context', 'batch', 'prompt', 'breakdown']) {
    expect(gpu.map(job => job.settings.sweep)).toContain(sweep)
  }
})
