// One file, chunk by chunk: from the store where a chunk is there and its hash is right, else from the
// network and into the store as it passes. Several chunks are under way at once, they are handed out in
// order. Opened by open-file.ts.
import { discard } from '../discard.ts'
import { RyzError, throwIfAborted } from '../errors.ts'
import { readBlob } from '../net/body-reader.ts'
import type { ByteSource } from '../net/byte-source.ts'
import type { NetworkOptions } from '../net/retry.ts'
import type { ChunkFetcher } from './chunk-fetcher.ts'
import type { Counters } from './counters.ts'
import { chunkCount, type FileRecord, isWhole } from './records.ts'
import { type RunningHash, runningHash, sha256 } from './sha256.ts'
import type { ChunkStore } from './store.ts'

/** What the files of one load share. */
export interface FileContext {
  readonly counters: Counters
  /** Undefined offline. */
  readonly network: NetworkOptions | undefined
  readonly signal: AbortSignal
  /** Undefined where nothing can be stored; lost when a write fails. */
  readonly store: ChunkStore | undefined
  /** A write failed: goes on without the store, or throws where storing was demanded. */
  storeFailed(caught: unknown): void
  note(from: string, to: string, reason: string): void
}

/** Chunks under way at once, and so in memory: 3 connections and the one that is being poured. */
const FETCHED_AHEAD = 4
/** Of stored ones the next is read and verified while one is poured. */
const STORED_AHEAD = 2

/** A file that may be partly stored. */
export class CachedFile implements ByteSource {
  readonly name: string
  readonly size: number
  readonly #context: FileContext
  readonly #expected: string | undefined
  readonly #fetcher: ChunkFetcher
  readonly #free: ArrayBuffer[] = []
  /** Chunks in the counters already: the one where the header ends is read twice. */
  readonly #counted = new Set<number>()
  #record: FileRecord
  #hasher: RunningHash | undefined
  #hashed: number
  #writing: Promise<void> = Promise.resolve()
  /** The last chunk of the last stream: the next one often begins in it. */
  #kept: { readonly index: number; readonly bytes: Uint8Array } | undefined

  /** @param expected SHA-256 of the whole file, as the caller demands it */
  constructor(
    record: FileRecord,
    context: FileContext,
    fetcher: ChunkFetcher,
    expected: string | undefined,
  ) {
    this.name = record.url
    this.size = record.size
    this.#record = record
    this.#hashed = record.hashed
    this.#context = context
    this.#fetcher = fetcher
    this.#expected = expected
  }

  get record(): FileRecord {
    return this.#record
  }

  get origin(): string | undefined {
    return this.#fetcher.origin
  }

