// The key-value part of a GGUF header: strings, scalars, arrays, each length checked before anything is
// allocated for it. Called by gguf.ts.
import { RyzError } from '../../errors.ts'
import { TextListWriter } from '../../text-list.ts'
import type { ByteSource, GgufArray, GgufValue } from '../model-file.ts'
import type { HeaderCursor } from './header-cursor.ts'

/** Keys and tensor names are at most this long. */
export const MAX_KEY_BYTES = 65_535
const MAX_STRING_BYTES = 16 * 1024 * 1024
const MAX_ARRAY = 4 * 1024 * 1024
const MAX_NESTING = 3

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
    metadata.set(key, await readValue(cursor, source, cursor.u32(), key, 0))
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
  if (!cursor.has(8)) await cursor.need(8, what)
  const bytes = cursor.count()
  if (bytes > limit) throw corrupt(source, `has a string of ${bytes} bytes as its ${what}`)
  if (!cursor.has(bytes)) await cursor.need(bytes, what)
  return cursor.text(bytes)
}

async function readValue(
  cursor: HeaderCursor,
  source: ByteSource,
  type: number,
  key: string,
  depth: number,
): Promise<GgufValue> {
  if (type === STRING) return readString(cursor, source, MAX_STRING_BYTES, `value of ${key}`)
  if (type === ARRAY) return readArray(cursor, source, key, depth)
  const bytes = SCALAR_BYTES[type]
  if (!bytes) throw corrupt(source, `has a value of unknown type ${type} at ${JSON.stringify(key)}`)
  await cursor.need(bytes, `value of ${key}`)
  return readScalar(cursor, source, type, key)
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
): Promise<GgufArray> {
  await cursor.need(12, `array ${key}`)
  const type = cursor.u32()
  const count = cursor.count()
  const each = type === STRING ? 8 : type === ARRAY ? 12 : SCALAR_BYTES[type]
  if (!each || depth >= MAX_NESTING) {
    throw corrupt(source, `has an array of type ${type}, ${depth} deep, at ${JSON.stringify(key)}`)
  }
  if (count > MAX_ARRAY) throw corrupt(source, `has an array of ${count} at ${JSON.stringify(key)}`)
  if (count * each > cursor.remaining) {
    throw new RyzError(
      'TRUNCATED',
      `${source.name} is too short for the ${count} entries of ${JSON.stringify(key)}; download it again`,
    )
  }
  if (type === STRING) {
    const strings = new TextListWriter(count)
    for (let i = 0; i < count; i++) {
      if (cursor.tryTextTo(strings, MAX_STRING_BYTES)) continue
      strings.add(await readString(cursor, source, MAX_STRING_BYTES, `entry ${i} of ${key}`))
    }
    return strings.take()
  }
  if (type === ARRAY) {
    const arrays: GgufValue[] = []
    for (let i = 0; i < count; i++) arrays.push(await readArray(cursor, source, key, depth + 1))
    return arrays
  }
  await cursor.need(count * each, `array ${key}`)
  if (type === 6) return filled(new Float32Array(count), () => cursor.f32())
  if (type === 5) return filled(new Int32Array(count), () => cursor.i32())
  if (type === 4) return filled(new Uint32Array(count), () => cursor.u32())
  const values: GgufValue[] = []
  for (let i = 0; i < count; i++) values.push(readScalar(cursor, source, type, key))
  return values
}

function filled<T extends Float32Array | Int32Array | Uint32Array>(list: T, next: () => number): T {
  for (let i = 0; i < list.length; i++) list[i] = next()
  return list
}
