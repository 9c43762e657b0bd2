// Whole models on a device that gives no more than every device does, and on one that gives far less: what is larger than
// a buffer or a binding is cut, and the golden logits come out. Real checkpoints' shapes are planned on Dawn's null
// backend, which checks every command and runs none. On SwiftShader in Node.
import { afterEach, describe, expect, it } from 'vitest'
import { openNetwork, step } from '../../bench/gpu/network.ts'
import { openGpu } from '../../src/backend/webgpu/device.ts'
import { webGpuFactory } from '../../src/backend/webgpu/webgpu-factory.ts'
import type { LoadOptions } from '../../src/types/index.ts'
import {
  CASES,
  caseFiles,
  loadGolden,
  loadRyzTales,
  maxDifference,
  ryzTalesFiles,
  TOLERANCES,
} from '../golden/load.ts'
import { greedyMisses, logitsOf, type OpenParts, openParts } from '../support/open.ts'
import { adapterHere, bounded, nodeGpu } from '../support/webgpu.ts'

const adapter = await adapterHere()
/** As webgpu.test.ts has it. */
const PROBE = 2e-3
const MIB = 2 ** 20
/** The table of the embedded model has four times as much in strict mode. */
const SMALL = { maxBufferSize: MIB, maxStorageBufferBindingSize: MIB / 2 }

describe.skipIf(adapter === undefined)(`a whole model on ${adapter ?? 'no adapter'}`, () => {
  let parts: OpenParts | undefined
  afterEach(() => {
    parts?.close()
    parts = undefined
  })

  async function open(files: readonly File[], gpu: GPU, options: LoadOptions) {
    const factory = webGpuFactory(() => gpu, { allowSoftwareAdapter: true })
    parts = await openParts(files, factory, { strict: true, ...options })
    expect(parts.path.backend).toBe('webgpu')
    return parts
  }

  it('with default limits and no feature gives the golden logits', async () => {
    const golden = loadGolden(CASES[0]!)
    const { gpu, asked } = bounded(nodeGpu())
    const { network } = await open(caseFiles(CASES[0]!), gpu, CASES[0]!.options)
    for (const { ids, logits } of golden.probes) {
      expect(maxDifference(await logitsOf(network, ids), logits.data)).toBeLessThan(PROBE)
    }
    const { ids, int8 } = golden.prompts[0]!
    expect(await greedyMisses(network, ids, int8, TOLERANCES.greedyMargin)).toEqual([])
    // More was asked for and refused; features were not there to be asked for.
    expect(asked.devices.at(-1)).toMatchObject({ requiredFeatures: [], requiredLimits: {} })
    expect(asked.above).toEqual([])
    expect(asked.binding).toBeLessThanOrEqual(128 * MIB)
  }, 120_000)

  it('larger than buffers and bindings is cut, and gives the golden logits', async () => {
    const golden = loadRyzTales()
    const { gpu, asked } = bounded(nodeGpu(), SMALL)
    const files = ryzTalesFiles('ryz-tales-tq2_0-embq8_0.gguf')
    const options = { contextLength: 128, maxSequences: 1, prefillPiece: 32 }
    const { network } = await open(files, gpu, options)
    for (const { ids, logits } of golden.probesQ8) {
      expect(maxDifference(await logitsOf(network, ids), logits.data)).toBeLessThan(PROBE)
    }
    const first = golden.prompts[0]!
    expect(await greedyMisses(network, first.ids, first, golden.greedyMargin)).toEqual([])
    expect(asked.above).toEqual([])
    expect(asked.labels.get('token_embd.weight')).toBeGreaterThan(2)
    expect(asked.buffer).toBeGreaterThan(SMALL.maxStorageBufferBindingSize)
  }, 180_000)
})

describe('the shape of 2B-4T on a device with default limits', () => {
  it('has a head above a buffer and a binding, and every command of a token and a piece is valid', async () => {
    for (const rows of [1, 128]) {
      const { gpu, asked } = bounded(nodeGpu('backend=null'))
      const device = await openGpu(gpu)
      expect(device.limits).toEqual({ maxBuffer: 256 * MIB, maxBinding: 128 * MIB })
      const open = openNetwork(device, '2B-4T', 1)
      const table = 128_256 * 2560
      expect(table).toBeGreaterThan(256 * MIB)
      expect(open.weightBytes).toBeGreaterThan(table)
      // Its stamp never comes, as nothing runs there.
      await step(open, rows).catch(() => undefined)
      expect(device.failure).toBeUndefined()
      expect(asked.above).toEqual([])
      expect(asked.buffer).toBeGreaterThan(128 * MIB)
      expect(asked.binding).toBeGreaterThan(127 * MIB)
      open.network.close()
      device.close()
    }
  }, 60_000)
})
