// What the pages say of a GPU: adapter, features, what a token costs, and why it computes; and no speed of a device that
// computes on the CPU.
import { describe, expect, test } from 'vitest'
import { plotsOf } from '../../demo/bench/plots-of-rows.ts'
import type { BenchRow, GpuFigures } from '../../demo/bench/results.ts'
import { gpuText, speed, whyText } from '../../demo/bench/results-view.ts'
import { gpuLines } from '../../demo/src/gpu-words.ts'
import type { BackendChoice, GpuStats } from '../../src/types/index.ts'

const GPU: GpuStats = {
  ...{ vendor: 'acme', architecture: 'anvil', description: '', software: false },
  ...{ features: ['shader-f16', 'subgroups'], innerLoop: 'packed', form: 'fused' },
  ...{ submits: 40, waits: 31, dispatches: 9000, stepDispatches: 151, layerDispatches: 6 },
  ...{ tokenBytes: 219_100_000, plans: 3, buffers: 200, bytes: 300e6 },
  tuning: {
    ...{ form: 'fused', innerLoop: 'packed', reductions: 'tree', halves: 'f16' },
    ...{
      source: 'measured',
      reason: 'milliseconds of 4 small layers: once 2.00, fused 1.50',
      ms: {},
    },
  },
  drawing: { ahead: 2, waitMs: 3.1, tokenMs: 4, drawn: 30, read: [] },
}
const CHOICE: BackendChoice = {
  ...{ backend: 'hybrid', source: 'remembered', reason: 'the GPU reads faster' },
}

describe('a page', () => {
  test('says which GPU it is, what a token costs there, and why', () => {
    expect(gpuLines(GPU, CHOICE)).toEqual([
      'GPU: acme anvil; features used: shader-f16, subgroups',
      'A token: 151 dispatches, 219 MB read; 31 results waited for, 2 steps ahead (a wait takes 3.1 ms, a token 4 ms)',
      'Shaders: norm and rounding fused, inner loop packed (measured: milliseconds of 4 small layers: once 2.00, fused 1.50)',
      'The GPU reads prompts and the CPU writes (remembered): the GPU reads faster',
    ])
  })

  test('says of a software adapter that its speed is nobody’s, and nothing where the CPU was asked for', () => {
    const bare = { ...GPU, vendor: '', architecture: '', software: true, features: [] }
    const { drawing: _, tuning: __, ...untold } = bare
    expect(gpuLines(untold, undefined)).toEqual([
      'GPU: without a name, which computes on the CPU: its speed is nobody’s; features used: none',
      'A token: 151 dispatches, 219 MB read; 31 results waited for, 0 steps ahead',
      'Shaders: norm and rounding fused, inner loop packed',
    ])
    expect(gpuLines(undefined, undefined)).toEqual([])
    const lost = { ...CHOICE, backend: 'wasm', source: 'measured' } as const
    expect(gpuLines(undefined, lost)).toEqual(['The CPU computes (measured): the GPU reads faster'])
  })
})

describe('the benchmark page', () => {
  const figures: GpuFigures = {
    ...{ adapter: 'acme anvil', software: false, features: ['subgroups'], inner_loop: 'i32' },
    ...{ dispatches: 246, token_bytes: 219_100_000, waits: 12, form: 'once', ahead: 1 },
    ...{ wait_ms: 0.5, tuning: 'skipped: the adapter computes on the CPU' },
  }

  test('says the same of a row', () => {
    expect(gpuText(figures)).toBe(
      'acme anvil; features: subgroups; 246 dispatches and 219 MB a token, 12 waits, 1 step ahead of a wait of 0.5 ms',
    )
    const row = { fallbacks: ['a instead of b: c'], choice: 'measured: d', gpu: figures }
    expect(whyText(row as unknown as BenchRow)).toBe(
      'a instead of b: c; measured: d; form once, inner loop i32 (skipped: the adapter computes on the CPU)',
    )
    expect(whyText({ fallbacks: [] } as unknown as BenchRow)).toBe('')
  })

  test('tells and plots no speed of a GPU in software', () => {
    const row = (software: boolean) =>
      ({
        ...{ sweep: 'threads', value: '2', decode_tok_s: 12.3, spread: {} },
        gpu: { ...figures, software },
      }) as unknown as BenchRow
    expect([speed(row(true), 12.3), speed(row(false), 12.3)]).toEqual(['–', '12.3'])
    expect([plotsOf([row(true)]).length, plotsOf([row(false)]).length]).toEqual([0, 2])
    expect(gpuText({ ...figures, software: true })).toContain('no speed of a GPU')
  })
})
