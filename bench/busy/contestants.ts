// Who takes turns in the busy benchmark: engines in one page of Chromium, of this version of the SDK and perhaps of another
// one, and engines in this Node process, where threads can be kept from adapting.
import { openAsBlob } from 'node:fs'
import { basename, join } from 'node:path'
import { Engine } from '../../src/engine/engine.ts'
import { openEngineParts } from '../../src/engine/load/open-parts.ts'
import type { PoolStats } from '../../src/types/index.ts'
import { wasmFactory } from '../../test/support/wasm.ts'
import { openBrowser } from '../lib/chromium.ts'
import { serveSite } from '../lib/site.ts'

/** What one request gave. */
export interface Turn {
  prefill_tok_s: number
  decode_tok_s: number
  /** Greedy: the same from everybody. */
  tokens: number[]
  pool?: { before: PoolStats; after: PoolStats }
}

export interface Contestant {
  readonly vocab: number
  turn(prompt: readonly number[], tokens: number): Promise<Turn>
  /** Writes again and again for so many milliseconds; @returns when each token came, in ms since 1970 */
  write(prompt: readonly number[], tokens: number, ms: number): Promise<number[]>
  close(): Promise<void>
}

/** Of all contestants: room for a prompt and an answer of the benchmark. */
export const OPTIONS = { contextLength: 384, maxSequences: 1, kv: 'int8' } as const

const greedy = (maxTokens: number) =>
  ({ maxTokens, temperature: 0, ignoreEos: true, reuse: false }) as const

/**
 * @param path  of the model file
 * @param adapts  false: all threads share every step
 */
export async function openInNode(
  path: string,
  threads: number,
  adapts: boolean,
  cores: number,
): Promise<Contestant> {
  const factory = wasmFactory('simd128', threads, { adapts, aloneNs: undefined, cores })
  const hooks = { progress: () => {}, signal: new AbortController().signal }
  const file = new File([await openAsBlob(path)], basename(path))
  const options = { ...OPTIONS, speculation: 'off' } as const
  const engine = new Engine(await openEngineParts(file, options, hooks, [factory]), options)
  await engine.measure()
  const ask = (prompt: readonly number[], maxTokens: number, ms?: number) => {
    const times: number[] = []
    return new Promise<{ times: number[]; turn?: Omit<Turn, 'pool'> }>((resolve, reject) => {
      const request = engine.generate({ kind: 'tokens', tokens: prompt }, greedy(maxTokens), {
        token(chunk) {
          const at = performance.timeOrigin + performance.now()
          for (let i = 0; i < chunk.tokens.length; i++) times.push(at)
        },
        done(r) {
          const turn = {
            prefill_tok_s: (1000 * r.promptTokens) / r.prefillMs,
            decode_tok_s: (1000 * (r.tokens.length - 1)) / r.decodeMs,
            tokens: r.tokens,
          }
          resolve({ times, turn })
        },
        error: error => (error.code === 'ABORTED' ? resolve({ times }) : reject(error)),
      })
      if (ms !== undefined) setTimeout(() => request.cancel(), ms)
    })
  }
  return {
    vocab: engine.stats().model.vocab,
    async turn(prompt, tokens) {
      const before = engine.stats().pool
      const { turn } = await ask(prompt, tokens)
      const after = engine.stats().pool
      return { ...turn!, ...(before && after ? { pool: { before, after } } : {}) }
    },
    async write(prompt, tokens, ms) {
      const times: number[] = []
      const end = performance.now() + ms
      while (performance.now() < end) {
        times.push(...(await ask(prompt, tokens, end - performance.now())).times)
      }
      return times
    },
    close: () => engine.close(),
  }
}

export interface BusyPage {
  /**
   * @param sdk  '/this/' or '/base/'
   * @param threads  0: what the SDK chooses
   */
  open(name: string, sdk: string, model: string, threads: number): Promise<Contestant>
  close(): Promise<void>
}

/** Of one order: loading the large model on a busy machine takes longest. */
const LIMIT_MS = 120_000

/** @param mounts  of the site: URL prefix to folder */
export async function openBusyPage(mounts: Readonly<Record<string, string>>): Promise<BusyPage> {
  // The page waits in one POST until there is an order, and its next POST brings the answer.
  let answered: (answer: unknown) => void = () => undefined
  let give: (order: unknown) => void = () => undefined
  const ready = new Promise<unknown>(done => {
    answered = done
  })
  const server = await serveSite({
    mounts: { ...mounts, '/page.mjs': join(import.meta.dirname, 'page.mjs') },
    pages: {
      '/': '<!doctype html><title>busy</title><script type="module" src="/page.mjs"></script>',
    },
    posts: {
      '/next': body => {
        answered(body)
        return new Promise(done => {
          give = done
        })
      },
    },
  })
  const browser = openBrowser(`${server.origin}/`)
  const ended = browser.ended.then(() => ({ error: 'the browser ended' }))
  const answer = async (coming: Promise<unknown>) => {
    let timer: ReturnType<typeof setTimeout> | undefined
    const late = new Promise(done => {
      timer = setTimeout(() => done({ error: `no answer for ${LIMIT_MS / 1000} s` }), LIMIT_MS)
    })
    const got = (await Promise.race([coming, ended, late])) as { error?: string }
    clearTimeout(timer)
    if (got.error !== undefined) throw new Error(got.error)
    return got
  }
  const order = (what: object) => {
    const coming = new Promise<unknown>(done => {
      answered = done
    })
    give(what)
    return answer(coming)
  }
  const { ready: isolated } = (await answer(ready)) as { ready?: boolean }
  if (!isolated) throw new Error('the page is not cross-origin isolated')
  return {
    async open(name, sdk, model, threads) {
      const options = { ...OPTIONS, ...(threads > 0 ? { threads } : {}) }
      const opened = await order({ do: 'open', name, sdk, model, options })
      return {
        vocab: (opened as { vocab?: number }).vocab ?? 0,
        turn: async (prompt, tokens) =>
          (await order({ do: 'turn', name, prompt, tokens })) as unknown as Turn,
        write: async (prompt, tokens, ms) => {
          const written = await order({ do: 'write', name, prompt, tokens, ms })
          return (written as { times?: number[] }).times ?? []
        },
        close: async () => void (await order({ do: 'close', name })),
      }
    },
    async close() {
      give(null)
      await browser.close()
      await server.close()
    },
  }
}
