// The paged KV cache in device memory, in the blocks of backend.ts: one buffer a layer, or several of some
// heads each where a layer is more than a binding holds. Blocks go in and out as the bytes that every
// backend shares. Owned by webgpu-backend.ts.
import { RyzError } from '../../errors.ts'
import type { KvSpec, Slot } from '../backend.ts'
import { kvHeadBytes } from '../backend.ts'
import type { Buffers } from './buffers.ts'

/** Widest head that the attention shaders hold in workgroup memory. */
export const MAX_HEAD_DIM = 1024

/** The heads of a layer that one binding holds. */
export interface KvPart {
  readonly slot: Slot
  readonly first: number
  readonly heads: number
}

export class KvCache {
  readonly spec: KvSpec
  readonly headBytes: number
  /** By layer. */
  readonly parts: readonly (readonly KvPart[])[]
  readonly #buffers: Buffers

  /** @throws RyzError MEMORY_BUDGET | GPU_OOM | UNSUPPORTED_FEATURE */
  constructor(spec: KvSpec, buffers: Buffers, maxBinding: number) {
    this.spec = spec
    this.headBytes = kvHeadBytes(spec.type, spec.headDim)
    this.#buffers = buffers
    if (spec.headDim > MAX_HEAD_DIM) {
      throw new RyzError(
        'UNSUPPORTED_FEATURE',
        `heads of ${spec.headDim} elements; the GPU backend has ${MAX_HEAD_DIM} at most, use backend: 'wasm'`,
        { headDim: spec.headDim },
      )
    }
    const oneHead = spec.blocks * this.headBytes
    const most = Math.floor(maxBinding / oneHead)
    if (most === 0) {
      throw new RyzError(
        'GPU_OOM',
        `the KV cache has ${oneHead} bytes a head and this GPU binds ${maxBinding}; lower contextLength or maxSequences`,
        { bytes: oneHead },
      )
    }
    this.parts = Array.from({ length: spec.layers }, (_, layer) => {
      const parts: KvPart[] = []
      for (let first = 0; first < spec.kvHeads; first += most) {
        const heads = Math.min(most, spec.kvHeads - first)
        parts.push({
          slot: buffers.alloc(heads * oneHead, `KV cache of layer ${layer}`),
          first,
          heads,
        })
      }
      return parts
    })
  }

  /** Bytes of a block in all layers. */
  get blockBytes(): number {
    return this.spec.layers * this.spec.kvHeads * this.headBytes
  }

  /** Copies a block to a buffer, [layer][kvHead][kvHeadBytes]. */
  copyOut(encoder: GPUCommandEncoder, block: number, to: GPUBuffer): void {
    this.#eachHead(block, (buffer, at, index) => {
      encoder.copyBufferToBuffer(buffer, at, to, index * this.headBytes, this.headBytes)
    })
  }

  /** Copies a block to another, head by head: within one buffer it has to go by way of one more. */
  copy(encoder: GPUCommandEncoder, from: number, to: number, between: GPUBuffer): void {
    const { headBytes } = this
    for (const { slot, heads } of this.parts.flat()) {
      const buffer = this.#buffers.whole(slot)
      for (let h = 0; h < heads; h++) {
        const first = h * this.spec.blocks
        encoder.copyBufferToBuffer(buffer, (first + from) * headBytes, between, 0, headBytes)
        encoder.copyBufferToBuffer(between, 0, buffer, (first + to) * headBytes, headBytes)
      }
    }
  }

  /** @throws RangeError for another size */
  write(block: number, bytes: Uint8Array): void {
    if (bytes.length !== this.blockBytes) {
      throw new RangeError(`${bytes.length} bytes for a KV block of ${this.blockBytes}`)
    }
    let index = 0
    for (const { slot, heads } of this.parts.flat()) {
      for (let h = 0; h < heads; h++, index++) {
        const at = (h * this.spec.blocks + block) * this.headBytes
        const from = index * this.headBytes
        this.#buffers.write(slot, at, bytes.subarray(from, from + this.headBytes))
      }
    }
  }

  /** @throws RangeError */
  check(block: number): void {
    if (!Number.isInteger(block) || block < 0 || block >= this.spec.blocks) {
      throw new RangeError(`KV block ${block} of ${this.spec.blocks}`)
    }
  }

  #eachHead(block: number, visit: (buffer: GPUBuffer, at: number, index: number) => void): void {
    let index = 0
    for (const { slot, heads } of this.parts.flat()) {
      const buffer = this.#buffers.whole(slot)
      for (let h = 0; h < heads; h++) {
        visit(buffer, (h * this.spec.blocks + block) * this.headBytes, index++)
      }
    }
  }
}
