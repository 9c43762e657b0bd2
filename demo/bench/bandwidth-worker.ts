// One reading thread of bandwidth.ts: reads its share of the memory again and again for the given time.

export interface ReadTask {
  readonly module: WebAssembly.Module
  readonly memory: WebAssembly.Memory
  readonly from: number
  readonly to: number
  /** When to begin and end, by performance.timeOrigin + performance.now(). */
  readonly beginAt: number
  readonly endAt: number
}

export interface ReadDone {
  readonly bytes: number
  readonly ms: number
}

type Read = (from: number, to: number) => number

// Whoever made this worker also closes it.
globalThis.onmessage = ({ data }: MessageEvent<ReadTask>) => {
  const { exports } = new WebAssembly.Instance(data.module, { e: { m: data.memory } })
  const read = exports.read as Read
  const clock = () => performance.timeOrigin + performance.now()
  // The first passes warm the code up and end when all threads are ready.
  while (clock() < data.beginAt) read(data.from, data.from + (1 << 20))
  const begin = clock()
  let bytes = 0
  let now = begin
  while (now < data.endAt) {
    read(data.from, data.to)
    bytes += data.to - data.from
    now = clock()
  }
  const done: ReadDone = { bytes, ms: now - begin }
  globalThis.postMessage(done)
}
