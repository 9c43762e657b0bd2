// How close an answer in words is to the right one: exact match after normalising, token F1 (as SQuAD's
// evaluation defines both, Rajpurkar et al. 2016) and ROUGE-L (Lin 2004). Used by the suites.

/** Lower case, without punctuation, articles and more than one space. */
export function normalized(text: string): string {
  const plain = text.toLowerCase().replace(/[!-/:-@[-`{-~]/g, '')
  return plain
    .replace(/\b(a|an|the)\b/g, ' ')
    .split(/\s+/)
    .filter(Boolean)
    .join(' ')
}

export function exactMatch(answer: string, right: string): 0 | 1 {
  return normalized(answer) === normalized(right) ? 1 : 0
}

/** Harmonic mean of precision and recall of the words, as bags. */
export function tokenF1(answer: string, right: string): number {
  const got = words(normalized(answer))
  const wanted = words(normalized(right))
  if (got.length === 0 || wanted.length === 0) return got.length === wanted.length ? 1 : 0
  const left = new Map<string, number>()
  for (const word of wanted) left.set(word, (left.get(word) ?? 0) + 1)
  let common = 0
  for (const word of got) {
    const count = left.get(word) ?? 0
    if (count === 0) continue
    left.set(word, count - 1)
    common++
  }
  return f1(common, got.length, wanted.length)
}

/** F1 of the longest common subsequence of words: lower case, letters and digits only, no stemming. */
export function rougeL(answer: string, right: string): number {
  const split = (text: string) => text.toLowerCase().match(/[a-z0-9]+/g) ?? []
  const a = split(answer)
  const b = split(right)
  let row = new Array<number>(b.length + 1).fill(0)
  for (const word of a) {
    const next = [0]
    for (let j = 0; j < b.length; j++) {
      next.push(word === b[j] ? row[j]! + 1 : Math.max(row[j + 1]!, next[j]!))
    }
    row = next
  }
  return f1(row.at(-1)!, a.length, b.length)
}

function words(text: string): string[] {
  return text === '' ? [] : text.split(' ')
}

function f1(common: number, got: number, wanted: number): number {
  if (common === 0) return 0
  const precision = common / got
  const recall = common / wanted
  return (2 * precision * recall) / (precision + recall)
}
