// The key-value part of a GGUF header: strings, scalars, arrays, each length checked before anything is
// allocated for it. What nobody reads and is large is passed over, not held. Called by gguf.ts.
import { RyzError } from '../../errors.ts'
import { TextListWriter } from '../../text-list.ts'
import type { ByteSource, GgufValue } from '../model-file.ts'
import { type HeaderCursor, MAX_HEADER_BYTES } from './header-cursor.ts'

/** Keys and tensor names are at most this long. */
export const MAX_KEY_BYTES = 65_535
/** Longer texts are passed over, but for chat templates, the longest of which have 40 kB. */
const MAX_TEXT_BYTES = 64 * 1024
const MAX_TEMPLATE_BYTES = 1024 * 1024
/** The largest vocabularies have 262,144 tokens and 514,906 merges. */
const MAX_LIST = 2 ** 20
/** Lists that nobody is known to read are passed over beyond this. */
const MAX_OTHER_LIST = 4096
const MAX_NESTING = 3

/** The lists that the tokenizers read. */
const VOCABULARY: ReadonlySet<string> = new Set(
  ['tokens', 'merges', 'scores', 'token_type'].map(name => `tokenizer.ggml.${name}`),
)

/** Bytes of the fixed-size values by type id. */
const SCALAR_BYTES: readonly number[] = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8]
const STRING = 8
const ARRAY = 9

/** The error of a header that contradicts itself. */
export function corrupt(source: ByteSource, what: string): RyzError {
  return new RyzError('CORRUPT_HEADER', `${source.name} ${what}; the file is damaged`)
}

/**
 * Reads `count` keys with their values; a Map, so `__proto__` is a key like any other.
 * @throws RyzError CORRUPT_HEADER | TRUNCATED
 */
export async function readMetadata(
  cursor: HeaderCursor,
  source: ByteSource,
  count: number,
): Promise<Map<string, GgufValue>> {
  const metadata = new Map<string, GgufValue>()
  for (let i = 0; i < count; i++) {
    const key = await readString(cursor, source, MAX_KEY_BYTES, `metadata key ${i}`)
    if (metadata.has(key)) throw corrupt(source, `has the key ${JSON.stringify(key)} twice`)
    await cursor.need(4, `value of ${key}`)
    metadata.set(key, await readValue(cursor, source, cursor.u32(), key))
  }
  return metadata
}

/** A string of at most `limit` bytes. */
export async function readString(
  cursor: HeaderCursor,
  source: ByteSource,
  limit: number,
  what: string,
): Promise<string> {
  const bytes = await readLength(cursor, what)
  if (bytes > limit) {
    throw corrupt(source, `has a string of ${bytes} bytes as its ${what} (at most ${limit})`)
  }
  return readText(cursor, bytes, what)
}

async function readLength(cursor: HeaderCursor, what: string): Promise<number> {
  if (!cursor.has(8)) await cursor.need(8, what)
  return cursor.count()
}

async function readText(cursor: HeaderCursor, bytes: number, what: string): Promise<string> {
  cursor.keep(bytes, what)
  if (!cursor.has(bytes)) await cursor.need(bytes, what)
  return cursor.text(bytes)
}

async function readValue(
  cursor: HeaderCursor,
  source: ByteSource,
  type: number,
  key: string,
): Promise<GgufValue> {
  if (type === STRING) return readTextValue(cursor, source, key)
  if (type === ARRAY) return readArray(cursor, source, key, 0)
  const bytes = SCALAR_BYTES[type]
  if (!bytes) throw corrupt(source, `has a value of unknown type ${type} at ${JSON.stringify(key)}`)
  await cursor.need(bytes, `value of ${key}`)
  return readScalar(cursor, source, type, key)
}

async function readTextValue(
  cursor: HeaderCursor,
  source: ByteSource,
  key: string,
): Promise<GgufValue> {
  const what = `value of ${key}`
  const bytes = await readLength(cursor, what)
  if (bytes > MAX_HEADER_BYTES)
    throw corrupt(source, `has a string of ${bytes} bytes as its ${what}`)
  if (key.startsWith('tokenizer.chat_template')) {
    if (bytes <= MAX_TEMPLATE_BYTES) return readText(cursor, bytes, what)
    throw corrupt(source, `has a chat template of ${bytes} bytes (at most ${MAX_TEMPLATE_BYTES})`)
  }
  if (bytes <= MAX_TEXT_BYTES) return readText(cursor, bytes, what)
  await cursor.skip(bytes, what)
  return { skipped: bytes }
}

