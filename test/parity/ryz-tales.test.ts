// The embedded model in every published form against the float64 goldens that came with it: probes,
// logits, hidden states, greedy continuations and perplexity, through the whole load sequence.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  loadRyzTales,
  maxDifference,
  nrmse,
  RYZ_TALES_FORMS,
  ryzTalesFiles,
} from '../golden/load.ts'
import {
  greedyMisses,
  logitsOf,
  type OpenParts,
  openParts,
  perplexity,
  referenceFactory,
} from '../support/open.ts'
import { wasmFactory } from '../support/wasm.ts'

/** Strict, far from rounding ties: a correct f32 run is at 1e-5, skipped rounding at 0.13 and more. */
const PROBE = 1e-3
/** Rms over the golden's standard deviation: one activation that rounds the other way moves that much. */
const LOGITS = 0.03
const PERPLEXITY = 1e-3

const golden = loadRyzTales()
const fast = wasmFactory('relaxed', 2)

describe.each(RYZ_TALES_FORMS)('%s', form => {
  const files = ryzTalesFiles(form)
  const ownTable = form === 'ryz-tales-tq2_0-embq8_0.gguf'
  let parts: OpenParts
  let float: OpenParts

  beforeAll(async () => {
    parts = await openParts(files, fast, { strict: true })
    float = await openParts(files, fast, { strict: true, activations: 'float' })
  })
  afterAll(() => {
    parts?.close()
    float?.close()
  })

  test('every prompt becomes the golden ids', () => {
    for (const { prompt, ids } of golden.prompts)
      expect(parts.tokenizer.encode(prompt)).toEqual(ids)
    for (const { text, ids } of golden.tokenizer) {
      expect(parts.tokenizer.encode(text, { addSpecial: false, parseSpecial: true })).toEqual(ids)
    }
  })

  test('probes agree within 1e-3', async () => {
    for (const { ids, logits } of ownTable ? golden.probesQ8 : golden.probes) {
      expect(maxDifference(await logitsOf(parts.network, ids), logits.data)).toBeLessThan(PROBE)
    }
  })

  test('logits of every prompt agree, with and without activation rounding', async () => {
    for (const { ids, int8, float: plain } of golden.prompts) {
      expect(nrmse(await lastLogits(parts, ids), int8)).toBeLessThan(LOGITS)
      expect(nrmse(await lastLogits(float, ids), plain)).toBeLessThan(LOGITS)
      if (!ownTable) {
        expect(maxDifference(await lastLogits(float, ids), plain)).toBeLessThan(PROBE)
      }
    }
  })

  test('the hidden state agrees after every layer', async () => {
    const { network } = parts
    const seq = network.kv.open()
    const { ids } = golden.prompts[0]
    network.kv.reserve(seq, ids.length)
    const traced: Float32Array[] = []
    const rows = ids.map(token => ({ seq, token, wants: 'nothing' as const }))
    await network.forwardTraced(rows, (_, values) => traced.push(values))
    network.kv.close(seq)
    expect(traced).toHaveLength(golden.hidden.int8.length)
    for (const [i, values] of traced.entries()) {
      expect(nrmse(values, golden.hidden.int8[i].data)).toBeLessThan(LOGITS)
    }
  })

  test('greedy continuations agree wherever the golden gap is clear', async () => {
    for (const p of golden.prompts) {
      expect(await greedyMisses(parts.network, p.ids, p, golden.greedyMargin)).toEqual([])
    }
  })

  test('perplexity over 20,480 sampled tokens agrees within 0.1 %', async () => {
    const { ids, windows256Int8 } = golden.perplexity
    const ratio = (await perplexity(parts, ids)) / windows256Int8
    expect(Math.abs(ratio - 1)).toBeLessThan(PERPLEXITY)
  })
})

test('the reference backend agrees with the probes as well', async () => {
  const parts = await openParts(ryzTalesFiles('ryz-tales-tq2_0.gguf'), referenceFactory, {
    strict: true,
  })
  for (const { ids, logits } of golden.probes) {
    expect(maxDifference(await logitsOf(parts.network, ids), logits.data)).toBeLessThan(PROBE)
  }
  parts.close()
})

test('without activation rounding the probes fail, so they can', async () => {
  const parts = await openParts(ryzTalesFiles('ryz-tales-tq2_0.gguf'), fast, {
    strict: true,
    activations: 'float',
  })
  const { ids, logits } = golden.probes[0]
  expect(maxDifference(await logitsOf(parts.network, ids), logits.data)).toBeGreaterThan(0.1)
  parts.close()
})

async function lastLogits(parts: OpenParts, ids: readonly number[]): Promise<Float32Array> {
  const { vocab } = parts.network.config
  return (await logitsOf(parts.network, ids)).slice(-vocab)
}
