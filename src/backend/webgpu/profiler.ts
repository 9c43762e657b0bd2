// Times of dispatches, shader by shader, for benchmarks: a mode of its own (LoadOptions.profileGpu), as each dispatch
// then has a pass, or even a submit, of its own. By timestamps of the device where it has them; browsers round those
// to 0.1 ms, which falls out over many steps. Else by the clock, when each submit is over. Used by steps.ts.
import type { OpTime } from '../../types/index.ts'

/** Of one query set. */
const MOST_QUERIES = 4096
const QUERY_BYTES = 8

/** Runs a dispatch in a pass. */
type Run = (pass: GPUComputePassEncoder) => void

export interface TimedDispatch {
  readonly name: string
  readonly run: Run
}

/** How times are taken, as stats() names it. */
export type ProfileMethod = 'timestamp-query' | 'a submit a dispatch'

export class Profiler {
  readonly method: ProfileMethod
  readonly #device: GPUDevice
  readonly #queries: GPUQuerySet | undefined
  readonly #resolved: GPUBuffer | undefined
  readonly #free: GPUBuffer[] = []
  readonly #all: GPUBuffer[] = []
  readonly #times = new Map<string, { calls: number; ms: number }>()
  /** When the last submit was over. */
  #over = 0

  /** @param timestamps  the device has the feature 'timestamp-query' */
  constructor(device: GPUDevice, timestamps: boolean) {
    this.#device = device
    this.method = timestamps ? 'timestamp-query' : 'a submit a dispatch'
    if (!timestamps) return
    this.#queries = device.createQuerySet({ type: 'timestamp', count: MOST_QUERIES })
    this.#resolved = device.createBuffer({
      label: 'timestamps',
      size: MOST_QUERIES * QUERY_BYTES,
      usage: 0x0200 | 0x0004, // QUERY_RESOLVE, COPY_SRC
    })
  }

  /** Runs dispatches in their order, before what the encoder is given afterwards. */
  run(dispatches: readonly TimedDispatch[], encoder: GPUCommandEncoder): () => void {
    if (this.#queries === undefined || this.#resolved === undefined) {
      for (const dispatch of dispatches) this.#submit(dispatch)
      return () => undefined
    }
    // What is beyond the query set runs untimed.
    const timed = Math.min(dispatches.length, MOST_QUERIES / 2)
    for (const [i, { run }] of dispatches.entries()) {
      const pass = encoder.beginComputePass(
        i < timed
          ? {
              timestampWrites: {
                querySet: this.#queries,
                beginningOfPassWriteIndex: 2 * i,
                endOfPassWriteIndex: 2 * i + 1,
              },
            }
          : {},
      )
      run(pass)
      pass.end()
    }
    const bytes = 2 * timed * QUERY_BYTES
    const staging = this.#staging()
    encoder.resolveQuerySet(this.#queries, 0, 2 * timed, this.#resolved, 0)
    encoder.copyBufferToBuffer(this.#resolved, 0, staging, 0, bytes)
    const names = dispatches.slice(0, timed).map(d => d.name)
    return () => void this.#read(staging, bytes, names)
  }

  /** Milliseconds on the device so far, slowest first. */
  times(): OpTime[] {
    return Array.from(this.#times, ([op, { calls, ms }]) => ({ op, calls, ms })).sort(
      (a, b) => b.ms - a.ms,
    )
  }

  destroy(): void {
    this.#queries?.destroy()
    this.#resolved?.destroy()
    for (const buffer of this.#all.splice(0)) buffer.destroy()
    this.#free.length = 0
  }

  /** The queue works in order, so a submit takes from the end of the one before to its own. */
  #submit({ name, run }: TimedDispatch): void {
    const encoder = this.#device.createCommandEncoder()
    const pass = encoder.beginComputePass()
    run(pass)
    pass.end()
    const sent = performance.now()
    this.#device.queue.submit([encoder.finish()])
    void this.#device.queue.onSubmittedWorkDone().then(
      () => {
        const now = performance.now()
        this.#note(name, now - Math.max(sent, this.#over))
        this.#over = now
      },
      () => undefined, // the device is gone
    )
  }

  async #read(staging: GPUBuffer, bytes: number, names: readonly string[]): Promise<void> {
    try {
      await staging.mapAsync(1, 0, bytes)
    } catch {
      return // the device is gone
    }
    const stamps = new BigUint64Array(staging.getMappedRange(0, bytes))
    for (const [i, name] of names.entries()) {
      const nanoseconds = Number(stamps[2 * i + 1]! - stamps[2 * i]!)
      // A clock that was set back in between.
      this.#note(name, Math.max(0, nanoseconds) / 1e6)
    }
    staging.unmap()
    this.#free.push(staging)
  }

  #note(name: string, ms: number): void {
    const entry = this.#times.get(name)
    if (entry === undefined) this.#times.set(name, { calls: 1, ms })
    else {
      entry.calls++
      entry.ms += ms
    }
  }

  #staging(): GPUBuffer {
    const free = this.#free.pop()
    if (free !== undefined) return free
    const buffer = this.#device.createBuffer({
      label: 'timestamps, read',
      size: MOST_QUERIES * QUERY_BYTES,
      usage: 0x0001 | 0x0008, // MAP_READ, COPY_DST
    })
    this.#all.push(buffer)
    return buffer
  }
}
