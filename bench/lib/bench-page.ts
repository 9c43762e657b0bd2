// Runs the bench page once in a browser of its own and collects its rows, with what is seen of it from
// outside. Each run is a fresh browser: no memory, cache or heat of the JIT is left from the one before.

import type { Observation } from '../../demo/bench/observer.ts'
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

interface Posted {
  moment?: string
  row?: BenchRow
  report?: BenchReport
  failed?: string
}

/**
 * @param site folder of the built demo site
 * @param models folder served as /synth/
 */
export async function runBenchPage(
  site: string,
  models: string,
  settings: BenchSettings,
  limitSeconds: number,
): Promise<PageRun> {
  const rows: BenchRow[] = []
  let head: BenchHead | undefined
  let browser: Browser | undefined
  let finish: (failed?: string) => void = () => undefined
  const finished = new Promise<string | undefined>(done => {
    finish = done
  })
  const observe = (body: unknown) => {
    const { moment, row, report, failed } = body as Posted
    if (row) rows.push(row)
    if (failed !== undefined) finish(failed)
    if (report) {
      head = report.head
      finish()
    }
    if (moment === undefined || !browser) return null
    const { profile } = browser
    if (moment === 'start') resetPeaks(profile)
    return {
      peak_rss_mb: peakRendererMb(profile),
      cpu_s: rendererCpuSeconds(profile),
      worker_cpu_s: workerCpuSeconds(profile),
    } satisfies Observation
  }
  const server = await serveSite({
    mounts: { '/': site, '/synth/': models },
    posts: { '/observe': observe },
  })
  const query = queryOf(settings)
  query.set('run', '1')
  query.set('observer', '/observe')
  browser = openBrowser(`${server.origin}/bench/index.html?${query}`)
  const timer = setTimeout(() => finish(`stopped after ${limitSeconds} s`), limitSeconds * 1000)
  const failed = await Promise.race([finished, browser.ended.then(() => 'the browser ended')])
  clearTimeout(timer)
  await browser.close()
  await server.close()
  return { rows, ...(head ? { head } : {}), ...(failed === undefined ? {} : { failed }) }
}
