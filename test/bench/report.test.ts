// The performance report: every table of the original has its place, figures come from the rows, and
// what was not measured is said, never invented.
import { describe, expect, test } from 'vitest'
import { allJobs, quickJobs } from '../../bench/jobs.ts'
import { figure, NOT_MEASURED, table, withSpread } from '../../bench/report/markdown.ts'
import { type PeerEntry, peersSection, ratios } from '../../bench/report/peers-section.ts'
import { PLOTS, performanceMarkdown, plotName } from '../../bench/report/performance.ts'
import { planCells } from '../../demo/bench/plan.ts'
import { plotsOf } from '../../demo/bench/plots-of-rows.ts'
import type { BenchReport, BenchRow } from '../../demo/bench/results.ts'
import type { SoakRun } from '../../e2e/soak/judge.ts'
import { ALL_KINDS } from '../../e2e/soak/requests.ts'
import { noTally } from '../../e2e/soak/traffic.ts'
import { readArguments } from '../../scripts/synth/arguments.ts'
import { synthModel } from '../../scripts/synth/model.ts'

function row(job: string, value: string, facts: Partial<BenchRow> = {}): BenchRow {
  return {
    job,
    sweep: 'threads',
    value,
    model: 'm.gguf',
    shape: 'large',
    backend: 'wasm',
    variant: 'relaxed',
    threads: 2,
    batch: 1,
    context: 192,
    kv: 'f16',
    prompt_tokens: 128,
    new_tokens: 64,
    prefill_tok_s: 280,
    decode_tok_s: 80,
    ttft_ms: 400,
    queue_ms: 0,
    process_ms: 1000,
    load_ms: 900,
    peak_rss_mb: 410,
    load_peak_mb: 400,
    page_rss_mb: 110,
    cpu_share: 0.9,
    thread_busy: [0.99, 0.8],
    memory_mb: { weights: 220, kv: 40, scratch: 10, total: 270 },
    runs: 5,
    spread: { decode_tok_s: [78, 81] },
    output: 'abcdef01',
    fallbacks: [],
    ...facts,
  }
}

function report(rows: BenchRow[]): BenchReport {
  const head = {
    version: 1,
    machine: 'M',
    browser: 'B',
    commit: 'c0ffee',
    date: '2026-11-23T00:00',
  }
  return { head: { ...head, cross_origin_isolated: true, quick: false }, rows }
}

