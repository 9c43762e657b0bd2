// A network whose backend may be exchanged: when the GPU is lost or full, the weights are poured into the next
// path from where they came, and the book of the KV cache goes on with empty blocks, which the scheduler
// fills again from the tokens. Only one backend holds weights. Made by open-parts.ts.
import type { RyzError } from '../../errors.ts'
import type { KvCache } from '../../model/kv-cache.ts'
import type { Drawer, Network, StepResult, StepRow } from '../../model/network.ts'
import type { OpTime } from '../../types/index.ts'
import { gpuFailure, type OpenNetwork } from '../load/open-network.ts'

/** The page draws between two submits, and drivers end what takes seconds. */
const GPU_STEP_MS = 50

/**
 * Opens the model on another path.
 * @param book  of the cache that goes on
 */
export type ReopenNetwork = (error: RyzError, book: KvCache) => Promise<OpenNetwork>

export class RevivingNetwork implements Network {
  /** What computes now. */
  running: OpenNetwork
  readonly kv: KvCache
  readonly #reopen: ReopenNetwork
  #closed = false

  constructor(first: OpenNetwork, reopen: ReopenNetwork) {
    this.running = first
    this.kv = first.network.kv
    this.#reopen = reopen
  }

  get config() {
    return this.running.network.config
  }

  get maxRows(): number {
    return this.running.network.maxRows
  }

  get maxWantedRows(): number {
    return this.running.network.maxWantedRows
  }

  get stepMs(): number | undefined {
    return this.running.path.backend === 'webgpu' ? GPU_STEP_MS : undefined
  }

  get drawer(): Drawer | undefined {
    return this.running.network.drawer
  }

  get blockBytes(): number {
    return this.running.network.blockBytes
  }

  get lost(): Promise<RyzError> {
    return this.running.network.lost
  }

  forward(rows: readonly StepRow[]): StepResult | Promise<StepResult> {
    return this.running.network.forward(rows)
  }

  opTimes(): OpTime[] {
    return this.running.network.opTimes()
  }

  expertRows(): number[][] | undefined {
    return this.running.network.expertRows()
  }

  readBlock(block: number): Promise<Uint8Array> {
    return this.running.network.readBlock(block)
  }

  writeBlock(block: number, bytes: Uint8Array): void {
    this.running.network.writeBlock(block, bytes)
  }

  /** See Network.revive. */
  revive(error: RyzError): Promise<void> | undefined {
    const { path, network } = this.running
    if (path.backend !== 'webgpu' || gpuFailure(error) === undefined || this.#closed) return
    network.close()
    return this.#exchange(error)
  }

  async #exchange(error: RyzError): Promise<void> {
    const next = await this.#reopen(error, this.kv)
    this.running = next
    if (this.#closed) next.network.close()
  }

  /** Closes the backend; may be called twice. */
  close(): void {
    this.#closed = true
    this.running.network.close()
  }
}
