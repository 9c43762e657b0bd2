// The methods of str by name. What each does to a text is in strings.ts and letters.ts.
import { bind, indexOf, intOf, textOf, unmarked } from './arguments.ts'
import { raise, refuse } from './faults.ts'
import { formatFields, type LookUp } from './formatting.ts'
import {
  type CharacterClass,
  capitalize,
  caseFold,
  isOf,
  lower,
  swapCase,
  titled,
  upper,
} from './letters.ts'
import { checkDefined, iterate } from './protocols.ts'
import {
  countOf,
  expandTabs,
  joinWith,
  pad,
  repeat,
  replace,
  splitAt,
  splitLines,
  splitWords,
  strip,
} from './strings.ts'
import { join, Text } from './text.ts'
import { type Arguments, Dict, Tuple, typeName, type Value } from './values.ts'

type Method = (text: Text, args: Arguments, name: string, lookUp: LookUp) => Value

const CLASSES =
  'isalnum isalpha isascii isdecimal isdigit isidentifier islower isnumeric isprintable isspace istitle isupper'.split(
    ' ',
  ) as CharacterClass[]

const plain =
  (change: (text: Text) => Value): Method =>
  (text, args, name) => {
    bind(name, '', args)
    return change(text)
  }

const stripping =
  (left: boolean, right: boolean): Method =>
  (text, args, name) => {
    const [chars] = bind(name, 'chars? /', args)
    return strip(text, charsOf(chars, name), left, right)
  }

/** None stands for white space. */
export function charsOf(chars: Value | undefined, name: string): Text | undefined {
  if (chars === undefined || chars === null) return undefined
  checkDefined(chars)
  return textOf(chars, `${name} arg`)
}

const splitting =
  (fromRight: boolean): Method =>
  (text, args, name) => {
    const [separator, limit] = bind(name, 'sep? maxsplit?', args)
    const most = limit === undefined ? -1 : intOf(limit, name)
    const at = charsOf(separator, name)
    return at ? splitAt(text, at, most, fromRight) : splitWords(text, most, fromRight)
  }

const partitioning =
  (fromRight: boolean): Method =>
  (text, args, name) => {
    const separator = textOf(bind(name, 'sep /', args)[0]!, `${name} arg`)
    const parts = splitAt(text, separator, 1, fromRight)
    if (parts.length === 2)
      return new Tuple([parts[0], separatorIn(text, parts, separator), parts[1]])
    const none = new Text('')
    return new Tuple(fromRight ? [none, none, text] : [text, none, none])
  }

/** The separator as it stands in the text, with its marks. */
function separatorIn(text: Text, parts: readonly Text[], separator: Text): Text {
  return text.slice(parts[0].length, parts[0].length + separator.length)
}

/** Units [start, end) of two optional points, as slices count them. */
function rangeOf(text: Text, start: Value | undefined, end: Value | undefined): [number, number] {
  const points = text.points
  const at = (value: Value | undefined, absent: number) => {
    if (value === undefined || value === null) return absent
    const point = indexOf(value, 'slice indices')
    return point < 0 ? Math.max(point + points, 0) : point
  }
  const [from, to] = [at(start, 0), Math.min(at(end, points), points)]
  return [from > points ? Number.POSITIVE_INFINITY : text.unitOf(from), text.unitOf(to)]
}

const beginning =
  (atEnd: boolean): Method =>
  (text, args, name) => {
    const [wanted, start, end] = bind(name, 'prefix start? end? /', args)
    const [from, to] = rangeOf(text, start, end)
    const options = wanted instanceof Tuple ? wanted.items : [wanted!]
    const part = from > to ? undefined : text.s.slice(from, to)
    return options.some(option => {
      if (!(option instanceof Text)) {
        const what = `${name} first arg must be str or a tuple of str`
        throw raise('TypeError', `${what}, not ${typeName(option)}`)
      }
      return part !== undefined && (atEnd ? part.endsWith(option.s) : part.startsWith(option.s))
    })
  }

const finding =
  (fromRight: boolean, orFail: boolean): Method =>
  (text, args, name) => {
    const [wanted, start, end] = bind(name, 'sub start? end? /', args)
    const part = textOf(wanted!, 'the argument')
    const [from, to] = rangeOf(text, start, end)
    const within = from > to ? undefined : text.s.slice(from, to)
    const found = (fromRight ? within?.lastIndexOf(part.s) : within?.indexOf(part.s)) ?? -1
    if (found >= 0) return BigInt(text.pointOf(from + found))
    if (orFail) throw raise('ValueError', 'substring not found')
    return -1n
  }

