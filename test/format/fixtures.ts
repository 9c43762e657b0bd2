// What the format tests share: seeded random numbers, a transcoder run over random splits, and builders
// of small GGUF and safetensors files, damaged ones too.
import { expect } from 'vitest'
import { type ErrorCode, RyzError } from '../../src/errors.ts'
import { type LayoutId, layoutBytes } from '../../src/format/layouts/layout.ts'
import type { TensorInfo, TensorType } from '../../src/format/model-file.ts'
import { createTranscoder, type TranscodePolicy } from '../../src/format/transcode.ts'
import type { Transcoded } from '../../src/format/transcoded.ts'

/** Mulberry32: a seeded generator of [0, 1). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

export function randomCodes(count: number, random: () => number): Uint8Array {
  return Uint8Array.from({ length: count }, () => Math.floor(random() * 3))
}

export interface Run extends Transcoded {
  readonly bytes: Uint8Array
}

export const LINEAR: TranscodePolicy = {
  role: 'linear',
  masters: false,
  head: 'int8',
  i2sLayout: 'x86',
}

export function tensor(
  type: TensorType,
  rows: number,
  cols: number,
  bytes: number,
  name = 'blk.0.attn_q.weight',
): TensorInfo {
  return { name, sourceName: name, type, rows, cols, file: 0, offset: 0, bytes }
}

/** Transcodes raw bytes, pushed in pieces of random size (0 included) from a buffer that is reused. */
export function transcode(
  info: TensorInfo,
  raw: Uint8Array,
  policy: Partial<TranscodePolicy> = {},
  random: () => number = seeded(1),
): Run {
  let bytes = new Uint8Array(0)
  let asked: LayoutId | undefined
  const transcoder = createTranscoder(info, { ...LINEAR, ...policy }, layout => {
    expect(asked, 'the target is asked for once').toBeUndefined()
    asked = layout
    const vector = policy.role === 'vector'
    const size = vector
      ? layoutBytes(layout, 1, info.rows * info.cols)
      : layoutBytes(layout, info.rows, info.cols)
    bytes = new Uint8Array(size).fill(0xee)
    return { write: (offset, piece) => bytes.set(piece, offset) }
  })
  const buffer = new Uint8Array(4096)
  for (let at = 0; at < raw.length; ) {
    const size = Math.floor(random() ** 3 * 4097)
    const piece = raw.subarray(at, at + size)
    buffer.set(piece)
    transcoder.push(buffer.subarray(0, piece.length))
    buffer.fill(0xff)
    at += piece.length
  }
  const result = transcoder.finish()
  expect(result.layout).toBe(asked)
  return { ...result, bytes }
}

/** Codes of a t2 matrix by its definition in layout.ts, padding checked to be code 1. */
export function readT2(bytes: Uint8Array, rows: number, cols: number): Uint8Array {
  const tiles = Math.ceil(cols / 64)
  const codes = new Uint8Array(rows * cols)
  for (let r = 0; r < Math.ceil(rows / 4) * 4; r++) {
    for (let c = 0; c < tiles * 64; c++) {
      const at = (Math.floor(r / 4) * tiles + Math.floor(c / 64)) * 64 + (r % 4) * 16 + (c % 16)
      const code = (bytes[at] >> (Math.floor((c % 64) / 16) * 2)) & 3
      if (r < rows && c < cols) codes[r * cols + c] = code
      else expect(code, `padding at row ${r}, column ${c}`).toBe(1)
    }
  }
  return codes
}

/** Runs, and expects a RyzError with this code; returns it. */
export async function failure(code: ErrorCode, run: () => unknown): Promise<RyzError> {
  let caught: unknown
  try {
    await run()
  } catch (error) {
    caught = error
  }
  expect(caught, `expected ${code}`).toBeInstanceOf(RyzError)
  const error = caught as RyzError
  expect(`${error.code}: ${error.message}`).toMatch(new RegExp(`^${code}: `))
  return error
}

// ---- GGUF -------------------------------------------------------------------------------------------

type Scalar =
  | { u8: number }
  | { u32: number }
  | { i32: number }
  | { f32: number }
  | { f64: number }
  | { bool: boolean }
  | { u64: number | bigint }
  | { i64: number | bigint }
export type MetaValue = string | string[] | Scalar | { f32s: number[] } | { u32s: number[] }

export interface GgufTensor {
  readonly name: string
  /** dims[0] is contiguous. */
  readonly dims: readonly (number | bigint)[]
  readonly typeId: number
  readonly data: Uint8Array
  /** Instead of the next aligned one. */
  readonly offset?: number | bigint
}

export interface GgufSpec {
  readonly version?: number
  readonly metadata: readonly (readonly [string, MetaValue])[]
  readonly tensors: readonly GgufTensor[]
  readonly alignment?: number
}

