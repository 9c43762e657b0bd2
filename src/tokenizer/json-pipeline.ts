// From the components that a tokenizer.json names to the steps that encode a text: normalizers and
// cutters. A component that is not known is refused by its name, never ignored: other ids would come of
// it. Called by from-json.ts.
import { RyzError } from '../errors.ts'
import { UNIT_OF_BYTE } from './byte-alphabet.ts'
import {
  type Behavior,
  byteStandIns,
  type CutterKind,
  type MarkPrefix,
  markSpaces,
  patternCutter,
  SPACE_PREFIX,
} from './cutters.ts'
import { isObject, type Json } from './json-values.ts'
import {
  inSequence,
  LOWERCASE,
  type Normalizer,
  prepending,
  replacing,
  STRIP_ACCENTS,
  stripping,
  unicodeForm,
} from './normalizers.ts'
import { canBeEmpty, parsePattern } from './pattern/parse.ts'
import { compilePattern } from './pattern/program.ts'
import { GPT2_PATTERN } from './pre-tokenizers.ts'

/** At most so many of each: real files have up to six. */
const MAX_STEPS = 64
const BEHAVIORS: readonly string[] = [
  'Removed',
  'Isolated',
  'MergedWithPrevious',
  'MergedWithNext',
  'Contiguous',
] satisfies Behavior[]

/**
 * The normalizer of the file.
 * @throws RyzError TOKENIZER_INVALID | UNSUPPORTED_FEATURE naming it
 */
export function normalizerOf(json: unknown): Normalizer | undefined {
  return inSequence(steps(json, 'normalizers', 'normalizer').map(readNormalizer))
}

function readNormalizer(step: Json): Normalizer {
  switch (step.type) {
    case 'NFC':
    case 'NFD':
    case 'NFKC':
    case 'NFKD':
      return unicodeForm(step.type)
    case 'Lowercase':
      return LOWERCASE
    case 'StripAccents':
      return STRIP_ACCENTS
    case 'Strip':
      return stripping(step.strip_left !== false, step.strip_right !== false)
    case 'Prepend':
      return prepending(text(step.prepend, 'Prepend'))
    case 'Replace':
      return readReplace(step)
    default:
      throw unknownStep('normalizer', step.type)
  }
}

function readReplace(step: Json): Normalizer {
  const content = text(step.content, 'Replace')
  const { source, literal } = readPattern(step.pattern, 'Replace')
  if (canBeEmpty(parsePattern(source))) {
    throw unsupported('a Replace whose pattern matches nothing at all')
  }
  const shrinksTo = literal === undefined ? 0 : content.length / literal.length
  return replacing(compilePattern(source), content, shrinksTo)
}

export interface Cutting {
  readonly cutters: readonly CutterKind[]
  /** Words are encoded as bytes; 'mapped' when a cutter has written the stand-ins already. */
  readonly bytes: boolean | 'mapped'
  /** No part of the text is cut away. */
  readonly losesNothing: boolean
}

/**
 * The pre-tokenizer of the file.
 * @throws RyzError TOKENIZER_INVALID | UNSUPPORTED_FEATURE naming it
 */
export function cuttingOf(json: unknown): Cutting {
  const list = steps(json, 'pretokenizers', 'pre_tokenizer')
  const byteLevel = list.findIndex(step => step.type === 'ByteLevel')
  const cutters = list.flatMap((step, i) => {
    const kinds = readCutter(step)
    // What follows sees the stand-ins of bytes instead of the text.
    return i === byteLevel && i < list.length - 1 ? [...kinds, byteStandIns(UNIT_OF_BYTE)] : kinds
  })
  if (list.slice(byteLevel + 1).some(step => step.type === 'ByteLevel') && byteLevel >= 0) {
    throw unsupported('a second ByteLevel pre_tokenizer')
  }
  const last = byteLevel === list.length - 1
  return {
    cutters,
    bytes: byteLevel < 0 ? false : last || 'mapped',
    losesNothing: list.every(
      step => step.behavior !== 'Removed' && !String(step.type).startsWith('Whitespace'),
    ),
  }
}

