// Browser profiles in which a model was loaded once, one per model file: a browser with such a profile
// finds the model stored, like a visitor who comes back. A profile belongs
// to one BenchHost, because the store belongs to its origin.
import type { BenchSettings } from '../../demo/bench/settings.ts'
import type { BenchHost } from './bench-page.ts'
import { makeProfile, removeProfile } from './chromium.ts'

export class Profiles {
  readonly #host: BenchHost
  readonly #byModel = new Map<string, string>()

  constructor(host: BenchHost) {
    this.#host = host
  }

  /** The profile for these settings' model; filled the first time. */
  async of(job: { settings: BenchSettings; limitSeconds: number }): Promise<string> {
    const { settings, limitSeconds } = job
    let profile = this.#byModel.get(settings.model)
    if (profile === undefined) {
      profile = makeProfile()
      this.#byModel.set(settings.model, profile)
      const load = { ...settings, sweep: 'load', values: ['cold'], repeat: 1 } as const
      await this.#host.run(load, limitSeconds, profile)
    }
    return profile
  }

  remove(): void {
    for (const profile of this.#byModel.values()) removeProfile(profile)
    this.#byModel.clear()
  }
}
