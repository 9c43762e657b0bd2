// Writes GGUF v3: the header (metadata and tensor table) as bytes, and the padding rule. Knows nothing
// of models; write-model.ts streams the tensors behind it.

/** A GGUF i32 array, told apart from the f32 arrays by its class. */
export function i32s(values: readonly number[]): Int32Array {
  return Int32Array.from(values)
}

/** An f32 value: a plain number is written as u32. */
export class F32Value {
  readonly value: number
  constructor(value: number) {
    this.value = value
  }
}

export type MetadataValue =
  | number
  | string
  | boolean
  | F32Value
  | Float32Array
  | Int32Array
  | readonly string[]
export type MetadataEntry = readonly [key: string, value: MetadataValue]

export interface TensorEntry {
  readonly name: string
  /** Inputs first, as GGUF wants them. */
  readonly dims: readonly number[]
  readonly typeId: number
  readonly bytes: number
}

export const ALIGNMENT = 32

/** Bytes after `length` up to the next multiple of the alignment. */
export function padding(length: number): number {
  return (ALIGNMENT - (length % ALIGNMENT)) % ALIGNMENT
}

const U32 = 4
const I32 = 5
const F32 = 6
const BOOL = 7
const STRING = 8
const ARRAY = 9

class ByteWriter {
  #bytes = new Uint8Array(1 << 16)
  #view = new DataView(this.#bytes.buffer)
  #length = 0

  /** Makes room, so `#view` may be another one afterwards. */
  #reserve(count: number): number {
    const at = this.#length
    this.#length += count
    if (this.#length > this.#bytes.length) {
      const bigger = new Uint8Array(2 ** Math.ceil(Math.log2(this.#length)))
      bigger.set(this.#bytes)
      this.#bytes = bigger
      this.#view = new DataView(bigger.buffer)
    }
    return at
  }

  u8(value: number): void {
    const at = this.#reserve(1)
    this.#view.setUint8(at, value)
  }

  u32(value: number): void {
    const at = this.#reserve(4)
    this.#view.setUint32(at, value, true)
  }

  u64(value: number): void {
    const at = this.#reserve(8)
    this.#view.setBigUint64(at, BigInt(value), true)
  }

  f32(value: number): void {
    const at = this.#reserve(4)
    this.#view.setFloat32(at, value, true)
  }

  string(text: string): void {
    const bytes = new TextEncoder().encode(text)
    this.u64(bytes.length)
    const at = this.#reserve(bytes.length)
    this.#bytes.set(bytes, at)
  }

  pad(): void {
    this.#reserve(padding(this.#length))
  }

  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length)
  }
}

/** The header with its padding; tensor data follows in the order given, each padded to the alignment. */
export function ggufHeader(
  metadata: readonly MetadataEntry[],
  tensors: readonly TensorEntry[],
): Uint8Array {
  const out = new ByteWriter()
  for (const letter of 'GGUF') out.u8(letter.charCodeAt(0))
  out.u32(3)
  out.u64(tensors.length)
  out.u64(metadata.length)
  for (const [key, value] of metadata) {
    out.string(key)
    writeValue(out, value)
  }
  let offset = 0
  for (const { name, dims, typeId, bytes } of tensors) {
    out.string(name)
    out.u32(dims.length)
    for (const dim of dims) out.u64(dim)
    out.u32(typeId)
    out.u64(offset)
    offset += bytes + padding(bytes)
  }
  out.pad()
  return out.finish()
}

function writeValue(out: ByteWriter, value: MetadataValue): void {
  if (typeof value === 'string') {
    out.u32(STRING)
    out.string(value)
  } else if (typeof value === 'boolean') {
    out.u32(BOOL)
    out.u8(value ? 1 : 0)
  } else if (typeof value === 'number') {
    out.u32(U32)
    out.u32(value)
  } else if (value instanceof F32Value) {
    out.u32(F32)
    out.f32(value.value)
  } else {
    writeArray(out, value)
  }
}

function writeArray(out: ByteWriter, values: Float32Array | Int32Array | readonly string[]): void {
  out.u32(ARRAY)
  out.u32(values instanceof Float32Array ? F32 : values instanceof Int32Array ? I32 : STRING)
  out.u64(values.length)
  for (const value of values) {
    if (typeof value === 'string') out.string(value)
    else if (values instanceof Float32Array) out.f32(value)
    else out.u32(value >>> 0)
  }
}
