// Opens the model of a command line, with its progress on standard error. Used by serve.ts and chat.ts.
import { load, type Ryzanstein } from '../node/load.ts'
import type { HeadType, KvType, LoadOptions } from '../types/index.ts'
import type { Parsed } from './arguments.ts'

/** Of a model, where a machine of its own is assumed: the browser's default is 500 MB. */
const MEMORY_MB = 4000

/** @throws RyzError as load() | UsageError */
export async function open(asked: Parsed, more: LoadOptions = {}): Promise<Ryzanstein> {
  const began = performance.now()
  const shown = process.stderr.isTTY
  const options: LoadOptions = {
    threads: asked.number('threads', 1) ?? 'auto',
    contextLength: asked.number('context', 1),
    kv: asked.text('kv') as KvType | undefined,
    head: asked.text('head') as Exclude<HeadType, 'file'> | undefined,
    memoryBudget: (asked.number('memory', 1) ?? MEMORY_MB) * 1e6,
    ...more,
    onProgress: ({ phase, loadedBytes, totalBytes }) => {
      if (!shown || phase !== 'weights' || totalBytes === 0) return
      const percent = Math.floor((100 * loadedBytes) / totalBytes)
      process.stderr.write(`\rloading ${percent} % of ${(totalBytes / 1e6).toFixed(0)} MB `)
    },
  }
  const given = Object.entries(options).filter(([, value]) => value !== undefined)
  const engine = await load(asked.model, Object.fromEntries(given))
  const { variant, threads, contextLength, fallbacks } = await engine.stats()
  if (shown) process.stderr.write('\r')
  const { name, parameters, notes } = engine.model
  const millions = (parameters / 1e6).toFixed(parameters < 1e7 ? 1 : 0)
  const seconds = ((performance.now() - began) / 1000).toFixed(1)
  console.error(
    `${name}: ${millions} M parameters, ${contextLength} tokens, ${variant} on ${threads} threads, loaded in ${seconds} s`,
  )
  for (const { from, to, reason } of fallbacks)
    console.error(`  ${to} instead of ${from}: ${reason}`)
  for (const note of notes) console.error(`  ${note}`)
  return engine
}
