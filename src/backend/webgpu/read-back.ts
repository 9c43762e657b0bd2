// Results on their way back: staging buffers that are kept, one map at a time for each, and the stamp that
// tells whether the step that was asked for is the one that ran. Owned by webgpu-backend.ts.
import { RyzError } from '../../errors.ts'

/** Behind the values stand the words of finish.wgsl. */
export const STATUS_BYTES = 16
const MAP_READ = 1
/** Size of a staging buffer, and what larger ones are multiples of: most reads share one. */
const LEAST_BYTES = 65536

/** Bytes of the buffer that a read of so many takes. */
export function stagingBytes(bytes: number): number {
  return Math.ceil((bytes + STATUS_BYTES) / LEAST_BYTES) * LEAST_BYTES
}
/**
 * Ticks of a second that a read may take. Not milliseconds: in a hidden page timers come rarely and the GPU is
 * slow, and a device that slept has missed many seconds and no tick.
 */
const READ_LIMIT_TICKS = 20
const TICK_MS = 1000
/** The reason of an error that says that no answer came. */
export const SILENT = 'silent'

export interface Staging {
  readonly buffer: GPUBuffer
  readonly bytes: number
  /** What a read gives, kept for the next one of the same length. */
  view: Float32Array
  /** Whether the numbers that the step was asked to look at were finite. */
  finite: boolean
}

export class ReadBack {
  readonly #device: GPUDevice
  readonly #lost: Promise<RyzError>
  /** Results waited for so far. */
  waits = 0
  readonly #free: Staging[] = []
  readonly #all: Staging[] = []

  constructor(device: GPUDevice, lost: Promise<RyzError>) {
    this.#device = device
    this.#lost = lost
  }

  /** A staging buffer for so many bytes, the status behind them, and `more` bytes behind that. */
  take(bytes: number, more = 0): Staging {
    const needed = bytes + STATUS_BYTES + more
    const size = stagingBytes(bytes + more)
    // Ordered by size. A small read leaves the large one to who needs it.
    const at = this.#free.findIndex(
      staging => staging.bytes >= needed && (size > LEAST_BYTES || staging.bytes === LEAST_BYTES),
    )
    if (at >= 0) return this.#free.splice(at, 1)[0]!
    // One of many rows takes the place of one of fewer.
    if (size > LEAST_BYTES) this.#drop(this.#free.findLast(({ bytes }) => bytes > LEAST_BYTES))
    const buffer = this.#device.createBuffer({
      label: 'staging',
      size,
      usage: 0x0001 | 0x0008, // MAP_READ, COPY_DST
    })
    const staging = { buffer, bytes: size, view: new Float32Array(0), finite: true }
    this.#all.push(staging)
    return staging
  }

  get count(): number {
    return this.#all.length
  }

  /**
   * The first `bytes` of a staging buffer once the step is over; a copy.
   * @param step  the number that finish.wgsl must have written, or nothing where no step is asked for
   * @param onMore  gets the `more` bytes behind the status, valid during the call
   * @throws RyzError DEVICE_LOST
   */
  async settle(
    staging: Staging,
    bytes: number,
    step: number,
    more = 0,
    onMore?: (words: Uint32Array) => void,
  ): Promise<Float32Array> {
    const { buffer } = staging
    this.waits++
    await this.#within(buffer.mapAsync(MAP_READ, 0, bytes + STATUS_BYTES + more))
    const mapped = buffer.getMappedRange(0, bytes + STATUS_BYTES + more)
    const status = new Uint32Array(mapped, bytes, 2)
    const ran = status[0]!
    staging.finite = status[1] !== step
    if (staging.view.length !== bytes / 4) staging.view = new Float32Array(bytes / 4)
    const { view } = staging
    view.set(new Float32Array(mapped, 0, bytes / 4))
    if (more > 0) onMore?.(new Uint32Array(mapped, bytes + STATUS_BYTES, more / 4))
    buffer.unmap()
    const at = this.#free.findIndex(({ bytes }) => bytes > staging.bytes)
    this.#free.splice(at < 0 ? this.#free.length : at, 0, staging)
    if (ran !== step) {
      throw new RyzError(
        'DEVICE_LOST',
        `the GPU left out step ${step}: it answered with step ${ran}`,
        {
          step,
          ran,
        },
      )
    }
    return view
  }

  /** Raced with the loss of the device: after destroy() most calls resolve as if it were well. */
  async #within(mapping: Promise<undefined>): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined
    const limit = new Promise<RyzError>(resolve => {
      let left = READ_LIMIT_TICKS
      const tick = (): void => {
        if (left-- > 0) timer = setTimeout(tick, TICK_MS)
        else resolve(silent())
      }
      tick()
    })
    try {
      const error = await Promise.race([
        // A map that is refused says less than the loss that is behind it.
        mapping.catch(
          (cause: unknown) => new RyzError('DEVICE_LOST', `a GPU read failed: ${cause}`),
        ),
        this.#lost,
        limit,
      ])
      if (error instanceof RyzError) throw error
    } finally {
      clearTimeout(timer)
    }
  }

  #drop(staging: Staging | undefined): void {
    if (staging === undefined) return
    this.#free.splice(this.#free.indexOf(staging), 1)
    this.#all.splice(this.#all.indexOf(staging), 1)
    staging.buffer.destroy()
  }

  destroy(): void {
    for (const { buffer } of this.#all.splice(0)) buffer.destroy()
    this.#free.length = 0
  }
}

function silent(): RyzError {
  const seconds = (READ_LIMIT_TICKS * TICK_MS) / 1000
  return new RyzError('DEVICE_LOST', `the GPU did not answer for ${seconds} s`, { reason: SILENT })
}
