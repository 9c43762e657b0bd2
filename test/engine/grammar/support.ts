// Vocabularies and shortcuts for the tests of the grammar engine.
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { type Compiled, compile } from '../../../src/engine/grammar/compile.ts'
import { grammarPart } from '../../../src/engine/grammar/part.ts'
import { prepareFreeString } from '../../../src/engine/grammar/run/free-string.ts'
import {
  buildVocabulary,
  type Vocabulary,
  type VocabularySource,
} from '../../../src/engine/grammar/run/vocabulary.ts'
import { Budget, finish } from '../../../src/engine/grammar/work.ts'

const utf8 = new TextEncoder()

/** Tokens from texts: every byte alone, then these; the last id ends an answer, the one before is control. */
export function vocabularyOf(texts: readonly string[]): Vocabulary {
  const tokens = [
    ...Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte)),
    ...texts.map(text => utf8.encode(text)),
    new Uint8Array(0),
    new Uint8Array(0),
  ]
  return vocabularyFrom({
    size: tokens.length,
    endTokens: new Set([tokens.length - 1]),
    bytes: id => tokens[id],
    isText: id => id < tokens.length - 2,
  })
}

export function vocabularyFrom(source: VocabularySource): Vocabulary {
  const vocabulary = finish(buildVocabulary(source))
  finish(prepareFreeString(vocabulary))
  return vocabulary
}

/** Bytes and some tokens that span the signs of JSON. */
export const SMALL = vocabularyOf([
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
  '[]',
  '{}',
  '":"',
  '","',
  '":{"',
  'true',
  'false',
  'null',
  ' "',
  'a"',
  'ab',
  'abc',
  ' a',
  '12',
  '123',
  '1.',
  '.5',
  '-1',
  'e1',
  '\n  ',
  '    ',
  'é',
  '😀',
  '\\"',
  '\\u',
  '\\n',
  '\\\\',
  'name',
  'city',
  'id',
  '": {"',
])

/** With what the engine prepares for its masks, or without, as when there is no time for it. */
export function compiled(
  spec: Parameters<typeof compile>[0],
  vocabulary = SMALL,
  prepared = true,
): Compiled {
  const made = finish(compile(spec, vocabulary, new Budget()))
  if (prepared) finish(grammarPart.prepare(made))
  return made
}

export function schema(value: unknown, strict = true): Compiled {
  return compiled({ kind: 'schema', schema: value as never, strict })
}

/** Whether the text belongs to the language, byte by byte. */
export function accepts({ grammar }: Compiled, text: string): boolean {
  const filter = grammar.begin()
  return filter.acceptBytes(utf8.encode(text)) && filter.complete
}

export function sharedCases<T>(file: string): T[] {
  return readFileSync(resolve(file), 'utf8')
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line) as T)
}
