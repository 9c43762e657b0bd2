// One sample of each engine in a fresh process or browser: ours through the bench page, wllama through
// page.mjs, llama.cpp through native.mjs. Each resolves with its rates or throws what went wrong.
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type BenchSettings, DEFAULTS, EMBEDDED } from '../../demo/bench/settings.ts'
import type { BenchHost } from '../lib/bench-page.ts'
import { openBrowser } from '../lib/chromium.ts'
import { peakRendererMb } from '../lib/processes.ts'
import type { Profiles } from '../lib/profiles.ts'
import { serveSite } from '../lib/site.ts'
import type { PeerSample } from '../report/peers-section.ts'

export interface Work {
  /** Path of the model file. */
  readonly path: string
  /** The same for the bench page: 'embedded' or a URL of the models folder. */
  readonly model: string
  readonly threads: number
  /** Tokens of the long and the short prompt. */
  readonly prompt: number
  readonly short: number
  readonly generate: number
  readonly limitSeconds: number
}

export type Sampler = (work: Work) => Promise<PeerSample>

const run = promisify(execFile)
const HERE = import.meta.dirname
/** Decode begins here: an empty context, and a token to begin with. */
const FIRST = 4

/** Ours, with the KV type that llama.cpp has by default, the model stored by an earlier visit. */
export function ourSampler(host: BenchHost, profiles: Profiles): Sampler {
  return async ({ model, threads, prompt, short, generate, limitSeconds }) => {
    const settings: BenchSettings = {
      ...DEFAULTS,
      model,
      sweep: 'prompt',
      values: [FIRST, short, prompt].map(String),
      threads,
      generate,
      kv: 'f16',
      // A small model runs while the browser still optimises.
      repeat: model === EMBEDDED ? 7 : 2,
    }
    const profile = await profiles.of({ settings, limitSeconds })
    const { rows, failed } = await host.run(settings, limitSeconds, profile)
    if (failed !== undefined) throw new Error(failed)
    for (const { error } of rows) if (error) throw new Error(`${error.code}: ${error.message}`)
    const [empty, few, many] = rows
    return checked({
      decode_tok_s: empty.decode_tok_s,
      prefill_short_tok_s: few.prefill_tok_s,
      prefill_tok_s: many.prefill_tok_s,
      peak_rss_mb: empty.peak_rss_mb,
    })
  }
}

interface Posted extends Partial<PeerSample> {
  error?: string
  multithread?: boolean
}

/** @param api  'text' for 3.8.1, 'tokens' for 2.3.1 */
export function wllamaSampler(modules: string, api: 'text' | 'tokens'): Sampler {
  const root = join(modules, api === 'text' ? '@wllama/wllama/esm' : 'wllama-v2/esm')
  return async ({ path, threads, short, generate, limitSeconds }) => {
    let finish: (posted: Posted) => void = () => undefined
    const posted = new Promise<Posted>(done => {
      finish = done
    })
    const server = await serveSite({
      mounts: {
        '/page.mjs': join(HERE, 'page.mjs'),
        '/wllama.js': join(root, 'index.js'),
        '/wllama.wasm': join(root, 'wasm/wllama.wasm'),
        '/single/wllama.wasm': join(root, 'single-thread/wllama.wasm'),
        '/multi/wllama.wasm': join(root, 'multi-thread/wllama.wasm'),
        '/model.gguf': path,
      },
      pages: {
        '/': '<!doctype html><title>peer</title><script type="module" src="/page.mjs"></script>',
      },
      posts: { '/done': body => finish(body as Posted) },
    })
    const query = new URLSearchParams({
      api,
      threads: String(threads),
      prompt: String(short),
      generate: String(generate),
    })
    const browser = openBrowser(`${server.origin}/?${query}`)
    const timer = setTimeout(
      () => finish({ error: `stopped after ${limitSeconds} s` }),
      limitSeconds * 1000,
    )
    const result = await posted
    clearTimeout(timer)
    const peak = peakRendererMb(browser.profile)
    await browser.close()
    await server.close()
    if (result.error !== undefined) throw new Error(result.error)
    if (threads > 1 && !result.multithread) throw new Error('wllama ran on one thread only')
    return checked({ ...result, peak_rss_mb: peak })
  }
}

export function nativeSampler(modules: string): Sampler {
  return async ({ path, threads, prompt, generate, limitSeconds }) => {
    const numbers = [threads, prompt, FIRST, generate].map(String)
    const script = join(HERE, 'native.mjs')
    const { stdout } = await run(process.execPath, [script, modules, path, ...numbers], {
      timeout: limitSeconds * 1000,
      // On several threads of Node's pool each has OpenMP threads of its own, and those that spin in vain
      // halve its speed.
      env: { ...process.env, UV_THREADPOOL_SIZE: '1' },
    })
    return checked(JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}') as Posted)
  }
}

/** @throws Error when the decode rate or both prefill rates are missing or no numbers */
function checked(sample: { [K in keyof PeerSample]?: PeerSample[K] | null }): PeerSample {
  const rate = (value: number | null | undefined) =>
    Number(value) > 0 ? Number(Number(value).toPrecision(4)) : null
  const decode = rate(sample.decode_tok_s)
  const long = rate(sample.prefill_tok_s)
  const short = rate(sample.prefill_short_tok_s)
  if (decode === null || (long === null && short === null)) {
    throw new Error(`no rates: ${JSON.stringify(sample)}`)
  }
  return {
    decode_tok_s: decode,
    prefill_tok_s: long,
    prefill_short_tok_s: short,
    peak_rss_mb: sample.peak_rss_mb ? Math.round(sample.peak_rss_mb) : null,
  }
}
