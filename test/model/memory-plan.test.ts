import { describe, expect, test } from 'vitest'
import type { TensorType } from '../../src/format/model-file.ts'
import { placementOf, type Role } from '../../src/format/placement.ts'
import {
  PAGE_BYTES,
  type PlanRequest,
  planMemory,
  weightBytes,
} from '../../src/model/memory-plan.ts'
import type { ModelConfig } from '../../src/model/model-config.ts'
import { activationBytes } from '../../src/model/run-network.ts'
import type { HeadType } from '../../src/types/index.ts'

/** The shape of 1bitLLM/bitnet_b1_58-large. */
const LARGE: ModelConfig = {
  name: 'large',
  architecture: 'bitnet',
  container: 'gguf',
  layers: 24,
  hidden: 1536,
  ffn: 4096,
  heads: 16,
  kvHeads: 16,
  headDim: 96,
  vocab: 32002,
  contextLength: 2048,
  ropeTheta: 1e4,
  ropeDim: 96,
  ropePairing: 'neox',
  normEps: 1e-5,
  activation: 'silu',
  subNorms: true,
  qkNorm: false,
  tiedHead: true,
  masters: true,
  scaleTensors: 'none',
  notes: [],
}
const WEIGHTS = 219e6

const request = (over: Partial<PlanRequest>): PlanRequest => ({
  budget: 500e6,
  kv: undefined,
  contextLength: 2048,
  contextFixed: false,
  maxSequences: 1,
  maxRows: 132,
  wantedRows: 8,
  scratchBytes: () => 1e6,
  ...over,
})

describe('planMemory', () => {
  test('keeps f16 and the whole batch when they fit', () => {
    const plan = planMemory(LARGE, WEIGHTS, request({ budget: 4e9, maxSequences: 4 }))
    expect(plan).toMatchObject({ kv: 'f16', contextLength: 2048, kvBlocks: 256, lowered: [] })
  })

  test('lowers the KV type first, then the batch, and names both', () => {
    const plan = planMemory(LARGE, WEIGHTS, request({ contextLength: 1024, maxSequences: 4 }))
    expect(plan.kv).toBe('int8')
    expect(plan.contextLength).toBe(1024)
    expect(plan.kvBlocks).toBeGreaterThanOrEqual(32)
    expect(plan.kvBlocks).toBeLessThan(128)
    expect(plan.lowered.map(l => l.to)).toEqual([
      'KV int8',
      `KV for ${plan.kvBlocks * 32} tokens in all`,
    ])
  })

  test('lowers the context last', () => {
    const plan = planMemory(LARGE, WEIGHTS, request({ budget: 440e6 }))
    expect(plan.kv).toBe('int8')
    expect(plan.contextLength).toBeLessThan(2048)
    expect(plan.contextLength % 32).toBe(0)
  })

  test('takes 4-bit KV when asked for, and never by itself', () => {
    const tight = { budget: 450e6, contextLength: 1024, contextFixed: true }
    const asked = planMemory(LARGE, WEIGHTS, request({ ...tight, kv: 'int4' }))
    expect(asked).toMatchObject({ kv: 'int4', contextLength: 1024, lowered: [] })
    expect(() => planMemory(LARGE, WEIGHTS, request(tight))).toThrow(
      expect.objectContaining({ code: 'MEMORY_BUDGET' }),
    )
  })

  test('what is planned fits the budget, page included', () => {
    for (const budget of [410e6, 440e6, 500e6, 700e6, 2e9]) {
      const plan = planMemory(LARGE, WEIGHTS, request({ budget, maxSequences: 4 }))
      expect(plan.totalBytes + PAGE_BYTES).toBeLessThanOrEqual(budget)
      expect(plan.totalBytes).toBe(plan.weightBytes + plan.kvBytes + plan.scratchBytes)
    }
  })

  test('a KV type or context that was asked for is never changed', () => {
    const tight = { budget: 450e6, contextFixed: true }
    expect(() => planMemory(LARGE, WEIGHTS, request({ ...tight, kv: 'f32' }))).toThrow(
      expect.objectContaining({ code: 'MEMORY_BUDGET' }),
    )
  })

  test('the refusal names every part', () => {
    expect(() => planMemory(LARGE, WEIGHTS, request({ budget: 340e6 }))).toThrow(
      /weights 219\.0 MB, KV .* MB for 2048 tokens, scratch .* MB, page 170\.0 MB/,
    )
  })

  test('rows of logits are given up first, by name, but never below the batch', () => {
    const wide = planMemory(LARGE, WEIGHTS, request({ budget: 4e9, wantedRows: 32 }))
    expect(wide).toMatchObject({ wantedRows: 32, lowered: [] })
    const tight = planMemory(LARGE, WEIGHTS, request({ wantedRows: 32 }))
    expect(tight.wantedRows).toBe(8)
    expect(tight.lowered[0]).toMatchObject({ to: 'logits of 8 rows a step' })
    const batch = planMemory(LARGE, WEIGHTS, request({ wantedRows: 32, maxSequences: 20 }))
    expect(batch.wantedRows).toBe(20)
    const many = planMemory(LARGE, WEIGHTS, request({ budget: 40e9, maxSequences: 64 }))
    expect(many).toMatchObject({ wantedRows: 64, lowered: [] })
  })

  test('the refusal says what matrices that are not ternary cost', () => {
    const float = request({ budget: 340e6, floatBytes: 150e6 })
    expect(() => planMemory(LARGE, WEIGHTS, float)).toThrow(
      /weights 219\.0 MB, of them 150\.0 MB for matrices that are not of a ternary type, KV/,
    )
  })
})

test('a row of activations is the residual stream and two buffers between which a layer goes', () => {
  const perRow = activationBytes(LARGE, 2, 8) - activationBytes(LARGE, 1, 8)
  expect(perRow).toBe(4 * (1536 + 4096 + 2 * 4096))
})

describe('weightBytes', () => {
  const planned = (type: TensorType, role: Role, head: HeadType = 'int8', masters = false) => {
    const [rows, cols] = [1536, 4096]
    const placement = placementOf({ type, cols, sourceName: 't' }, { role, head, masters })
    return weightBytes([{ role, rows, cols, placement }])
  }

  test('counts a ternary matrix at 2 bits and its scales, one a row or a block', () => {
    expect(planned('I2_S', 'linear')).toBe((1536 * 4096) / 4 + 1536 * 4 + 128)
    expect(planned('TQ2_0', 'linear')).toBe((1536 * 4096) / 4 + 1536 * (4096 / 256) * 4 + 128)
  })

  test('counts masters as the ternary matrix they become, and what is kept as it is', () => {
    expect(planned('BF16', 'linear', 'int8', true)).toBe((1536 * 4096) / 4 + 1536 * 4 + 128)
    expect(planned('BF16', 'linear')).toBe(1536 * 4096 * 4 + 128)
    expect(planned('F16', 'linear')).toBe(1536 * 4096 * 2 + 128)
    // Quantised from something: never a master, although the architecture has them.
    expect(planned('Q8_0', 'linear', 'int8', true)).toBe(1536 * 4096 * 4 + 128)
  })

  test('a table is int8, or int4 of half the size and a scale a row, or the values of the file', () => {
    expect(planned('F16', 'table')).toBe(1536 * 4096 + 1536 * 4 + 128)
    expect(planned('F16', 'table', 'int4')).toBe(1536 * ((4096 / 64) * 36 + 4) + 128)
    expect(planned('F16', 'table', 'file')).toBe(1536 * 4096 * 2 + 128)
  })
})
