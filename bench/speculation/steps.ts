// `make bench-steps`: what a step of n rows of one sequence costs beside a step of one row, in Node, which is what
// guessed tokens are weighed against. Row counts take turns, so that a slow minute meets all; medians.
import { readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'
import { openEngineParts } from '../../src/engine/load/open-parts.ts'
import type { StepRow } from '../../src/model/network.ts'
import type { KernelVariant } from '../../src/types/index.ts'
import { wasmFactory } from '../../test/support/wasm.ts'
import { ensureModel } from '../models.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '9' },
    threads: { type: 'string', default: '1,2' },
    variants: { type: 'string', default: 'relaxed,simd128' },
    shape: { type: 'string', default: 'bitnet-large' },
    rows: { type: 'string', default: '1,2,3,4,5,6,8,12,16,32' },
    held: { type: 'string', default: '256' },
    model: { type: 'string' },
    ops: { type: 'boolean', default: false },
  },
})
const counts = values.rows.split(',').map(Number)
const held = Number(values.held)
const synth = {
  file: `${values.shape}-tq2_0.gguf`,
  synth: ['--shape', values.shape, '--type', 'tq2_0'],
}
if (values.model === undefined) await ensureModel('build/bench/models', synth)
const path = values.model ?? join('build/bench/models', synth.file)

for (const variant of values.variants.split(',') as KernelVariant[]) {
  for (const threads of values.threads.split(',').map(Number)) {
    const hooks = { progress: () => undefined, signal: new AbortController().signal }
    const parts = await openEngineParts(
      new File([readFileSync(path)], basename(path)),
      { contextLength: 512, maxSequences: 1, kv: 'int8', memoryBudget: 2e9, cache: 'off' },
      hooks,
      [wasmFactory(variant, threads)],
    )
    const { network } = parts
    const { kv, config } = network
    const seq = kv.open()
    const step = async (count: number) => {
      kv.reserve(seq, count)
      const rows: StepRow[] = Array.from({ length: count }, (_, i) => ({
        seq,
        token: (31 * (seq.length + i) + 7) % config.vocab,
        wants: 'logits',
      }))
      const began = performance.now()
      await network.forward(rows)
      return performance.now() - began
    }
    while (seq.length < held) await step(Math.min(32, held - seq.length))
    const times = counts.map((): number[] => [])
    for (let round = 0; round <= Number(values.rounds); round++) {
      for (const [i, count] of counts.entries()) {
        const ms = await step(count)
        kv.truncate(seq, held)
        if (round > 0) times[i]!.push(ms)
      }
    }
    const medians = times.map(list => list.sort((a, b) => a - b)[list.length >> 1]!)
    const cells = counts.map(
      (count, i) =>
        `${count}: ${medians[i]!.toFixed(1)} (${(medians[i]! / medians[0]!).toFixed(2)})`,
    )
    console.log(`${variant}, ${threads} threads, ms (of one row): ${cells.join('  ')}`)
    if (values.ops)
      console.log(
        network
          .opTimes()
          .map(o => `${o.op} ${o.ms.toFixed(0)}`)
          .join(' '),
      )
    await parts.close()
  }
}
process.exit(0)