function readCutter(step: Json): CutterKind[] {
  switch (step.type) {
    case 'ByteLevel':
      return [
        ...(step.add_prefix_space === false ? [] : [SPACE_PREFIX]),
        ...(step.use_regex === false ? [] : [patternCutter(GPT2_PATTERN)]),
      ]
    case 'Split': {
      const { source } = readPattern(step.pattern, 'Split')
      return [patternCutter(source, readBehavior(step.behavior, 'Split'), step.invert === true)]
    }
    case 'Digits':
      return [patternCutter('\\p{N}', step.individual_digits === true ? 'Isolated' : 'Contiguous')]
    case 'Punctuation': {
      const behavior = step.behavior === undefined ? 'Isolated' : step.behavior
      return [patternCutter('[!-/:-@\\[-`{-~\\p{P}]', readBehavior(behavior, 'Punctuation'))]
    }
    case 'Whitespace':
      return [patternCutter('\\w+|[^\\w\\s]+', 'Removed', true)]
    case 'WhitespaceSplit':
      return [patternCutter('\\s', 'Removed')]
    case 'Metaspace':
      return readMetaspace(step)
    default:
      throw unknownStep('pre_tokenizer', step.type)
  }
}

function readMetaspace(step: Json): CutterKind[] {
  const mark = step.replacement ?? '\u2581'
  if (typeof mark !== 'string' || mark.length !== 1) {
    throw unsupported(`a Metaspace that writes ${JSON.stringify(mark)?.slice(0, 20)} for a space`)
  }
  const scheme = metaspacePrefix(step)
  const marks = markSpaces(mark.charCodeAt(0), scheme)
  return step.split === false
    ? [marks]
    : [marks, patternCutter(literalPattern(mark), 'MergedWithNext')]
}

/** Where a Metaspace puts a mark before a text; old files say it by add_prefix_space. */
export function metaspacePrefix(step: Json): MarkPrefix {
  const scheme = step.prepend_scheme ?? (step.add_prefix_space === false ? 'never' : 'always')
  if (scheme === 'always' || scheme === 'first' || scheme === 'never') return scheme
  throw unsupported(`the Metaspace prepend_scheme ${JSON.stringify(scheme)?.slice(0, 40)}`)
}

function readBehavior(value: unknown, where: string): Behavior {
  if (typeof value === 'string' && BEHAVIORS.includes(value)) return value as Behavior
  throw unsupported(`the ${where} behavior ${JSON.stringify(value)?.slice(0, 40)}`)
}

/** The pattern of a Split or Replace; `literal` when it is plain text. */
function readPattern(pattern: unknown, where: string): { source: string; literal?: string } {
  const { Regex, String: literal } = isObject(pattern) ? pattern : {}
  if (typeof Regex === 'string') return { source: Regex }
  if (typeof literal === 'string' && literal !== '') {
    return { source: literalPattern(literal), literal }
  }
  throw new RyzError(
    'TOKENIZER_INVALID',
    `tokenizer.json: a ${where} has the pattern ${JSON.stringify(pattern)?.slice(0, 60)}`,
  )
}

function literalPattern(literal: string): string {
  return literal.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
}

/** A component and, where it is a Sequence, its parts in order. */
export function steps(json: unknown, key: string, what: string): Json[] {
  if (json === undefined || json === null) return []
  const list: Json[] = []
  const add = (value: unknown, depth: number): void => {
    if (!isObject(value) || depth > 8 || list.length > MAX_STEPS) {
      throw new RyzError(
        'TOKENIZER_INVALID',
        `tokenizer.json has the ${what} ${JSON.stringify(json).slice(0, 80)}`,
      )
    }
    if (value.type !== 'Sequence') list.push(value)
    else if (Array.isArray(value[key])) for (const part of value[key]) add(part, depth + 1)
    else add(undefined, depth)
  }
  add(json, 0)
  return list
}

function text(value: unknown, where: string): string {
  if (typeof value === 'string') return value
  throw new RyzError('TOKENIZER_INVALID', `tokenizer.json: a ${where} without its text`)
}

export function unknownStep(what: string, type: unknown): RyzError {
  return unsupported(`the ${what} "${String(type).slice(0, 40)}"`)
}

function unsupported(what: string): RyzError {
  return new RyzError(
    'UNSUPPORTED_FEATURE',
    `tokenizer.json uses ${what}, which is not implemented`,
  )
}
