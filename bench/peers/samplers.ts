// One sample of each engine in a fresh process or browser: ours through the bench page, wllama through
// page.mjs, llama.cpp through native.mjs. Each resolves with its rates or throws what went wrong.
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { DEFAULTS } from '../../demo/bench/settings.ts'
import { runBenchPage } from '../lib/bench-page.ts'
import { openBrowser } from '../lib/chromium.ts'
import { peakRendererMb } from '../lib/processes.ts'
import { serveSite } from '../lib/site.ts'
import type { PeerSample } from '../report/peers-section.ts'

export interface Work {
  /** Folder and name of the model file. */
  readonly models: string
  readonly file: string
  readonly threads: number
  readonly prompt: number
  readonly generate: number
  readonly limitSeconds: number
}

export type Sampler = (work: Work) => Promise<PeerSample>

const run = promisify(execFile)
const HERE = import.meta.dirname

/** Ours, with the KV type that llama.cpp has by default. */
export function ourSampler(site: string): Sampler {
  return async ({ models, file, threads, prompt, generate, limitSeconds }) => {
    const settings = { ...DEFAULTS, model: `/synth/${file}`, values: [String(threads)] }
    const page = await runBenchPage(
      site,
      models,
      { ...settings, prompt, generate, kv: 'f16', repeat: 1 },
      limitSeconds,
    )
    const row = page.rows[0]
    if (page.failed !== undefined) throw new Error(page.failed)
    if (row.error) throw new Error(`${row.error.code}: ${row.error.message}`)
    return checked({ ...row })
  }
}

interface Posted extends Partial<PeerSample> {
  error?: string
  multithread?: boolean
}

/** @param api  'text' for 3.8.1, 'tokens' for 2.3.1 */
export function wllamaSampler(modules: string, api: 'text' | 'tokens'): Sampler {
  const root = join(modules, api === 'text' ? '@wllama/wllama/esm' : 'wllama-v2/esm')
  return async ({ models, file, threads, prompt, generate, limitSeconds }) => {
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
        '/model.gguf': join(models, file),
      },
      pages: {
        '/': '<!doctype html><title>peer</title><script type="module" src="/page.mjs"></script>',
      },
      posts: { '/done': body => finish(body as Posted) },
    })
    const query = new URLSearchParams({
      api,
      threads: String(threads),
      prompt: String(prompt),
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
  return async ({ models, file, threads, prompt, generate, limitSeconds }) => {
    const numbers = [threads, prompt, generate].map(String)
    const script = join(HERE, 'native.mjs')
    const { stdout } = await run(
      process.execPath,
      [script, modules, join(models, file), ...numbers],
      { timeout: limitSeconds * 1000 },
    )
    return checked(JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}') as Posted)
  }
}

/** @throws Error when a rate is missing or no number */
function checked({
  decode_tok_s,
  prefill_tok_s,
  peak_rss_mb,
}: Partial<Nullable<PeerSample>>): PeerSample {
  if (!(Number(decode_tok_s) > 0) || !(Number(prefill_tok_s) > 0)) {
    throw new Error(`no rates: decode ${decode_tok_s}, prefill ${prefill_tok_s}`)
  }
  return {
    decode_tok_s: Number(Number(decode_tok_s).toPrecision(4)),
    prefill_tok_s: Number(Number(prefill_tok_s).toPrecision(4)),
    peak_rss_mb: peak_rss_mb ? Math.round(peak_rss_mb) : null,
  }
}

type Nullable<T> = { [K in keyof T]: T[K] | null }
