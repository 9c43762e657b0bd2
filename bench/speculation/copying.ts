// A model of a real shape whose text copies, or does not: the network computes all of every step, and then each
// row of logits is replaced. Copying: the passage of 200 tokens that the prompt is, again and again, one token in
// 40 excepted; else pseudo-random. So steps take what they take, and the text is known. Called by run.ts.
import type { Network, StepResult, StepRow } from '../../src/model/network.ts'

export type TextKind = 'copies' | 'nothing repeats'

/** The tokens of each open sequence, by place: what is cut off is written over. */
export function writing(network: Network, kind: TextKind): Network {
  const texts = new WeakMap<object, number[]>()
  const { vocab } = network.config
  const replace = (rows: readonly StepRow[], places: readonly number[], result: StepResult) => {
    let at = 0
    for (const [r, { seq, token, wants }] of rows.entries()) {
      const text = texts.get(seq) ?? []
      texts.set(seq, text)
      text.length = places[r]!
      text.push(token)
      if (wants !== 'logits') continue
      const row = result.logits.subarray(at, at + vocab)
      at += vocab
      row.fill(0)
      row[kind === 'copies' ? copied(text, vocab) : random(text, vocab)] = 20
    }
    return result
  }
  const forward: Network['forward'] = rows => {
    const places: number[] = []
    for (const [r, { seq }] of rows.entries()) {
      places.push(r > 0 && rows[r - 1]!.seq === seq ? places[r - 1]! + 1 : seq.length)
    }
    const result = network.forward(rows)
    return result instanceof Promise
      ? result.then(given => replace(rows, places, given))
      : replace(rows, places, result)
  }
  return new Proxy(network, {
    get(target, name) {
      if (name === 'forward') return forward
      const value = Reflect.get(target, name, target) as unknown
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

function copied(text: readonly number[], vocab: number): number {
  const n = text.length
  if (n % 40 === 0) return random(text, vocab)
  // The passage of 200 tokens stands at the beginning, and is gone through again and again.
  return text[n % 200] ?? 0
}

function random(text: readonly number[], vocab: number): number {
  let hash = 2166136261
  for (const token of text.slice(-6)) hash = Math.imul(hash ^ token, 16777619)
  return (Math.imul(hash ^ text.length, 0x9e3779b1) >>> 0) % vocab
}
