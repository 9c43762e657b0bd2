// A network whose backend may be exchanged: when the GPU is lost or full, the weights are poured into the next
// path from where they came, and the book of the KV cache goes on with empty blocks, which the scheduler
// fills again from the tokens. Only one backend holds weights, except in a hybrid, whose CPU then goes on alone.
// Made by open-parts.ts.
import { pathName } from '../../backend/factory.ts'
import type { RyzError } from '../../errors.ts'
import type { KvCache } from '../../model/kv-cache.ts'
import type { Drawer, Network, StepResult, StepRow } from '../../model/network.ts'
import type { OpTime } from '../../types/index.ts'
import { gpuFailure, type OpenNetwork } from '../load/open-network.ts'

/** The page draws between two submits, and drivers end what takes seconds. */
const GPU_STEP_MS = 50

/** Opens the model on another path, with the book of the cache before. */
export type ReopenNetwork = (error: RyzError, before: OpenNetwork) => Promise<OpenNetwork>
/** Told by the names of the paths. */
export type Exchanged = (error: RyzError, from: string, to: string) => void

export class RevivingNetwork implements Network {
  /** What computes now. */
  running: OpenNetwork
  readonly kv: KvCache
  readonly #reopen: ReopenNetwork
  readonly #exchanged: Exchanged
  #closed = false

  constructor(first: OpenNetwork, reopen: ReopenNetwork, exchanged: Exchanged = () => undefined) {
    this.running = first
    this.kv = first.network.kv
    this.#reopen = reopen
    this.#exchanged = exchanged
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
    return this.#onGpu ? GPU_STEP_MS : undefined
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
    return this.running.network.expertRows?.()
  }

  readBlock(block: number): Promise<Uint8Array> {
    return this.running.network.readBlock(block)
  }

  writeBlock(block: number, bytes: Uint8Array): void {
    this.running.network.writeBlock(block, bytes)
  }

  /** See Network.revive. */
  revive(error: RyzError): Promise<void> | undefined {
    if (!this.#onGpu || gpuFailure(error) === undefined || this.#closed) return
    const before = this.running
    if (before.spare === undefined) {
      before.network.close()
      return this.#exchange(error, this.#reopen(error, before))
    }
    return this.#exchange(error, leave(before.spare))
  }

  /** What is computed on a GPU, prompts alone or all. */
  get #onGpu(): boolean {
    return this.running.path.backend === 'webgpu' || this.running.spare !== undefined
  }

  async #exchange(error: RyzError, opening: Promise<OpenNetwork>): Promise<void> {
    const { path } = this.running
    const next = await opening
    this.running = next
    this.#exchanged(error, pathName(path), pathName(next.path))
    if (this.#closed) next.network.close()
  }

  /** Closes the backend; may be called twice. */
  close(): void {
    this.#closed = true
    this.running.network.close()
  }
}

/** The half that goes on. A step that the loss ended has told so first, or its word would find nothing to revive. */
async function leave({ open, leave }: NonNullable<OpenNetwork['spare']>): Promise<OpenNetwork> {
  await leave()
  await new Promise(resolve => setTimeout(resolve, 0))
  return open
}
