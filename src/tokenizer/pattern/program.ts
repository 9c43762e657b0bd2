// A parsed pattern as a list of instructions, and its character tests as tables that are filled as
// characters come. Immutable once made, so any number of matchers share it. Run by matcher.ts.
import { RyzError } from '../../errors.ts'
import type { CharTest } from './char-tests.ts'
import { type Assertion, type PatternNode, parsePattern } from './parse.ts'

/** `x` and `y` of an instruction are what its line says. */
export const OP = {
  /** Takes the code unit x. */
  char: 0,
  /** Takes a character of set x. */
  set: 1,
  /** Goes on at x; should that fail, at y. `mark` numbers it. */
  split: 2,
  /** The same for alternatives that are only reached where a match begins: needs no mark. */
  choose: 3,
  jump: 4,
  /** Takes as many characters of set x as there are, and gives back one by one. `mark` numbers it. */
  run: 5,
  /** The same where what follows cannot fail, so that nothing is ever given back. */
  runAll: 6,
  /** Assertion number x about set y. */
  assert: 7,
  /** The body follows and ends with `looked`; then x. y is 1 when it must not match. */
  look: 8,
  looked: 9,
  match: 10,
} as const

/** In the order of OP.assert's x. */
export const ASSERTIONS: readonly Assertion[] = [
  'lineStart',
  'lineEnd',
  'textStart',
  'textEnd',
  'lastLineEnd',
  'wordBoundary',
  'noWordBoundary',
  'ahead',
  'notAhead',
  'behind',
  'notBehind',
]

/** x{1000} of x{1000} would be a million instructions. */
const MAX_INSTRUCTIONS = 8192

export interface Program {
  readonly op: Uint8Array
  readonly x: Int32Array
  readonly y: Int32Array
  readonly mark: Int32Array
  /** Instructions that have a mark. */
  readonly marks: number
  readonly sets: CharSets
}

/** @throws RyzError TOKENIZER_INVALID | UNSUPPORTED_FEATURE, see parse.ts */
export function compilePattern(source: string): Program {
  return new Compiler().compile(parsePattern(source))
}

/** Which of up to a few dozen sets a character belongs to; a page of 256 characters at a time. */
export class CharSets {
  readonly #tests: readonly CharTest[]
  readonly #words: number
  readonly #pages = new Array<Uint32Array | undefined>(0x1100)

  constructor(tests: readonly CharTest[]) {
    this.#tests = tests
    this.#words = Math.max(1, Math.ceil(tests.length / 32))
  }

