// Streams a synthetic model to a file: header first, then tensor after tensor in pieces of a megabyte or
// so; never more than one piece in memory. Also gives the SHA-256, made on the way.
import { createHash } from 'node:crypto'
import { type FileHandle, open } from 'node:fs/promises'
import { ggufHeader, padding, type TensorEntry } from './gguf-writer.ts'
import type { SynthModel, SynthTensor } from './model.ts'
import { type Draw, fillNormal, fillTernary, stream } from './random.ts'

/** Elements drawn and encoded at a time; whole blocks of every type. */
const PIECE = 1 << 18

export interface Written {
  readonly bytes: number
  readonly sha256: string
}

/** Bytes of a tensor in the file, its padding not counted. */
export function tensorBytes({ rows, cols, encoding, scale }: SynthTensor): number {
  const tail = encoding.tail?.(scale).length ?? 0
  return ((rows * cols) / encoding.blockElems) * encoding.blockBytes + tail
}

/** The encoded bytes of a tensor, piece by piece; a piece is reused for the next. */
export function* encodeTensor(tensor: SynthTensor, seed: number): Generator<Uint8Array> {
  const { rows, cols, encoding, scale } = tensor
  const draw = stream(seed, tensor.name)
  const numbers = new Int8Array(PIECE)
  const bytes = new Uint8Array((PIECE / encoding.blockElems) * encoding.blockBytes)
  const view = new DataView(bytes.buffer)
  for (let done = 0; done < rows * cols; done += PIECE) {
    const count = Math.min(PIECE, rows * cols - done)
    fill(tensor.draw, numbers, count, draw)
    let at = 0
    for (let i = 0; i < count; i += encoding.blockElems) {
      encoding.encode(numbers, i, scale, view, at)
      at += encoding.blockBytes
    }
    yield bytes.subarray(0, at)
  }
  if (encoding.tail) yield encoding.tail(scale)
}

function fill(kind: SynthTensor['draw'], out: Int8Array, count: number, draw: Draw): void {
  if (kind === 'ternary') fillTernary(out, count, draw)
  else fillNormal(out, count, draw)
  // Gains lie between 48/64 and 79/64, around 1.
  if (kind === 'gain') for (let i = 0; i < count; i++) out[i] = 64 + (out[i] >> 1)
}

/** Writes the model, replacing the file. @returns its size and SHA-256 */
export async function writeModel(model: SynthModel, seed: number, path: string): Promise<Written> {
  const file = await open(path, 'w')
  const hash = createHash('sha256')
  let bytes = 0
  const put = async (piece: Uint8Array) => {
    hash.update(piece)
    bytes += piece.length
    await writeAll(file, piece)
  }
  try {
    const table: TensorEntry[] = model.tensors.map(tensor => ({
      name: tensor.name,
      dims: dimsOf(tensor),
      typeId: tensor.encoding.id,
      bytes: tensorBytes(tensor),
    }))
    await put(ggufHeader(model.metadata, table))
    for (const tensor of model.tensors) {
      for (const piece of encodeTensor(tensor, seed)) await put(piece)
      await put(new Uint8Array(padding(bytes)))
    }
  } finally {
    await file.close()
  }
  return { bytes, sha256: hash.digest('hex') }
}

function dimsOf({ rows, cols, stack }: SynthTensor): number[] {
  if (stack > 1) return [cols, rows / stack, stack]
  return rows === 1 ? [cols] : [cols, rows]
}

async function writeAll(file: FileHandle, piece: Uint8Array): Promise<void> {
  for (let done = 0; done < piece.length; ) {
    const { bytesWritten } = await file.write(piece, done)
    done += bytesWritten
  }
}
