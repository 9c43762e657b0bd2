// Who takes turns in the busy benchmark: engines in one page of Chromium, of this version of the SDK and perhaps of another
// one, and a network in this Node process, where threads can be kept from adapting.
import { openAsBlob } from 'node:fs'
import { basename, join } from 'node:path'
import { openEngineParts } from '../../src/engine/load/open-parts.ts'
import type { Sequence } from '../../src/model/network.ts'
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

/** Tokens of a prompt that go into one step in Node: what an engine takes, but always the same. */
const PIECE = 32

/**
 * A network in this process, without the engine around it. Contestants share its memory, as where that lies makes one copy
 * of a large model up to 1.4 times as fast as the next; they differ in the threads that share the steps.
 * @param path  of the model file
 * @param threads  of the pool
 * @param cores  of the processor
 */
export async function openInNode(path: string, threads: number, cores: number) {
  let now = 0
  const pool = { adapts: true, aloneNs: undefined, cores, fixed: () => now }
  const hooks = { progress: () => {}, signal: new AbortController().signal }
  const file = new File([await openAsBlob(path)], basename(path))
  const options = { ...OPTIONS, speculation: 'off' } as const
  const factory = wasmFactory('simd128', threads, pool)
  const parts = await openEngineParts(file, options, hooks, [factory])
  const { network } = parts
  const { vocab } = network.config
  const step = async (seq: Sequence, tokens: readonly number[], isLast: boolean) => {
    if (!network.kv.reserve(seq, tokens.length)) throw new Error('the KV cache is too small')
    const rows = tokens.map((token, i) => {
      const wants = isLast && i === tokens.length - 1 ? 'logits' : 'nothing'
      return { seq, token, wants } as const
    })
    return (await network.forward(rows)).logits
  }
  const ask = async (prompt: readonly number[], tokens: number, token: () => boolean) => {
    const seq = network.kv.open()
    try {
      const began = performance.now()
      let logits: Float32Array = new Float32Array(0)
      for (let first = 0; first < prompt.length; first += PIECE) {
        const end = first + PIECE
        logits = await step(seq, prompt.slice(first, end), end >= prompt.length)
      }
      const written = [argMax(logits)]
      const read = performance.now()
      while (token() && written.length < tokens) {
        written.push(argMax(await step(seq, written.slice(-1), true)))
        // Signals and timers of this process are heard.
        await new Promise(done => setImmediate(done))
      }
      const end = performance.now()
      return {
        prefill_tok_s: (1000 * prompt.length) / (read - began),
        decode_tok_s: (1000 * (written.length - 1)) / (end - read),
        tokens: written,
      }
    } finally {
      network.kv.close(seq)
    }
  }
  /** @param fixed  threads of every step; 0 for what the pool finds */
  const contestant = (fixed: number): Contestant => ({
    vocab,
    async turn(prompt, tokens) {
      now = fixed
      const before = parts.pool?.()
      const turn = await ask(prompt, tokens, () => true)
      const after = parts.pool?.()
      return { ...turn, ...(before && after ? { pool: { before, after } } : {}) }
    },
    async write(prompt, tokens, ms) {
      now = fixed
      const times: number[] = []
      const end = performance.now() + ms
      const token = () => {
        times.push(performance.timeOrigin + performance.now())
        return performance.now() < end
      }
      while (performance.now() < end) await ask(prompt, tokens, token)
      return times
    },
    close: async () => parts.close(),
  })
  return contestant
}

function argMax(values: Float32Array): number {
  let best = 0
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i
  return best
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
