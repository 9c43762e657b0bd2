// Guesses for one answer: what its text said before, what its form leaves no choice about, and what of both is likelier.
import { describe, expect, it } from 'vitest'
import { Guesser, newOdds } from '../../../src/engine/draft/guesser.ts'
import { TokenTexts } from '../../../src/engine/draft/token-texts.ts'
import { compileGuide } from '../../../src/engine/grammar/compile.ts'
import { Habits } from '../../../src/engine/grammar/run/habits.ts'
import { Budget, finish } from '../../../src/engine/grammar/work.ts'
import type { LikelyText, LogitFilter, Usual } from '../../../src/engine/sampling/logit-filter.ts'
import type { Tokenizer } from '../../../src/tokenizer/tokenizer.ts'

const END = 0
const utf8 = new TextEncoder()
/** Tokens are words with the blank before them, signs, and two signs at once. */
const words: string[] = ['<end>']
const ids = new Map<string, number>()
function idOf(word: string): number {
  let id = ids.get(word)
  if (id === undefined) {
    id = words.push(word) - 1
    ids.set(word, id)
  }
  return id
}
const encode = (text: string) =>
  (text.match(/ ?[A-Za-z]+| ?\d|":|",| ?\{"|"\}| ?"|\n|[^\w\s]| /g) ?? []).map(idOf)
const tokenizer = {
  encode,
  endTokens: new Set([END]),
  tokenBytes: (id: number) => (id === END ? new Uint8Array() : utf8.encode(words[id] ?? '')),
  isText: (id: number) => id !== END,
} as unknown as Tokenizer
const decode = (tokens: readonly number[]) => tokens.map(id => words[id]).join('')

const texts = new TokenTexts(tokenizer)
const guesserOf = (prompt: string, odds = newOdds()) => new Guesser(encode(prompt), odds, texts)

/** A form of JSON, as something that is held to, or only guessed by. */
function formOf(properties: Record<string, unknown>) {
  const schema = {
    type: 'object',
    properties,
    required: Object.keys(properties),
    additionalProperties: false,
  }
  const tokens = {
    endTokens: new Set([END]),
    bytesOf: tokenizer.tokenBytes,
    isText: tokenizer.isText,
  }
  return finish(
    compileGuide({ kind: 'schema', schema: schema as never, strict: false }, tokens, new Budget()),
  )
}
const card = () =>
  formOf({ name: { type: 'string' }, age: { type: 'integer' }, city: { type: 'string' } })

function push(guesser: Guesser, text: string): void {
  for (const token of encode(text)) guesser.push(token)
}
const guessed = (guesser: Guesser, most = 16, least = 0.15) => {
  const { tokens, chances } = guesser.guess(most, least, new Set([END]))
  expect(chances).toHaveLength(tokens.length)
  for (let i = 1; i < chances.length; i++) expect(chances[i]).toBeLessThanOrEqual(chances[i - 1]!)
  return decode(tokens)
}

describe('a form', () => {
  it('is guessed from the first token of the first answer on, as the tokenizer writes it', () => {
    const guesser = guesserOf('Who? ')
    guesser.guideBy(card().begin())
    expect(guessed(guesser)).toBe('{"name": "')
    push(guesser, '{"')
    expect(guessed(guesser)).toBe('name": "')
    expect(guessed(guesser, 2)).toBe('name":')
  })

  it('goes on behind a value that is copied out of a sentence', () => {
    const guesser = guesserOf('My name is Ann Bell Miller, of Oslo.')
    guesser.guideBy(card().begin())
    push(guesser, '{"name": "Ann')
    // Without the blank it is the same word; where the sentence has a sign, the value ends.
    expect(guessed(guesser, 16, 0.05)).toBe(' Bell Miller", "age":')
  })

  it('is joined by a guide that comes late, and left where an answer is none of its form', () => {
    const guesser = guesserOf('Who?')
    push(guesser, '{"name')
    guesser.guideBy(card().begin())
    expect(guessed(guesser)).toBe('": "')
    push(guesser, ' what?')
    expect(guessed(guesser)).toBe('')
    const late = guesserOf('Who?')
    push(late, 'Nobody')
    late.guideBy(card().begin())
    expect(guessed(late)).toBe('')
  })

  it('is trusted as often as it was right', () => {
    const odds = newOdds()
    for (let n = 0; n < 20; n++) {
      const guesser = guesserOf('Who?', odds)
      guesser.guideBy(card().begin())
      guesser.guess(16, 0.15, undefined)
      push(guesser, ' no')
    }
    const guesser = guesserOf('Who?', odds)
    guesser.guideBy(card().begin())
    expect(guessed(guesser, 16, 0.5)).toBe('')
    expect(odds.form.chance(0)).toBeLessThan(0.3)
  })

  it('is not guessed where it ends an answer', () => {
    const guesser = guesserOf('')
    guesser.guideBy(formOf({}).begin())
    expect(guessed(guesser)).toBe('{')
  })
})

describe('a grammar that an answer is held to', () => {
  /** Lets pass the tokens of `path` in order, -1 for any; `usual` and `likely` say what is at each place. */
  function filterOf(
    path: readonly number[],
    usual: readonly (Usual | undefined)[] = [],
    likely: readonly (LikelyText | undefined)[] = [],
    at = 0,
  ): LogitFilter {
    const filter: LogitFilter = {
      mask: () => true,
      allows: () => true,
      accept: token => void filter.take(token),
      take: token => {
        if (at >= path.length || (path[at] !== -1 && path[at] !== token)) return false
        at++
        return true
      },
      usual: () => usual[at],
      likely: () => likely[at] ?? { pieces: [], ends: false, whole: true },
      fork: () => filterOf(path, usual, likely, at),
      restore: () => undefined,
      complete: false,
      get ended() {
        return at === path.length
      },
    }
    return filter
  }
  const held = (filter: LogitFilter, prompt = 'a b c d e f g h a b c d') => {
    const guesser = guesserOf(prompt)
    guesser.hold(filter)
    return guesser
  }
  const [e, f, g] = encode(' e f g') as [number, number, number]
  const habit = (token: number, chance = 0.9): Usual => ({ token, chance })

  it('leaves out what it does not let pass, and what ends it', () => {
    expect(guessed(held(filterOf([e, f, 9999])), 8, 0)).toBe(' e f')
    expect(guessed(held(filterOf([e, f])), 8, 0)).toBe(' e')
  })

  it('forbids nothing where it only guesses', () => {
    const guide = filterOf([e, 9999])
    const guesser = guesserOf('a b c d e f g h a b c d')
    guesser.guideBy({ ...guide, fork: () => guide.fork(), follow: guide.take })
    expect(guessed(guesser, 4, 0)).toBe(' e f g h')
  })

  it('adds what usually comes, where the text says nothing or something less likely', () => {
    const usual = [habit(e), habit(f), undefined, habit(g)]
    expect(guessed(held(filterOf([-1, -1, -1, -1, -1], usual), ''), 8, 0)).toBe(' e f')
    expect(guessed(held(filterOf([-1, -1, -1], usual), ''), 1)).toBe(' e')
    expect(guessed(held(filterOf([-1, -1, -1], usual), ''), 8, 0.85)).toBe(' e')
    // The text says e f g h; from a place on the habit is likelier, and the text is left.
    const instead = [undefined, habit(g, 0.95), habit(e, 0.95)]
    expect(guessed(held(filterOf([-1, -1, -1, -1], instead)), 8, 0)).toBe(' e g e')
  })

  it('adds what is likely, up to where it stops', () => {
    const likely = [{ pieces: [' e f', { token: g }], ends: false, whole: true }]
    expect(guessed(held(filterOf([-1, -1, -1, -1, -1], [], likely), ''))).toBe(' e f g')
    const cut = [{ pieces: [' e f'], ends: false, whole: false }]
    expect(guessed(held(filterOf([-1, -1, -1, -1, -1], [], cut), ''))).toBe(' e')
  })
})

it('habits: what comes where, and how often', () => {
  const habits = new Habits()
  expect(habits.at(1)).toBeUndefined()
  for (let i = 0; i < 10; i++) habits.note(1, 5)
  expect(habits.at(1)).toMatchObject({ token: 5, chance: expect.closeTo(0.9, 1) })
  for (let i = 0; i < 40; i++) habits.note(2, i)
  expect(habits.at(2)!.chance).toBeLessThan(0.1)
  for (let state = 10; state < 3000; state++) habits.note(state, 1)
  expect(habits.at(1)).toBeUndefined()
  expect(habits.at(2999)).toBeDefined()
})

describe('tokens of a vocabulary', () => {
  it('are the same word with a blank or without', () => {
    expect(texts.word(idOf(' Oslo'))).toBe(texts.word(idOf('Oslo')))
    expect(texts.word(idOf('Oslo'))).not.toBe(texts.word(idOf('Osla')))
    expect(texts.word(END)).toBe(0)
    expect([',', '\n', ' x', 'y'].map(idOf).map(id => texts.divides(id))).toEqual([
      true,
      true,
      false,
      false,
    ])
    expect(texts.hasDigit(idOf(' 7'))).toBe(true)
  })

  it('are written without the blank that SentencePiece puts before a text', () => {
    const spm = {
      ...tokenizer,
      stripsLeadingSpace: true,
      encode: (text: string) => encode(text.startsWith('\n') ? text : ` ${text}`),
    } as unknown as Tokenizer
    const tokens = new TokenTexts(spm).tokensOf({ pieces: ['name": "'], ends: false, whole: true })
    expect(decode(tokens)).toBe('name": "')
  })
})
