// The link of an evaluation: what it says comes back, what it cannot say takes its default.
import { expect, it } from 'vitest'
import {
  DEFAULTS,
  type EvalSettings,
  loadOptionsOf,
  queryOf,
  settingsFrom,
} from '../../demo/evals/settings.ts'

const all: EvalSettings = {
  task: 'mmlu',
  data: ['https://x.test/a.csv', 'b.csv'],
  shots: ['c.csv'],
  fewshot: 0,
  limit: 3,
  bos: 'never',
  seed: 7,
  model: 'hf:a/b',
  backend: 'webgpu',
  threads: 2,
  kv: 'int8',
  head: 'int4',
  context: 1024,
  budget: 900,
  strict: true,
  float: true,
  software: true,
}

it('settings come back from their link; defaults are left out', () => {
  expect(settingsFrom(queryOf(all))).toEqual(all)
  expect(queryOf(DEFAULTS).toString()).toBe('')
  expect(settingsFrom(new URLSearchParams())).toEqual(DEFAULTS)
  const wrong = 'limit=0&fewshot=-1&bos=x&seed=-3&threads=a&context=1.5&data=%20'
  expect(settingsFrom(new URLSearchParams(wrong))).toEqual(DEFAULTS)
})

it('load() is told what was chosen, and nothing else', () => {
  expect(loadOptionsOf(DEFAULTS)).toEqual({})
  expect(loadOptionsOf(all)).toEqual({
    backend: 'webgpu',
    threads: 2,
    kv: 'int8',
    head: 'int4',
    contextLength: 1024,
    memoryBudget: 900e6,
    strict: true,
    activations: 'float',
    allowSoftwareAdapter: true,
  })
})
