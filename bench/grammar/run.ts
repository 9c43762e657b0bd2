// What structured output costs: preparing a vocabulary, compiling ten schemas of the kind that programs
// send, and the mask of every token of a text that meets each. Over the chat model's 8,192 tokens and over
// 151,936 made-up ones of several scripts. Run by `npx tsx bench/grammar/run.ts`; single thread, Node.
import { cpus } from 'node:os'
import { compile } from '../../src/engine/grammar/compile.ts'
import { grammarPart } from '../../src/engine/grammar/part.ts'
import type { Vocabulary } from '../../src/engine/grammar/run/vocabulary.ts'
import type { Json } from '../../src/engine/grammar/schema/document.ts'
import { finish } from '../../src/engine/grammar/work.ts'
import { SCHEMAS } from './schemas.ts'
import { vocabularies } from './vocabularies.ts'

const ROUNDS = 5
const utf8 = new TextEncoder()

const median = (values: number[]) => values.toSorted((a, b) => a - b)[values.length >> 1]
const timed = <T>(run: () => T): [T, number] => {
  const began = performance.now()
  const made = run()
  return [made, performance.now() - began]
}

/** The text's tokens, longest first, as far as the mask allows them. */
function measure(schema: Json, text: string, vocabulary: Vocabulary, ids: Map<string, number>) {
  const compileMs: number[] = []
  /** By token: the best of the rounds, as other programs run, too. Each round begins with a new grammar. */
  const best: number[] = []
  /** As it was met for the first time, with code that was not yet optimised. */
  const first: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const [{ grammar }, ms] = timed(() =>
      finish(compile({ kind: 'schema', schema, strict: true }, vocabulary)),
    )
    compileMs.push(ms)
    const filter = grammar.begin()
    for (let at = 0, token = 0; at < text.length; token++) {
      const [, maskMs] = timed(() => filter.allowed())
      best[token] = Math.min(best[token] ?? Number.POSITIVE_INFINITY, maskMs)
      if (round === 0) first.push(maskMs)
      let length = Math.min(16, text.length - at)
      for (; length > 1; length--) {
        const id = ids.get(text.slice(at, at + length))
        if (id !== undefined && filter.allows(id)) break
      }
      if (!filter.acceptBytes(utf8.encode(text.slice(at, at + length))))
        throw new Error(text.slice(0, at))
      at += length
    }
  }
  return { compileMs: median(compileMs), best, first }
}

console.log(`${cpus()[0].model}, Node ${process.version}, ${ROUNDS} rounds`)

for (const [name, source] of await vocabularies()) {
  const [vocabulary, vocabularyMs] = timed(() => finish(grammarPart.vocabulary(source)))
  const ids = new Map<string, number>()
  const read = new TextDecoder()
  for (let id = 0; id < source.size; id++)
    if (source.isText(id)) ids.set(read.decode(source.bytes(id)), id)
  console.log(
    `\n${name}: prepared in ${vocabularyMs.toFixed(0)} ms, ${vocabulary.byte.length} nodes`,
  )
  const all: number[] = []
  const cold: number[] = []
  for (const [schemaName, { schema, text }] of Object.entries(SCHEMAS)) {
    const { compileMs, best, first } = measure(schema, text, vocabulary, ids)
    all.push(...best)
    cold.push(...first)
    const mean = best.reduce((sum, ms) => sum + ms, 0) / best.length
    console.log(
      `${schemaName.padEnd(22)} compile ${compileMs.toFixed(1).padStart(6)} ms, mask mean ${mean.toFixed(3)} ms, worst ${Math.max(...best).toFixed(2)} ms, ${best.length} tokens`,
    )
  }
  const mean = all.reduce((sum, ms) => sum + ms, 0) / all.length
  console.log(
    `all: mean ${mean.toFixed(3)} ms, worst ${Math.max(...all).toFixed(2)} ms of ${all.length} tokens`,
  )
  const coldMean = cold.reduce((sum, ms) => sum + ms, 0) / cold.length
  console.log(
    `the first time: mean ${coldMean.toFixed(3)} ms, worst ${Math.max(...cold).toFixed(2)} ms`,
  )
}
