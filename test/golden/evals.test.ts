// The harness on the documents of our own, beside figures that an independent program computed
// (scripts/golden/evals.py, numpy in float64). With activations as they are (float), log-likelihoods agree within
// 1e-3 and choices exactly. Rounded activations are chaotic: two correct programs differ by 0.007 in the median and
// by up to 0.3 after a rounding that went the other way, so there the judge is quantiles.
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { figuresOf } from '../../evals/report/results.ts'
import { type PartResult, runPlan } from '../../evals/run/run.ts'
import { ownPlan, SUITE_TASKS } from '../../evals/set/suite.ts'
import { taskNamed } from '../../evals/tasks/table.ts'
import type { Answer } from '../../evals/types.ts'
import type { Ryzanstein } from '../../src/api/ryzanstein.ts'
import { loadInNode } from '../../tools/node-sdk.ts'

interface GoldenDocument {
  logprobs?: number[]
  greedy?: boolean[]
  acc?: number
  acc_norm?: number
  text?: string
  strict_match?: number
  flexible_extract?: number
}

interface GoldenRun {
  model: string
  mode: 'float' | 'int8'
  context: number
  tasks: Record<string, { figures: Record<string, number | number[]>; documents: GoldenDocument[] }>
}

const golden = JSON.parse(readFileSync('evals/set/golden.json', 'utf8')) as GoldenRun[]

/** Half the width of what a flipped rounding moves a log-likelihood by, on either side of a comparison. */
const FLIP = 0.3

const logprobOf = (answer: Answer): number =>
  answer.kind === 'generate' ? Number.NaN : answer.logprob

describe.each(golden)('$model, $mode, context $context', ({ model, mode, context, tasks }) => {
  let engine: Ryzanstein
  const differences: number[] = []
  beforeAll(async () => {
    const activations = mode === 'float' ? 'float' : 'int8'
    engine = await loadInNode(`demo/public/models/${model}-tq2_0-embq8_0.gguf`, {
      strict: true,
      activations,
      contextLength: context,
    })
  })
  afterAll(() => engine.close())

  // Where activations are rounded, greedy texts part at the first flip: there is nothing to compare.
  const names = SUITE_TASKS.filter(
    name =>
      Object.keys(tasks).some(key => key.startsWith(name)) &&
      (mode === 'float' || name !== 'gsm8k'),
  )
  it.each(names)('%s', async name => {
    const run = await runPlan(engine, await ownPlan(name))
    for (const part of run.parts) {
      const { documents, figures } = tasks[part.part.name]!
      expect(part.records).toHaveLength(documents.length)
      compareDocuments(part, documents)
      if (mode === 'float') compareFigures(name, part, figures)
    }
  })

  function compareDocuments({ records, part }: PartResult, documents: GoldenDocument[]): void {
    for (const [i, { answers, scores }] of records.entries()) {
      const expected = documents[i]!
      const place = `${part.name} ${i}`
      if (expected.text !== undefined) {
        expect(answers[0], place).toMatchObject({ text: expected.text })
        continue
      }
      const logprobs = answers.map(logprobOf)
      for (const [k, logprob] of logprobs.entries()) {
        const difference = Math.abs(logprob - expected.logprobs![k]!)
        differences.push(difference)
        if (mode === 'float') expect(difference, `${place}, option ${k}`).toBeLessThan(1e-3)
      }
      for (const metric of ['acc', 'acc_norm'] as const) {
        const got = scores[`${metric},none`]
        if (got === undefined || got === expected[metric]) continue
        // Named, and only where the margin allows it.
        const margin = marginOf(expected.logprobs!)
        console.log(`${place}: ${metric} ${got}, golden ${expected[metric]}, margin ${margin}`)
        expect(mode, place).toBe('int8')
        if (logprobs.length > 1) expect(margin, place).toBeLessThan(2 * FLIP)
      }
    }
  }

  it('log-likelihoods differ by no more than roundings allow', () => {
    const sorted = differences.sort((a, b) => a - b)
    const at = (share: number) => sorted[Math.floor(share * (sorted.length - 1))]!
    console.log(
      `${model} ${mode}: ${sorted.length} differences, median ${at(0.5)}, 95 % ${at(0.95)}, most ${at(1)}`,
    )
    expect(sorted.length).toBeGreaterThan(150)
    if (mode === 'float') return
    expect(at(0.5)).toBeLessThan(0.03)
    expect(at(0.95)).toBeLessThan(0.5)
  })
})

/** Between the two largest. */
function marginOf(values: readonly number[]): number {
  const [first = 0, second = 0] = [...values].sort((a, b) => b - a)
  return first - second
}

function compareFigures(
  name: string,
  part: PartResult,
  expected: Record<string, number | number[]>,
) {
  const task = taskNamed(name)
  const figures = figuresOf(
    task,
    part.records.map(record => record.scores),
  )
  const key = (metric: string) => {
    if (metric.endsWith('match') && name === 'gsm8k') return 'exact_match,strict-match'
    return metric === 'flexible_extract' ? 'exact_match,flexible-extract' : `${metric},none`
  }
  let compared = 0
  for (const [metric, value] of Object.entries(expected)) {
    const got = figures[key(metric)]
    if (got === undefined) continue // of a metric that this task does not report
    compared++
    if (typeof value === 'number') {
      expect(Math.abs((got as number) / value - 1), `${name} ${metric}`).toBeLessThan(1e-3)
    } else {
      expect(got).toBeCloseTo(value[0]!, 6)
      expect(figures[key(metric).replace(',', '_stderr,')]).toBeCloseTo(value[1]!, 6)
    }
  }
  expect(compared, name).toBeGreaterThan(0)
}
