// JSON Lines: one object a line; or one list of objects.
import { HarnessError } from '../harness-error.ts'
import { isObject } from '../tasks/fields.ts'
import type { Row } from '../types.ts'

/** @throws HarnessError with the number of the line that is no object */
export function parseJsonl(text: string, name: string): Row[] {
  const clean = text.replace(/^\ufeff/, '')
  if (clean.trimStart().startsWith('[')) return parseList(clean, name)
  const rows: Row[] = []
  for (const [i, line] of clean.split('\n').entries()) {
    if (line.trim() === '') continue
    rows.push(objectOf(line, `line ${i + 1} of ${name}`))
  }
  return rows
}

function parseList(text: string, name: string): Row[] {
  const list = parse(text, name)
  if (Array.isArray(list) && list.every(isObject)) return list
  throw new HarnessError(`${name} must hold a list of objects, or one object a line`)
}

function objectOf(line: string, place: string): Row {
  const value = parse(line, place)
  if (isObject(value)) return value
  throw new HarnessError(`${place} must be a JSON object; it begins with ${line.slice(0, 60)}`)
}

function parse(text: string, place: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new HarnessError(`${place} is no JSON: ${text.trim().slice(0, 60)}`, { cause })
  }
}
