// Reads the header of a GGUF v2 or v3 file (and of the parts of a split one) from a ByteSource: the
// metadata and where each tensor stands. Trusts no length. Leaves bytes to transcode.ts and meaning to
// model/config.ts; metadata.ts reads the values, tensors.ts checks the tensor table. Called by open.ts.
import { RyzError } from '../../errors.ts'
import { fileNameOf } from '../../net/model-url.ts'
import { FIRST_BYTES, notAModel } from '../first-bytes.ts'
import type { ByteSource, GgufModelFile, GgufValue, TensorInfo } from '../model-file.ts'
import type { Opener } from '../source.ts'
import { HeaderCursor } from './header-cursor.ts'
import { corrupt, MAX_KEY_BYTES, readMetadata, readString } from './metadata.ts'
import { placeTensors, type RawTensor } from './tensors.ts'

const MAX_ENTRIES = 65_536
const MAX_PARTS = 999

interface Part {
  readonly metadata: Map<string, GgufValue>
  readonly tensors: Map<string, TensorInfo>
}

/**
 * Opens a GGUF file; only headers are read.
 * @param source the file, or the first part of a split one (name-00001-of-0000N.gguf)
 * @param openSibling finds the other parts by file name
 * @throws RyzError NOT_A_MODEL | UNSUPPORTED_VERSION | UNSUPPORTED_TYPE | TRUNCATED | CORRUPT_HEADER |
 *   BAD_TENSOR_INFO | NETWORK | ABORTED
 */
export async function openGguf(
  source: ByteSource,
  openSibling?: Opener,
  signal?: AbortSignal,
): Promise<GgufModelFile> {
  const first = await readPart(source, 0, signal)
  const files = [source]
  const tensors = first.tensors
  const count = splitNumber(first.metadata, 'split.count') ?? 1
  for (let part = 1; part < count; part++) {
    const name = siblingName(source.name, part, count)
    const sibling = name === undefined ? undefined : await openSibling?.(name)
    if (!sibling) {
      throw new RyzError(
        'TRUNCATED',
        `${source.name} is part 1 of ${count} and part ${part + 1} (${name ?? 'unnamed'}) was not found`,
      )
    }
    const { metadata, tensors: more } = await readPart(sibling, part, signal, first.metadata)
    const no = splitNumber(metadata, 'split.no')
    if (no !== part || splitNumber(metadata, 'split.count') !== count) {
      throw corrupt(sibling, `is not part ${part + 1} of ${count} of this model`)
    }
    files.push(sibling)
    for (const [tensor, info] of more) {
      if (tensors.has(tensor)) {
        throw new RyzError('BAD_TENSOR_INFO', `${tensor} is in two parts of ${source.name}`)
      }
      tensors.set(tensor, info)
    }
  }
  const expected = splitNumber(first.metadata, 'split.tensors.count')
  if (count > 1 && expected !== undefined && expected !== tensors.size) {
    throw corrupt(source, `promises ${expected} tensors, its parts hold ${tensors.size}`)
  }
  return { container: 'gguf', files, tensors, metadata: first.metadata }
}

function splitNumber(metadata: ReadonlyMap<string, GgufValue>, key: string): number | undefined {
  const value = metadata.get(key)
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 ? value : undefined
}

