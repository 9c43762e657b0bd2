// Walks through the masks of a grammar as a sampler would, for tests: random choices for a while, then
// the shortest way to an end.
import type { CompiledGrammar } from '../../../src/engine/grammar/run/filter.ts'

/** A generator of numbers in [0, 1) from a seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

export interface Walk {
  text: string
  tokens: number[]
  /** It ended where the grammar allows it. */
  complete: boolean
}

/** Signs that close things: chosen when it is time to end. */
const CLOSING = [...'"}],:nultrefas\\0123456789'].map(char => char.charCodeAt(0))

/**
 * One text. After `wander` tokens only tokens that help to end are taken, where there are such.
 * @param limit  tokens at most
 */
export function walk(
  grammar: CompiledGrammar,
  random: () => number,
  wander: number,
  limit = 4000,
): Walk {
  const { vocabulary } = grammar.masks
  const filter = grammar.begin()
  const tokens: number[] = []
  const bytes: number[] = []
  for (let step = 0; step < limit; step++) {
    const mask = filter.allowed()
    const ids: number[] = []
    mask.forEach((word, w) => {
      for (let rest = word; rest !== 0; rest &= rest - 1) {
        ids.push(w * 32 + (31 - Math.clz32(rest & -rest)))
      }
    })
    if (ids.length === 0) throw new Error(`dead end after ${JSON.stringify(textOf(bytes))}`)
    const ends = ids.some(id => vocabulary.endTokens.has(id))
    if (ends !== filter.complete) throw new Error('end tokens are allowed exactly when complete')
    if (
      ends &&
      (step >= wander || random() < 0.2 || ids.every(id => vocabulary.endTokens.has(id)))
    ) {
      return { text: textOf(bytes), tokens, complete: true }
    }
    const others = ids.filter(id => !vocabulary.endTokens.has(id))
    const id =
      step < wander
        ? others[Math.floor(random() * others.length)]
        : closing(others, id => vocabulary.bytesOf(id), random)
    filter.accept(id)
    tokens.push(id)
    bytes.push(...vocabulary.bytesOf(id))
  }
  return { text: textOf(bytes), tokens, complete: false }
}

function closing(
  ids: readonly number[],
  bytesOf: (id: number) => Uint8Array,
  random: () => number,
): number {
  let best = -1
  let score = Number.NEGATIVE_INFINITY
  for (const id of ids) {
    const bytes = bytesOf(id)
    const rank = CLOSING.indexOf(bytes[0])
    const value = (rank < 0 ? -100 : -rank) - bytes.length + random()
    if (value > score) {
      score = value
      best = id
    }
  }
  return best
}

function textOf(bytes: readonly number[]): string {
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Uint8Array.from(bytes))
}
