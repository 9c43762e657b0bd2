// Every architecture and file format against float64 goldens made by an independent numpy program
// (test/golden/make): configuration, probes, float activations, int8 logits, greedy continuations.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openModel } from '../../src/format/open.ts'
import { readConfig } from '../../src/model/config.ts'
import { CASES, caseFiles, loadGolden, maxDifference, nrmse, TOLERANCES } from '../golden/load.ts'
import {
  greedyMisses,
  logitsOf,
  type OpenParts,
  openParts,
  referenceFactory,
} from '../support/open.ts'
import { wasmFactory } from '../support/wasm.ts'

const RUNGS = { reference: referenceFactory, 'relaxed, 2 threads': wasmFactory('relaxed', 2) }

describe.each(CASES)('$name ($what)', c => {
  const files = caseFiles(c)
  const source = files.length === 1 ? files[0] : files
  const golden = loadGolden(c)

  test('its header tells the configuration', async () => {
    const config = readConfig(await openModel(source, {}))
    const { tensors: _, ...facts } = c.expect
    // A GGUF holds its numbers in f32.
    const f32 = { normEps: Math.fround(facts.normEps) }
    expect({ ...config, normEps: Math.fround(config.normEps) }).toMatchObject({ ...facts, ...f32 })
  })

  describe.each(Object.keys(RUNGS) as (keyof typeof RUNGS)[])('%s', rung => {
    let parts: OpenParts
    let float: OpenParts
    const strict = { ...c.options, strict: true } as const

    beforeAll(async () => {
      parts = await openParts(files, RUNGS[rung], strict)
      float = await openParts(files, RUNGS[rung], { ...strict, activations: 'float' })
    })
    afterAll(() => {
      parts?.close()
      float?.close()
    })

    test('its matrices are held as the golden expects', () => {
      const { ternary, float: plain } = c.expect.tensors
      const { t2 = 0, f16 = 0, f32 = 0 } = parts.info.layouts
      const { tiedHead, layers, experts } = c.expect
      const tables = tiedHead ? 1 : 2
      const routers = experts ? layers * (experts.shared?.gated ? 2 : 1) : 0
      expect(t2).toBe(ternary)
      expect(f16 + f32).toBe(plain + tables + routers)
    })

    test('probes agree within 1e-3, and would not without activation rounding', async () => {
      for (const probe of golden.probes) {
        const logits = await logitsOf(parts.network, probe.ids)
        expect(maxDifference(logits, probe.logits.data)).toBeLessThan(TOLERANCES.probe)
        expect(probe.logits.count).toBe(probe.ids.length)
      }
    })

    test('float activations agree within 1e-3 on every prompt', async () => {
      for (const { ids, positions, float: want } of golden.prompts) {
        const rows = pick(await logitsOf(float.network, ids), positions, want.logits.vocab)
        expect(maxDifference(rows, want.logits.data)).toBeLessThan(TOLERANCES.float)
      }
    })

    test('int8 logits agree within 3 % of their spread', async () => {
      for (const { ids, positions, int8: want } of golden.prompts) {
        const rows = pick(await logitsOf(parts.network, ids), positions, want.logits.vocab)
        expect(nrmse(rows, want.logits.data)).toBeLessThan(TOLERANCES.int8Nrmse)
      }
    })

    test('greedy continuations agree wherever the golden gap is clear', async () => {
      for (const { ids, int8, float: plain } of golden.prompts) {
        expect(await greedyMisses(parts.network, ids, int8, TOLERANCES.greedyMargin)).toEqual([])
        expect(await greedyMisses(float.network, ids, plain, TOLERANCES.greedyMargin)).toEqual([])
      }
    })
  })
})

/** The rows at these positions. */
function pick(logits: Float32Array, positions: readonly number[], vocab: number): Float32Array {
  const rows = new Float32Array(positions.length * vocab)
  for (const [i, p] of positions.entries()) {
    rows.set(logits.subarray(p * vocab, (p + 1) * vocab), i * vocab)
  }
  return rows
}