/** `m-00001-of-00003.gguf` -> `m-00002-of-00003.gguf`, without folder and query; of a URL as it stands there. */
export function siblingName(name: string, part: number, count: number): string | undefined {
  const isUrl = /^[a-z][\w+.-]*:/i.test(name)
  const file = (isUrl ? name.replace(/[?#].*$/, '') : name).replace(/^.*[/\\]/, '')
  const match = /^(.*)-00001-of-(\d{5})\.gguf$/i.exec(file)
  if (!match || Number(match[2]) !== count) return undefined
  return `${match[1]}-${String(part + 1).padStart(5, '0')}-of-${match[2]}.gguf`
}

async function readPart(
  source: ByteSource,
  file: number,
  signal: AbortSignal | undefined,
  shared?: ReadonlyMap<string, GgufValue>,
): Promise<Part> {
  const cursor = new HeaderCursor(source, signal)
  try {
    await checkMagic(cursor, source)
    await cursor.need(20, 'header')
    checkVersion(cursor.u32(), source)
    const tensorCount = cursor.count()
    const keyCount = cursor.count()
    if (tensorCount > MAX_ENTRIES || keyCount > MAX_ENTRIES) {
      throw corrupt(source, `claims ${tensorCount} tensors and ${keyCount} keys`)
    }
    const metadata = await readMetadata(cursor, source, keyCount)
    if (file === 0) checkFirstPart(metadata, source)
    const raw = await readTensorTable(cursor, source, tensorCount)
    const tensors = placeTensors(raw, {
      source,
      file,
      headerBytes: cursor.position,
      // Parts after the first need not repeat what decides the types.
      metadata: (key: string) => metadata.get(key) ?? shared?.get(key),
      alignment: metadata.get('general.alignment'),
    })
    return { metadata, tensors }
  } finally {
    await cursor.close()
  }
}

/** Before the tensors, whose types a later part cannot tell: the architecture stands in the first. */
function checkFirstPart(metadata: ReadonlyMap<string, GgufValue>, source: ByteSource): void {
  const count = splitNumber(metadata, 'split.count') ?? 1
  const number = splitNumber(metadata, 'split.no') ?? 0
  if (count > MAX_PARTS || (count > 1 && number >= count)) {
    throw corrupt(source, `says it is part ${number + 1} of ${count}`)
  }
  if (count === 1 || number === 0) return
  const padded = (n: number) => String(n).padStart(5, '0')
  const name = fileNameOf(source.name).replace(`-${padded(number + 1)}-of-`, '-00001-of-')
  throw new RyzError(
    'BAD_OPTION',
    `${source.name} is part ${number + 1} of ${count}; open part 1, which finds the others (${name})`,
    { part: number + 1, parts: count },
  )
}

async function checkMagic(cursor: HeaderCursor, source: ByteSource): Promise<void> {
  const head = await cursor.peek(FIRST_BYTES)
  const magic = String.fromCharCode(...head.subarray(0, 4))
  if (magic === 'GGUF') {
    await cursor.need(4, 'magic')
    cursor.u32()
    return
  }
  throw notAModel(source, head, 'does not begin with GGUF')
}

function checkVersion(version: number, source: ByteSource): void {
  if (version === 2 || version === 3) return
  const bigEndian = version !== 0 && (version & 0xffff) === 0
  throw new RyzError(
    'UNSUPPORTED_VERSION',
    bigEndian
      ? `${source.name} is a big-endian GGUF file; convert it to little-endian`
      : `${source.name} has GGUF version ${version}, readable are 2 and 3; convert it`,
    { version },
  )
}

async function readTensorTable(
  cursor: HeaderCursor,
  source: ByteSource,
  count: number,
): Promise<RawTensor[]> {
  const tensors: RawTensor[] = []
  for (let i = 0; i < count; i++) {
    const name = await readString(cursor, source, MAX_KEY_BYTES, `tensor name ${i}`)
    await cursor.need(4, `entry of tensor ${name}`)
    const rank = cursor.u32()
    if (rank < 1 || rank > 4) {
      throw new RyzError(
        'BAD_TENSOR_INFO',
        `Tensor ${name} has ${rank} dimensions; 1 to 4 are possible`,
      )
    }
    await cursor.need(rank * 8 + 12, `entry of tensor ${name}`)
    const dims: number[] = []
    for (let d = 0; d < rank; d++) dims.push(cursor.count())
    tensors.push({ name, dims, typeId: cursor.u32(), offset: cursor.count() })
  }
  return tensors
}