describe('the report', () => {
  test('without a single row has every section and not one figure of ours', () => {
    const text = performanceMarkdown({ results: report([]), plots: {} })
    for (const title of [
      'Targets',
      'Baseline',
      'Roofline',
      'Overheads',
      'Threads and hardware',
      'Depth of context',
      'KV cache at 512',
      'Batch',
      'Latency of one token',
      'Sustained load',
      'Concurrent requests',
      'Ternary against unquantised',
      'Lookup tables',
      'Tasks, accuracy, errors',
    ]) {
      expect(text).toContain(`## ${title}`)
    }
    expect(text).toContain(`| tokens per second | 0.42 | ${NOT_MEASURED} |`)
    expect(text).toContain(`| MMLU, 5-shot | 42.1 / 45.8 | ${NOT_MEASURED} |`)
    expect(text).toContain('Power\ncannot be measured from a browser')
    expect(text).not.toMatch(/NaN|undefined|null/)
  })

  test('sets ours beside the original', () => {
    const rows = [
      row('empty', '2', { decode_tok_s: 88, spread: {} }),
      row('threads', '1', { threads: 1, decode_tok_s: 50, output: 'abcdef01' }),
      row('threads', '2'),
      row('bandwidth', '2', { read_gb_s: 30 }),
      row('context-int8', '512', { kv: 'int8', decode_tok_s: 70, spread: {} }),
      row('batch', '8', { error: { code: 'MEMORY_BUDGET', message: 'too large' } }),
    ]
    const text = performanceMarkdown({ results: report(rows), plots: {} })
    expect(text).toContain('| tokens per second | 0.42 | 70 |')
    expect(text).toContain('| 2 | 88 | 80 (78-81) | 280 | 400 | 80 % | 99, 80 % |')
    // 220 MB of weights 88 times a second, of 30 GB/s.
    expect(text).toContain('| 2 | 30 | 136 | 88 | 19.4 | 64.5 % |')
    expect(text).toContain(
      '| decode from an empty context, 2 threads | at least 75 tok/s | 88 tok/s | yes | empty 2 |',
    )
    expect(text).toContain(`| batch 8 | at least 260 tok/s | ${NOT_MEASURED} |  | batch 8 |`)
    expect(text).toContain('| 8 | out of memory |  | MEMORY_BUDGET |')
    // 400 ms to the first token, and 99 more at 12.5.
    expect(text).toContain('| 100 tokens end to end, ms | about 2,380 | 1,640 |')
    expect(text).not.toMatch(/NaN|undefined/)
  })

  test('says it when two paths wrote different texts', () => {
    const rows = [row('variant', 'relaxed'), row('variant', 'simd128', { output: '00000000' })]
    const text = performanceMarkdown({ results: report(rows), plots: {} })
    expect(text).toContain('wrote 2 different texts')
  })

  test('says what eats the time of a token, and what is outside of kernels', () => {
    const ops_ms = { qkv: 2, logits: 3, attend: 1, read: 0.5, other: 1.5 }
    const facts = { shape: 'bitnet-large', ops_ms }
    const rows = [
      row('breakdown-empty', 'token', facts),
      row('bandwidth', '2', { read_gb_s: 30 }),
      row('empty', '2'),
    ]
    const text = performanceMarkdown({ results: report(rows), plots: {} })
    // 24 x 3 x 1536 x 1536 weights of two bits: 42.5 MB, 1.42 ms at 30 GB/s.
    expect(text).toContain('| qkv | 2 | 42.5 | 21.2 | 1.42 | 0.584 |')
    expect(text).toContain('| from an empty context | 8 | 6 | 0.5 | 1.5 | 25 % |')
    expect(text).toContain(
      '| share of a token outside of kernels | at most 5 % | 25 % | **no** | breakdown-empty |',
    )
  })

  test('takes sustained load and cache misses from files of their own', () => {
    const pairs = { soaked: [10, 10, 10], rested: [10, 10, 10] }
    const kinds = Object.fromEntries(ALL_KINDS.map(({ name, ends }) => [`${name} ${ends[0]}`, 1]))
    const run: SoakRun = {
      name: 'embedded',
      model: 'm.gguf',
      backend: 'wasm',
      variant: 'relaxed',
      threads: 2,
      date: '2026-11-23',
      machine: 'M',
      command: 'make soak',
      seed: 1,
      tokens: 400,
      seconds: 3600,
      parts: 1,
      failures: [],
      requests: { ...noTally(), asked: 8, served: 6, failed: 2, tokens: 400, kinds },
      wrong: [],
      logits: ['ab', 'ab'],
      drift: { tokens: 390, start: pairs, end: { ...pairs, soaked: [9.9, 9.9, 9.9] } },
      samples: [50, 100, 150, 200, 250, 300, 350, 400].map(tokens => ({
        tokens,
        seconds: tokens / 100,
        tokensPerSecond: 100,
        rssMb: 300 + tokens / 100,
        kvBlocksCached: 0,
        engineBytes: 1,
      })),
    }
    const caches = {
      simulator: 'valgrind-3.19.0',
      caches: { D1: '32768,8,64', LL: '16777216,16,64' },
      layers: 3,
      weights: 85e6,
      runs: [
        {
          kernel: 'lookup' as const,
          tokens: 32,
          instructions: 64e6,
          data_refs: 32e6,
          d1_misses: 3.2e6,
          ll_misses: 0.32e6,
        },
      ],
    }
    const text = performanceMarkdown({ results: report([]), plots: {}, soak: [run], caches })
    expect(text).toContain('| embedded | 0-100 | 100 | 301 |')
    const spread = '-1.00 % (-1.00 % to -1.00 %)'
    expect(text).toContain(
      `| embedded | ${spread} | 10 to 9.9 | 302 to 304 | yes, 2 times | 100 % of 8 | 100 % | more than 0.33 h |`,
    )
    expect(text).toContain('All is met. `make soak`')
    const short: SoakRun = { ...run, drift: null }
    const without = performanceMarkdown({ results: report([]), plots: {}, soak: [short] })
    expect(without).toContain('| embedded | too few tokens | too few tokens | 302 to 304 |')
    expect(text).toContain('| lookup tables, 32 | 2 | 1 | 10 % | 10 % | 0.01 |')
    expect(text).toContain('**simulated**')
  })

  test('compares types of weights at a depth that all of them reach, and says where', () => {
    const measured = { machine: 'Another', commit: 'abc', date: '2026-11-28T17:00' }
    const at64 = { decode_tok_s: 2, spread: {}, runs: 1, measured }
    const memory = { weights: 2900, kv: 1, scratch: 1, total: 2902 }
    const rows = [
      row('matrix-ternary', '512', { decode_tok_s: 48, spread: {} }),
      row('matrix-ternary', '64', { ...at64, decode_tok_s: 50 }),
      row('matrix-f16', '64', at64),
      row('matrix-f32', '64', { ...at64, decode_tok_s: 1, memory_mb: memory }),
    ]
    const text = performanceMarkdown({ results: report(rows), plots: {} })
    expect(text).toContain(`| weights, MB | 200 | 2,500 | 220 | ${NOT_MEASURED} | 2,900 |`)
    expect(text).toContain(`| tok/s | 0.42 | 0.38 | 48 | ${NOT_MEASURED} | 1 |`)
    expect(text).toContain(
      'At 64 tokens of context (Another, commit abc, 2026-11-28; runs: 1, 1, 1)',
    )
    expect(text).toContain('| decode tok/s | 50 | 2 | 1 |')
    const error = { code: 'MEMORY_BUDGET', message: 'too large' }
    const tooLarge = performanceMarkdown({
      results: report([row('matrix-f32', '64', { error })]),
      plots: {},
    })
    expect(tooLarge).toContain(
      `| tok/s | 0.42 | 0.38 | ${NOT_MEASURED} | ${NOT_MEASURED} | MEMORY_BUDGET |`,
    )
  })

  test('shows published files: whole, killed and gone on with, and as other backends have them', () => {
    const other = { documents: 20, seconds: 9, figures: 'acc 0.3000', wasm: 'acc 0.3000' }
    const same = { ...other, answers: 80, median: 0, most: 0, differ: 0, texts: 0, isWithin: true }
    const published = [
      {
        task: 'piqa',
        files: 'piqa/val.jsonl',
        shots: 0,
        documents: 1000,
        seconds: 61.4,
        resumed: 12,
        figures: 'acc 0.5010 ± 0.0158',
        others: [
          { ...same, backend: 'reference' },
          { ...same, backend: 'webgpu', median: 0.0123, most: 0.4, differ: 1 },
          { ...same, backend: 'webgpu', most: 3, isWithin: false },
        ],
        model: 'ryz-tales',
        machine: 'M',
        commit: 'c0ffee',
        date: '2026-11-28T17:00',
      },
    ]
    const text = performanceMarkdown({ results: report([]), plots: {}, published })
    expect(text).toContain('ryz-tales on M, 2026-11-28, c0ffee.')
    expect(text).toContain('| piqa | piqa/val.jsonl | 0 | 1,000 | 12 | 61 | acc 0.5010 ± 0.0158 |')
    const cells = '| 20 | acc 0.3000 | acc 0.3000 |'
    expect(text).toContain(`| piqa | reference ${cells} 80: 0, 0 | bit for bit |`)
    expect(text).toContain(
      `| piqa | webgpu ${cells} 80: 0.012, 0.40 | within the tolerance, 1 scored otherwise |`,
    )
    expect(text).toContain(`| piqa | webgpu ${cells} 80: 0, 3.0 | **no** |`)
  })

  test('shows what is incomplete, notes, and the plots it was given', () => {
    const results = { ...report([]), problems: [{ job: 'soak', reason: 'stopped after 60 s' }] }
    const plots = { 'threads-decode': 'bench/plots/threads-decode.svg' }
    const text = performanceMarkdown({ results, plots, notes: '## Notes\n\nTried and left.\n' })
    expect(text).toContain('- soak is incomplete: stopped after 60 s')
    expect(text).toContain('![threads-decode](bench/plots/threads-decode.svg)')
    expect(text.endsWith('Tried and left.\n')).toBe(true)
  })

  test('the plots it shows are among those that the rows give', () => {
    const names = allJobs(2).flatMap(job => {
      const { sweep } = job.settings
      const extra: Partial<BenchRow> =
        sweep === 'breakdown'
          ? { ops_ms: { qkv: 1 } }
          : sweep === 'soak'
            ? { segments: [{ tokens: 1, decode_tok_s: 1, memory_mb: 1 }] }
            : {}
      return plotsOf([row(job.name, '1', { sweep, ...extra })]).map(p =>
        plotName(job.name, p.title),
      )
    })
    for (const name of PLOTS) expect(names).toContain(name)
  })
})

