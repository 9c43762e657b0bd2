// Device memory: slots are buffers, or runs of buffers where one would be larger than the device allows.
// Every allocation is made under error scopes, whose answers are awaited in settle(); writes go to the
// queue, and what is written but not yet waited for is counted. Owned by webgpu-backend.ts.
import { RyzError } from '../../errors.ts'
import type { Sink, Slot } from '../backend.ts'

/** Buffers are written, read, copied and bound as storage. */
const USAGE = 0x0004 | 0x0008 | 0x0080 // COPY_SRC, COPY_DST, STORAGE
/** Bytes that may be on their way to the device before the writer is asked to wait. */
export const UPLOAD_BYTES = 64 * 2 ** 20
const OFFSET_ALIGNMENT = 256

/** A part of a slot that one binding can hold. */
export interface Piece {
  readonly buffer: GPUBuffer
  readonly offset: number
  readonly size: number
  /** Where it begins in the slot. */
  readonly at: number
}

interface Held {
  readonly buffers: readonly GPUBuffer[]
  /** Bytes of each buffer but the last. */
  readonly stride: number
  readonly bytes: number
  /** Where it begins in its one buffer; 0 unless it was joined with others. */
  readonly base: number
}

export interface BufferLimits {
  readonly maxBuffer: number
  readonly maxBinding: number
}

export class Buffers {
  readonly #device: GPUDevice
  readonly #limits: BufferLimits
  readonly #budget: number
  readonly #held: Held[] = []
  readonly #failures: Promise<RyzError | undefined>[] = []
  #used = 0
  #unwaited = 0

  /** @param budget  bytes that alloc may hand out in all */
  constructor(device: GPUDevice, limits: BufferLimits, budget: number) {
    this.#device = device
    this.#limits = limits
    this.#budget = budget
  }

  get usedBytes(): number {
    return this.#used
  }

  get count(): number {
    return this.#live().size
  }

