// The report of guessed tokens: every cell in its column, and what was not reached said by name.
import { expect, it } from 'vitest'
import {
  missed,
  type SpeculationReport,
  speculationSection,
} from '../../bench/report/speculation-section.ts'

const row = (text: string, guesses: string, times: number) => ({
  ...{ text, guesses, times, rounds: 5, accepted: 30, proposed: 40 },
  ...{ tokensPerSecond: 100 * times, length: 4, costs: '1: 2.0' },
})
const report: SpeculationReport = {
  shape: 'bitnet-large',
  cells: [
    {
      ...{
        variant: 'relaxed',
        threads: 1,
        clock: 'wall',
        machine: 'a machine',
        node: 'v20',
        commit: 'abc',
      },
      rows: [
        row('copies', 'none', 1),
        row('copies', 'lookup', 1.8),
        row('nothing repeats', 'lookup', 0.99),
      ],
    },
    {
      ...{
        variant: 'simd128',
        threads: 2,
        clock: 'wall',
        machine: 'a machine',
        node: 'v20',
        commit: 'abc',
      },
      rows: [
        row('copies', 'lookup', 1.4),
        row('nothing repeats', 'lookup', 0.96),
        { ...row('JSON', 'draft', 1.6), whole: 1.25 },
      ],
    },
  ],
}

it('has a column for each cell, and names what was not reached', () => {
  const text = speculationSection(report)
  expect(text).toContain('| text | guesses | relaxed, 1 thread | simd128, 2 threads |')
  expect(text).toContain(
    '| copies | text and form | 1.8 (180 tok/s, 30 of 40) | 1.4 (140 tok/s, 30 of 40) |',
  )
  expect(text).toContain(
    '| JSON | text, form and a draft |  | 1.6 (160 tok/s, 30 of 40, with its prompt 1.25) |',
  )
  expect(missed(report)).toEqual([
    'copies, lookup, simd128, 2 threads: 1.4 of 1.5',
    'nothing repeats, lookup, simd128, 2 threads: 0.96 of 0.97',
  ])
  expect(text).toContain('**Not met**: copies, lookup, simd128, 2 threads: 1.4 of 1.5;')
})

it('says that nothing was measured', () => {
  expect(speculationSection(undefined)).toContain('not measured yet')
  // A file in the form of before.
  expect(speculationSection({ rows: [] } as never)).toContain('not measured yet')
})
