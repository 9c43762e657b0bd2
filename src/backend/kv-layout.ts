// How the blocks of a KV cache stand in memory, and how many bytes they take. The same in every backend
// that has `cpuLayouts`, and in what readBlock() gives. Arithmetic only.
import type { KvType } from '../types/index.ts'

/** Tokens of one KV block. */
export const KV_BLOCK = 32

export interface KvSpec {
  readonly layers: number
  readonly kvHeads: number
  readonly headDim: number
  readonly blocks: number
  readonly type: KvType
}

/** Elements of an int4 head that share a scale. */
export const KV_GROUP = 32

/** headDim as the cache holds it: padded with zeros to whole vectors for int8 and int4. */
export function kvHeadWidth(type: KvType, headDim: number): number {
  const unit = type === 'int8' ? 8 : type === 'int4' ? 16 : 1
  return Math.ceil(headDim / unit) * unit
}

/**
 * Bytes of one KV block of one layer and one KV head, rounded up to 64; D = kvHeadWidth.
 *  - f32, f16: K [D][32] then V [32][D].
 *  - int8: K [D/2][32][2], pairs of elements side by side; V [16][D][2], pairs of tokens side by side;
 *    scales f32 K [32], V [32].
 *  - int4, u16 words of four nibbles x + 8, the lowest first: K [D/8][32][2], nibble i of word b is
 *    element 8*c + 2*i + b of row c; V [16][D/16][4][2], nibble i of word (l, b) is element
 *    16*c + 4*i + l of token 2*pair + b; scales, upper halves of f32: K [groups][32], V [groups][32].
 */
export function kvHeadBytes(type: KvType, headDim: number): number {
  const elements = 2 * KV_BLOCK * kvHeadWidth(type, headDim)
  return Math.ceil(kvBytes(type, elements, Math.ceil(headDim / KV_GROUP)) / 64) * 64
}

function kvBytes(type: KvType, elements: number, groups: number): number {
  switch (type) {
    case 'f32':
      return 4 * elements
    case 'f16':
      return 2 * elements
    case 'int8':
      return elements + 2 * KV_BLOCK * 4
    case 'int4':
      return elements / 2 + 2 * KV_BLOCK * groups * 2
    default:
      return type satisfies never
  }
}

/**
 * Bytes of the whole cache, ordered [layer][kvHead][block][kvHeadBytes]: a head whose blocks follow each
 * other is one stream.
 */
export function kvCacheBytes(spec: KvSpec): number {
  return spec.layers * spec.blocks * spec.kvHeads * kvHeadBytes(spec.type, spec.headDim)
}

/** Bytes of one block in all layers, as readBlock gives it. */
export function kvBlockBytes(spec: Omit<KvSpec, 'blocks'>): number {
  return spec.layers * spec.kvHeads * kvHeadBytes(spec.type, spec.headDim)
}
