// Finds the matches of a pattern in a stretch of text as a backtracking matcher would (leftmost, first
// alternative first), but in linear time: no instruction is tried twice at one place. What failed once
// at a place fails again, whichever attempt comes by, so the marks outlive the attempt; only those
// beyond a match's end are kept with it. Stops when the budget is spent and goes on where it was.
// Used by cutters.ts and normalizers.ts.
import type { Budget } from '../budget.ts'
import { Marks } from './marks.ts'
import { ASSERTIONS, OP, type Program } from './program.ts'

export const NONE = 0
export const FOUND = 1
export const PAUSED = 2

const WHERE = Object.fromEntries(ASSERTIONS.map((what, i) => [what, i]))
const { lineStart, lineEnd, textStart, textEnd, lastLineEnd } = WHERE
const { wordBoundary, noWordBoundary, ahead, notAhead, behind, notBehind } = WHERE
const NEWLINE = 0x0a

/** The state of one search; `start` and `end` say where the last match was. */
export class PatternMatcher {
  start = 0
  end = 0
  readonly #program: Program
  #units: Uint16Array = new Uint16Array(0)
  #from = 0
  #to = 0
  readonly #marks: Marks
  /** Triples pc, place, low: alternatives yet to be tried; low >= 0 for a run that gives back. */
  #stack = new Int32Array(96)
  #size = 0
  /** Where a paused attempt goes on; -1 when none is under way. */
  #pc = -1
  #at = 0
  #runLow = -1

  constructor(program: Program) {
    this.#program = program
    this.#marks = new Marks(program.marks)
  }

  /** Takes a text: units [from, to), no half of a surrogate pair alone. */
  begin(units: Uint16Array, from: number, to: number): void {
    this.#units = units
    this.#from = from
    this.#to = to
    this.#pc = -1
    this.#size = 0
    this.#marks.clear(from)
  }

