// Filters that make or change text, and those for numbers.
import { bind, intOf, textOf, unmarked } from './arguments.ts'
import { raise, refuse, spend } from './faults.ts'
import { percentFormat } from './formatting.ts'
import { dumpJson, dumpOptions } from './json.ts'
import { capitalize, lower, upper } from './letters.ts'
import { parseFloating, parseInteger, roundFloat, roundInt, truncated } from './numbers.ts'
import { binary, escapeHtml } from './operators.ts'
import { str } from './print.ts'
import { checkDefined, checkedLength, dictOf, iterate, toList, truth } from './protocols.ts'
import { SPACE } from './spaces.ts'
import { charsOf } from './string-methods.ts'
import { joinWith, pad, repeat, replace, splitAt, splitLines, strip } from './strings.ts'
import { join, Text } from './text.ts'
import {
  type Arguments,
  Dict,
  isInt,
  isNumber,
  Tuple,
  toInt,
  typeName,
  Undefined,
  type Value,
} from './values.ts'

export type Filter = (value: Value, args: Arguments) => Value

/** A string as it is, anything else printed. */
function soft(value: Value): Text {
  return value instanceof Text ? value : str(value)
}

/** A filter of the printed value alone, which keeps the mark safe. */
const changing =
  (change: (text: Text) => Text): Filter =>
  (value, args) => {
    bind('filter', '', args)
    const text = soft(value)
    return change(text).asSafe(text.safe)
  }

const WORD_START = new RegExp(`([-${SPACE}({\\[<]+)`)

/** First letters of words large; a word ends at white space, hyphens and opening brackets. */
function title(text: Text): Text {
  const parts: Text[] = []
  let at = 0
  for (const piece of text.s.split(WORD_START)) {
    const part = text.slice(at, at + piece.length)
    at += piece.length
    if (piece === '') continue
    const head = part.unitOf(1)
    parts.push(upper(part.slice(0, head)), lower(part.slice(head)))
  }
  return join(parts)
}

function indent(value: Value, args: Arguments): Value {
  const [width = 4n, first = false, blank = false] = bind('indent', 'width? first? blank?', args)
  const text = unmarked(textOf(value, 'indent of what'), 'indent')
  const by = width instanceof Text ? width : repeat(new Text(' '), intOf(width, 'width'))
  const lines = splitLines(join([text, '\n']), false)
  const indented = lines.map((line, i) =>
    i > 0 && (truth(blank) || line.length > 0) ? join([by, line]) : line,
  )
  const body = joinWith(new Text('\n'), indented)
  return truth(first) ? join([by, body]) : body
}

function truncate(value: Value, args: Arguments): Value {
  const [length, killWords, end, leeway] = bind('truncate', 'length? killwords? end? leeway?', args)
  const tail = end === undefined ? new Text('...') : textOf(end, 'end')
  const most = length === undefined ? 255 : intOf(length, 'length')
  const slack = leeway === undefined || leeway === null ? 5 : intOf(leeway, 'leeway')
  if (most < tail.points)
    throw raise('AssertionError', `expected length >= ${tail.points}, got ${most}`)
  if (slack < 0) throw raise('AssertionError', `expected leeway >= 0, got ${slack}`)
  if (checkedLength(value) <= most + slack) return value
  const text = unmarked(textOf(value, 'what is truncated'), 'truncate')
  const cut = text.slice(0, text.unitOf(most - tail.points))
  if (killWords !== undefined && truth(killWords)) return join([cut, tail])
  return join([splitAt(cut, new Text(' '), 1, true)[0], tail])
}

function toInteger(value: Value, args: Arguments): Value {
  const [otherwise = 0n, base = 10n] = bind('int', 'default? base?', args)
  checkDefined(value)
  if (isInt(value)) return toInt(value)
  if (typeof value === 'number') return Number.isNaN(value) ? otherwise : truncated(value)
  if (!(value instanceof Text)) return otherwise
  const bare = strip(value, undefined, true, true).s
  const int = parseInteger(bare, intOf(base, 'base'))
  if (int !== undefined) return int
  const real = parseFloating(bare)
  return real === undefined || !Number.isFinite(real) ? otherwise : truncated(real)
}

function toFloat(value: Value, args: Arguments): Value {
  const [otherwise = 0] = bind('float', 'default?', args)
  checkDefined(value)
  if (isNumber(value)) {
    const real = Number(value)
    if (typeof value !== 'number' && !Number.isFinite(real)) {
      throw raise('OverflowError', 'int too large to convert to float')
    }
    return real
  }
  if (!(value instanceof Text)) return otherwise
  return parseFloating(strip(value, undefined, true, true).s) ?? otherwise
}