  /**
   * @param unit  bytes that no buffer's end may cut; a slot above the device's largest buffer is cut there
   * @throws RyzError MEMORY_BUDGET; what the device refuses comes out of settle()
   */
  alloc(bytes: number, label: string, unit = OFFSET_ALIGNMENT): Slot {
    if (this.#used + bytes > this.#budget) {
      const left = this.#budget - this.#used
      throw new RyzError(
        'MEMORY_BUDGET',
        `${label} needs ${bytes} bytes, ${left} of ${this.#budget} are left; lower contextLength or maxSequences, or raise memoryBudget`,
        { label, bytes, left },
      )
    }
    const stride = Math.floor(this.#limits.maxBuffer / unit) * unit
    if (stride === 0) {
      throw new RyzError(
        'GPU_OOM',
        `${label} has rows of ${unit} bytes and this GPU's buffers hold ${this.#limits.maxBuffer}; use the CPU backend`,
        { label, unit },
      )
    }
    const buffers: GPUBuffer[] = []
    for (let first = 0; first < Math.max(bytes, 4); first += stride) {
      buffers.push(this.create(Math.min(stride, Math.max(4, bytes - first)), label))
    }
    this.#used += bytes
    return this.#hold({ buffers, stride, bytes, base: 0 }, label)
  }

  /** Not where they do not fit one buffer and binding, or were joined before. */
  canJoin(slots: readonly Slot[]): boolean {
    const whole = slots.every((slot, i) => {
      const { buffers, base } = this.#of(slot)
      return buffers.length === 1 && base === 0 && slot.bytes % 4 === 0 && slots.indexOf(slot) === i
    })
    const { maxBuffer, maxBinding } = this.#limits
    return whole && bytesOf(slots) <= Math.min(maxBuffer, maxBinding)
  }

  /**
   * Slots moved into one buffer, one behind the other, so that a binding holds all of them; they keep their
   * contents and stay slots of their own.
   * @returns the slot of all; canJoin() says where that can be done
   */
  join(slots: readonly Slot[], label: string): Slot {
    const bytes = bytesOf(slots)
    const buffer = this.create(bytes, label)
    const encoder = this.#device.createCommandEncoder()
    let base = 0
    const before: GPUBuffer[] = []
    for (const slot of slots) {
      const { buffers } = this.#of(slot)
      before.push(buffers[0]!)
      encoder.copyBufferToBuffer(buffers[0]!, 0, buffer, base, slot.bytes)
      this.#held[slot.at] = { buffers: [buffer], stride: bytes, bytes: slot.bytes, base }
      base += slot.bytes
    }
    this.#device.queue.submit([encoder.finish()])
    // What was submitted is done first.
    for (const old of before) old.destroy()
    return this.#hold({ buffers: [buffer], stride: bytes, bytes, base: 0 }, label)
  }

  #hold(held: Held, label: string): Slot {
    this.#held.push(held)
    return { bytes: held.bytes, label, at: this.#held.length - 1 }
  }

  #live(): Set<GPUBuffer> {
    return new Set(this.#held.flatMap(({ buffers }) => buffers))
  }

  /** A sink whose offsets are multiples of 4, and whose pieces are too, but the last. */
  writer(slot: Slot, before: () => void): Sink {
    return {
      write: (offset, bytes) => {
        if (offset < 0 || offset + bytes.length > slot.bytes) {
          throw new RangeError(
            `write past the end of ${slot.label}: ${offset} + ${bytes.length} > ${slot.bytes}`,
          )
        }
        before()
        this.write(slot, offset, bytes)
      },
    }
  }

  write(slot: Slot, offset: number, bytes: Uint8Array): void {
    const { buffers, stride, base } = this.#of(slot)
    if (base % 4 !== 0 || offset % 4 !== 0) {
      throw new RangeError(`${slot.label}: offset ${offset} is no multiple of 4`)
    }
    this.#unwaited += bytes.length
    for (let done = 0; done < bytes.length; ) {
      const at = base + offset + done
      const index = Math.floor(at / stride)
      const take = Math.min(bytes.length - done, (index + 1) * stride - at)
      const whole = take - (take % 4)
      const to = at - index * stride
      const { queue } = this.#device
      if (whole > 0) {
        queue.writeBuffer(buffers[index]!, to, bytes as Uint8Array<ArrayBuffer>, done, whole)
      }
      if (whole < take) {
        // A write is whole words; what stands behind the end of a slot is nobody's.
        const word = new Uint8Array(4)
        word.set(bytes.subarray(done + whole, done + take))
        queue.writeBuffer(buffers[index]!, to + whole, word)
      }
      done += take
    }
  }

  /** Bytes written that settle() has not waited for. */
  get unwaitedBytes(): number {
    return this.#unwaited
  }

  /**
   * Waits until what was written is with the device.
   * @throws RyzError GPU_OOM when an allocation since the last call failed
   */
  async settle(): Promise<void> {
    this.#unwaited = 0
    this.#device.queue.submit([])
    const failures = this.#failures.splice(0)
    await this.#device.queue.onSubmittedWorkDone()
    for (const failure of await Promise.all(failures)) if (failure !== undefined) throw failure
  }

  /** The first buffer of a slot, for slots that are bound whole. */
  whole(slot: Slot): GPUBuffer {
    const { buffers, base } = this.#of(slot)
    if (base > 0) throw new RangeError(`${slot.label} stands in the middle of a buffer`)
    if (buffers.length > 1 || slot.bytes > this.#limits.maxBinding) {
      throw new RyzError(
        'GPU_OOM',
        `${slot.label} has ${slot.bytes} bytes and this GPU binds ${this.#limits.maxBinding}; lower prefillPiece or use the CPU backend`,
        { label: slot.label, bytes: slot.bytes },
      )
    }
    return buffers[0]!
  }

  /** A slot cut into pieces that a binding holds; each begins at a multiple of `unit` bytes. */
  pieces(slot: Slot, unit: number): Piece[] {
    const { buffers, stride, bytes, base } = this.#of(slot)
    if (base > 0) throw new RangeError(`${slot.label} stands in the middle of a buffer`)
    const most = Math.floor(this.#limits.maxBinding / unit) * unit
    if (most === 0 || (buffers.length > 1 && stride % unit !== 0)) {
      throw new RangeError(`${slot.label} was not allocated in units of ${unit} bytes`)
    }
    const pieces: Piece[] = []
    for (let at = 0; at < bytes; ) {
      const index = Math.floor(at / stride)
      const offset = at - index * stride
      const size = Math.min(most, stride - offset, bytes - at)
      pieces.push({ buffer: buffers[index]!, offset, size: Math.ceil(size / 4) * 4, at })
      at += size
    }
    return pieces
  }

  /** Copies bytes of a slot into a buffer; multiples of 4. */
  copyOut(encoder: GPUCommandEncoder, slot: Slot, first: number, bytes: number, to: GPUBuffer) {
    const { buffers, stride, base } = this.#of(slot)
    for (let done = 0; done < bytes; ) {
      const at = base + first + done
      const index = Math.floor(at / stride)
      const take = Math.min(bytes - done, (index + 1) * stride - at)
      encoder.copyBufferToBuffer(buffers[index]!, at - index * stride, to, done, take)
      done += take
    }
  }

  destroy(): void {
    const live = this.#live()
    this.#held.length = 0
    for (const buffer of live) buffer.destroy()
  }

  /** A buffer that its owner destroys; a refusal comes out of settle(). */
  create(bytes: number, label: string, usage = USAGE): GPUBuffer {
    const device = this.#device
    device.pushErrorScope('out-of-memory')
    device.pushErrorScope('validation')
    const buffer = device.createBuffer({ label, size: Math.ceil(bytes / 4) * 4, usage })
    const refused = Promise.all([device.popErrorScope(), device.popErrorScope()]).then(
      ([invalid, memory]) => {
        const error = memory ?? invalid
        if (error === null) return undefined
        return new RyzError(
          'GPU_OOM',
          `the GPU refused ${bytes} bytes for ${label}: ${error.message}`,
          {
            label,
            bytes,
          },
        )
      },
      // The device is gone: whoever waits for it is told so.
      () => undefined,
    )
    this.#failures.push(refused)
    return buffer
  }

  #of(slot: Slot): Held {
    const held = this.#held[slot.at]
    if (held === undefined) throw new RyzError('CLOSED', 'the backend is closed')
    return held
  }
}

function bytesOf(slots: readonly Slot[]): number {
  return slots.reduce((sum, slot) => sum + slot.bytes, 0)
}
