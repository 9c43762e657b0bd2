// Copies blocks of a KV cache that stands in memory as kv-layout.ts says: within it, out of it, into it.
// `cache` begins at the cache's first byte. Used by the backends of the CPU.
import { type KvSpec, kvHeadBytes } from './kv-layout.ts'

/** Copies block `from` to `to` in all layers. @throws RangeError */
export function copyKvBlock(cache: Uint8Array, spec: KvSpec, from: number, to: number): void {
  const target = partsOf(cache, spec, to)
  for (const [i, part] of partsOf(cache, spec, from).entries()) target[i]!.set(part)
}

/** A copy of a block: [layer][kvHead][kvHeadBytes]. @throws RangeError */
export function readKvBlock(cache: Uint8Array, spec: KvSpec, block: number): Uint8Array {
  const parts = partsOf(cache, spec, block)
  const bytes = parts[0]!.length
  const out = new Uint8Array(parts.length * bytes)
  for (const [i, part] of parts.entries()) out.set(part, i * bytes)
  return out
}

/** Fills a block with what readKvBlock gave. @throws RangeError */
export function writeKvBlock(
  cache: Uint8Array,
  spec: KvSpec,
  block: number,
  contents: Uint8Array,
): void {
  const parts = partsOf(cache, spec, block)
  const bytes = parts[0]!.length
  if (contents.length !== parts.length * bytes) {
    throw new RangeError(`${contents.length} bytes for a KV block of ${parts.length * bytes}`)
  }
  for (const [i, part] of parts.entries()) part.set(contents.subarray(i * bytes, (i + 1) * bytes))
}

/** A block's bytes in each layer and head. */
function partsOf(cache: Uint8Array, spec: KvSpec, block: number): Uint8Array[] {
  if (!Number.isInteger(block) || block < 0 || block >= spec.blocks) {
    throw new RangeError(`KV block ${block} of ${spec.blocks}`)
  }
  const bytes = kvHeadBytes(spec.type, spec.headDim)
  return Array.from({ length: spec.layers * spec.kvHeads }, (_, i) => {
    const at = (i * spec.blocks + block) * bytes
    return cache.subarray(at, at + bytes)
  })
}
