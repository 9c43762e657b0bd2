// The one engine of the page: opens a model (closing the one before), writes, stops. Knows nothing of
// the DOM; main.ts shows what it reports. At most one load and one request are alive.
import {
  type EngineStats,
  type ErrorCode,
  type GenerateOptions,
  type GenerateResult,
  type LoadOptions,
  load,
  type ModelSource,
  type Ryzanstein,
  RyzError,
} from 'ryzanstein'

/** Errors after which the engine is gone and must be loaded again. */
const FATAL = new Set<ErrorCode>(['WORKER_DIED', 'KERNEL_TRAP', 'DEVICE_LOST', 'CLOSED'])

export class Session {
  #engine: Ryzanstein | null = null
  #loading: AbortController | null = null
  #writing: AbortController | null = null

  get isOpen(): boolean {
    return this.#engine !== null
  }

  /**
   * Loads a model; the one before is closed first, so that both never stand in memory together.
   * @throws RyzError any load code; ABORTED when another open() took over
   */
  async open(source: ModelSource, options: LoadOptions): Promise<EngineStats> {
    this.stop()
    this.#loading?.abort()
    const own = new AbortController()
    this.#loading = own
    const before = this.#engine
    this.#engine = null
    await before?.close()
    let engine: Ryzanstein | null = null
    try {
      engine = await load(source, { ...options, signal: own.signal })
      const stats = await engine.stats()
      if (own.signal.aborted) throw new RyzError('ABORTED', 'another model was chosen')
      this.#engine = engine
      return stats
    } catch (caught) {
      await engine?.close()
      throw own.signal.aborted ? new RyzError('ABORTED', 'another model was chosen') : caught
    } finally {
      if (this.#loading === own) this.#loading = null
    }
  }

  /**
   * Continues the prompt; pieces arrive through `onPiece`.
   * @returns null when stop() ended it
   * @throws RyzError any generate code; after a fatal one the session is no longer open
   */
  async write(
    prompt: string,
    options: GenerateOptions,
    onPiece: (text: string, tokens: number) => void,
  ): Promise<GenerateResult | null> {
    const engine = this.#engine
    if (!engine) throw new RyzError('CLOSED', 'no model is loaded')
    this.stop()
    const own = new AbortController()
    this.#writing = own
    try {
      const stream = engine.generate(prompt, { ...options, signal: own.signal })
      for await (const piece of stream) onPiece(piece.text, piece.tokens.length)
      return await stream.result
    } catch (caught) {
      if (own.signal.aborted) return null
      if (caught instanceof RyzError && FATAL.has(caught.code) && this.#engine === engine) {
        this.#engine = null
        await engine.close()
      }
      throw caught
    } finally {
      if (this.#writing === own) this.#writing = null
    }
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
