// Stop strings across any cut of the text: nothing of one gets out, and the cut never matters.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { StopMatcher } from '../../../src/engine/tasks/stop-matcher.ts'

const letters = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 4 })
const stops = fc.array(letters, { minLength: 1, maxLength: 3 })
const pieces = fc.array(fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 5 }), {
  maxLength: 12,
})

/** What comes out, character by character: the definition. */
function slow(text: string, list: readonly string[]): { text: string; found: string | undefined } {
  for (let end = 1; end <= text.length; end++) {
    const ends = list.filter(stop => text.slice(0, end).endsWith(stop))
    if (ends.length === 0) continue
    const found = ends.reduce((a, b) => (b.length > a.length ? b : a))
    return { text: text.slice(0, end - found.length), found }
  }
  return { text, found: undefined }
}

describe('StopMatcher', () => {
  it('ends where the first stop string is complete, however the text is cut', () => {
    fc.assert(
      fc.property(pieces, stops, (cut, list) => {
        const matcher = new StopMatcher(list)
        const out = cut.map(piece => matcher.push(piece)).join('') + matcher.flush()
        expect({ text: out, found: matcher.found }).toEqual(slow(cut.join(''), list))
      }),
      { numRuns: 2000 },
    )
  })

  it('never shows a stop string, nor what could still become one', () => {
    fc.assert(
      fc.property(pieces, stops, (cut, list) => {
        const matcher = new StopMatcher(list)
        let shown = ''
        let received = ''
        for (const piece of cut) {
          shown += matcher.push(piece)
          received += piece
          for (const stop of list) expect(shown).not.toContain(stop)
          if (matcher.found !== undefined) break
          // From no character shown can what came so far still grow into a stop string.
          for (let i = 0; i < shown.length; i++) {
            for (const stop of list) expect(stop.startsWith(received.slice(i))).toBe(false)
          }
        }
      }),
      { numRuns: 500 },
    )
  })

  it('holds nothing back without stop strings', () => {
    expect(new StopMatcher([]).push('anything')).toBe('anything')
  })

  it('lets the held text out when the answer ends before the stop string does', () => {
    const matcher = new StopMatcher(['END'])
    expect(matcher.push('the EN')).toBe('the ')
    expect(matcher.flush()).toBe('EN')
  })
})
