// What of Python the definitions rely on. The numbers are Python 3's own.
import { describe, expect, it } from 'vitest'
import { PythonRandom } from '../../evals/text/python-random.ts'
import { capitalize, codePoints, countWords, rstrip, strip } from '../../evals/text/python-text.ts'

describe('random.Random', () => {
  it('gives the words of the Mersenne Twister', () => {
    const random = new PythonRandom(1234)
    expect([1, 2, 3, 4].map(() => random.bits(32))).toEqual([
      4150886329, 3342196574, 1892932127, 501869158,
    ])
  })

  it('samples as Python does: few of many, many of few, in one stream', () => {
    const random = new PythonRandom(1234)
    const drawn = [0, 0, 0].map(() => random.sample(7473, 5))
    drawn.push(random.sample(12, 7), random.sample(12, 7), random.sample(9, 2))
    expect(drawn).toEqual([
      [6374, 3610, 957, 61, 742],
      [7462, 6610, 4769, 286, 5501],
      [5677, 687, 806, 6279, 2905],
      [3, 0, 10, 9, 5, 7, 4],
      [7, 9, 11, 2, 1, 10, 5],
      [1, 0],
    ])
    const other = new PythonRandom(0)
    expect([other.sample(40, 8), other.sample(40, 8)]).toEqual([
      [24, 26, 2, 16, 32, 31, 25, 19],
      [30, 22, 37, 13, 32, 8, 18, 34],
    ])
    expect(() => other.sample(3, 4)).toThrow('4 of 3')
  })
})

describe('text', () => {
  it('strip takes what isspace() says: not U+FEFF, but U+001F and U+0085', () => {
    expect(strip(' \t\x1f\x85a b\u3000\n')).toBe('a b')
    expect(strip('\ufeffa\ufeff')).toBe('\ufeffa\ufeff')
    expect(rstrip(' a \u2003')).toBe(' a')
  })

  it('capitalize lowers the rest', () => {
    const words = ['he Sees A UFO', 'ÉCOLE', 'ßome', 'ǆABC', '', '  x', 'ΟΔΟΣ', '1ST']
    expect(words.map(capitalize)).toEqual([
      'He sees a ufo',
      'École',
      'Ssome',
      'ǅabc',
      '',
      '  x',
      'Οδος',
      '1st',
    ])
  })

  it('counts code points, and words as re.split counts them', () => {
    expect(codePoints('a🥐é')).toBe(3)
    expect(['a b', ' a  b ', '', 'a\u2003b\nc'].map(countWords)).toEqual([2, 4, 1, 3])
  })
})
