// Parameters of dispatches: each has a slice of 256 bytes in a uniform buffer, written once when its plan is
// made. Used by plan.ts.

import type { Buffers } from './buffers.ts'

/** The largest alignment that a device may ask for. */
const SLICE = 256
const SLICES = 256

export interface ParamSlice {
  readonly buffer: GPUBuffer
  readonly offset: number
  readonly size: number
}

/** A word of parameters: u32 by itself, or f32. */
export type ParamWord = number | { readonly f32: number }

export class Params {
  readonly #device: GPUDevice
  readonly #create: Buffers['create']
  readonly #buffers: GPUBuffer[] = []
  #used = SLICES

  constructor(device: GPUDevice, buffers: Buffers) {
    this.#device = device
    this.#create = buffers.create.bind(buffers)
  }

  /** @param words  in the order of the shader's Params, at most 16 */
  add(words: readonly ParamWord[]): ParamSlice {
    if (this.#used === SLICES) {
      this.#buffers.push(
        this.#create(SLICE * SLICES, 'parameters', 0x0040 | 0x0008), // UNIFORM, COPY_DST
      )
      this.#used = 0
    }
    const buffer = this.#buffers[this.#buffers.length - 1]!
    const offset = SLICE * this.#used++
    const u32 = new Uint32Array(16)
    const f32 = new Float32Array(u32.buffer)
    for (const [i, word] of words.entries()) {
      if (typeof word === 'number') u32[i] = word
      else f32[i] = word.f32
    }
    this.#device.queue.writeBuffer(buffer, offset, u32)
    return { buffer, offset, size: 64 }
  }

  get count(): number {
    return this.#buffers.length
  }

  destroy(): void {
    for (const buffer of this.#buffers.splice(0)) buffer.destroy()
    this.#used = SLICES
  }
}
