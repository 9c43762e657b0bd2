// Rows that the kernels move to their layout while loading are, bit for bit, what transcode.ts makes of them,
// in every build; what is impossible is refused with the same words.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { layoutBytes, type Slot } from '../../src/backend/backend.ts'
import { scratchBytes } from '../../src/backend/wasm/open-backend.ts'
import type { WasmBackend } from '../../src/backend/wasm/wasm-backend.ts'
import { type MoverSource, moverRowBytes } from '../../src/format/layouts/row-mover.ts'
import type { TensorInfo } from '../../src/format/model-file.ts'
import { createTranscoder } from '../../src/format/transcode.ts'
import type { Transcoded } from '../../src/format/transcoded.ts'
import type { HeadType } from '../../src/types/index.ts'
import { noise } from '../cache/support.ts'
import { wasmFactory } from '../support/wasm.ts'

const LIMITS = { maxRows: 8, maxContext: 64, maxCols: 4096 }
const POLICY = { masters: false, i2sLayout: 'x86' } as const
const I2S_TAIL = 32

const VARIANTS = [
  ['scalar', 1],
  ['simd128', 1],
  ['relaxed', 1],
  ['relaxed', 3],
] as const

/** Random blocks with every kind of scale: zero, subnormal, equal, mixed, negative. */
function tensor(
  type: MoverSource,
  rows: number,
  cols: number,
): { info: TensorInfo; bytes: Uint8Array } {
  const rowBytes = moverRowBytes(type, cols)!
  const body = noise(rows * rowBytes, rows + cols)
  const view = new DataView(body.buffer)
  const ternary = (from: number, count: number) => {
    for (let i = from; i < from + count; i++) {
      let byte = 0
      for (let c = 0; c < 4; c++) byte |= (((body[i]! >> (2 * c)) & 3) % 3) << (2 * c)
      body[i] = byte
    }
  }
  const half = (at: number, block: number) =>
    view.setUint16(at, [0x2c00, 0xac00, 0x0001, 0x3c00, 0x0000, 0x03ff, 0x1234][block % 7]!, true)
  const [blockBytes, scaleAt] = {
    TQ2_0: [66, 64],
    Q6_K: [210, 208],
    Q8_0: [34, 0],
    I2_S: [32, -1],
    F16: [2, -1],
  }[type]
  for (let at = 0, block = 0; at < body.length; at += blockBytes!, block++) {
    if (type === 'TQ2_0') ternary(at, 64)
    if (type === 'I2_S') ternary(at, 32)
    if (scaleAt! >= 0) half(at + scaleAt!, block)
    if (type === 'F16') view.setUint16(at, view.getUint16(at, true) & 0xbbff, true)
  }
  // Rows of zeros, and of values so small that their scale is subnormal.
  if (type === 'F16') {
    body.fill(0, 0, rowBytes)
    for (let at = rowBytes; at < 2 * rowBytes && rows > 1; at += 2)
      view.setUint16(at, at & 0x8001, true)
  }
  let bytes: Uint8Array = body
  if (type === 'I2_S') {
    bytes = new Uint8Array(body.length + I2S_TAIL)
    bytes.set(body)
    new DataView(bytes.buffer).setFloat32(body.length, 0.37, true)
  }
  const info = {
    name: 'w',
    sourceName: 'w',
    type,
    rows,
    cols,
    bytes: bytes.length,
    file: 0,
    offset: 0,
  }
  return { info: info as unknown as TensorInfo, bytes }
}

const roleOf = (type: MoverSource) => (type === 'TQ2_0' || type === 'I2_S' ? 'linear' : 'table')