const padding =
  (align: '<' | '>' | 'center'): Method =>
  (text, args, name) => {
    const [width, fill] = bind(name, 'width fillchar? /', args)
    const char = fill === undefined ? new Text(' ') : textOf(fill, 'the fill character')
    if (char.points !== 1) {
      throw raise('TypeError', 'The fill character must be exactly one character long')
    }
    return pad(text, intOf(width!, name), char, align)
  }

const removing =
  (atEnd: boolean): Method =>
  (text, args, name) => {
    const part = textOf(bind(name, 'prefix /', args)[0]!, `${name}() argument`)
    if (part.length === 0) return text
    if (atEnd) return text.s.endsWith(part.s) ? text.slice(0, text.length - part.length) : text
    return text.s.startsWith(part.s) ? text.slice(part.length) : text
  }

const METHODS: Readonly<Record<string, Method>> = {
  capitalize: plain(capitalize),
  casefold: plain(caseFold),
  center: padding('center'),
  count(text, args, name) {
    const [part, start, end] = bind(name, 'sub start? end? /', args)
    return BigInt(countOf(text, textOf(part!, 'the argument'), ...rangeOf(text, start, end)))
  },
  endswith: beginning(true),
  expandtabs(text, args, name) {
    const [size] = bind(name, 'tabsize?', args)
    return expandTabs(text, size === undefined ? 8 : intOf(size, name))
  },
  find: finding(false, false),
  format: (text, args, _, lookUp) => formatFields(text, args, lookUp),
  format_map(text, args, name, lookUp) {
    const [mapping] = bind(name, 'mapping /', args)
    if (!(mapping instanceof Dict)) throw refuse('format_map() of what is no dict')
    const named = new Map<string, Value>()
    for (const [key, value] of mapping.entries.values())
      if (key instanceof Text) named.set(key.s, value)
    return formatFields(text, { list: [], named }, lookUp)
  },
  index: finding(false, true),
  join(text, args, name) {
    const [items] = bind(name, 'iterable /', args)
    const pieces: Text[] = []
    const entries = iterate(items!)
    for (let next = entries.next(); !next.done; next = entries.next()) {
      if (!(next.value instanceof Text)) {
        const what = `sequence item ${pieces.length}: expected str instance`
        throw raise('TypeError', `${what}, ${typeName(next.value)} found`)
      }
      pieces.push(unmarked(next.value, 'join'))
    }
    return joinWith(text, pieces)
  },
  ljust: padding('<'),
  lower: plain(lower),
  lstrip: stripping(true, false),
  partition: partitioning(false),
  removeprefix: removing(false),
  removesuffix: removing(true),
  replace(text, args, name) {
    const [old, by, count] = bind(name, 'old new count? /', args)
    const most = count === undefined ? -1 : intOf(count, name)
    return replace(
      text,
      textOf(old!, 'replace() argument 1'),
      textOf(by!, 'replace() argument 2'),
      most,
    )
  },
  rfind: finding(true, false),
  rindex: finding(true, true),
  rjust: padding('>'),
  rpartition: partitioning(true),
  rsplit: splitting(true),
  rstrip: stripping(false, true),
  split: splitting(false),
  splitlines(text, args, name) {
    const [keepEnds] = bind(name, 'keepends?', args)
    return splitLines(text, keepEnds !== undefined && intOf(keepEnds, name) !== 0)
  },
  startswith: beginning(false),
  strip: stripping(true, true),
  swapcase: plain(swapCase),
  title: plain(titled),
  upper: plain(upper),
  zfill(text, args, name) {
    const width = intOf(bind(name, 'width /', args)[0]!, name)
    const signed = /^[+-]/.test(text.s) ? 1 : 0
    const zeros = repeat(new Text('0'), width - text.points)
    return join([text.slice(0, signed), zeros, text.slice(signed)])
  },
  ...Object.fromEntries(CLASSES.map(kind => [kind, plain(text => isOf(text, kind))])),
}

/** Methods of str that a template has no use for. */
const REFUSED = new Set(['encode', 'maketrans', 'translate'])

/** The method of that name; undefined where str has none. */
export function stringMethod(
  text: Text,
  name: string,
  lookUp: LookUp,
): ((args: Arguments) => Value) | undefined {
  if (REFUSED.has(name)) throw refuse(`str.${name}()`)
  const method = Object.hasOwn(METHODS, name) ? METHODS[name] : undefined
  return method && (args => method(unmarked(text, `${name}()`), args, name, lookUp))
}
