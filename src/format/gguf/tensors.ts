// Checks the tensor table of one GGUF file and turns it into TensorInfos: types, shapes, extents,
// alignment, overlaps, and the block size of Q2_0. Called by gguf.ts.
import { RyzError } from '../../errors.ts'
import type { ByteSource, GgufValue, TensorInfo, TensorType } from '../model-file.ts'
import { typeBytes, typeOfId } from './types.ts'

/** One entry of the table as it stands in the file. */
export interface RawTensor {
  readonly name: string
  /** dims[0] is contiguous. */
  readonly dims: readonly number[]
  readonly typeId: number
  /** From the start of the data section. */
  readonly offset: number
}

interface Place {
  readonly source: ByteSource
  readonly file: number
  /** Where the tensor table ends. */
  readonly headerBytes: number
  readonly metadata: (key: string) => GgufValue | undefined
  readonly alignment: GgufValue | undefined
}

const MAX_DIM = 2 ** 31
const MAX_ELEMENTS = 2 ** 40

/** @throws RyzError BAD_TENSOR_INFO | UNSUPPORTED_TYPE | TRUNCATED | CORRUPT_HEADER */
export function placeTensors(raw: readonly RawTensor[], place: Place): Map<string, TensorInfo> {
  const alignment = place.alignment ?? 32
  if (
    typeof alignment !== 'number' ||
    alignment < 1 ||
    alignment > 65_536 ||
    (alignment & (alignment - 1)) !== 0
  ) {
    throw new RyzError(
      'CORRUPT_HEADER',
      `${place.source.name}: general.alignment is ${String(alignment)}, not a power of two`,
    )
  }
  const dataStart = Math.ceil(place.headerBytes / alignment) * alignment
  const architecture = String(place.metadata('general.architecture') ?? '')
  const fileType = place.metadata('general.file_type')

  const sorted = [...raw].sort((a, b) => a.offset - b.offset)
  const types = sorted.map(t => typeOfId(t.typeId, t.name, architecture, fileType))
  const elements = sorted.map(countElements)
  const dataBytes = place.source.size === undefined ? Infinity : place.source.size - dataStart
  const q2 = q2Block(sorted, types, elements, dataBytes)

  const tensors = new Map<string, TensorInfo>()
  let previousEnd = 0
  sorted.forEach((t, i) => {
    const type = types[i] === 'Q2_0' ? q2 : types[i]
    const bytes = typeBytes(type, elements[i])
    const rowBytes = type === 'I2_S' ? 0 : typeBytes(type, t.dims[0])
    if (bytes === undefined || rowBytes === undefined) {
      throw bad(t, `has rows of ${t.dims[0]}, which ${type} blocks do not fill`)
    }
    if (tensors.has(t.name)) throw bad(t, 'is in the file twice')
    if (!Number.isSafeInteger(t.offset + bytes + dataStart)) throw bad(t, `begins at ${t.offset}`)
    if (t.offset % alignment !== 0) {
      throw bad(t, `begins at ${t.offset}, which is not a multiple of ${alignment}`)
    }
    if (t.offset < previousEnd)
      throw bad(t, `begins at ${t.offset}, before ${previousEnd}, inside another`)
    previousEnd = t.offset + bytes
    if (previousEnd > dataBytes) {
      throw new RyzError(
        'TRUNCATED',
        `${place.source.name} has ${dataBytes} bytes of data, ${t.name} ends at ${previousEnd}; download it again`,
        { tensor: t.name },
      )
    }
    tensors.set(t.name, {
      name: t.name,
      sourceName: t.name,
      type,
      rows: elements[i] / t.dims[0],
      cols: t.dims[0],
      stack: t.dims.slice(2).reduce((product, dim) => product * dim, 1),
      file: place.file,
      offset: dataStart + t.offset,
      bytes,
    })
  })
  return tensors
}

function bad(tensor: RawTensor, what: string): RyzError {
  return new RyzError('BAD_TENSOR_INFO', `Tensor ${tensor.name} ${what}; the file is damaged`, {
    tensor: tensor.name,
  })
}

function countElements(tensor: RawTensor): number {
  let product = 1
  for (const dim of tensor.dims) {
    product *= dim
    if (!(dim >= 1 && dim <= MAX_DIM && product <= MAX_ELEMENTS)) {
      throw bad(tensor, `has the dimensions ${tensor.dims.join(' x ')}`)
    }
  }
  return product
}

/** Old files give id 42 to blocks of 128: 64 is right when every tensor's room holds its 64-blocks. */
function q2Block(
  sorted: readonly RawTensor[],
  types: readonly (TensorType | 'Q2_0')[],
  elements: readonly number[],
  dataBytes: number,
): TensorType {
  const fits = sorted.every((tensor, i) => {
    if (types[i] !== 'Q2_0') return true
    const room = (i + 1 < sorted.length ? sorted[i + 1].offset : dataBytes) - tensor.offset
    return (typeBytes('Q2_0_64', elements[i]) ?? Infinity) <= room
  })
  return fits ? 'Q2_0_64' : 'Q2_0_128'
}