function round(value: Value, args: Arguments): Value {
  const [precision = 0n, method] = bind('round', 'precision? method?', args)
  const way = method === undefined ? 'common' : textOf(method, 'method').s
  if (!['common', 'ceil', 'floor'].includes(way)) {
    throw raise('FilterArgumentError', 'method must be common, ceil or floor')
  }
  if (!isNumber(value)) {
    throw raise('TypeError', `type ${typeName(value)} doesn't define __round__ method`)
  }
  if (way === 'common') {
    if (precision === null) {
      return typeof value === 'number' ? truncated(roundFloat(value, 0)) : toInt(value)
    }
    const places = intOf(precision, 'precision')
    return typeof value === 'number' ? roundFloat(value, places) : roundInt(toInt(value), places)
  }
  if (precision === null) throw raise('TypeError', 'precision must be a number')
  const unit = binary('**', 10n, precision)
  const scaled = binary('*', value, unit)
  let whole = scaled
  if (typeof scaled === 'number') {
    whole = truncated(way === 'ceil' ? Math.ceil(scaled) : Math.floor(scaled))
  }
  return binary('/', whole, unit)
}

function urlQuote(value: Value, forQuery: boolean): Text {
  const text = str(value)
  const utf8 = new TextEncoder()
  spend(1 + text.length / 8)
  const parts = text.characters().map(char => {
    if (/^[\w.~-]$/.test(char.s) || (char.s === '/' && !forQuery)) return char
    if (forQuery && char.s === ' ') return Text.marked('+', char.marks)
    const bytes = [...utf8.encode(char.s)]
    const code = bytes.map(byte => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`)
    return Text.marked(code.join(''), char.marks)
  })
  return join(parts)
}

function urlEncode(value: Value, args: Arguments): Value {
  bind('urlencode', '', args)
  if (value instanceof Text || isNumber(value) || value === null) return urlQuote(value, false)
  const pairs = value instanceof Dict ? [...value.entries.values()] : toList(value).map(pairOf)
  return joinWith(
    new Text('&'),
    pairs.map(([key, item]) => join([urlQuote(key, true), '=', urlQuote(item, true)])),
  )
}

function pairOf(item: Value): [Value, Value] {
  const pair = toList(item)
  if (pair.length !== 2) throw raise('ValueError', 'expected pairs')
  return [pair[0], pair[1]]
}

export const TEXT_FILTERS: Readonly<Record<string, Filter>> = {
  abs(value, args) {
    bind('abs', '', args)
    if (typeof value === 'number') return Math.abs(value)
    if (!isInt(value)) throw raise('TypeError', `bad operand type for abs(): '${typeName(value)}'`)
    const int = toInt(value)
    return int < 0n ? -int : int
  },
  capitalize: changing(capitalize),
  center(value, args) {
    const [width = 80n] = bind('center', 'width?', args)
    return pad(unmarked(soft(value), 'center'), intOf(width, 'width'), new Text(' '), 'center')
  },
  e: escapeFilter,
  escape: escapeFilter,
  float: toFloat,
  forceescape(value, args) {
    bind('forceescape', '', args)
    return escapeHtml(str(value))
  },
  format(value, args) {
    if (args.list.length > 0 && args.named.size > 0) {
      throw raise(
        'FilterArgumentError',
        "can't handle positional and keyword arguments at the same time",
      )
    }
    const named = dictOf([...args.named].map(([name, item]) => [new Text(name), item]))
    return percentFormat(
      unmarked(soft(value), 'format'),
      args.named.size > 0 ? named : new Tuple(args.list),
    )
  },
  indent,
  int: toInteger,
  join(value, args) {
    const [separator, attribute] = bind('join', 'd? attribute?', args)
    if (attribute !== undefined && attribute !== null) throw refuse('join with attribute') // list filters
    const pieces: Text[] = []
    const entries = iterate(value)
    for (let next = entries.next(); !next.done; next = entries.next()) pieces.push(str(next.value))
    return joinWith(separator === undefined ? new Text('') : str(separator), pieces)
  },
  lower: changing(lower),
  replace(value, args) {
    const [old, by, count] = bind('replace', 'old new count?', args)
    const most = count === undefined || count === null ? -1 : intOf(count, 'count')
    return replace(str(value), str(old!), str(by!), most)
  },
  round,
  safe(value, args) {
    bind('safe', '', args)
    return str(value).asSafe(true)
  },
  string: changing(text => text),
  title: changing(title),
  tojson(value, args) {
    const [ascii, indentation, separators, sortKeys] = bind(
      'tojson',
      'ensure_ascii? indent? separators? sort_keys?',
      args,
    )
    return dumpJson(value, dumpOptions(ascii, indentation, separators, sortKeys))
  },
  trim(value, args) {
    const [chars] = bind('trim', 'chars?', args)
    const text = soft(value)
    return strip(text, charsOf(chars, 'strip'), true, true)
  },
  truncate,
  upper: changing(upper),
  urlencode: urlEncode,
  wordcount(value, args) {
    bind('wordcount', '', args)
    const text = soft(value)
    spend(1 + text.length / 16)
    return BigInt(text.s.match(/[\p{L}\p{N}_]+/gu)?.length ?? 0)
  },
}

function escapeFilter(value: Value, args: Arguments): Value {
  bind('escape', '', args)
  if (value instanceof Text && value.safe) return value
  return escapeHtml(value instanceof Undefined ? new Text('') : str(value))
}
