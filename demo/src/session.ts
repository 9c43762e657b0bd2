// The one engine of the page: opens a model in place of the one before, writes, stops. Knows nothing of
// the DOM; main.ts shows what it reports. At most one load and one request are alive.
import {
  type EngineStats,
  type ErrorCode,
  type GenerateResult,
  type LoadOptions,
  load,
  type ModelSource,
  type Ryzanstein,
  RyzError,
  type TokenChunk,
  type TokenStream,
} from 'ryzanstein'

/** Errors after which the engine is gone and must be loaded again. */
const FATAL = new Set<ErrorCode>(['WORKER_DIED', 'KERNEL_TRAP', 'DEVICE_LOST', 'CLOSED'])

export class Session {
  #engine: Ryzanstein | null = null
  #loading: AbortController | null = null
  #writing: AbortController | null = null
  /** Told after each request what the engine is like now: what computes may have changed meanwhile. */
  onEnded: (stats: EngineStats) => void = () => {}

  /** What is open; for calls beside the one request. */
  get engine(): Ryzanstein | null {
    return this.#engine
  }

  get isOpen(): boolean {
    return this.#engine !== null
  }

  get isLoading(): boolean {
    return this.#loading !== null
  }

  get isWriting(): boolean {
    return this.#writing !== null
  }

  /**
   * Loads a model. What is open goes on meanwhile and stays when loading fails.
   * @param keep  false closes what is open first, where memory has no room for both
   * @throws RyzError any load code; ABORTED after cancelLoading(), or when another open() took over
   */
  async open(source: ModelSource, options: LoadOptions, keep: boolean): Promise<EngineStats> {
    this.cancelLoading()
    const own = new AbortController()
    this.#loading = own
    let engine: Ryzanstein | null = null
    try {
      if (!keep) await this.#replaceBy(null)
      engine = await load(source, { ...options, signal: own.signal })
      const stats = await engine.stats()
      own.signal.throwIfAborted()
      await this.#replaceBy(engine)
      return stats
    } catch (caught) {
      if (this.#engine !== engine) await engine?.close()
      throw own.signal.aborted ? new RyzError('ABORTED', 'loading was cancelled') : caught
    } finally {
      if (this.#loading === own) this.#loading = null
    }
  }

  /**
   * Runs one request; its pieces arrive through `onChunk`. A request that runs already is stopped.
   * @param start  must pass the signal on; what it does before its stream begins is part of the request, so that
   *   stop() ends it there too, and nobody takes the session for idle meanwhile
   * @returns 'stopped' when stop() ended it, 'replaced' when another model took the place of this one
   * @throws RyzError any generate or chat code; after a fatal one the session is no longer open
   */
  async run(
    start: (engine: Ryzanstein, signal: AbortSignal) => TokenStream | Promise<TokenStream>,
    onChunk: (chunk: TokenChunk) => void,
  ): Promise<GenerateResult | 'stopped' | 'replaced'> {
    const engine = this.#engine
    if (!engine) throw new RyzError('CLOSED', 'no model is loaded')
    this.stop()
    const own = new AbortController()
    this.#writing = own
    try {
      const stream = await start(engine, own.signal)
      for await (const chunk of stream) onChunk(chunk)
      return await stream.result
    } catch (caught) {
      if (own.signal.aborted) return this.#engine === engine ? 'stopped' : 'replaced'
      if (caught instanceof RyzError && FATAL.has(caught.code) && this.#engine === engine) {
        this.#engine = null
        await engine.close()
      }
      throw caught
    } finally {
      if (this.#writing === own) this.#writing = null
      void this.stats().then(stats => stats && this.onEnded(stats))
    }
  }

  /** Ends the load that is under way, if any; what is open stays. */
  cancelLoading(): void {
    this.#loading?.abort()
  }

  async #replaceBy(engine: Ryzanstein | null): Promise<void> {
    const before = this.#engine
    if (before === engine) return
    this.#engine = engine
    this.stop()
    await before?.close()
  }

  /** Ends the running request, if any. */
  stop(): void {
    this.#writing?.abort()
  }

  /** null when nothing is loaded or the engine is just closing. */
  async stats(): Promise<EngineStats | null> {
    try {
      return (await this.#engine?.stats()) ?? null
    } catch {
      return null
    }
  }
}
