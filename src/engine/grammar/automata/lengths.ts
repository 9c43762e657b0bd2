// How long the texts can be that an automaton accepts from a state: sets of lengths are periodic from
// some point on, which decides exactly whether a bound can still be met. Read by run/terminal.ts.
import { type Budget, GrammarFault } from '../work.ts'
import type { Dfa } from './dfa.ts'

const MAX_BITS = 64e6

export class Lengths {
  /** rows[r] is a bit set: the states from which some text of exactly r characters is accepted. */
  readonly #rows: Uint32Array[] = []
  /** Row r beyond the last is row `#back + (r - #back) % #period`. */
  #back = 0
  #period = 1

  /** @throws GrammarFault where the sets are too large to be kept */
  constructor(dfa: Dfa, budget: Budget) {
    const width = dfa.classes.count
    const words = (dfa.states + 31) >> 5
    let row = new Uint32Array(words)
    for (let s = 0; s < dfa.states; s++) if (dfa.accept[s] === 1) row[s >> 5] |= 1 << (s & 31)
    const seen = new Map<string, number>()
    for (;;) {
      const key = row.join()
      const before = seen.get(key)
      if (before !== undefined) {
        this.#back = before
        this.#period = this.#rows.length - before
        return
      }
      seen.set(key, this.#rows.length)
      this.#rows.push(row)
      if (this.#rows.length * words * 32 > MAX_BITS) {
        throw new GrammarFault(
          'pattern and length together need too large an automaton; make one of them simpler',
          budget.place,
          'pattern',
          true,
        )
      }
      const next = new Uint32Array(words)
      for (let s = 0; s < dfa.states; s++) {
        for (let c = 0; c < width; c++) {
          const to = dfa.table[s * width + c]
          if (to >= 0 && (row[to >> 5] & (1 << (to & 31))) !== 0) {
            next[s >> 5] |= 1 << (s & 31)
            break
          }
        }
      }
      budget.spend(dfa.states * width)
      row = next
    }
  }

  /** Whether a text of between `low` and `high` characters is accepted from the state. */
  within(state: number, low: number, high: number): boolean {
    const last = Math.min(high, Math.max(low, this.#back) + this.#period - 1)
    for (let r = low; r <= last; r++) {
      const row = r < this.#rows.length ? r : this.#back + ((r - this.#back) % this.#period)
      if ((this.#rows[row][state >> 5] & (1 << (state & 31))) !== 0) return true
    }
    return false
  }

  /** From this many characters on only the remainder by `period` matters. */
  get settled(): number {
    return this.#back
  }

  get period(): number {
    return this.#period
  }
}