  /** The first match that begins at `at` or later. After PAUSED, call again with the same `at`. */
  find(at: number, budget: Budget): typeof NONE | typeof FOUND | typeof PAUSED {
    if (this.#pc < 0) this.start = at
    for (;;) {
      if (this.#pc < 0) {
        if (this.start > this.#to) return NONE
        this.#marks.startAt(this.start)
        this.#pc = 0
        this.#at = this.start
        this.#runLow = -1
      }
      const end = this.#explore(budget)
      if (end === PAUSE) return PAUSED
      this.#pc = -1
      if (end >= 0) {
        this.#size = 0
        this.end = end
        this.#marks.matched(end)
        return FOUND
      }
      this.start = this.#after(this.start)
    }
  }

  /** The end of the match that begins where the attempt began, -1 when there is none, or PAUSE. */
  #explore(budget: Budget): number {
    const { op, x, y, mark, sets } = this.#program
    const marks = this.#marks
    const units = this.#units
    const to = this.#to
    let pc = this.#pc
    let at = this.#at
    let left = budget.left
    for (;;) {
      if (--left < 0) {
        this.#pc = pc
        this.#at = at
        budget.left = left
        return PAUSE
      }
      let alive = true
      switch (op[pc]) {
        case OP.char:
          alive = at < to && units[at] === x[pc]
          at++
          pc++
          break
        case OP.set:
          if (at < to) {
            const unit = units[at]!
            const wide = (unit & 0xfc00) === 0xd800
            alive = sets.has(wide ? codeAt(units, at) : unit, x[pc]!)
            at += wide ? 2 : 1
            pc++
          } else alive = false
          break
        case OP.split:
          alive = marks.visit(mark[pc]!, at)
          if (!alive) break
          this.#push(y[pc]!, at, -1)
          pc = x[pc]!
          break
        case OP.choose:
          this.#push(y[pc]!, at, -1)
          pc = x[pc]!
          break
        case OP.jump:
          pc = x[pc]!
          break
        case OP.runAll: {
          const set = x[pc]!
          const stop = Math.min(to, at + Math.max(1, left))
          const began = at
          while (at < stop) {
            const unit = units[at]!
            const wide = (unit & 0xfc00) === 0xd800
            if (!sets.has(wide ? codeAt(units, at) : unit, set)) break
            at += wide ? 2 : 1
          }
          left -= at - began
          if (at < stop || at >= to) pc++
          break
        }
        case OP.run: {
          // Places that this run was tried at before have failed; it gives back down to its own.
          const set = x[pc]!
          const low = this.#runLow < 0 ? at : this.#runLow
          const began = at
          const stop = at + Math.max(1, left)
          let open = true
          while (open && at < stop) {
            open = marks.visit(mark[pc]!, at)
            if (!open) at = this.#before(at)
            else if (at >= to || !sets.has(codeAt(units, at), set)) open = false
            else at = this.#after(at)
          }
          left -= at - began
          this.#runLow = open ? low : -1
          if (open) break
          alive = at >= low
          if (at > low) this.#push(pc, at, low)
          pc++
          break
        }
        case OP.assert:
          alive = this.#holds(x[pc]!, y[pc]!, at)
          pc++
          break
        case OP.look:
          alive = this.#look(pc + 1, at) !== (y[pc] === 1)
          pc = x[pc]!
          break
        default:
          budget.left = left
          return at
      }
      if (alive) continue
      if (this.#size === 0) {
        budget.left = left
        return -1
      }
      const stack = this.#stack
      this.#size -= 3
      pc = stack[this.#size]!
      at = stack[this.#size + 1]!
      const low = stack[this.#size + 2]!
      if (low < 0) continue
      at = this.#before(at)
      if (at > low) this.#push(pc, at, low)
      pc++
    }
  }

  /**
   * Whether the body of a look ahead matches at a place. Its marks keep failures and successes alike:
   * unlike a match, a look that succeeds is not the end.
   */
  #look(body: number, place: number): boolean {
    const { op, x, y, mark, sets } = this.#program
    const marks = this.#marks
    // Quadruples pc, place, low, the node that it came from.
    const stack: number[] = [body, place, -1, -1]
    // Triples mark, lowest place, its parent; the highest place changes as a run gives back.
    const nodes: number[] = []
    const reached: number[] = []
    const succeed = (from: number): true => {
      for (let node = from; node >= 0; node = nodes[3 * node + 2]!) {
        for (let at = nodes[3 * node + 1]!; at <= reached[node]!; at++) {
          marks.win(nodes[3 * node]!, at)
        }
      }
      return true
    }
    while (stack.length > 0) {
      let node = stack.pop()!
      const low = stack.pop()!
      let at = stack.pop()!
      let pc = stack.pop()!
      if (low >= 0) {
        at = this.#before(at)
        reached[node] = at
        if (at > low) stack.push(pc, at, low, node)
        pc++
      }
      for (let alive = true; alive; ) {
        switch (op[pc]) {
          case OP.char:
            alive = at < this.#to && this.#units[at] === x[pc]
            at++
            pc++
            break
          case OP.set:
            alive = at < this.#to && sets.has(codeAt(this.#units, at), x[pc]!)
            if (alive) at = this.#after(at)
            pc++
            break
          case OP.choose:
          case OP.split:
            if (marks.won(mark[pc]!, at)) return succeed(node)
            alive = marks.visit(mark[pc]!, at)
            if (!alive) break
            nodes.push(mark[pc]!, at, node)
            node = reached.push(at) - 1
            stack.push(y[pc]!, at, -1, node)
            pc = x[pc]!
            break
          case OP.jump:
            pc = x[pc]!
            break
          case OP.runAll:
          case OP.run: {
            const from = at
            let open = true
            while (open) {
              if (marks.won(mark[pc]!, at)) {
                nodes.push(mark[pc]!, from, node)
                return succeed(reached.push(at) - 1)
              }
              open = marks.visit(mark[pc]!, at)
              if (!open) at = this.#before(at)
              else if (at >= this.#to || !sets.has(codeAt(this.#units, at), x[pc]!)) open = false
              else at = this.#after(at)
            }
            alive = at >= from
            if (!alive) break
            nodes.push(mark[pc]!, from, node)
            node = reached.push(at) - 1
            if (at > from) stack.push(pc, at, from, node)
            pc++
            break
          }
          case OP.assert:
            alive = this.#holds(x[pc]!, y[pc]!, at)
            pc++
            break
          case OP.look:
            alive = this.#look(pc + 1, at) !== (y[pc] === 1)
            pc = x[pc]!
            break
          default:
            return succeed(node)
        }
      }
    }
    return false
  }

  #holds(what: number, set: number, at: number): boolean {
    const units = this.#units
    const [from, to] = [this.#from, this.#to]
    const inSet = (place: number) =>
      place >= from && place < to && this.#program.sets.has(codeAt(units, place), set)
    const previous = () => (at > from ? this.#before(at) : -1)
    switch (what) {
      case ahead:
        return inSet(at)
      case notAhead:
        return !inSet(at)
      case behind:
        return inSet(previous())
      case notBehind:
        return !inSet(previous())
      case wordBoundary:
        return inSet(at) !== inSet(previous())
      case noWordBoundary:
        return inSet(at) === inSet(previous())
      case textStart:
        return at === from
      case textEnd:
        return at >= to
      case lineStart:
        return at === from || units[at - 1] === NEWLINE
      case lineEnd:
        return at >= to || units[at] === NEWLINE
      case lastLineEnd:
        return at >= to || (at === to - 1 && units[at] === NEWLINE)
      default:
        return false
    }
  }

  #push(pc: number, at: number, low: number): void {
    if (this.#size === this.#stack.length) {
      const larger = new Int32Array(2 * this.#size)
      larger.set(this.#stack)
      this.#stack = larger
    }
    this.#stack[this.#size++] = pc
    this.#stack[this.#size++] = at
    this.#stack[this.#size++] = low
  }

  #after(at: number): number {
    return at < this.#to && (this.#units[at]! & 0xfc00) === 0xd800 ? at + 2 : at + 1
  }

  #before(at: number): number {
    const low = at - 1 > this.#from && (this.#units[at - 1]! & 0xfc00) === 0xdc00
    return low ? at - 2 : at - 1
  }
}

const PAUSE = -2

function codeAt(units: Uint16Array, at: number): number {
  const unit = units[at]!
  if ((unit & 0xfc00) !== 0xd800) return unit
  return 0x10000 + ((unit & 0x3ff) << 10) + (units[at + 1]! & 0x3ff)
}
