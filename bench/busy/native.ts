// Beside llama.cpp: both on all cores, in turns, under the same load. Ours is the SDK in Chromium, theirs a native process
// through node-llama-cpp, which `make bench-peers` installs too.
import { spawn } from 'node:child_process'
import { cpus } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { randomPrompt } from '../../demo/bench/requests.ts'
import { rounded } from '../../demo/bench/statistics.ts'
import { installPeers, NODE_LLAMA_CPP } from '../peers/install.ts'
import type { BusyNative } from '../report/busy-section.ts'
import type { BusyPage } from './contestants.ts'
import { startNeighbours } from './neighbours.ts'
import type { BusyModel } from './steady.ts'

const ROUNDS = 5
/** It makes a token a second when it has to share both cores with many; fewer are over before others get their turn. */
const TOKENS = 16
const LIMIT_MS = 90_000

/** @param found  gets what was measured, also when it fails later */
export async function besideNative(
  found: BusyNative[],
  page: BusyPage,
  model: BusyModel,
): Promise<void> {
  const threads = cpus().length
  const ours = await page.open('beside', '/this/', model.url, 0)
  const theirs = await openNative(model.path, threads)
  try {
    for (const busy of [1, 2, 8]) {
      const entry: BusyNative = {
        engine: `llama.cpp (node-llama-cpp ${NODE_LLAMA_CPP})`,
        model: model.shape,
        busy,
        threads,
        ours_tok_s: [],
        theirs_tok_s: [],
      }
      found.push(entry)
      const neighbours = startNeighbours(busy)
      try {
        for (let round = 0; round < ROUNDS; round++) {
          const turn = await ours.turn(randomPrompt(round, 4, ours.vocab), model.tokens)
          entry.theirs_tok_s.push(rounded(await theirs.rate(TOKENS)))
          entry.ours_tok_s.push(rounded(turn.decode_tok_s))
        }
      } finally {
        neighbours.stop()
      }
    }
  } finally {
    theirs.close()
    await ours.close()
  }
}

async function openNative(path: string, threads: number) {
  const modules = resolve(installPeers('build/peers'))
  const script = join(import.meta.dirname, 'native.mjs')
  const child = spawn(process.execPath, [script, modules, path, String(threads)], {
    stdio: ['pipe', 'pipe', 'inherit'],
    // On several threads of Node's pool each has OpenMP threads of its own.
    env: { ...process.env, UV_THREADPOOL_SIZE: '1' },
  })
  const close = () => void child.kill('SIGKILL')
  process.once('exit', close)
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const answer = async (): Promise<Record<string, number>> => {
    let timer: ReturnType<typeof setTimeout> | undefined
    const late = new Promise<never>((_, reject) => {
      const error = new Error(`it gave no ${TOKENS} tokens within ${LIMIT_MS / 1000} s`)
      timer = setTimeout(() => reject(error), LIMIT_MS)
    })
    const line = await Promise.race([lines.next(), late]).finally(() => clearTimeout(timer))
    if (line.done) throw new Error('it ended')
    return JSON.parse(line.value) as Record<string, number>
  }
  await answer()
  return {
    async rate(tokens: number): Promise<number> {
      child.stdin.write(`${tokens}\n`)
      return (await answer()).tok_s ?? Number.NaN
    },
    close() {
      process.off('exit', close)
      close()
    },
  }
}
