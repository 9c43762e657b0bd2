// Element types of GGUF tensors: ids, names, block sizes and byte counts. The one place that decides
// the ids which two projects use for different types. Called by gguf.ts and the tests.
import { RyzError } from '../../errors.ts'
import type { TensorType } from '../model-file.ts'

interface TypeSize {
  readonly blockElems: number
  readonly blockBytes: number
  /** Bytes behind the last block. */
  readonly tail: number
}

/** Block sizes of every readable type; HF_T2 counts logical elements. */
export const TYPE_SIZES: Readonly<Record<TensorType, TypeSize>> = {
  F32: { blockElems: 1, blockBytes: 4, tail: 0 },
  F16: { blockElems: 1, blockBytes: 2, tail: 0 },
  BF16: { blockElems: 1, blockBytes: 2, tail: 0 },
  Q4_0: { blockElems: 32, blockBytes: 18, tail: 0 },
  Q8_0: { blockElems: 32, blockBytes: 34, tail: 0 },
  Q4_K: { blockElems: 256, blockBytes: 144, tail: 0 },
  Q6_K: { blockElems: 256, blockBytes: 210, tail: 0 },
  TQ1_0: { blockElems: 256, blockBytes: 54, tail: 0 },
  TQ2_0: { blockElems: 256, blockBytes: 66, tail: 0 },
  Q2_0_64: { blockElems: 64, blockBytes: 18, tail: 0 },
  Q2_0_128: { blockElems: 128, blockBytes: 34, tail: 0 },
  I2_S: { blockElems: 4, blockBytes: 1, tail: 32 },
  HF_T2: { blockElems: 4, blockBytes: 1, tail: 0 },
}

/** Bytes of a tensor of `elements` elements, undefined when they do not fill whole blocks. */
export function typeBytes(type: TensorType, elements: number): number | undefined {
  const { blockElems, blockBytes, tail } = TYPE_SIZES[type]
  const bytes = (elements / blockElems) * blockBytes + tail
  return elements % blockElems === 0 && Number.isSafeInteger(bytes) ? bytes : undefined
}

const READABLE: ReadonlyMap<number, TensorType | 'Q2_0'> = new Map<number, TensorType | 'Q2_0'>([
  [0, 'F32'],
  [1, 'F16'],
  [2, 'Q4_0'],
  [8, 'Q8_0'],
  [12, 'Q4_K'],
  [14, 'Q6_K'],
  [30, 'BF16'],
  [34, 'TQ1_0'],
  [35, 'TQ2_0'],
  [42, 'Q2_0'],
  [142, 'Q2_0_128'],
])

// Names of types that are refused, so that the message can name them.
const REFUSED: ReadonlyMap<number, string> = new Map([
  [3, 'Q4_1'],
  [6, 'Q5_0'],
  [7, 'Q5_1'],
  [9, 'Q8_1'],
  [10, 'Q2_K'],
  [11, 'Q3_K'],
  [13, 'Q5_K'],
  [15, 'Q8_K'],
  [16, 'IQ2_XXS'],
  [17, 'IQ2_XS'],
  [18, 'IQ3_XXS'],
  [19, 'IQ1_S'],
  [20, 'IQ4_NL'],
  [21, 'IQ3_S'],
  [22, 'IQ2_S'],
  [23, 'IQ4_XS'],
  [24, 'I8'],
  [25, 'I16'],
  [26, 'I32'],
  [27, 'I64'],
  [28, 'F64'],
  [29, 'IQ1_M'],
  [41, 'Q1_0'],
  [134, 'IQ1_BN'],
  [135, 'IQ2_BN'],
  [143, 'PTQ1_0'],
])

/** general.file_type of the bitnet.cpp fork: TL1, TL2, I2_S. */
const FORK_FILE_TYPES: readonly unknown[] = [38, 39, 40]

/**
 * The element type behind a type id. Ids 36..40 mean one thing in the bitnet.cpp fork and another (or
 * nothing) elsewhere, so architecture and general.file_type decide.
 * @returns 'Q2_0' while the block size is still to be told by extents
 * @throws RyzError UNSUPPORTED_TYPE
 */
export function typeOfId(
  id: number,
  tensor: string,
  architecture: string,
  fileType: unknown,
): TensorType | 'Q2_0' {
  const known = READABLE.get(id)
  if (known) return known
  const fork = architecture.startsWith('bitnet') || FORK_FILE_TYPES.includes(fileType)
  if (id === 36 && fork) return 'I2_S'
  throw new RyzError('UNSUPPORTED_TYPE', `Tensor ${tensor} ${refusal(id, fork)}`, { tensor, id })
}

function refusal(id: number, fork: boolean): string {
  if (fork && (id === 38 || id === 39)) {
    return `has type TL${id - 37}, whose tile order depends on a kernel_config.ini that is not in the file; use the I2_S file of the same model`
  }
  if (fork && id === 37) return 'has type I8_S, which is not readable; use the I2_S file'
  const clash = ['IQ4_NL_4_4 (retired)', 'IQ4_NL_4_8 (retired)', 'IQ4_NL_8_8 (retired)']
  const name =
    id >= 36 && id <= 38 ? clash[id - 36] : id === 39 ? 'MXFP4' : id === 40 ? 'NVFP4' : ''
  const called = name || REFUSED.get(id) || `id ${id}`
  return `has type ${called}, which is not readable; requantise it to TQ2_0, I2_S, Q8_0 or F16`
}
