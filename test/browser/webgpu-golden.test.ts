// Golden parity end to end on the GPU path, in a real Chromium (SwiftShader) with the built package: probes, and greedy
// choices that are clear. Three models in each run; VITE_GOLDENS=all takes every small golden model and the two that
// are shipped (parity/webgpu.test.ts has all of them in Node).
import { load, type Ryzanstein } from 'ryzanstein'
import { describe, expect, test } from 'vitest'
import manifest from '../golden/manifest.json'

/** Ternary with sub-norms, scales in blocks, experts. */
const SOME = ['bitnet-tq1', 'b158-k192', 'moe-mixtral']
const ALL = (import.meta as { env?: Record<string, string> }).env?.VITE_GOLDENS === 'all'
/** Sums in another order than the CPU's: twice what the CPU may differ from the float64 golden. */
const PROBE = 2e-3
const GPU = { backend: 'webgpu', allowSoftwareAdapter: true, cache: 'off' } as const

interface Greedy {
  ids: number[]
  int8: { greedy: number[]; gaps: number[] }
}

const bytesOf = async (path: string) =>
  new Uint8Array(await (await fetch(`/test/golden/${path}`)).arrayBuffer())
const jsonOf = async <T>(path: string): Promise<T> =>
  JSON.parse(new TextDecoder().decode(await bytesOf(path)))

/** The f32 tensors of a safetensors file. */
async function tensorsOf(path: string): Promise<(name: string) => Float32Array> {
  const bytes = await bytesOf(path)
  const length = Number(new DataView(bytes.buffer).getBigUint64(0, true))
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)))
  return name => {
    const [start, end] = header[name].data_offsets
    return new Float32Array(bytes.buffer.slice(8 + length + start, 8 + length + end))
  }
}

async function logitsOf(engine: Ryzanstein, ids: number[]): Promise<Float32Array> {
  return (await engine.score(ids, { logits: true })).logits!
}

async function probes(engine: Ryzanstein, stem: string): Promise<void> {
  const { probes } = await jsonOf<{ probes: { ids: number[] }[] }>(`${stem}.json`)
  const tensor = await tensorsOf(`${stem}.safetensors`)
  for (const [i, { ids }] of probes.entries()) {
    const [got, want] = [await logitsOf(engine, ids), tensor(`probe.${i}`)]
    expect(got.length).toBe(want.length)
    let worst = 0
    for (const [j, value] of want.entries()) worst = Math.max(worst, Math.abs(got[j]! - value))
    expect(worst).toBeLessThan(PROBE)
  }
}

/** Feeds the golden ids; where the golden's choice is clear it must be the same. */
async function greedy(engine: Ryzanstein, { ids, int8 }: Greedy, margin: number): Promise<void> {
  const logits = await logitsOf(engine, [...ids, ...int8.greedy.slice(0, -1)])
  const { vocab } = engine.model
  for (const [step, want] of int8.greedy.entries()) {
    if (int8.gaps[step]! < margin) continue
    const row = logits.subarray((ids.length - 1 + step) * vocab, (ids.length + step) * vocab)
    expect([step, row.indexOf(Math.max(...row))]).toEqual([step, want])
  }
}

/** The first four steps: a dispatch takes half a millisecond here. */
function few({ ids, int8 }: Greedy): Greedy {
  return { ids, int8: { greedy: int8.greedy.slice(0, 4), gaps: int8.gaps.slice(0, 4) } }
}

async function onGpu(engine: Ryzanstein, run: () => Promise<void>): Promise<void> {
  try {
    await run()
    const { backend, fallbacks, queue } = await engine.stats()
    expect([backend, fallbacks, queue.failed]).toEqual(['webgpu', [], 0])
  } finally {
    await engine.close()
  }
}

describe('golden models on the GPU in the browser', () => {
  const cases = manifest.cases.filter(({ name }) => ALL || SOME.includes(name))
  expect(cases.length).toBeGreaterThanOrEqual(SOME.length)

  test.each(cases.map(c => [c.name, c] as const))('%s', { timeout: 240_000 }, async (_, c) => {
    const files = await Promise.all(
      c.files.map(async path => new File([await bytesOf(path)], path.split('/').at(-1)!)),
    )
    const source = files.length === 1 ? files[0]! : files
    const engine = await load(source, { ...GPU, ...(c.options as object), strict: true })
    await onGpu(engine, async () => {
      await probes(engine, c.golden.replace(/\.json$/, ''))
      const { prompts } = await jsonOf<{ prompts: Greedy[] }>(c.golden)
      await greedy(engine, prompts[0]!, manifest.tolerances.greedyMargin)
    })
  })

  test('ryz-tales', { timeout: 240_000 }, async () => {
    const { generation, greedy_margin } = await jsonOf<{
      generation: Greedy[]
      greedy_margin: number
    }>('ryz-tales/golden.json')
    const model = '/demo/public/models/ryz-tales-tq2_0-embq8_0.gguf'
    const engine = await load(model, { ...GPU, contextLength: 128, strict: true })
    await onGpu(engine, async () => {
      await probes(engine, 'ryz-tales/embq8_0')
      await greedy(engine, few(generation[0]!), greedy_margin)
    })
  })

  test.skipIf(!ALL)('ryz-chat', { timeout: 400_000 }, async () => {
    const { generation } = await jsonOf<{ generation: (Greedy & { name: string })[] }>(
      'ryz-chat/golden.json',
    )
    const who = generation.find(g => g.name === 'who')!
    const model = '/demo/public/models/ryz-chat-tq2_0-embq8_0.gguf'
    const engine = await load(model, { ...GPU, contextLength: 128 })
    await onGpu(engine, () => greedy(engine, few(who), manifest.tolerances.greedyMargin))
  })
})