function readScalar(
  cursor: HeaderCursor,
  source: ByteSource,
  type: number,
  key: string,
): number | bigint | boolean {
  switch (type) {
    case 0:
      return cursor.u8()
    case 1:
      return cursor.i8()
    case 2:
      return cursor.u16()
    case 3:
      return cursor.i16()
    case 4:
      return cursor.u32()
    case 5:
      return cursor.i32()
    case 6:
      return cursor.f32()
    case 7: {
      const value = cursor.u8()
      if (value > 1) throw corrupt(source, `has the boolean ${value} at ${JSON.stringify(key)}`)
      return value === 1
    }
    case 10:
      return smallest(cursor.u64())
    case 11:
      return smallest(cursor.i64())
    default:
      return cursor.f64()
  }
}

function smallest(value: bigint): number | bigint {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value
}

async function readArray(
  cursor: HeaderCursor,
  source: ByteSource,
  key: string,
  depth: number,
): Promise<GgufValue> {
  const what = `array ${key}`
  const { type, count } = await readArrayHead(cursor, source, key, depth)
  const known = VOCABULARY.has(key)
  if (known && count > MAX_LIST) {
    throw corrupt(source, `has ${count} entries at ${JSON.stringify(key)} (at most ${MAX_LIST})`)
  }
  if (!known && count > MAX_OTHER_LIST) {
    await skipEntries(cursor, source, key, type, count, depth)
    return { skipped: count }
  }
  if (type === STRING) {
    const strings = new TextListWriter(count)
    for (let i = 0; i < count; i++) {
      if (cursor.tryTextTo(strings, MAX_TEXT_BYTES, what)) continue
      strings.add(await readString(cursor, source, MAX_TEXT_BYTES, `entry ${i} of ${key}`))
    }
    return strings.take()
  }
  if (type === ARRAY) {
    const arrays: GgufValue[] = []
    for (let i = 0; i < count; i++) arrays.push(await readArray(cursor, source, key, depth + 1))
    return arrays
  }
  cursor.keep(count * SCALAR_BYTES[type]!, what)
  const values = listOf(type, count)
  for (let i = 0; i < count; i++) {
    if (!cursor.has(8)) await cursor.need(SCALAR_BYTES[type]!, what)
    values[i] = readScalar(cursor, source, type, key) as never
  }
  return values
}

interface ArrayHead {
  readonly type: number
  readonly count: number
}

async function readArrayHead(
  cursor: HeaderCursor,
  source: ByteSource,
  key: string,
  depth: number,
): Promise<ArrayHead> {
  await cursor.need(12, `array ${key}`)
  const type = cursor.u32()
  const count = cursor.count()
  const each = type === STRING ? 8 : type === ARRAY ? 12 : SCALAR_BYTES[type]
  if (!each || depth >= MAX_NESTING) {
    throw corrupt(source, `has an array of type ${type}, ${depth} deep, at ${JSON.stringify(key)}`)
  }
  if (count * each > MAX_HEADER_BYTES) {
    throw corrupt(source, `has an array of ${count} at ${JSON.stringify(key)}`)
  }
  if (count * each > cursor.remaining) {
    throw new RyzError(
      'TRUNCATED',
      `${source.name} is too short for the ${count} entries of ${JSON.stringify(key)}; download it again`,
    )
  }
  return { type, count }
}

/** Passes over the entries of an array, checked as far as that needs. */
async function skipEntries(
  cursor: HeaderCursor,
  source: ByteSource,
  key: string,
  type: number,
  count: number,
  depth: number,
): Promise<void> {
  const what = `array ${key}`
  const bytes = SCALAR_BYTES[type]
  if (bytes) return cursor.skip(count * bytes, what)
  for (let i = 0; i < count; i++) {
    if (type === STRING) await cursor.skip(await readLength(cursor, what), what)
    else {
      const inner = await readArrayHead(cursor, source, key, depth + 1)
      await skipEntries(cursor, source, key, inner.type, inner.count, depth + 1)
    }
  }
}

/** Typed where the type has an array of its own, or where a plain one would take three times the bytes. */
function listOf(type: number, count: number) {
  switch (type) {
    case 0:
      return new Uint8Array(count)
    case 1:
      return new Int8Array(count)
    case 2:
      return new Uint16Array(count)
    case 3:
      return new Int16Array(count)
    case 4:
      return new Uint32Array(count)
    case 5:
      return new Int32Array(count)
    case 6:
      return new Float32Array(count)
    case 12:
      return new Float64Array(count)
    default:
      return new Array<number | bigint | boolean>(count)
  }
}
