// The shapes that values of keywords must have. Called by keywords.ts.
import { GrammarFault } from '../work.ts'
import type { Json } from './document.ts'

export function number(value: Json, at: string): number {
  if (typeof value === 'number' && Number.isFinite(value)) return value
  throw new GrammarFault('must be a number', at)
}

export function whole(value: Json, at: string): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0) return value
  throw new GrammarFault('must be a whole number that is not negative', at)
}

export function names(value: Json, at: string): string[] {
  if (!Array.isArray(value)) throw new GrammarFault('must be a list of names', at)
  for (const name of value) {
    if (typeof name !== 'string' || !name.isWellFormed()) {
      throw new GrammarFault('must be a list of names, in whole characters', at)
    }
  }
  return value as string[]
}
