// What structured output costs: preparing a vocabulary, compiling ten schemas of the kind that programs
// send, and the mask of every token of a text that meets each. Over the chat model's 8,192 tokens and over
// 151,936 made-up ones of several scripts. Run by `npx tsx bench/grammar/run.ts`; single thread, Node.
import { readFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { compile } from '../../src/engine/grammar/compile.ts'
import { prepareFreeString } from '../../src/engine/grammar/run/mask.ts'
import {
  buildVocabulary,
  type Vocabulary,
  type VocabularySource,
} from '../../src/engine/grammar/run/vocabulary.ts'
import type { Json } from '../../src/engine/grammar/schema/document.ts'
import { finish } from '../../src/engine/grammar/work.ts'
import { openGguf } from '../../src/format/gguf/gguf.ts'
import { blobSource } from '../../src/format/source.ts'
import { tokenizerFromGguf } from '../../src/tokenizer/from-gguf.ts'
import { SCHEMAS } from './schemas.ts'

const ROUNDS = 5
const utf8 = new TextEncoder()

/** Numbers in [0, 1) from a seed. */
function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}

/** Bytes, signs of JSON, spaces, numbers, and words of Latin, Cyrillic and Chinese letters. */
function large(size: number): VocabularySource {
  const random = randomFrom(7)
  const scripts = [
    'etaoinshrdlucmfwypvbgkjqxz',
    'etaoinshrdlu',
    'абвгдежзийклмнопрстуфхцчшщ',
    '的一是不了人我在有他这为之大来以个中上们到说国和地也子时道出而要于就下得可你年生',
    'éèüöäñçàêîeaoinstr',
  ].map(script => [...script])
  const words = new Set([
    '{"',
    '":',
    '": ',
    '",',
    '", "',
    '"}',
    '"}]',
    '},',
    '[{',
    '}]',
    '":"',
    '","',
    '":{"',
  ])
  for (let n = 1; n <= 80; n++) words.add(' '.repeat(n))
  for (let i = 0; i < 1000; i++) words.add(String(i))
  while (words.size < size - 300) {
    const script = scripts[Math.floor(random() * random() * scripts.length)]
    const length = 1 + Math.floor(random() * random() * 14)
    let word =
      random() < 0.45 ? ' ' : random() < 0.06 ? '"\'([{.,_-/'[Math.floor(random() * 10)] : ''
    for (let i = 0; i < length; i++) word += script[Math.floor(random() * script.length)]
    if (random() < 0.02) word += '":,.;)]}'[Math.floor(random() * 8)]
    words.add(word)
  }
  const tokens = [
    ...Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte)),
    ...Array.from(words, word => utf8.encode(word)),
  ]
  return {
    size,
    endTokens: new Set([size - 1]),
    bytes: id => tokens[id] ?? new Uint8Array(),
    isText: id => id < tokens.length,
  }
}

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

/** The tokens of the chat model. */
async function chat(): Promise<VocabularySource> {
  const file = new URL('../../demo/public/models/ryz-chat-tq2_0-embq8_0.gguf', import.meta.url)
  const { metadata } = await openGguf(blobSource(new Blob([readFileSync(file)]), 'ryz-chat.gguf'))
  const tokenizer = tokenizerFromGguf(metadata)
  return {
    size: tokenizer.vocabSize,
    endTokens: tokenizer.endTokens,
    bytes: id => tokenizer.tokenBytes(id),
    isText: id => tokenizer.isText(id),
  }
}

for (const [name, source] of [
  ['ryz-chat, 8,192 tokens', await chat()],
  ['made-up, 151,936 tokens', large(151_936)],
] as const) {
  const [vocabulary, vocabularyMs] = timed(() => {
    const made = finish(buildVocabulary(source))
    finish(prepareFreeString(made))
    return made
  })
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