/** Little-endian bytes in order. */
export class ByteWriter {
  readonly #bytes: number[] = []
  readonly #view = new DataView(new ArrayBuffer(8))

  get length(): number {
    return this.#bytes.length
  }
  raw(bytes: Iterable<number>): this {
    for (const byte of bytes) this.#bytes.push(byte)
    return this
  }
  u8(value: number): this {
    return this.raw([value & 255])
  }
  u32(value: number): this {
    this.#view.setUint32(0, value, true)
    return this.#first(4)
  }
  u64(value: number | bigint): this {
    this.#view.setBigUint64(0, BigInt(value), true)
    return this.#first(8)
  }
  f32(value: number): this {
    this.#view.setFloat32(0, value, true)
    return this.#first(4)
  }
  f64(value: number): this {
    this.#view.setFloat64(0, value, true)
    return this.#first(8)
  }
  text(value: string): this {
    const bytes = new TextEncoder().encode(value)
    return this.u64(bytes.length).raw(bytes)
  }
  bytes(): Uint8Array<ArrayBuffer> {
    return Uint8Array.from(this.#bytes)
  }
  #first(count: number): this {
    for (let i = 0; i < count; i++) this.#bytes.push(this.#view.getUint8(i))
    return this
  }
}

function writeMeta(w: ByteWriter, value: MetaValue): void {
  if (typeof value === 'string') w.u32(8).text(value)
  else if (Array.isArray(value)) {
    w.u32(9).u32(8).u64(value.length)
    for (const text of value) w.text(text)
  } else if ('f32s' in value) {
    w.u32(9).u32(6).u64(value.f32s.length)
    for (const x of value.f32s) w.f32(x)
  } else if ('u32s' in value) {
    w.u32(9).u32(4).u64(value.u32s.length)
    for (const x of value.u32s) w.u32(x)
  } else if ('u8' in value) w.u32(0).u8(value.u8)
  else if ('u32' in value) w.u32(4).u32(value.u32)
  else if ('i32' in value) w.u32(5).u32(value.i32 >>> 0)
  else if ('f32' in value) w.u32(6).f32(value.f32)
  else if ('f64' in value) w.u32(12).f64(value.f64)
  else if ('bool' in value) w.u32(7).u8(value.bool ? 1 : 0)
  else if ('u64' in value) w.u32(10).u64(value.u64)
  else w.u32(11).u64(BigInt.asUintN(64, BigInt(value.i64)))
}

/** A GGUF file; the caller damages it through the spec or by hand. */
export function buildGguf(spec: GgufSpec): Uint8Array<ArrayBuffer> {
  const alignment = spec.alignment ?? 32
  const w = new ByteWriter()
  w.raw(new TextEncoder().encode('GGUF'))
  w.u32(spec.version ?? 3)
    .u64(spec.tensors.length)
    .u64(spec.metadata.length)
  for (const [key, value] of spec.metadata) writeMeta(w.text(key), value)
  let next = 0
  const places = spec.tensors.map(t => {
    const offset = t.offset ?? next
    next = Math.ceil((Number(offset) + t.data.length) / alignment) * alignment
    w.text(t.name).u32(t.dims.length)
    for (const dim of t.dims) w.u64(dim)
    w.u32(t.typeId).u64(offset)
    return Number(offset)
  })
  const header = w.bytes()
  const start = Math.ceil(header.length / alignment) * alignment
  const inFile = spec.tensors.filter((_, i) => places[i] < 2 ** 28)
  const end = Math.max(0, ...inFile.map(t => places[spec.tensors.indexOf(t)] + t.data.length))
  const file = new Uint8Array(start + end)
  file.set(header)
  for (const t of inFile) file.set(t.data, start + places[spec.tensors.indexOf(t)])
  return file
}

// ---- safetensors --------------------------------------------------------------------------------------

export interface HfTensor {
  readonly dtype: string
  readonly shape: readonly number[]
  readonly data: Uint8Array
}

export function buildSafetensors(
  tensors: Readonly<Record<string, HfTensor>>,
): Uint8Array<ArrayBuffer> {
  let at = 0
  const header: Record<string, unknown> = { __metadata__: { format: 'pt' } }
  for (const [name, { dtype, shape, data }] of Object.entries(tensors)) {
    header[name] = { dtype, shape, data_offsets: [at, at + data.length] }
    at += data.length
  }
  const datas = Object.values(tensors).map(t => t.data)
  return rawSafetensors(JSON.stringify(header), datas)
}

export function rawSafetensors(
  json: string,
  datas: readonly Uint8Array[] = [],
): Uint8Array<ArrayBuffer> {
  const text = new TextEncoder().encode(json)
  const w = new ByteWriter().u64(text.length).raw(text)
  for (const data of datas) w.raw(data)
  return w.bytes()
}
