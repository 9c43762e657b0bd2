// Names and their values while a template runs, and what it writes.
import { spend, TextTooLong } from './faults.ts'
import { join, type Text } from './text.ts'
import { Undefined, type Value } from './values.ts'

/** A name that its scope keeps to itself and has not set yet. */
const HIDDEN = Symbol('hidden')

/** The names of one body; what is not here is looked for outside. */
export class Scope {
  readonly #parent: Scope | undefined
  readonly #names = new Map<string, Value | typeof HIDDEN>()

  constructor(parent: Scope | undefined, hidden: readonly string[] = []) {
    this.#parent = parent
    for (const name of hidden) this.#names.set(name, HIDDEN)
  }

  get(name: string): Value {
    let scope: Scope | undefined = this
    while (scope) {
      const value = scope.#names.get(name)
      if (value === HIDDEN) break
      if (value !== undefined) return value
      scope = scope.#parent
    }
    return new Undefined(`'${name}' is undefined`)
  }

  set(name: string, value: Value): void {
    this.#names.set(name, value)
  }

  hide(name: string): void {
    this.#names.set(name, HIDDEN)
  }
}

/** Text as it is written. */
export class Output {
  readonly #parts: Text[] = []
  readonly #limit: number
  #length = 0

  constructor(limit = Number.POSITIVE_INFINITY) {
    this.#limit = limit
  }

  /** @throws TextTooLong */
  write(text: Text): void {
    if (text.length === 0) return
    spend(text.length / 64)
    this.#length += text.length
    if (this.#length > this.#limit) throw new TextTooLong(this.#limit)
    this.#parts.push(text)
  }

  get text(): Text {
    return join(this.#parts)
  }
}
