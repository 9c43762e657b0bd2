// Opens a model in Node on one named rung of the ladder, for the parity tests: the load sequence of the
// engine as it is, with local files as the source.
import { readFileSync } from 'node:fs'
import { basename, resolve } from 'node:path'
import { type BackendFactory, EXACT, REFERENCE_PATH } from '../../src/backend/factory.ts'
import { createReferenceBackend } from '../../src/backend/reference/reference-backend.ts'
import type { RevivingNetwork } from '../../src/engine/faults/reviving-network.ts'
import type { EngineParts } from '../../src/engine/load/engine-parts.ts'
import { openEngineParts } from '../../src/engine/load/open-parts.ts'
import type { BackendNetwork } from '../../src/model/run-network.ts'
import type { LoadOptions } from '../../src/types/index.ts'
import { wasmFactory } from './wasm.ts'

export const ROOT = resolve(import.meta.dirname, '../..')
export const EMBEDDED = 'demo/public/models/ryz-tales-tq2_0-embq8_0.gguf'

/** A repository file as a File, as a file picker would hand it over. */
export function fileOf(path: string): File {
  return new File([readFileSync(resolve(ROOT, path))], basename(path))
}

export const referenceFactory: BackendFactory = {
  path: REFERENCE_PATH,
  traits: EXACT,
  scratchBytes: () => 0,
  create: async (memoryBytes, limits) => createReferenceBackend({ limits, memoryBytes }),
}

/** Every rung that must give the same bits, by the name it has in test titles. */
export const RUNGS: readonly { rung: string; factory: BackendFactory }[] = [
  { rung: 'reference', factory: referenceFactory },
  { rung: 'scalar', factory: wasmFactory('scalar', 1) },
  { rung: 'simd128', factory: wasmFactory('simd128', 1) },
  { rung: 'simd128, 2 threads', factory: wasmFactory('simd128', 2) },
  { rung: 'relaxed', factory: wasmFactory('relaxed', 1) },
  { rung: 'relaxed, dots in 32 bits', factory: wasmFactory('relaxed-i32', 1) },
  { rung: 'relaxed, 2 threads', factory: wasmFactory('relaxed', 2) },
  { rung: 'relaxed, 4 threads', factory: wasmFactory('relaxed', 4) },
]

export type OpenParts = Omit<EngineParts, 'network'> & { readonly network: BackendNetwork }

/** The engine's load sequence on one rung. Remember to close(). */
export async function openParts(
  files: readonly File[],
  factory: BackendFactory,
  options: LoadOptions = {},
): Promise<OpenParts> {
  const hooks = { progress: () => {}, signal: new AbortController().signal }
  const source = files.length === 1 ? files[0] : files
  const parts = await openEngineParts(source, options, hooks, [factory])
  // No path is lost here: what computes now is all there is.
  const { network } = (parts.network as RevivingNetwork).running
  return { ...parts, network: network as BackendNetwork }
}

/**
 * Runs tokens through a fresh sequence in pieces.
 * @returns logits f32 [ids.length][vocab], every position
 */
export async function logitsOf(
  network: BackendNetwork,
  ids: readonly number[],
  piece = network.maxRows,
): Promise<Float32Array> {
  const { vocab } = network.config
  const all = new Float32Array(ids.length * vocab)
  const seq = network.kv.open()
  try {
    for (let first = 0; first < ids.length; first += piece) {
      const tokens = ids.slice(first, first + piece)
      if (!network.kv.reserve(seq, tokens.length)) throw new Error('the KV cache is too small')
      const rows = tokens.map(token => ({ seq, token, wants: 'logits' as const }))
      all.set((await network.forward(rows)).logits, first * vocab)
    }
    return all
  } finally {
    network.kv.close(seq)
  }
}

/** Index of the largest value; the lowest index of equals. */
export function argMax(values: ArrayLike<number>): number {
  let best = 0
  for (let i = 1; i < values.length; i++) if (values[i] > values[best]) best = i
  return best
}

/**
 * Feeds the golden ids one by one (teacher forcing) and lists the steps whose golden gap is at least the
 * margin and whose arg-max is another id.
 */
export async function greedyMisses(
  network: BackendNetwork,
  prompt: readonly number[],
  golden: { greedy: readonly number[]; gaps: readonly number[] },
  margin: number,
): Promise<{ step: number; got: number; want: number; gap: number }[]> {
  const { vocab } = network.config
  const ids = [...prompt, ...golden.greedy.slice(0, -1)]
  const logits = await logitsOf(network, ids)
  const misses = []
  for (const [step, want] of golden.greedy.entries()) {
    const row = prompt.length - 1 + step
    const got = argMax(logits.subarray(row * vocab, (row + 1) * vocab))
    const gap = golden.gaps[step]
    if (gap >= margin && got !== want) misses.push({ step, got, want, gap })
  }
  return misses
}

/** Windows of 256 inputs, every position scored, no bos added (the protocol of sampled.json). */
export async function perplexity(parts: OpenParts, ids: readonly number[]): Promise<number> {
  const { vocab } = parts.network.config
  let total = 0
  let count = 0
  for (let first = 0; first + 1 < ids.length; first += 256) {
    const window = ids.slice(first, first + 257)
    const logits = await logitsOf(parts.network, window.slice(0, -1))
    for (let i = 0; i + 1 < window.length; i++) {
      total += nll(logits.subarray(i * vocab, (i + 1) * vocab), window[i + 1])
      count++
    }
  }
  return Math.exp(total / count)
}

/** -log p(target) of one row, in f64. */
function nll(logits: Float32Array, target: number): number {
  let max = Number.NEGATIVE_INFINITY
  for (let i = 0; i < logits.length; i++) if (logits[i] > max) max = logits[i]
  let sum = 0
  for (let i = 0; i < logits.length; i++) sum += Math.exp(logits[i] - max)
  return Math.log(sum) - (logits[target] - max)
}
