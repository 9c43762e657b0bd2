// What a token takes with and without a format, as the engine decodes: the same number of tokens with none, with a
// JSON schema, a pattern and a grammar that never end. Rounds alternate. Run by `make bench-grammar`.
import { readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'
import { Engine } from '../../src/engine/engine.ts'
import { grammarPart } from '../../src/engine/grammar/part.ts'
import { openEngineParts } from '../../src/engine/load/open-parts.ts'
import type { Input } from '../../src/options/input.ts'
import type { GenerateOptions, GenerateResult, KernelVariant } from '../../src/types/index.ts'
import { commitText, machineText } from '../../tools/machine.ts'
import { nodeKernels } from '../../tools/node-kernels.ts'
import { ensureModel } from '../models.ts'
import { FORMATS, printRows } from './formats.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    threads: { type: 'string', default: '2' },
    /** Of the kernels; 'relaxed' is what Chrome and Firefox run. */
    variant: { type: 'string', default: 'relaxed' },
    tokens: { type: 'string', default: '64' },
    shape: { type: 'string', default: 'bitnet-large' },
    only: { type: 'string' },
  },
})
const rounds = Number(values.rounds)
const threads = Number(values.threads)
const variant = values.variant as KernelVariant

async function open(path: string): Promise<Engine> {
  const options = { contextLength: 512, maxSequences: 1, cache: 'off', memoryBudget: 2e9 } as const
  const hooks = { progress: () => undefined, signal: new AbortController().signal }
  const file = new File([readFileSync(path)], basename(path))
  const parts = await openEngineParts(file, options, hooks, [nodeKernels(variant, threads)])
  return new Engine(parts, options, { grammar: async () => grammarPart })
}

function answer(engine: Engine, input: Input, options: GenerateOptions): Promise<GenerateResult> {
  return new Promise((done, error) => {
    engine.generate(input, options, { token: () => undefined, done, error })
  })
}

async function measure(name: string, path: string, input: Input): Promise<void> {
  const engine = await open(path)
  const ms = new Map<string, number[]>(Object.keys(FORMATS).map(format => [format, []]))
  // The first round compiles the formats, and the engine's code gets warm.
  for (let round = 0; round <= rounds; round++) {
    for (const [format, options] of Object.entries(FORMATS)) {
      const asked = { temperature: 0, reuse: false, maxTokens: Number(values.tokens), ...options }
      const result = await answer(engine, input, asked)
      if (result.tokens.length !== asked.maxTokens || result.finishReason !== 'length')
        throw new Error(`${name}, ${format}: ended after ${result.tokens.length} tokens`)
      if (round > 0) ms.get(format)!.push(result.decodeMs / (result.tokens.length - 1))
    }
  }
  printRows(name, ms)
  await engine.close()
}

console.log(
  `${machineText()}, Node ${process.version}, ${threads} threads, ${variant} kernels, commit ${commitText()}; median of ${rounds} rounds, ${values.tokens} tokens each`,
)
const chat: Input = { kind: 'chat', messages: [{ role: 'user', content: 'Tell me of the sea.' }] }
if (values.only !== 'shape')
  await measure('ryz-chat', 'demo/public/models/ryz-chat-tq2_0-embq8_0.gguf', chat)
if (values.only !== 'chat') {
  const synth = ['--shape', values.shape, '--type', 'tq2_0']
  const model = { file: `${values.shape}-tq2_0.gguf`, synth }
  await ensureModel('build/bench/models', model)
  const tokens = Array.from({ length: 32 }, (_, i) => 5 + ((i * 37) % 900))
  const path = join('build/bench/models', model.file)
  await measure(values.shape, path, { kind: 'tokens', tokens })
}
process.exit(0)