  has(code: number, set: number): boolean {
    const page = this.#pages[code >> 8] ?? this.#fill(code >> 8)
    return ((page[(code & 255) * this.#words + (set >> 5)]! >>> (set & 31)) & 1) !== 0
  }

  #fill(page: number): Uint32Array {
    const words = this.#words
    const bits = new Uint32Array(256 * words)
    for (let i = 0; i < 256; i++) {
      for (let set = 0; set < this.#tests.length; set++) {
        if (this.#tests[set]!.has(page * 256 + i)) bits[i * words + (set >> 5)]! |= 1 << (set & 31)
      }
    }
    this.#pages[page] = bits
    return bits
  }
}

class Compiler {
  readonly #op: number[] = []
  readonly #x: number[] = []
  readonly #y: number[] = []
  readonly #tests: CharTest[] = []
  readonly #setOf = new Map<string, number>()

  compile(tree: PatternNode): Program {
    const options = tree.kind === 'choice' ? tree.options : [tree]
    this.#options(options, OP.choose)
    this.#add(OP.match)
    const op = Uint8Array.from(this.#op)
    const mark = new Int32Array(op.length)
    let marks = 0
    for (let pc = 0; pc < op.length; pc++) {
      if (op[pc] === OP.run && this.#cannotFail(pc + 1, 0)) op[pc] = OP.runAll
      if (op[pc] === OP.run || op[pc] === OP.split) mark[pc] = marks++
    }
    const [x, y] = [Int32Array.from(this.#x), Int32Array.from(this.#y)]
    return { op, x, y, mark, marks, sets: new CharSets(this.#tests) }
  }

  #add(op: number, x = 0, y = 0): number {
    if (this.#op.length >= MAX_INSTRUCTIONS) {
      throw new RyzError(
        'UNSUPPORTED_FEATURE',
        `a pattern of the tokenizer takes more than ${MAX_INSTRUCTIONS} steps when its repetitions are written out`,
      )
    }
    this.#x.push(x)
    this.#y.push(y)
    return this.#op.push(op) - 1
  }

  #node(node: PatternNode): void {
    switch (node.kind) {
      case 'char':
        this.#char(node.test)
        return
      case 'sequence':
        for (const item of node.items) this.#node(item)
        return
      case 'choice':
        this.#options(node.options, OP.split)
        return
      case 'repeat':
        this.#repeat(node.item, node.least, node.most, node.lazy)
        return
      case 'assert':
        this.#add(OP.assert, ASSERTIONS.indexOf(node.what), node.test ? this.#set(node.test) : 0)
        return
      case 'look': {
        const at = this.#add(OP.look, 0, node.negative ? 1 : 0)
        this.#node(node.item)
        this.#add(OP.looked)
        this.#x[at] = this.#op.length
        return
      }
      default:
        node satisfies never
    }
  }

  #char(test: CharTest): void {
    const code = test.key.startsWith('=') ? Number(test.key.slice(1)) : -1
    if (code >= 0 && code <= 0xffff) this.#add(OP.char, code)
    else this.#add(OP.set, this.#set(test))
  }

  #set(test: CharTest): number {
    const known = this.#setOf.get(test.key)
    if (known !== undefined) return known
    this.#setOf.set(test.key, this.#tests.length)
    return this.#tests.push(test) - 1
  }

  #options(options: readonly PatternNode[], op: number): void {
    const ends: number[] = []
    options.forEach((option, i) => {
      const last = i === options.length - 1
      const split = last ? -1 : this.#add(op)
      this.#node(option)
      if (last) return
      ends.push(this.#add(OP.jump))
      this.#x[split] = split + 1
      this.#y[split] = this.#op.length
    })
    for (const end of ends) this.#x[end] = this.#op.length
  }

  #repeat(item: PatternNode, least: number, most: number, lazy: boolean): void {
    for (let i = 0; i < least; i++) this.#node(item)
    if (most === Number.POSITIVE_INFINITY) {
      if (item.kind === 'char' && !lazy) {
        this.#add(OP.run, this.#set(item.test))
        return
      }
      const split = this.#add(OP.split)
      this.#node(item)
      this.#add(OP.jump, split)
      this.#aim(split, split + 1, this.#op.length, lazy)
      return
    }
    const splits: number[] = []
    for (let i = least; i < most; i++) {
      splits.push(this.#add(OP.split))
      this.#node(item)
    }
    for (const split of splits) this.#aim(split, split + 1, this.#op.length, lazy)
  }

  /** `again` first, unless lazy. */
  #aim(split: number, again: number, on: number, lazy: boolean): void {
    this.#x[split] = lazy ? on : again
    this.#y[split] = lazy ? again : on
  }

  /** Whether what begins at `pc` reaches the match whatever the text is. */
  #cannotFail(pc: number, depth: number): boolean {
    if (depth > 16) return false
    switch (this.#op[pc]) {
      case OP.match:
        return true
      case OP.run:
        return this.#cannotFail(pc + 1, depth + 1)
      case OP.jump:
        return this.#x[pc]! > pc && this.#cannotFail(this.#x[pc]!, depth + 1)
      case OP.split:
      case OP.choose:
        return [this.#x[pc]!, this.#y[pc]!].some(to => to > pc && this.#cannotFail(to, depth + 1))
      default:
        return false
    }
  }
}
