// How a template fails, and what a rendering may spend: steps, characters, list entries. Every operation
// of this folder charges the budget of the rendering that runs; interpreter.ts says which one that is.

/** The template is wrong, raised an exception, or uses what is not implemented. */
export class TemplateFault extends Error {
  /** Line of the template, from 1; set by the parser or the interpreter. */
  line: number | undefined
}

/** The prompt grew beyond what the caller can use. */
export class TextTooLong extends TemplateFault {
  readonly limit: number

  constructor(limit: number) {
    super(`the rendered text is longer than ${limit} characters`)
    this.limit = limit
  }
}

/** Python raises here too. `kind` is the name of its exception. */
export function raise(kind: string, message: string): TemplateFault {
  return new TemplateFault(`${kind}: ${message}`)
}

/** Python may well render this; we do not, and say what it is. */
export function refuse(construct: string): TemplateFault {
  return new TemplateFault(`${construct} is not supported`)
}

export interface Limits {
  /** A step is a node evaluated, 64 characters written, or 8 entries visited. */
  readonly steps: number
  /** Characters of any one text that is made. */
  readonly chars: number
  /** Characters of the result. */
  readonly output: number
}

/** Jinja's own limit for range() in its sandbox; here for every list. */
export const MAX_ENTRIES = 100_000
/** Steps between two looks at the clock: one or two milliseconds. */
const SLICE = 5_000

/** What one rendering may still spend. */
export class Budget {
  readonly limits: Limits
  #left: number
  #slice = SLICE

  constructor(limits: Limits) {
    this.limits = limits
    this.#left = limits.steps
  }

  /** @throws TemplateFault when nothing is left */
  spend(steps: number): void {
    this.#left -= steps
    this.#slice -= steps
    if (this.#left < 0) {
      throw new TemplateFault(`the template took more than ${this.limits.steps} steps`)
    }
  }

  /** True once in a while: others should have a turn. */
  get sliceOver(): boolean {
    if (this.#slice > 0) return false
    this.#slice = SLICE
    return true
  }
}

let current = new Budget({ steps: Number.POSITIVE_INFINITY, chars: 1e6, output: 1e6 })

/** Everything until the next call is charged to this budget. Renderings take turns, so each sets its own. */
export function charge(budget: Budget): void {
  current = budget
}

/** @throws TemplateFault when the budget is spent */
export function spend(steps: number): void {
  current.spend(steps)
}

/** @throws TemplateFault for a text that is too long to be made; call it before making it */
export function checkChars(chars: number): void {
  if (chars <= current.limits.chars) return
  throw new TemplateFault(`a text grew beyond ${current.limits.chars} characters`)
}

/** @throws TemplateFault for a list that is too long to be made */
export function checkEntries(entries: number): void {
  if (entries > MAX_ENTRIES) throw new TemplateFault(`a list grew beyond ${MAX_ENTRIES} entries`)
  current.spend(entries / 8)
}
