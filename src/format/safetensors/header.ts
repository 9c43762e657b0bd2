// Reads and checks the header of one .safetensors file: u64 length, JSON, then the data. Every offset is
// held against the shape, its neighbours and the file's size. Called by safetensors.ts.
import { RyzError } from '../../errors.ts'
import { FIRST_BYTES, look, looksLikeHtml, notAModel } from '../first-bytes.ts'
import { HeaderCursor } from '../gguf/header-cursor.ts'
import type { ByteSource, TensorInfo, TensorType } from '../model-file.ts'
import { canonicalName, isDerived, isLinear } from './hf-names.ts'

/**
 * Above any real header: one entry takes 100 bytes, the largest models have some ten thousand. Parsed, JSON takes
 * up to ten times its bytes.
 */
const MAX_JSON_BYTES = 16 * 1024 * 1024
const MAX_TENSORS = 65_536
const MAX_DIM = 2 ** 31

const DTYPES: ReadonlyMap<unknown, { type: TensorType; bytes: number }> = new Map<
  unknown,
  { type: TensorType; bytes: number }
>([
  ['F32', { type: 'F32', bytes: 4 }],
  ['F16', { type: 'F16', bytes: 2 }],
  ['BF16', { type: 'BF16', bytes: 2 }],
  ['U8', { type: 'HF_T2', bytes: 1 }],
])

/**
 * @returns the tensors in file order, or undefined when the file is a web page
 * @throws RyzError NOT_A_MODEL | TRUNCATED | CORRUPT_HEADER | BAD_TENSOR_INFO | UNSUPPORTED_TYPE
 */
export async function readSafetensorsHeader(
  source: ByteSource,
  file: number,
  signal?: AbortSignal,
): Promise<TensorInfo[] | undefined> {
  const cursor = new HeaderCursor(source, signal)
  try {
    const head = await cursor.peek(FIRST_BYTES)
    const json = head[8] === 0x7b
    if (looksLikeHtml(head) && !json && !source.local) return undefined
    if (head.length > 8 ? !json : look(head) !== undefined) {
      throw notAModel(source, head, 'has no safetensors header')
    }
    await cursor.need(8, 'header length')
    const length = cursor.count()
    if (length > MAX_JSON_BYTES || length < 2) {
      throw new RyzError(
        'CORRUPT_HEADER',
        `${source.name} claims a header of ${length} bytes (at most ${MAX_JSON_BYTES})`,
      )
    }
    await cursor.need(length, 'header')
    const header = parseHeader(cursor.text(length), source)
    return placeEntries(header, source, file, 8 + length)
  } finally {
    await cursor.close()
  }
}

function parseHeader(text: string, source: ByteSource): [string, unknown][] {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new RyzError('CORRUPT_HEADER', `${source.name}: the header is no JSON`, {}, { cause })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new RyzError('CORRUPT_HEADER', `${source.name}: the header is no JSON object`)
  }
  const entries = Object.entries(value).filter(([name]) => name !== '__metadata__')
  if (entries.length > MAX_TENSORS) {
    throw new RyzError('CORRUPT_HEADER', `${source.name} claims ${entries.length} tensors`)
  }
  return entries
}

function placeEntries(
  entries: readonly [string, unknown][],
  source: ByteSource,
  file: number,
  dataStart: number,
): TensorInfo[] {
  const tensors = entries
    .filter(([name]) => !isDerived(name))
    .map(([name, entry]) => placeEntry(name, entry, file, dataStart))
    .sort((a, b) => a.offset - b.offset)
  let previousEnd = dataStart
  for (const info of tensors) {
    if (info.offset < previousEnd) throw bad(info.sourceName, 'overlaps another tensor')
    previousEnd = info.offset + info.bytes
    if (source.size !== undefined && previousEnd > source.size) {
      throw new RyzError(
        'TRUNCATED',
        `${source.name} has ${source.size} bytes, ${info.sourceName} ends at ${previousEnd}; download it again`,
        { tensor: info.sourceName },
      )
    }
  }
  return tensors
}

function bad(name: string, what: string): RyzError {
  return new RyzError('BAD_TENSOR_INFO', `Tensor ${name} ${what}; the file is damaged`, {
    tensor: name,
  })
}

function placeEntry(name: string, entry: unknown, file: number, dataStart: number): TensorInfo {
  const dtype = field(entry, 'dtype')
  const dims = numbers(field(entry, 'shape'))
  const span = numbers(field(entry, 'data_offsets'))
  if (!dims || dims.length > 4 || span?.length !== 2) throw bad(name, 'has no shape or offsets')
  const [begin, end] = span
  const canonical = canonicalName(name)
  const known = DTYPES.get(dtype)
  const packed = known?.type === 'HF_T2'
  if (!known || (packed && !(isLinear(canonical) && dims.length === 2))) {
    throw new RyzError(
      'UNSUPPORTED_TYPE',
      `Tensor ${name} has the type ${String(JSON.stringify(dtype)).slice(0, 40)}; readable are F32, F16, BF16 and packed U8 matrices`,
      { tensor: name },
    )
  }
  const elements = dims.reduce((product, dim) => product * dim, 1)
  if (dims.some(dim => dim < 1 || dim > MAX_DIM) || elements > 2 ** 40) {
    throw bad(name, `has the shape ${dims.join(' x ')}`)
  }
  if (end - begin !== elements * known.bytes || !Number.isSafeInteger(dataStart + end)) {
    throw bad(name, `has ${end - begin} bytes for ${elements} elements of ${String(dtype)}`)
  }
  const cols = dims.length === 0 ? 1 : dims[dims.length - 1]
  return {
    name: canonical,
    sourceName: name,
    type: known.type,
    rows: (elements / cols) * (packed ? 4 : 1),
    cols,
    stack: dims.slice(0, -2).reduce((product, dim) => product * dim, 1),
    file,
    offset: dataStart + begin,
    bytes: end - begin,
  }
}

function field(entry: unknown, key: string): unknown {
  if (typeof entry !== 'object' || entry === null || !Object.hasOwn(entry, key)) return undefined
  return (entry as Record<string, unknown>)[key]
}

function numbers(value: unknown): number[] | undefined {
  if (!Array.isArray(value)) return undefined
  return value.every(n => Number.isSafeInteger(n) && n >= 0) ? (value as number[]) : undefined
}
