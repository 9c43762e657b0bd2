// Reads the metadata of a small GGUF file for the tokenizer tests, so that they depend on nothing but
// the tokenizer (layer 1 modules do not meet each other).
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'

export const EMBEDDED_MODEL = resolve(
  import.meta.dirname,
  '../../demo/public/models/ryz-tales-tq2_0-embq8_0.gguf',
)

export function readMetadata(path: string): Map<string, unknown> {
  const file = readFileSync(path)
  let at = 8
  const take = <T>(bytes: number, read: (offset: number) => T): T => {
    at += bytes
    return read(at - bytes)
  }
  const u32 = () => take(4, o => file.readUInt32LE(o))
  const u64 = () => Number(take(8, o => file.readBigUInt64LE(o)))
  const text = () => {
    const bytes = u64()
    return take(bytes, o => file.toString('utf8', o, o + bytes))
  }
  const value = (type: number): unknown => {
    if (type === 4) return u32()
    if (type === 5) return take(4, o => file.readInt32LE(o))
    if (type === 6) return take(4, o => file.readFloatLE(o))
    if (type === 7) return take(1, o => file[o] !== 0)
    if (type === 8) return text()
    if (type === 9) {
      const element = u32()
      return Array.from({ length: u64() }, () => value(element))
    }
    throw new Error(`value type ${type} does not occur in the test file`)
  }
  u64() // tensors
  const pairs = u64()
  return new Map(Array.from({ length: pairs }, () => [text(), value(u32())] as const))
}
