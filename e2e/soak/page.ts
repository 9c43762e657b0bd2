// The page of the soak: loads the built package and a model, sends mixed traffic, and reports to the
// server that serves it. What it reports back is decided by soak.ts, which sees the process from outside.
import type { LoadOptions } from '../../src/index.ts'
import { discrepancies, runTraffic, settled, type Tally } from './traffic.ts'

/** POSTed to /report, in this order: start, samples, end or failed. */
export interface Report {
  kind: 'start' | 'sample' | 'end' | 'failed'
  /** With 'start': what runs. */
  variant?: string
  threads?: number
  tally?: Tally
  /** Since the traffic began. */
  seconds?: number
  kvBlocksCached?: number
  discrepancies?: string[]
  message?: string
}

const report = (body: Report) =>
  fetch('/report', { method: 'POST', body: JSON.stringify(body) }).then(() => undefined)

async function soak(): Promise<void> {
  const query = new URLSearchParams(location.search)
  const number = (name: string) => Number(query.get(name))
  const library = '/dist/index.js'
  const { load }: typeof import('../../src/index.ts') = await import(/* @vite-ignore */ library)
  const contextLength = number('context')
  const options: LoadOptions = { contextLength, queueLimit: 4, cache: 'off', memoryBudget: 1e9 }
  const engine = await load(query.get('model')!, options)
  const { variant, threads } = await engine.stats()
  await report({ kind: 'start', variant, threads })
  const began = performance.now()
  let next = 0
  const every = number('tokens') / 100
  const sample = async (tally: Tally): Promise<void> => {
    if (tally.tokens < next) return
    next = tally.tokens + every
    const { memory } = await engine.stats()
    const seconds = (performance.now() - began) / 1000
    await report({ kind: 'sample', tally, seconds, kvBlocksCached: memory.kvBlocksCached })
  }
  const tally = await runTraffic(engine, {
    tokens: number('tokens'),
    seed: number('seed'),
    contextLength,
    onProgress: sample,
  })
  const seconds = (performance.now() - began) / 1000
  const stats = await settled(engine)
  const kvBlocksCached = stats.memory.kvBlocksCached
  await engine.close()
  await report({
    kind: 'end',
    tally,
    seconds,
    kvBlocksCached,
    discrepancies: discrepancies(tally, stats),
  })
}

soak().catch(error => report({ kind: 'failed', message: `${error?.code ?? ''} ${error}` }))
