// The shared case table on WebGPU in a real Chromium (SwiftShader), against the reference: its shader compiler
// and validation are another build than Dawn's in Node, where backend/webgpu/conformance.test.ts has more shapes.
import { afterAll, describe, expect, it } from 'vitest'
import {
  GATE_KINDS,
  KV_TYPES,
  kindName,
  LINEAR_KINDS,
  TABLE_LAYOUTS,
} from '../../src/backend/cases.ts'
import { type Gpu, openGpu } from '../../src/backend/webgpu/device.ts'
import { createWebGpuBackend } from '../../src/backend/webgpu/webgpu-backend.ts'
import { besideReference } from '../backend/beside-reference.ts'
import { FLOAT_SUMS, KV_WORDS, near } from '../backend/near.ts'
import * as ops from '../backend/ops.ts'

const SEED = 20261130
const gpu: Gpu | string = await openGpu(navigator.gpu, { allowSoftwareAdapter: true }).catch(String)
console.log(`webgpu in the browser: ${typeof gpu === 'string' ? gpu : gpu.info.architecture}`)

describe.skipIf(typeof gpu === 'string')('WebGPU in the browser', () => {
  const pair = besideReference(async () =>
    createWebGpuBackend({ gpu: gpu as Gpu, limits: ops.LIMITS }),
  )
  const { tested, reference, ready, reset, both } = pair
  afterAll(pair.close)

  it.each(LINEAR_KINDS.map(kind => [kindName(kind), kind] as const))(
    'linear %s',
    async (_, kind) => {
      for (const count of [1, 3, 33]) {
        await ready()
        const c: ops.LinearCase = { ...kind, rows: 37, cols: 200 }
        near(...(await both(on => ops.linearRows(on, [c], count, SEED))), FLOAT_SUMS)
      }
    },
  )

  it('integer sums, bit for bit', async () => {
    for (const layout of ['t2', 'i8', 'i4'] as const) {
      await ready()
      const c = { layout, rows: 37, cols: 320, scaleBlock: 0, activations: 'int8' } as const
      ops.sameBits(...(await both(on => ops.wholeNumberRows(on, c, 3, SEED))))
    }
  })

  it('embed, norm, gate, gather and add', async () => {
    for (const layout of TABLE_LAYOUTS) {
      await ready()
      near(...(await both(on => ops.embedRows(on, layout, 100, SEED))), 0)
    }
    for (const count of [1, 2]) {
      await ready()
      near(...(await both(on => ops.normRows(on, count, 1536, SEED))), FLOAT_SUMS)
    }
    for (const gate of GATE_KINDS) {
      await ready()
      near(...(await both(on => ops.gateRows(on, gate, 5, 50, SEED))), FLOAT_SUMS)
    }
  })

  it.each(LINEAR_KINDS.map(kind => [kindName(kind), kind] as const))(
    'experts %s',
    async (_, kind) => {
      const routing = {
        experts: 5,
        used: 2,
        scores: 'sigmoid',
        normalise: true,
        bias: true,
      } as const
      for (const count of [1, 9]) {
        await ready()
        const c: ops.ExpertCase = { ...kind, ...routing, rows: 24, cols: 192 }
        const got = await ops.expertRows(tested, c, count, SEED)
        const want = await ops.expertRows(reference, c, count, SEED)
        for (const part of ['routes', 'up', 'down', 'mixed'] as const) {
          near(got[part], want[part], FLOAT_SUMS)
        }
      }
    },
  )

  it('a norm of columns and a bias', async () => {
    await ready()
    near(...(await both(on => ops.columnRows(on, 9, SEED))), FLOAT_SUMS)
  })

  it.each(KV_TYPES)('attend over %s KV', async type => {
    await reset()
    const c = {
      headDim: 64,
      heads: 4,
      kvHeads: 2,
      ropeDim: 64,
      qkNorm: true,
      pairing: 'neox',
      type,
    } as const
    const tolerance = type === 'int8' || type === 'int4' ? KV_WORDS : FLOAT_SUMS
    near(...(await both(on => ops.attendRows(on, c, [1, 40, 29], SEED))), tolerance)
    expect((gpu as Gpu).failure).toBeUndefined()
  })
})
