// Reading fields of a row: each says what it needs and what it found. Used by the tasks.
import { HarnessError } from '../harness-error.ts'
import type { Row } from '../types.ts'

export function textOf(row: Row, name: string): string {
  const value = row[name]
  if (typeof value === 'string') return value
  throw missing(row, name, 'a text')
}

/** A list of texts. */
export function textsOf(row: Row, name: string): string[] {
  const value = row[name]
  if (Array.isArray(value) && value.every(x => typeof x === 'string')) return value
  throw missing(row, name, 'a list of texts')
}

export function objectOf(row: Row, name: string): Row {
  const value = row[name]
  if (isObject(value)) return value
  throw missing(row, name, 'an object')
}

/** Which of the options is right: a number, or one as text (as published files have it). */
export function indexOf(row: Row, name: string, options: number): number {
  const value = row[name]
  const isNumeral = typeof value === 'string' && /^\s*\d+\s*$/.test(value)
  const index = typeof value === 'bigint' || isNumeral ? Number(value) : value
  if (typeof index === 'number' && Number.isInteger(index) && index >= 0 && index < options) {
    return index
  }
  throw missing(row, name, `a number from 0 to ${options - 1}`)
}

/** Options with their labels, in either published form: lists beside each other, or a list of pairs. */
export function labelled(row: Row, name: string): { texts: string[]; labels: string[] } {
  const value = row[name]
  if (Array.isArray(value) && value.every(isObject)) {
    return {
      texts: value.map(choice => textOf(choice, 'text')),
      labels: value.map(choice => textOf(choice, 'label')),
    }
  }
  const lists = objectOf(row, name)
  const texts = textsOf(lists, 'text')
  const labels = textsOf(lists, 'label')
  if (texts.length !== labels.length) throw missing(row, name, 'as many labels as texts')
  return { texts, labels }
}

/** The place of the right label. */
export function placeOf(row: Row, labels: readonly string[], answer: string): number {
  const place = labels.indexOf(answer)
  if (place >= 0) return place
  throw new HarnessError(
    `the answer ${JSON.stringify(answer)} is none of the labels ${labels.join(', ')} in ${shown(row)}`,
  )
}

export function isObject(value: unknown): value is Row {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function missing(row: Row, name: string, wanted: string): HarnessError {
  return new HarnessError(`${name} must be ${wanted}, in ${shown(row)}`)
}

function shown(row: Row): string {
  const text = JSON.stringify(row, (_, value) => (typeof value === 'bigint' ? `${value}` : value))
  return text.length > 200 ? `${text.slice(0, 200)}...` : text
}
