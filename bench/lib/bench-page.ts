// Runs the bench page in browsers of their own and collects its rows, with what is seen of it from
// outside. Each run is a fresh browser: no memory or heat of the JIT is left from the one before; with a
// profile that is kept, what the site stored is there, as for a visitor who comes back. One server serves
// all runs, because the store of a site belongs to its origin.
import type { Moment, Observation } from '../../demo/bench/observer.ts'
import type { BenchHead, BenchReport, BenchRow } from '../../demo/bench/results.ts'
import { type BenchSettings, queryOf } from '../../demo/bench/settings.ts'
import { type Browser, openBrowser } from './chromium.ts'
import { peakRendererMb, rendererCpuSeconds, resetPeaks, workerCpuSeconds } from './processes.ts'
import { serveSite } from './site.ts'

export interface PageRun {
  readonly head?: BenchHead
  readonly rows: BenchRow[]
  /** Why there is no more; undefined when the run is complete. */
  readonly failed?: string
}

export interface BenchHost {
  /** @param profile  kept from run to run; without it the browser begins with nothing stored */
  run(settings: BenchSettings, limitSeconds: number, profile?: string): Promise<PageRun>
  close(): Promise<void>
}

interface Posted {
  moment?: Moment
  row?: BenchRow
  report?: BenchReport
  failed?: string
}

/**
 * One run at a time.
 * @param site folder of the built demo site
 * @param models folder served as /synth/
 * @param args more of them for the browser
 */
export async function openBenchHost(
  site: string,
  models: string,
  args: readonly string[] = [],
): Promise<BenchHost> {
  let current: PageWatch | undefined
  const server = await serveSite({
    mounts: { '/': site, '/synth/': models },
    posts: { '/observe': body => current?.hear(body as Posted) ?? null },
  })
  return {
    async run(settings, limitSeconds, profile) {
      const query = queryOf(settings)
      query.set('run', '1')
      query.set('observer', '/observe')
      const url = `${server.origin}/bench/index.html?${query}`
      current = new PageWatch(openBrowser(url, profile, args))
      const run = await current.result(limitSeconds)
      current = undefined
      return run
    },
    close: () => server.close(),
  }
}

/** One browser, and what its page posts. */
class PageWatch {
  readonly #browser: Browser
  readonly #rows: BenchRow[] = []
  #head: BenchHead | undefined
  readonly #finished: Promise<string | undefined>
  #finish: (failed?: string) => void = () => undefined

  constructor(browser: Browser) {
    this.#browser = browser
    this.#finished = new Promise(done => {
      this.#finish = done
    })
  }

  /** @returns what the page is told in answer */
  hear({ moment, row, report, failed }: Posted): Observation | null {
    if (row) this.#rows.push(row)
    if (failed !== undefined) this.#finish(failed)
    if (report) {
      this.#head = report.head
      this.#finish()
    }
    if (moment === undefined) return null
    const { profile } = this.#browser
    if (moment === 'start') resetPeaks(profile)
    return {
      peak_rss_mb: peakRendererMb(profile),
      cpu_s: rendererCpuSeconds(profile),
      worker_cpu_s: workerCpuSeconds(profile),
    }
  }

  async result(limitSeconds: number): Promise<PageRun> {
    const late = `stopped after ${limitSeconds} s`
    const timer = setTimeout(() => this.#finish(late), limitSeconds * 1000)
    const ended = this.#browser.ended.then(() => 'the browser ended')
    const failed = await Promise.race([this.#finished, ended])
    clearTimeout(timer)
    await this.#browser.close()
    return {
      rows: this.#rows,
      ...(this.#head ? { head: this.#head } : {}),
      ...(failed === undefined ? {} : { failed }),
    }
  }
}
