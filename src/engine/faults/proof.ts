// Holds a path against the reference, before any weight is poured, and in samples later: a GPU may begin to differ. Made
// by open-first.ts.
import type { Backend, BackendLimits } from '../../backend/backend.ts'
import type { ModelNeeds } from '../../backend/cases.ts'
import type { BackendFactory } from '../../backend/factory.ts'
import { RyzError } from '../../errors.ts'
import type { KvType } from '../../types/index.ts'
import { firstDifference, type Probe, type ProbeOptions, runProbes, Stopped } from './self-test.ts'

/** Memory of a backend that is made for its self-test alone, and of its judge. */
const PROOF_BYTES = 256e6

/** Holds paths against the reference, whose results serve all of them. */
export class Proof {
  readonly #reference: BackendFactory
  readonly #limits: BackendLimits
  readonly #needs: ModelNeeds | undefined
  readonly #right = new Map<string, Probe[]>()

  constructor(reference: BackendFactory, limits: BackendLimits, needs: ModelNeeds | undefined) {
    this.#reference = reference
    this.#limits = limits
    this.#needs = needs
  }

  /** @throws RyzError KERNEL_TRAP naming what is wrong */
  async require(factory: BackendFactory, backend: Backend, kv: KvType): Promise<void> {
    const wrong = await this.#judge(factory, backend, kv)
    if (wrong !== undefined) throw new RyzError('KERNEL_TRAP', `self-test failed: ${wrong}`)
  }

  /** @returns what is wrong, or nothing */
  async #judge(factory: BackendFactory, backend: Backend, kv: KvType): Promise<string | undefined> {
    if (factory.traits.exact) {
      const got = await runProbes(backend, this.#limits, kv)
      return firstDifference(got, await this.#want(kv, {}))
    }
    const [small, wide] = this.#runs()
    // Some drivers are right only at first, or only with small matrices.
    // Its memory comes back only when all of it does.
    const asked = this.#needs && { ...this.#needs, kv }
    const own = await factory.create(PROOF_BYTES, this.#limits, asked)
    return this.#compare(own, kv, [small, wide, small])
  }

  /**
   * One of the runs, chosen at random, on memory of its own.
   * @param stopped  asked after each op: whether to end there
   * @returns what is wrong, or nothing
   * @throws RyzError of the device; Stopped
   */
  async sample(
    factory: BackendFactory,
    kv: KvType,
    stopped: () => boolean,
    random = Math.random,
  ): Promise<string | undefined> {
    const { another = factory.create } = factory
    const own = await another.call(factory, PROOF_BYTES, this.#limits)
    if (stopped()) {
      own.close()
      throw new Stopped()
    }
    return this.#compare(own, kv, [this.#runs()[random() < 0.5 ? 0 : 1]], stopped)
  }

  #runs(): [small: ProbeOptions, wide: ProbeOptions] {
    const needs = this.#needs
    return [
      { needs, draws: true },
      { needs, seed: 7, cols: this.#limits.maxCols },
    ]
  }

  /** Closes the backend at the end. */
  async #compare(
    own: Backend,
    kv: KvType,
    runs: readonly ProbeOptions[],
    stopped?: () => boolean,
  ): Promise<string | undefined> {
    try {
      for (const options of runs) {
        const got = await runProbes(own, this.#limits, kv, { ...options, stopped })
        const wrong = firstDifference(got, await this.#want(kv, options), false)
        if (wrong !== undefined) return wrong
      }
      return undefined
    } finally {
      own.close()
    }
  }

  async #want(kv: KvType, options: ProbeOptions): Promise<Probe[]> {
    const key = `${kv} ${options.seed ?? 0} ${options.needs === undefined} ${options.draws}`
    let probes = this.#right.get(key)
    if (probes === undefined) {
      const backend = await this.#reference.create(PROOF_BYTES, this.#limits)
      try {
        probes = await runProbes(backend, this.#limits, kv, options)
      } finally {
        backend.close()
      }
      this.#right.set(key, probes)
    }
    return probes
  }
}
