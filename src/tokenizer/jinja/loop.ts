// The variable `loop`: where a for loop is, and what comes before and after. It looks no further ahead than
// it is asked to, as entries may be made only when they are taken. Called by interpreter.ts.
import { bind } from './arguments.ts'
import { raise } from './faults.ts'
import { equal, lengthOf } from './protocols.ts'
import { Builtin, Opaque, Tuple, Undefined, type Value } from './values.ts'

export class Loop extends Opaque {
  readonly typeName = 'LoopContext'
  readonly depth0: number
  /** Whether the loop may be called with other entries; the interpreter does that. */
  readonly recursive: boolean
  #entries: Iterator<Value>
  /** Known before the loop, or counted when it is asked for. */
  #length: number | undefined
  #index = -1
  #before: Value | undefined
  #current: Value | undefined
  /** What was taken ahead. */
  #ahead: IteratorResult<Value> | undefined
  #lastChanged: Tuple | undefined

  /** @param over  what the loop goes over, for its length */
  constructor(over: Value, entries: Iterator<Value>, recursive: boolean, depth0: number) {
    super()
    this.#entries = entries
    this.#length = lengthOf(over)
    this.recursive = recursive
    this.depth0 = depth0
  }

  /** Goes on; undefined at the end. */
  next(): Value | undefined {
    const next = this.#peek()
    this.#ahead = undefined
    if (next.done) return undefined
    this.#index++
    this.#before = this.#current
    this.#current = next.value
    return next.value
  }

  #peek(): IteratorResult<Value> {
    this.#ahead ??= this.#entries.next()
    return this.#ahead
  }

  get #count(): number {
    if (this.#length === undefined) {
      const ahead = this.#ahead === undefined || this.#ahead.done ? [] : [this.#ahead.value]
      const rest: Value[] = []
      for (let next = this.#entries.next(); !next.done; next = this.#entries.next())
        rest.push(next.value)
      this.#entries = rest.values()
      this.#length = this.#index + 1 + ahead.length + rest.length
    }
    return this.#length
  }

  member(name: string): Value | undefined {
    switch (name) {
      case 'index':
        return BigInt(this.#index + 1)
      case 'index0':
        return BigInt(this.#index)
      case 'revindex':
        return BigInt(this.#count - this.#index)
      case 'revindex0':
        return BigInt(this.#count - this.#index - 1)
      case 'first':
        return this.#index === 0
      case 'last':
        return this.#peek().done === true
      case 'length':
        return BigInt(this.#count)
      case 'depth':
        return BigInt(this.depth0 + 1)
      case 'depth0':
        return BigInt(this.depth0)
      case 'previtem':
        return this.#index === 0 ? new Undefined('there is no previous item') : this.#before
      case 'nextitem': {
        const next = this.#peek()
        return next.done ? new Undefined('there is no next item') : next.value
      }
      case 'cycle':
        return new Builtin(name, ({ list, named }) => {
          if (named.size > 0) throw raise('TypeError', 'cycle() takes no keyword arguments')
          if (list.length === 0) throw raise('TypeError', 'no items for cycling given')
          return list[this.#index % list.length]
        })
      case 'changed':
        return new Builtin(name, ({ list, named }) => {
          if (named.size > 0) throw raise('TypeError', 'changed() takes no keyword arguments')
          const value = new Tuple(list)
          if (this.#lastChanged && equal(this.#lastChanged, value)) return false
          this.#lastChanged = value
          return true
        })
      default:
        return undefined
    }
  }

  override readonly call = (args: { list: readonly Value[] }): Value => {
    bind('loop', 'iterable', { list: args.list, named: new Map() })
    // The interpreter calls recursive loops itself.
    throw raise(
      'TypeError',
      "The for loop must have the 'recursive' marker to be called recursively",
    )
  }

  print(): string {
    return `<LoopContext ${this.#index + 1}/${this.#count}>`
  }
}
