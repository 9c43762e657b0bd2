// Small checks of parsed JSON, shared by the readers of tokenizer.json.
import { asRyzError, RyzError } from '../errors.ts'

export type Json = Record<string, unknown>

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** @throws RyzError TOKENIZER_INVALID when the text is no JSON object; says so of an HTML page */
export function parseObject(text: string, name: string): Json {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    if (/^\s*</.test(text.slice(0, 1000))) {
      throw new RyzError(
        'TOKENIZER_INVALID',
        `${name} is a page of HTML or XML (it begins with "${text.trim().slice(0, 30)}"), most likely an error page that was saved; download the file itself`,
        {},
        { cause },
      )
    }
    throw asRyzError(cause, 'TOKENIZER_INVALID', `${name} is no JSON`)
  }
  if (isObject(value)) return value
  throw new RyzError('TOKENIZER_INVALID', `${name} is no JSON object`)
}