describe('the peers', () => {
  const entry = (engine: string, rounds: (number | null)[], error?: string): PeerEntry => ({
    engine,
    where: 'browser',
    file: `shape-${engine}.gguf`,
    threads: 2,
    rounds: rounds.map(r =>
      r === null
        ? null
        : { decode_tok_s: r, prefill_tok_s: r * 2, prefill_short_tok_s: null, peak_rss_mb: 500 },
    ),
    ...(error ? { error } : {}),
  })

  const tokens = { prompt_tokens: 512, short_prompt_tokens: 64, new_tokens: 64 }

  test('ratios pair the rounds, and leave out those that one of the two lost', () => {
    const ours = entry('ryzanstein', [80, 90, null])
    expect(ratios(ours, entry('x', [40, null, 10]), 'decode_tok_s')).toEqual([2])
  })

  test('each ratio names both files and its spread', () => {
    const entries = [entry('ryzanstein', [80, 90, 100]), entry('other', [40, 30, 50])]
    const head = { machine: 'M', commit: 'c', date: '2026-11-23', quick: false }
    const text = peersSection({ ...tokens, head, entries })
    expect(text).toContain(
      '| shape-ryzanstein.gguf | other, shape-other.gguf | 2 | 2 x (2-3) |  | 2 x (2-3) |',
    )
  })

  test('a peer that failed shows its error and no ratio', () => {
    const entries = [entry('ryzanstein', [80]), entry('other', [null], 'it does not load')]
    const head = { machine: 'M', commit: 'c', date: '2026-11-23', quick: false }
    const text = peersSection({ ...tokens, head, entries })
    expect(text).toContain('it does not load')
    expect(text).toContain(`shape-other.gguf | 2 | ${NOT_MEASURED} |`)
  })
})

