// What the tokens of a vocabulary do inside a JSON string that may hold anything: found out once, in small pieces, so
// that the masks of such strings are copies. Called by part.ts and warm-up.ts; read by mask.ts.
import { ANYTHING } from '../automata/dfa.ts'
import { Budget, type Work } from '../work.ts'
import { Terminal, type TerminalState } from './terminal.ts'
import type { FreeString, Vocabulary } from './vocabulary.ts'

const NOT_INSIDE = 0xffff

/** Fills in what the tokens of a vocabulary do inside free strings. */
export function* prepareFreeString(vocabulary: Vocabulary): Work<void> {
  const free = new Terminal(ANYTHING, { form: 'json', writable: vocabulary.writable }, new Budget())
  const { byte, depth, end, first, order } = vocabulary
  const needs = new Uint16Array(vocabulary.size).fill(NOT_INSIDE)
  const exits: number[] = []
  const exitChars: number[] = []
  const path: TerminalState[] = [free.start]
  const chars: number[] = [0]
  let node = 1
  while (node < byte.length) {
    if ((node & 8191) === 8191) yield
    const d = depth[node]
    const from = path[d - 1]
    const next = from.next(byte[node])
    if (next === null) {
      node = end[node]
      continue
    }
    if (next.closed) {
      exits.push(node)
      exitChars.push(chars[d - 1])
      node = end[node]
      continue
    }
    chars[d] = chars[d - 1] + (free.completed(from, byte[node]) >= 0 ? 1 : 0)
    const need = Math.min(chars[d] + (next.whole ? 0 : 1), NOT_INSIDE - 1)
    for (let t = first[node]; t < first[node + 1]; t++) needs[order[t]] = need
    path[d] = next
    node++
  }
  vocabulary.freeString = {
    ...(yield* sortedByNeed(needs)),
    exits: Int32Array.from(exits),
    exitChars: Uint16Array.from(exitChars),
  }
}

/** Counting sort. */
function* sortedByNeed(needs: Uint16Array): Work<Pick<FreeString, 'all' | 'byNeed' | 'upTo'>> {
  const all = new Uint32Array((needs.length + 31) >> 5)
  const counts: number[] = []
  for (let id = 0; id < needs.length; id++) {
    if ((id & 8191) === 8191) yield
    const need = needs[id]
    if (need === NOT_INSIDE) continue
    all[id >> 5] |= 1 << (id & 31)
    while (counts.length <= need) counts.push(0)
    counts[need]++
  }
  const upTo = new Int32Array(counts.length)
  const next: number[] = []
  let sum = 0
  counts.forEach((count, need) => {
    next.push(sum)
    sum += count
    upTo[need] = sum
  })
  const byNeed = new Int32Array(sum)
  for (let id = 0; id < needs.length; id++) {
    if ((id & 8191) === 8191) yield
    if (needs[id] !== NOT_INSIDE) byNeed[next[needs[id]]++] = id
  }
  return { all, byNeed, upTo }
}
