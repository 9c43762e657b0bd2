// The grammar engine and the readers of answers as a part of the package: grammar.js, which the engine's worker loads
// when the first request asks for structured output, tools, or an answer with reasoning. It shares no classes with the worker, so faults leave it as data.
import type { ChatInput } from '../../options/input.ts'
import type { Tokenizer } from '../../tokenizer/tokenizer.ts'
import { ChatPlan } from '../answer/plan.ts'
import {
  type Compiled,
  type CompiledGuide,
  compile,
  compileGuide,
  type GrammarRequest,
  type GrammarSpec,
} from './compile.ts'
import { prepareMasks } from './prepare-masks.ts'
import { prepareFreeString } from './run/free-string.ts'
import { buildVocabulary, type Vocabulary, type VocabularySource } from './run/vocabulary.ts'
import { warmUp } from './warm-up.ts'
import { Budget, GrammarFault, type Work } from './work.ts'

/** What is wrong with a grammar. */
export interface Fault {
  message: string
  /** JSON pointer into the schema, line:column of a grammar, or ''. */
  place: string
  keyword?: string
}

type GuideSpec = GrammarRequest['spec']

export interface GrammarPart {
  /** How the answer to a chat is read, and what it is held to. */
  chatPlan(input: ChatInput, template: string, tokenizer: Tokenizer): ChatPlan
  /** The tokens of a model, once. */
  vocabulary(source: VocabularySource): Work<Vocabulary>
  compile(spec: GrammarSpec, vocabulary: Vocabulary): Work<Compiled>
  /** Makes masks cheap; may be left off at any point. */
  prepare(compiled: Compiled): Work<void>
  /** What answers are guessed by, without holding them to it. */
  guide(spec: GuideSpec, source: VocabularySource): Work<CompiledGuide>
  /** What the work threw, if it speaks of the grammar; undefined for anything else. */
  faultOf(caught: unknown): Fault | undefined
}

/** Tokens: of so many the first masks take 2 ms, less than warming up is worth (0.2 s). */
const SMALL = 20_000

export const grammarPart: GrammarPart = {
  chatPlan: (input, template, tokenizer) => new ChatPlan(input, template, tokenizer),
  *vocabulary(source) {
    const vocabulary = yield* buildVocabulary(source)
    yield* prepareFreeString(vocabulary)
    if (source.size > SMALL) yield* warmUp(source)
    return vocabulary
  },
  compile: (spec, vocabulary) => compile(spec, vocabulary, new Budget()),
  prepare: ({ grammar }) => prepareMasks(grammar),
  guide: (spec, { endTokens, bytes, isText }) =>
    compileGuide(spec, { endTokens, bytesOf: bytes, isText }, new Budget()),
  faultOf(caught) {
    if (caught instanceof GrammarFault) {
      const { message, place, keyword } = caught
      return keyword === undefined ? { message, place } : { message, place, keyword }
    }
    // Recursion of ours that a schema drove too deep.
    if (caught instanceof RangeError) return { message: 'nests too deep to be compiled', place: '' }
    return undefined
  },
}
