// The vocabularies that masks are measured over: the chat model's 8,192 tokens, and 151,936 made-up ones of several
// scripts. Used by run.ts.
import { readFileSync } from 'node:fs'
import type { VocabularySource } from '../../src/engine/grammar/run/vocabulary.ts'
import { openGguf } from '../../src/format/gguf/gguf.ts'
import { blobSource } from '../../src/format/source.ts'
import { tokenizerFromGguf } from '../../src/tokenizer/from-gguf.ts'

const utf8 = new TextEncoder()

/** Numbers in [0, 1) from a seed. */
function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}

/** Made up: bytes, signs of JSON, spaces, numbers, and words of Latin, Cyrillic and Chinese letters. */
export function large(size: number): VocabularySource {
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

/** Both, with their names. */
export async function vocabularies(): Promise<(readonly [string, VocabularySource])[]> {
  return [
    ['ryz-chat, 8,192 tokens', await chat()],
    ['made-up, 151,936 tokens', large(151_936)],
  ]
}
