// The evaluation page in a Chromium with a profile of its own, as a person uses it: files chosen on the page, the
// button pressed, answers saved. It can be killed in the middle of a run, and opened again.
import { readFileSync } from 'node:fs'
import { type BrowserContext, chromium, type Page } from '@playwright/test'
import { browserProcesses } from '../../bench/lib/processes.ts'
import type { Sample } from '../../evals/metrics/compare.ts'
import type { EvalResults } from '../../evals/report/results.ts'
import { CHROMIUM, CHROMIUM_ARGS } from '../../tools/chromium.ts'

export interface PageFiles {
  readonly documents: readonly string[]
  readonly examples: readonly string[]
}

export interface PageRun {
  readonly results: EvalResults
  readonly samples: readonly Sample[]
}

/** A WebGPU that computes on the CPU, where the machine has no other. */
const GPU = ['--enable-unsafe-webgpu', '--enable-features=Vulkan'] as const

const HOUR_MS = 3_600_000

export class EvalBrowser {
  readonly #url: string
  readonly #profile: string
  #context: BrowserContext | undefined

  /** @param profile  folder that a killed browser leaves to the next one */
  constructor(url: string, profile: string) {
    this.#url = url
    this.#profile = profile
  }

  /** From the button to the figures. @throws Error with what the page says when the run fails */
  async run(query: Readonly<Record<string, string>>, files: PageFiles): Promise<PageRun> {
    const page = await this.#start(query, files)
    const problem = page.locator('#problem:not([hidden])')
    const finished = page.locator('#status', { hasText: /^Finished: / })
    await finished.or(problem).first().waitFor({ timeout: HOUR_MS })
    if (await problem.isVisible()) throw new Error(`${query.task}: ${await problem.textContent()}`)
    const results = await page.evaluate(
      () => (window as unknown as { __evals: EvalResults }).__evals,
    )
    const saved = page.waitForEvent('download')
    await page.getByRole('button', { name: 'Save every answer' }).click()
    const text = readFileSync(await (await saved).path(), 'utf8')
    const samples = text
      .split('\n')
      .filter(line => line !== '')
      .map(line => JSON.parse(line) as Sample)
    await page.close()
    return { results, samples }
  }

  /** Begins a run and ends the browser's processes with SIGKILL as soon as documents are answered, or all of them. */
  async runAndKill(query: Readonly<Record<string, string>>, files: PageFiles): Promise<void> {
    const page = await this.#start(query, files)
    await page
      .locator('#status', { hasText: /: [1-9][\d,]* of [\d,]+ documents|^Finished: / })
      .waitFor({ timeout: HOUR_MS })
    const ended = this.#context!.waitForEvent('close')
    for (const { pid } of browserProcesses(this.#profile)) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // It ended with its parent.
      }
    }
    await ended
    this.#context = undefined
  }

  async close(): Promise<void> {
    await this.#context?.close()
    this.#context = undefined
  }

  async #start(query: Readonly<Record<string, string>>, files: PageFiles): Promise<Page> {
    this.#context ??= await chromium.launchPersistentContext(this.#profile, {
      executablePath: CHROMIUM,
      args: [...CHROMIUM_ARGS, ...GPU],
    })
    const page = await this.#context.newPage()
    await page.goto(`${this.#url}?${new URLSearchParams(query)}`)
    await page.locator('#data-files').setInputFiles([...files.documents])
    await page.locator('#shot-files').setInputFiles([...files.examples])
    await page.locator('#run').click()
    return page
  }
}
