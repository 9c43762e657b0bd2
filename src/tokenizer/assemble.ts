// Puts a Tokenizer together from its parts: a token table, how text becomes words and words become ids,
// and what the file says of special tokens. The same for every kind of vocabulary. A text goes through in
// slices: encode() runs them all, encodeInSlices() lets its caller do something else between them.
import { RyzError } from '../errors.ts'
import { type Budget, SLICE_STEPS } from './budget.ts'
import { CutterChain, type CutterKind, END, PAUSED } from './cutters.ts'
import { decodeInSlices } from './decode.ts'
import type { Normalizer } from './normalizers.ts'
import {
  FOUND,
  type SpecialSearch,
  type SpecialSplitter,
  type SplitOptions,
} from './special-splitter.ts'
import type { TokenTable } from './token-table.ts'
import type { EncodeOptions, Tokenizer } from './tokenizer.ts'
import { copyUnits, type Region } from './units.ts'
import type { IdSink, WordEncoder } from './word-merger.ts'

export interface TokenizerFacts {
  bos: number | undefined
  eos: number | undefined
  addBos: boolean
  addEos: boolean
  endTokens: ReadonlySet<number>
  chatTemplate: string | undefined
  stripsLeadingSpace: boolean
  notes?: readonly string[]
}

/** How ordinary text becomes ids. */
export interface TextEncoding {
  /** Tokens that are found in the text as it is. */
  readonly written: SpecialSplitter
  /** Those that are found once it is normalized. */
  readonly writtenNormalized?: SpecialSplitter
  /** Both kinds, for a text of which only parts are trusted: places in a normalized text do not tell. */
  readonly writtenAnyhow?: SpecialSplitter
  readonly normalizer?: Normalizer
  readonly cutters: readonly CutterKind[]
  /** An encoder for one text at a time. */
  openEncoder(): WordEncoder
  /** After a written token a text counts as beginning anew (llama.cpp), not only at its very start. */
  readonly startsAfterTokens: boolean
  /** Every character leaves at least its share of a token; so length tells how many there are at least. */
  readonly losesNothing: boolean
}

/** What one text that is under way needs; used again by the next. */
interface Run {
  readonly chain: CutterChain
  readonly encoder: WordEncoder
}

/** Texts above this many units do not leave their buffers behind. */
const KEEP_UNITS = 1 << 16

