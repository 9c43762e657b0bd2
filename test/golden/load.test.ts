// The golden files are whole and say something: every case has its files, every golden its rows, and a
// run that leaves out the activation rounding could not pass as one that does it.
import { describe, expect, test } from 'vitest'
import {
  CASES,
  caseFiles,
  loadGolden,
  loadRyzTales,
  maxDifference,
  nrmse,
  RYZ_TALES_FORMS,
  ryzTalesFiles,
  TOLERANCES,
} from './load.ts'

describe.each(CASES.map(c => [c.name, c] as const))('golden %s', (_, c) => {
  test('has files, probes and prompts of the stated shape', () => {
    expect(caseFiles(c).every(file => file.size > 0)).toBe(true)
    const golden = loadGolden(c)
    expect(golden.probes.length).toBe(4)
    for (const p of golden.probes) {
      expect([p.logits.count, p.logits.vocab]).toEqual([p.ids.length, c.expect.vocab])
      if (c.expect.tensors.ternary > 0) {
        expect(p.floatMaxDiff).toBeGreaterThan(10 * TOLERANCES.probe)
      }
    }
    for (const p of golden.prompts) {
      for (const mode of [p.int8, p.float]) {
        expect([mode.logits.count, mode.logits.vocab]).toEqual([p.positions.length, c.expect.vocab])
        expect([mode.greedy.length, mode.gaps.length]).toEqual([16, 16])
      }
      const last = p.int8.logits.data.subarray(-c.expect.vocab)
      expect(last.indexOf(Math.max(...last))).toBe(p.int8.greedy[0])
    }
  })
})

describe('the goldens of the embedded model', () => {
  test('have eight probes, eight prompts, hidden states and the sampled text', () => {
    const golden = loadRyzTales()
    expect([golden.probes.length, golden.probesQ8.length, golden.prompts.length]).toEqual([8, 4, 8])
    expect(golden.prompts.every(p => p.int8.length === 4096 && p.greedy.length > 0)).toBe(true)
    expect(golden.hidden.int8.map(h => [h.count, h.vocab])).toEqual(Array(6).fill([5, 256]))
    expect(golden.perplexity.ids.length).toBe(20481)
  })

  test('every form is at hand', () => {
    const names = RYZ_TALES_FORMS.map(form => ryzTalesFiles(form).map(file => file.name))
    expect(names.slice(0, 4).every(n => n.length === 1)).toBe(true)
    expect(names[4]).toContain('config.json')
    expect(names[5]).toContain('model.safetensors')
  })
})

describe('judging', () => {
  test('a NaN or a missing row is infinitely wrong', () => {
    expect(maxDifference([1, Number.NaN], [1, 2])).toBe(Number.POSITIVE_INFINITY)
    expect(maxDifference([1], [1, 2])).toBe(Number.POSITIVE_INFINITY)
    expect(nrmse([1, Number.NaN], [1, 2])).toBe(Number.POSITIVE_INFINITY)
  })

  test('nrmse is in units of the spread of the golden', () => {
    expect(nrmse([1, 3, 5], [0, 2, 4])).toBeCloseTo(1 / Math.sqrt(8 / 3), 12)
  })
})