describe('the jobs', () => {
  test('have names of their own, plans that can be made and models that can be written', () => {
    for (const jobs of [allJobs(2), quickJobs(2)]) {
      expect(new Set(jobs.map(j => j.name)).size).toBe(jobs.length)
      for (const job of jobs) {
        expect(planCells(job.settings, 2).length).toBeGreaterThan(0)
        if (!job.model) continue
        expect(job.settings.model).toBe(`/synth/${job.model.file}`)
        const model = synthModel(readArguments([...job.model.synth, '--out', 'x']))
        expect(model.tensors.length).toBeGreaterThan(10)
      }
    }
  }, 30_000)

  test('fit the context of their models', () => {
    for (const job of allJobs(2)) {
      if (!job.model) continue
      const { shape } = readArguments([...job.model.synth, '--out', 'x'])
      for (const cell of planCells(job.settings, 2)) {
        expect(cell.prompt + cell.generate, job.name).toBeLessThanOrEqual(shape.context)
      }
    }
  })
})

test('numbers are short and never invented', () => {
  expect(figure(1234.5)).toBe('1,230')
  expect(figure(0.0123456)).toBe('0.0123')
  expect(figure(null)).toBe(NOT_MEASURED)
  expect(figure(Number.NaN)).toBe(NOT_MEASURED)
  expect(withSpread(10, [10, 10])).toBe('10')
  expect(table(['a', 'b'], [['1', '2']])).toBe('| a | b |\n| --- | ---: |\n| 1 | 2 |')
})
