// Beside llama.cpp: both on all cores, in turns, under the same load. Ours is the SDK in Chromium, theirs a native process
// through node-llama-cpp, which `make bench-peers` installs too.
import { execFile } from 'node:child_process'
import { cpus } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { randomPrompt } from '../../demo/bench/requests.ts'
import { rounded } from '../../demo/bench/statistics.ts'
import { installPeers, NODE_LLAMA_CPP } from '../peers/install.ts'
import type { BusyNative } from '../report/busy-section.ts'
import type { BusyPage } from './contestants.ts'
import { startNeighbours } from './neighbours.ts'
import type { BusyModel } from './steady.ts'

const run = promisify(execFile)
const ROUNDS = 2
/** llama.cpp makes about one token a second when it has to share both cores. */
const TOKENS = 8
const LIMIT_MS = 60_000

export async function besideNative(page: BusyPage, model: BusyModel): Promise<BusyNative[]> {
  const modules = resolve(installPeers('build/peers'))
  const ours = await page.open('beside', '/this/', model.url, 0)
  const script = join(import.meta.dirname, '../peers/native.mjs')
  const threads = cpus().length
  const found: BusyNative[] = []
  for (const busy of [1, 2]) {
    const engine = `llama.cpp (node-llama-cpp ${NODE_LLAMA_CPP})`
    const entry: BusyNative = {
      engine,
      model: model.shape,
      busy,
      threads,
      ours_tok_s: [],
      theirs_tok_s: [],
    }
    for (let round = 0; round < ROUNDS; round++) {
      const neighbours = startNeighbours(busy)
      try {
        const turn = await ours.turn(randomPrompt(round, 4, ours.vocab), model.tokens)
        const numbers = [threads, 4, 4, TOKENS].map(String)
        const { stdout } = await run(process.execPath, [script, modules, model.path, ...numbers], {
          timeout: LIMIT_MS,
          env: { ...process.env, UV_THREADPOOL_SIZE: '1' },
        })
        const theirs = JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}') as {
          decode_tok_s: number
        }
        entry.ours_tok_s.push(rounded(turn.decode_tok_s))
        entry.theirs_tok_s.push(rounded(theirs.decode_tok_s))
      } finally {
        neighbours.stop()
      }
    }
    found.push(entry)
  }
  await ours.close()
  return found
}
