// str() and repr() of every value, as Python prints them.
import { raise, refuse, spend } from './faults.ts'
import { floatRepr, intRepr } from './numbers.ts'
import { join, Text } from './text.ts'
import {
  Builtin,
  Callable,
  Dict,
  DictView,
  isList,
  Lazy,
  Namespace,
  Opaque,
  Range,
  Tuple,
  typeName,
  Undefined,
  type Value,
} from './values.ts'

const MAX_DEPTH = 200
/** What repr() writes as an escape: all but printable characters and the space. */
const HIDDEN = /[\p{C}\p{Z}\\'"]/u

/** What a template prints. */
export function str(value: Value): Text {
  if (value instanceof Text) return value.asSafe(false)
  if (value instanceof Undefined) return new Text('')
  return repr(value)
}

export function repr(value: Value, depth = 0): Text {
  spend(0.5)
  if (depth > MAX_DEPTH) throw raise('RecursionError', 'values are nested too deeply')
  if (value === null) return new Text('None')
  if (typeof value === 'boolean') return new Text(value ? 'True' : 'False')
  if (typeof value === 'bigint') return new Text(intRepr(value))
  if (typeof value === 'number') return new Text(floatRepr(value))
  if (value instanceof Text) return reprText(value)
  if (isList(value)) return listed('[', value, ']', depth)
  if (value instanceof Tuple)
    return listed('(', value.items, value.items.length === 1 ? ',)' : ')', depth)
  if (value instanceof Dict) return reprDict(value, depth)
  if (value instanceof Undefined) return new Text('Undefined')
  if (value instanceof Namespace) {
    return join(['<Namespace ', reprDict(value.dict, depth), '>'])
  }
  if (value instanceof Range) {
    const { start, stop, step } = value
    return new Text(step === 1n ? `range(${start}, ${stop})` : `range(${start}, ${stop}, ${step})`)
  }
  if (value instanceof DictView) return reprView(value, depth)
  if (value instanceof Opaque) return new Text(value.print())
  if (value instanceof Callable && !(value instanceof Builtin)) {
    return join(['<Macro ', value.name === '' ? 'anonymous' : reprText(new Text(value.name)), '>'])
  }
  if (value instanceof Lazy || value instanceof Callable) {
    throw refuse(`printing a ${typeName(value)}; pass it through list first`)
  }
  return value satisfies never
}

function listed(open: string, items: readonly Value[], close: string, depth: number): Text {
  const parts: (Text | string)[] = [open]
  items.forEach((item, i) => {
    if (i > 0) parts.push(', ')
    parts.push(repr(item, depth + 1))
  })
  parts.push(close)
  return join(parts)
}

function reprDict(dict: Dict, depth: number): Text {
  const parts: (Text | string)[] = ['{']
  for (const [key, value] of dict.entries.values()) {
    if (parts.length > 1) parts.push(', ')
    parts.push(repr(key, depth + 1), ': ', repr(value, depth + 1))
  }
  parts.push('}')
  return join(parts)
}

function reprView({ dict, kind }: DictView, depth: number): Text {
  const items = [...dict.entries.values()].map(([key, value]) =>
    kind === 'keys' ? key : kind === 'values' ? value : new Tuple([key, value]),
  )
  return join([`dict_${kind}(`, listed('[', items, ']', depth), ')'])
}

function reprText(text: Text): Text {
  if (text.safe) return join(['Markup(', reprText(text.asSafe(false)), ')'])
  const quote = text.s.includes("'") && !text.s.includes('"') ? '"' : "'"
  if (!HIDDEN.test(text.s)) return join([quote, text, quote])
  const parts: (Text | string)[] = [quote]
  let start = 0
  let at = 0
  for (const char of text.s) {
    const code = escaped(char, quote)
    if (code !== undefined) {
      if (at > start) parts.push(text.slice(start, at))
      parts.push(Text.marked(code, text.marksAt(at)))
      start = at + char.length
    }
    at += char.length
  }
  if (at > start) parts.push(text.slice(start))
  parts.push(quote)
  return join(parts)
}

/** How repr() writes a character that it does not write as it is. */
function escaped(char: string, quote: string): string | undefined {
  if (char === quote || char === '\\') return `\\${char}`
  if (char === '\n') return '\\n'
  if (char === '\r') return '\\r'
  if (char === '\t') return '\\t'
  if (char === ' ' || char === "'" || char === '"' || !HIDDEN.test(char)) return undefined
  const code = char.codePointAt(0)!
  const hex = code.toString(16)
  if (code < 0x100) return `\\x${hex.padStart(2, '0')}`
  return code < 0x10000 ? `\\u${hex.padStart(4, '0')}` : `\\U${hex.padStart(8, '0')}`
}