  async *stream(
    start: number,
    end: number | undefined,
    signal?: AbortSignal,
  ): AsyncGenerator<Uint8Array> {
    const stop = end ?? this.size
    if (stop > this.size) {
      throw new RyzError('TRUNCATED', `${this.name} has ${this.size} bytes, ${stop} are needed`)
    }
    if (start >= stop) return
    const { chunkBytes } = this.#record
    const first = Math.floor(start / chunkBytes)
    const last = Math.floor((stop - 1) / chunkBytes)
    // Without an end a header is being read: nothing is fetched that may not be wanted.
    const ahead = end === undefined ? () => 1 : (index: number) => this.#ahead(index)
    const own = new AbortController()
    const signals = [own.signal, this.#context.signal, ...(signal ? [signal] : [])]
    const either = anySignal(signals)
    const coming: Promise<Uint8Array>[] = []
    let next = first
    try {
      for (let index = first; index <= last; index++) {
        // Who asks for the next has done with the one before: its buffer takes what is begun now.
        if (index > first) this.#keep(undefined)
        while (next <= last && next < index + ahead(next)) {
          const chunk = this.#chunk(next++, either.signal)
          chunk.catch(() => undefined) // heard below, or not at all when the stream is closed
          coming.push(chunk)
        }
        const bytes = await coming.shift()!
        throwIfAborted(signal, `Reading ${this.name}`)
        await this.#pass(index, bytes)
        const at = index * chunkBytes
        this.#keep({ index, bytes })
        yield bytes.subarray(Math.max(start - at, 0), Math.min(stop - at, bytes.length))
      }
    } finally {
      own.abort()
      either.release()
    }
  }

  /**
   * Fetches what is missing, hashes the rest and commits the whole.
   * @throws RyzError NETWORK | MODEL_HASH | ABORTED
   */
  async finish(): Promise<void> {
    const { store, signal } = this.#context
    if (store || this.#expected !== undefined) {
      const behind = this.#record.sha256 === undefined ? this.#hashed : chunkCount(this.#record)
      for (let index = 0; index < chunkCount(this.#record); index++) {
        if (index < behind && (this.#record.hashes[index] !== null || !store)) continue
        throwIfAborted(signal, `Reading ${this.name}`)
        const bytes = await this.#chunk(index, signal)
        await this.#pass(index, bytes)
        this.#keep({ index, bytes })
      }
    }
    this.#keep(undefined)
    discard(this.#free.splice(0))
    await this.#writing
    await this.#commit()
  }

  /** Waits for what is being written. */
  settled(): Promise<void> {
    return this.#writing
  }

  #bytesOf(index: number): number {
    const { chunkBytes } = this.#record
    return Math.min(chunkBytes, this.size - index * chunkBytes)
  }

  #ahead(index: number): number {
    const stored = this.#context.store && this.#record.hashes[index] !== null
    return stored ? STORED_AHEAD : FETCHED_AHEAD
  }

  /** Keeps this chunk instead of the one before, whose buffer is used again. */
  #keep(chunk: { readonly index: number; readonly bytes: Uint8Array } | undefined): void {
    const before = this.#kept?.bytes
    this.#kept = chunk
    if (!before || before === chunk?.bytes) return
    const buffer = before.buffer as ArrayBuffer
    // Browsers without byte streams made it themselves, as short as the chunk.
    if (buffer.byteLength === this.#record.chunkBytes) this.#free.push(buffer)
  }

  async #chunk(index: number, signal: AbortSignal): Promise<Uint8Array> {
    if (this.#kept?.index === index) return this.#kept.bytes
    const { counters, store } = this.#context
    const known = this.#record.hashes[index]
    if (known !== null && store) {
      const stored = await this.#fromStore(index, known, store)
      throwIfAborted(signal, `Reading ${this.name}`)
      if (stored) {
        if (!this.#counted.has(index)) {
          this.#counted.add(index)
          counters.hits++
          counters.hitBytes += stored.length
        }
        return stored
      }
      counters.repaired++
    }
    const bytes = await this.#fetch(index, known !== null, signal)
    const hash = await counters.verify.time(() => sha256(bytes))
    if (known !== null && hash !== known) {
      await this.#drop()
      throw new RyzError(
        'MODEL_HASH',
        `chunk ${index} of ${this.name} has another SHA-256 than when it was first fetched; load it again from the start`,
        { chunk: index, expected: known, got: hash },
      )
    }
    counters.fetched++
    this.#counted.add(index)
    await this.#write(index, hash, bytes)
    return bytes
  }

  async #fetch(index: number, damaged: boolean, signal: AbortSignal): Promise<Uint8Array> {
    const into = new Uint8Array(this.#buffer(), 0, this.#bytesOf(index))
    try {
      await this.#fetcher.fetch(index * this.#record.chunkBytes, into, signal)
      return into
    } catch (caught) {
      if (!(caught instanceof RyzError) || caught.code !== 'NETWORK') throw caught
      if (caught.detail.changed) await this.#drop()
      const what = damaged ? 'is damaged in the store' : 'is not stored'
      throw new RyzError(
        'NETWORK',
        `chunk ${index} of ${this.name} ${what} and could not be fetched: ${caught.message}`,
        { ...caught.detail, chunk: index },
        { cause: caught },
      )
    }
  }

  async #fromStore(
    index: number,
    hash: string,
    store: ChunkStore,
  ): Promise<Uint8Array | undefined> {
    try {
      const blob = await store.readChunk(this.name, index)
      if (blob?.size !== this.#bytesOf(index)) return undefined
      const bytes = await readBlob(blob, this.#buffer())
      const right = (await this.#context.counters.verify.time(() => sha256(bytes))) === hash
      return right ? bytes : undefined
    } catch {
      // The database or the file behind the Blob went away: the chunk is as good as missing.
      return undefined
    }
  }

  #buffer(): ArrayBuffer {
    return this.#free.pop() ?? new ArrayBuffer(this.#record.chunkBytes)
  }

  /** One write at a time, each with all that is known by then; the Blob holds its own copy. */
  async #write(index: number, hash: string, bytes: Uint8Array): Promise<void> {
    if (!this.#context.store) return
    const blob = new Blob([bytes as Uint8Array<ArrayBuffer>])
    const before = this.#writing
    this.#writing = before.then(async () => {
      const { store } = this.#context
      if (!store) return
      const record: FileRecord = {
        ...this.#record,
        hashes: this.#record.hashes.with(index, hash),
        ...this.#hashState(),
      }
      try {
        await store.writeChunk(index, blob, record)
        this.#record = record
      } catch (caught) {
        this.#context.storeFailed(caught)
      }
    })
    this.#writing.catch(() => undefined) // heard by the next write, or by finish()
    await before
  }

  /** The running hash sees every chunk once, in file order. */
  async #pass(index: number, bytes: Uint8Array): Promise<void> {
    if (index !== this.#hashed || this.#record.sha256 !== undefined) return
    this.#hasher ??= await this.#resumeHash()
    if (index !== this.#hashed) return
    this.#hasher.update(bytes)
    this.#hashed++
    if (this.#hashed < chunkCount(this.#record)) return
    await this.#writing
    await this.#commit()
  }

  async #resumeHash(): Promise<RunningHash> {
    try {
      return await runningHash(this.#hashed > 0 ? this.#record.hashState : undefined)
    } catch {
      // Another version of the hash wrote the state: finish() reads the stored chunks again.
      this.#hashed = 0
      return runningHash()
    }
  }

  #hashState(): Pick<FileRecord, 'hashed' | 'hashState'> {
    if (!this.#hasher || this.#record.sha256 !== undefined) {
      return { hashed: this.#record.hashed, hashState: this.#record.hashState }
    }
    return { hashed: this.#hashed, hashState: this.#hasher.save() }
  }

  /** Everything has passed: the whole hash is judged and written. */
  async #commit(): Promise<void> {
    if (this.#record.sha256 === undefined) {
      if (!this.#hasher || this.#hashed < chunkCount(this.#record)) return
      const record = { ...this.#record, hashed: this.#hashed, hashState: undefined }
      this.#record = { ...record, sha256: this.#hasher.end() }
      await this.#checkExpected()
      const { store } = this.#context
      if (!store || !isWhole(this.#record)) return
      try {
        await store.writeFile(this.#record)
      } catch (caught) {
        this.#context.storeFailed(caught)
      }
    } else await this.#checkExpected()
  }

  async #checkExpected(): Promise<void> {
    const got = this.#record.sha256
    if (this.#expected === undefined || got === this.#expected) return
    await this.#drop()
    throw new RyzError(
      'MODEL_HASH',
      `${this.name} has SHA-256 ${got}, expected was ${this.#expected}; it was not kept`,
      { expected: this.#expected, got: got ?? null },
    )
  }

  async #drop(): Promise<void> {
    await this.#context.store?.dropFile(this.name)
  }
}

/** A signal that fires with the first of several; release() lets go of them. */
function anySignal(signals: readonly AbortSignal[]): { signal: AbortSignal; release(): void } {
  const controller = new AbortController()
  const fire = () => controller.abort()
  for (const signal of signals) {
    if (signal.aborted) fire()
    else signal.addEventListener('abort', fire, { once: true })
  }
  return {
    signal: controller.signal,
    release: () => {
      for (const signal of signals) signal.removeEventListener('abort', fire)
    },
  }
}