/** A Tokenizer over `table`. */
export function assembleTokenizer(
  table: TokenTable,
  encoding: TextEncoding,
  facts: TokenizerFacts,
): Tokenizer {
  const { written, writtenNormalized, normalizer, startsAfterTokens } = encoding
  const idle: Run[] = []
  const strips = facts.stripsLeadingSpace
  const longest = longestToken(table)

  return {
    vocabSize: table.size,
    bos: facts.bos,
    addBos: facts.addBos,
    addEos: facts.addEos,
    endTokens: facts.endTokens,
    chatTemplate: facts.chatTemplate,
    stripsLeadingSpace: strips,
    notes: facts.notes ?? [],
    tokenBytes: id => table.bytes(id),
    tokenText: id => table.text(id),
    isSpecial: id => table.isSpecial(id),
    isText: id => table.isText(id),
    encode(text, options = {}) {
      const ids: number[] = []
      const all = encodeAll(text, options, ids, { left: Number.POSITIVE_INFINITY })
      while (!all.next().done);
      return ids
    },
    *encodeInSlices(text, options, out) {
      const budget: Budget = { left: SLICE_STEPS }
      for (const _ of encodeAll(text, options, out, budget)) {
        yield
        budget.left = SLICE_STEPS
      }
    },
    fewestTokens(units) {
      if (!encoding.losesNothing) return 0
      return Math.ceil((units * (normalizer?.keeps ?? 1)) / longest)
    },
    decode(ids, options = {}) {
      let text = ''
      for (const piece of decodeInSlices(table, ids, strips, options)) text += piece
      return text
    },
    decodeInSlices: (ids, options = {}) => decodeInSlices(table, ids, strips, options),
  }

  function* encodeAll(
    text: string,
    options: EncodeOptions,
    out: IdSink,
    budget: Budget,
  ): Generator<void, void> {
    checkText(text)
    const addSpecial = options.addSpecial ?? true
    if (addSpecial && facts.addBos && facts.bos !== undefined) out.push(facts.bos)
    const run = idle.pop() ?? {
      chain: new CutterChain(encoding.cutters),
      encoder: encoding.openEncoder(),
    }
    yield* encodeText(run, text, options, out, budget)
    if (text.length <= KEEP_UNITS) idle.push(run)
    if (addSpecial && facts.addEos && facts.eos !== undefined) out.push(facts.eos)
  }

  function* encodeText(
    run: Run,
    text: string,
    options: EncodeOptions,
    out: IdSink,
    budget: Budget,
  ): Generator<void, void> {
    const units = new Uint16Array(text.length)
    for (let at = 0; at < text.length; at += SLICE_STEPS) {
      const end = Math.min(text.length, at + SLICE_STEPS)
      copyUnits(text, at, end, units)
      budget.left -= (end - at) / 4
      if (budget.left < 0) yield
    }
    const controls = options.parseSpecial === true
    const trusted = controls ? options.trusted : undefined
    const whole = { units, from: 0, to: text.length }
    const splitter = trusted ? (encoding.writtenAnyhow ?? written) : written
    const raw = splitter.search(units, 0, text.length, { controls, trusted })
    const rest = trusted ? undefined : writtenNormalized
    for (const part of parts(raw, whole, out, budget)) {
      if (part === undefined) yield
      else yield* encodePart(run, part, rest, { controls }, out, budget)
    }
  }

  /** Text between written tokens: normalized, cut, encoded. */
  function* encodePart(
    run: Run,
    part: Part,
    later: SpecialSplitter | undefined,
    options: SplitOptions,
    out: IdSink,
    budget: Budget,
  ): Generator<void, void> {
    const region = normalizer ? yield* normalizer.run(part, budget) : part
    if (!later) {
      yield* encodeWords(run, region, part.atStart, out, budget)
      return
    }
    const search = later.search(region.units, region.from, region.to, options)
    for (const inner of parts(search, region, out, budget)) {
      if (inner === undefined) yield
      else yield* encodeWords(run, inner, part.atStart && inner.atStart, out, budget)
    }
  }

  function* encodeWords(
    run: Run,
    { units, from, to }: Region,
    atStart: boolean,
    out: IdSink,
    budget: Budget,
  ): Generator<void, void> {
    const { chain, encoder } = run
    chain.begin(units, from, to, atStart)
    for (;;) {
      const outcome = chain.next(budget)
      if (outcome === END) return
      if (outcome === PAUSED) {
        yield
        continue
      }
      if (encoder.word(chain.units, chain.start, chain.end, out)) {
        budget.left -= 4 * (chain.end - chain.start)
      } else yield* encoder.long(chain.units, chain.start, chain.end, out, budget)
      if (budget.left < 0) yield
    }
  }

  /** Appends the ids of written tokens and gives the text between them; undefined is a pause. */
  function* parts(
    search: SpecialSearch,
    { units, from, to }: Region,
    out: IdSink,
    budget: Budget,
  ): Generator<Part | undefined, void> {
    let at = from
    let atStart = true
    for (;;) {
      const outcome = search.next(budget)
      if (outcome === PAUSED) {
        yield undefined
        continue
      }
      const end = outcome === FOUND ? search.start : to
      if (end > at) yield { units, from: at, to: end, atStart }
      if (outcome !== FOUND) return
      out.push(search.id)
      at = search.end
      atStart = startsAfterTokens
    }
  }
}

interface Part extends Region {
  /** The whole text begins here. */
  readonly atStart: boolean
}

/** Bytes of the longest token, or units of its written form. */
function longestToken(table: TokenTable): number {
  let longest = 1
  for (let id = 0; id < table.size; id++) {
    // Not by bytes(): views of 128,000 tokens would be left to the collector.
    const written = table.isSpecial(id) ? table.text(id).length : table.byteCount(id)
    longest = Math.max(longest, written)
  }
  return longest
}

/** @throws RyzError BAD_OPTION when it is not a string */
export function checkText(text: unknown): asserts text is string {
  if (typeof text === 'string') return
  throw new RyzError('BAD_OPTION', `the text to tokenize is ${typeof text}, not a string`)
}
