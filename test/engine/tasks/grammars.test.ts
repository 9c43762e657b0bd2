// The limit on compiling counts work: pieces in which other programs had the processor refuse nothing; endless work is.
import { expect, test } from 'vitest'
import type { GrammarPart } from '../../../src/engine/grammar/part.ts'
import { Grammars } from '../../../src/engine/tasks/grammars.ts'
import type { Tokenizer } from '../../../src/tokenizer/tokenizer.ts'

const TOKENIZER = { vocabSize: 1, endTokens: [0] } as unknown as Tokenizer

function* inPieces<T>(pieces: number, made: T): Generator<void, T> {
  for (let i = 0; i < pieces; i++) yield
  return made
}

/** Compiling takes so many pieces, each of which the clock says took 100 ms. */
function grammarsOf(pieces: number): Grammars {
  let now = 0
  const part = {
    vocabulary: () => inPieces(1, {}),
    compile: () => inPieces(pieces, { grammar: { begin: () => ({}) }, unenforced: [] }),
    prepare: () => inPieces(1, undefined),
    faultOf: () => undefined,
  } as unknown as GrammarPart
  return new Grammars(
    TOKENIZER,
    async () => part,
    () => {
      now += 50
      return now
    },
  )
}

const REQUEST = { spec: { kind: 'regex', pattern: 'a' }, option: 'responseFormat' } as const

test('forty pieces that stood still for 100 ms each are no 2 s of work', async () => {
  const { unenforced } = await grammarsOf(40).of(REQUEST, new AbortController().signal)
  expect(unenforced).toEqual([])
})

test('work without an end is refused by name', async () => {
  const made = grammarsOf(1e6).of(REQUEST, new AbortController().signal)
  await expect(made).rejects.toMatchObject({ code: 'BAD_OPTION' })
})