/** Through the transcoder in pieces of odd sizes. */
function pour(
  t: ReturnType<typeof tensor>,
  type: MoverSource,
  backend: WasmBackend | undefined,
  head: HeadType = 'int8',
) {
  let written = new Uint8Array(0)
  let slot: Slot | undefined
  const transcoder = createTranscoder(
    t.info,
    { role: roleOf(type), head, ...POLICY },
    layout => {
      const bytes = layoutBytes(layout, t.info.rows, t.info.cols)
      written = new Uint8Array(bytes)
      slot = backend?.alloc(bytes, 'w')
      return { write: (at, b) => written.set(b, at) }
    },
    (source, layout) => slot && backend?.rowMover(source, layout, t.info.rows, t.info.cols, slot),
  )
  for (let at = 0, step = 1; at < t.bytes.length; at += step, step = (step * 7 + 13) % 70_000) {
    transcoder.push(t.bytes.subarray(at, Math.min(at + step, t.bytes.length)))
  }
  const result: Transcoded = transcoder.finish()
  return { result, written, slot }
}

describe.each(VARIANTS)('rows moved by %s kernels on %i threads', (variant, threads) => {
  let backend: WasmBackend
  beforeAll(async () => {
    const bytes = 40e6 + scratchBytes(LIMITS, threads)
    backend = (await wasmFactory(variant, threads).create(bytes, LIMITS)) as WasmBackend
  })
  afterAll(() => backend.close())

  test.each([
    ['TQ2_0', 1, 256, 'int8'],
    ['TQ2_0', 7, 768, 'int8'],
    ['TQ2_0', 2500, 1536, 'int8'],
    ['I2_S', 5, 128, 'int8'],
    ['I2_S', 3001, 640, 'int8'],
    ['Q6_K', 3, 256, 'int8'],
    ['Q6_K', 1030, 1536, 'int8'],
    ['Q8_0', 3, 32, 'int8'],
    ['Q8_0', 900, 1056, 'int8'],
    ['F16', 2, 16, 'int8'],
    ['F16', 20_000, 16, 'int8'],
    ['F16', 700, 1200, 'int8'],
    ['Q6_K', 1030, 1536, 'int4'],
    ['Q8_0', 900, 1056, 'int4'],
    ['F16', 2000, 16, 'int4'],
    ['F16', 700, 1200, 'int4'],
  ] as const)('are the plain bytes: %s, %i rows of %i, head %s', async (type, rows, cols, head) => {
    const t = tensor(type, rows, cols)
    const plain = pour(t, type, undefined, head)
    const moved = pour(t, type, backend, head)
    expect(moved.result.layout).toBe(plain.result.layout)
    expect(moved.result.scaleBlock).toBe(plain.result.scaleBlock)
    expect(Buffer.from(moved.result.scales!.buffer)).toEqual(
      Buffer.from(plain.result.scales!.buffer),
    )
    expect(moved.written.every(byte => byte === 0)).toBe(true) // not through the sink
    const words = await backend.read(moved.slot!, 0, plain.written.length / 4)
    const bytes = Buffer.from(words.buffer, words.byteOffset, words.byteLength)
    expect(bytes.equals(plain.written)).toBe(true)
  })

  test.each([
    ['TQ2_0', 66 * 6 * 300 + 3, 0xff],
    ['TQ2_0', 66 * 6 * 17 + 65, 0x7c],
    ['I2_S', 32 * 12 * 33 + 7, 0x30],
    ['Q6_K', 210 * 6 * 201 + 209, 0x7d],
    ['F16', 2 * 1536 * 99 + 1, 0xfc],
  ] as const)('are refused as by the plain code: %s with byte %i set to %i', (type, at, value) => {
    const t = tensor(type, 400, 1536)
    t.bytes[at] = value
    const messageOf = (run: () => unknown) => {
      try {
        run()
      } catch (caught) {
        return `${(caught as { code?: string }).code}: ${(caught as Error).message}`
      }
      return 'nothing'
    }
    const plain = messageOf(() => pour(t, type, undefined))
    expect(plain).toContain('BAD_WEIGHTS')
    expect(messageOf(() => pour(t, type, backend))).toBe(plain)
  })

  test('rows that are no whole blocks are left to the plain code', () => {
    const slot = backend.alloc(64, 'none')
    expect(backend.rowMover('TQ2_0', 't2', 4, 192, slot)).toBeUndefined()
    expect(backend.rowMover('F16', 'i8', 4, 128_000, slot)).toBeUndefined()
  })
})
