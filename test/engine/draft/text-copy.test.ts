// Values copied letter by letter, over a vocabulary in which a word behind a blank is one token and at the start
// of a value is cut into pieces of two letters: no token of the prompt is one of the value.
import { describe, expect, it } from 'vitest'
import { Odds } from '../../../src/engine/draft/odds.ts'
import { COPY_ODDS, TextCopy } from '../../../src/engine/draft/text-copy.ts'
import { TokenTexts } from '../../../src/engine/draft/token-texts.ts'
import type { Tokenizer } from '../../../src/tokenizer/tokenizer.ts'

const utf8 = new TextEncoder()
/** Token 0 is no text. */
const words: string[] = ['']
const ids = new Map<string, number>()
function idOf(word: string): number {
  const id = ids.get(word) ?? words.push(word) - 1
  ids.set(word, id)
  return id
}
const encode = (text: string) =>
  (text.match(/ [\p{L}\p{N}]+|[\p{L}\p{N}]{1,2}|./gsu) ?? []).map(idOf)
const tokenizer = {
  encode,
  tokenBytes: (id: number) => utf8.encode(words[id]),
} as unknown as Tokenizer
const texts = new TokenTexts(tokenizer)

const copyOf = (prompt: string, odds = new Odds(COPY_ODDS)) =>
  new TextCopy(encode(prompt), odds, texts)
/** What the value may go on with, as text. */
function guessed(copy: TextCopy, value: string, least = 0.01, start = ''): string {
  const { tokens, chances } = copy.guess(start, encode(value), 32, least)
  expect(chances).toHaveLength(tokens.length)
  for (let i = 1; i < chances.length; i++) expect(chances[i]).toBeLessThanOrEqual(chances[i - 1]!)
  return tokens.map(id => words[id]).join('')
}

describe('TextCopy', () => {
  it('goes on with a word of the prompt that has other tokens there', () => {
    const copy = copyOf('We leave tomorrow, please.')
    expect(guessed(copy, 'to')).toBe('morrow')
    expect(copy.endsBehind).toBe(true)
    expect(guessed(copy, 'tomo')).toBe('rrow')
    // The tokenizer would not write it so: "to" and "m", then what?
    expect(copy.guess('', [...encode('to'), idOf('m')], 32, 0).tokens).toEqual([])
    expect(guessed(copy, 'morr')).toBe('') // within a word
    expect(guessed(copy, '')).toBe('')
  })

  it('goes on with what the opening token had of it', () => {
    const copy = copyOf('We leave tomorrow, please.')
    expect(guessed(copy, 'mo', 0.01, 'to')).toBe('rrow')
    expect(guessed(copy, '', 0.01, 'to')).toBe('morrow')
  })

  it('goes on to the end of a part, up to the last sign that a string can hold', () => {
    expect(guessed(copyOf('in San Diego, at 3.50 $.'), 'Sa')).toBe('n Diego')
    expect(guessed(copyOf('it costs 3.50 today.'), '3.')).toBe('50 today')
    expect(guessed(copyOf('a "quoted" word.'), 'qu')).toBe('oted')
    expect(guessed(copyOf('the path\\to it.'), 'pa')).toBe('th')
    const open = copyOf('behind Graz')
    expect(guessed(open, 'Gr')).toBe('') // it may be longer than the prompt
    const cut = copyOf('behind Graz Hbf')
    expect(guessed(cut, 'Gr')).toBe('az')
    expect(cut.endsBehind).toBe(false)
    // What is no text ends a part.
    expect(guessed(new TextCopy([...encode('to Graz'), 0], new Odds(COPY_ODDS), texts), 'Gr')).toBe(
      'az',
    )
  })

  it('prefers the latest, is less sure where others go on otherwise, and surest of names', () => {
    const chance = (prompt: string, value: string) =>
      copyOf(prompt).guess('', encode(value), 1, 0).chances[0]!
    expect(guessed(copyOf('from Berlin to Bern.'), 'Be')).toBe('rn')
    expect(chance('from Berlin to Bern.', 'Be')).toBeLessThan(chance('to Bern.', 'Be'))
    expect(chance('in San Diego.', 'San')).toBeGreaterThan(chance('in San since May.', 'San'))
    const behind = copyOf('in Oslo on Monday.')
    behind.guess('', encode('Oslo'), 4, 0)
    expect([behind.isBehindName(0), behind.isBehindName(1)]).toEqual([true, false])
  })

  it('learns how often it is right', () => {
    const odds = new Odds(COPY_ODDS)
    for (let n = 0; n < 30; n++) {
      const copy = copyOf('to Bern.', odds)
      copy.guess('', encode('Be'), 4, 0)
      copy.push(idOf('at'))
      copy.push(idOf('rn')) // no guess any more
    }
    expect(odds.chance(0)).toBeLessThan(0.6)
    expect(guessed(copyOf('to Bern.', odds), 'Be', 0.5)).toBe('')
    // What was too unlikely to be guessed comes again.
    for (let n = 0; n < 60; n++) {
      const copy = copyOf('to Bern.', odds)
      copy.guess('', encode('Be'), 4, 0.5)
      copy.push(idOf('rn'))
    }
    expect(guessed(copyOf('to Bern.', odds), 'Be', 0.5)).toBe('rn')
  })

  it('reads scripts without blanks, and characters that are cut', () => {
    expect(guessed(copyOf('我明天去维也纳旅行。 好'), '维也')).toBe('纳旅行')
    const bytes = utf8.encode('é')
    const half = {
      encode,
      tokenBytes: (id: number) => (id === -1 ? bytes.slice(0, 1) : utf8.encode(words[id])),
    } as unknown as Tokenizer
    const copy = new TextCopy(encode('the café here.'), new Odds(COPY_ODDS), new TokenTexts(half))
    expect(copy.guess('', [...encode('caf'), -1], 4, 0).tokens).toEqual([])
  })
})
