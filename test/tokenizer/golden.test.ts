// The embedded model's tokenizer against vectors from an independent implementation, through the GGUF
// vocabulary and through tokenizer.json.
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { tokenizerFromGguf } from '../../src/tokenizer/from-gguf.ts'
import { tokenizerFromJson } from '../../src/tokenizer/from-json.ts'
import { EMBEDDED_MODEL, readMetadata } from './gguf-metadata.ts'

const goldenDir = resolve(import.meta.dirname, '../golden/tokenizer')
const golden = JSON.parse(readFileSync(resolve(goldenDir, 'ryz-tales.json'), 'utf8')) as {
  vectors: { text: string; ids: number[] }[]
  prompts: { text: string; ids: number[] }[]
  answers: { ids: number[]; text: string }[]
}

const read = (name: string) => readFileSync(resolve(goldenDir, name), 'utf8')

const kinds = {
  'the GGUF vocabulary': () => tokenizerFromGguf(readMetadata(EMBEDDED_MODEL)),
  'tokenizer.json': () =>
    tokenizerFromJson(read('ryz-tales.tokenizer.json'), read('ryz-tales.tokenizer_config.json')),
}

describe.each(Object.entries(kinds))('ryz-tales through %s', (_, open) => {
  test('there are thirteen vectors', () => expect(golden.vectors).toHaveLength(13))

  test.each(golden.vectors)('$text', async ({ text, ids }) => {
    const tokenizer = await open()
    expect(tokenizer.encode(text, { parseSpecial: true, addSpecial: false })).toEqual(ids)
    expect(tokenizer.decode(ids, { special: true })).toBe(text)
  })

  test.each(golden.prompts)('the prompt "$text" gets a bos', async ({ text, ids }) => {
    expect((await open()).encode(text)).toEqual(ids)
  })

  test('greedy answers decode to their text', async () => {
    const tokenizer = await open()
    for (const { ids, text } of golden.answers) expect(tokenizer.decode(ids)).toBe(text)
  })

  test('special tokens written in plain text stay text', async () => {
    const tokenizer = await open()
    const ids = tokenizer.encode('<|endoftext|><|bos|>', { addSpecial: false })
    expect(ids.filter(id => tokenizer.isSpecial(id))).toEqual([])
    expect(tokenizer.decode(ids)).toBe('<|endoftext|><|bos|>')
  })

  test('the facts are those of the file', async () => {
    const tokenizer = await open()
    expect(tokenizer.vocabSize).toBe(4096)
    expect(tokenizer.bos).toBe(1)
    expect(tokenizer.addBos).toBe(true)
    expect(tokenizer.addEos).toBe(false)
    expect([...tokenizer.endTokens]).toEqual([0])
    expect(tokenizer.chatTemplate).toBeUndefined()
    expect(tokenizer.tokenText(1)).toBe('<|bos|>')
    expect(tokenizer.tokenBytes(1)).toHaveLength(0)
    expect(tokenizer.isSpecial(11)).toBe(false)
  })
})
