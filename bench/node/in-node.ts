// Starts sample.ts: the same cells as in the browser, in Node on plain SIMD, which has no relaxed SIMD
// without a flag. It is bundled first: what turns TypeScript into JavaScript on the fly leaves helpers
// behind that allocate.
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { build } from 'vite'
import type { BenchRow } from '../../demo/bench/results.ts'
import { type BenchSettings, queryOf } from '../../demo/bench/settings.ts'
import type { Allocation } from './sample.ts'

const run = promisify(execFile)
/** Two folders below the root, like the sources that look for it. */
const FOLDER = 'build/bench-node'
let script: Promise<string> | undefined

async function bundle(): Promise<string> {
  await build({
    configFile: false,
    logLevel: 'error',
    publicDir: false,
    build: {
      ssr: join(import.meta.dirname, 'sample.ts'),
      outDir: FOLDER,
      target: 'node20',
      emptyOutDir: true,
      minify: false,
    },
  })
  return join(FOLDER, 'sample.js')
}

/** @param path of the model file */
export async function rowsInNode(
  path: string,
  settings: BenchSettings,
  limitSeconds: number,
): Promise<BenchRow[]> {
  const rows = (await sample([], path, settings, limitSeconds)) as BenchRow[]
  return rows.map(row => ({ ...row, backend: `${row.backend} in Node ${process.version}` }))
}

/**
 * A young generation of 256 MB and more holds what a hundred tokens allocate, and the memory reducer, which
 * collects whoever allocates little for 8 s, stays out.
 */
const NO_COLLECTION = [
  '--expose-gc',
  '--no-memory-reducer',
  '--min-semi-space-size=256',
  '--max-semi-space-size=256',
]

export async function allocationInNode(
  path: string,
  settings: BenchSettings,
  limitSeconds: number,
): Promise<Allocation> {
  return (await sample(NO_COLLECTION, path, settings, limitSeconds, '--allocation')) as Allocation
}

async function sample(
  flags: readonly string[],
  path: string,
  settings: BenchSettings,
  limitSeconds: number,
  ...more: string[]
): Promise<unknown> {
  const query = String(queryOf(settings))
  script ??= bundle()
  const args = [...flags, await script, path, query, ...more]
  const { stdout } = await run(process.execPath, args, { timeout: limitSeconds * 1000 })
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '')
}
