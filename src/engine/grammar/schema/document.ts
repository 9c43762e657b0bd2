// The schema as it was given: where its parts are, by JSON pointer, and what $ref means. Nothing is ever
// fetched. A part is read here once; keywords.ts says what it demands.
import { GrammarFault } from '../work.ts'

export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json }

/** A part of the document that is a schema. */
export interface SchemaNode {
  readonly pointer: string
  readonly value: boolean | Readonly<Record<string, Json>>
  /** What relative references are resolved against. */
  readonly base: string
}

/** Keywords whose value is a schema, a list of schemas, or schemas by name. */
export const ONE_SCHEMA = [
  'additionalProperties',
  'propertyNames',
  'items',
  'contains',
  'not',
  'if',
  'then',
  'else',
  'unevaluatedItems',
  'unevaluatedProperties',
  'additionalItems',
] as const
export const SCHEMA_LIST = ['allOf', 'anyOf', 'oneOf', 'prefixItems'] as const
export const SCHEMA_MAP = [
  'properties',
  'patternProperties',
  '$defs',
  'definitions',
  'dependentSchemas',
] as const

/** Of a document without $id; .invalid never resolves (RFC 2606). */
const NO_BASE = 'https://schema.invalid/'
const MAX_DEPTH = 400
const MAX_SCHEMAS = 200_000

export function isObject(value: unknown): value is Readonly<Record<string, Json>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function has(value: SchemaNode['value'], key: string): boolean {
  return typeof value === 'object' && Object.hasOwn(value, key)
}

/** One step of a JSON pointer. */
export function step(pointer: string, key: string | number): string {
  return `${pointer}/${String(key).replaceAll('~', '~0').replaceAll('/', '~1')}`
}

export class SchemaDocument {
  readonly root: SchemaNode
  readonly #nodes = new Map<string, SchemaNode>()
  /** By URL: documents with an $id, and anchors. */
  readonly #targets = new Map<string, string>()

  /** @throws GrammarFault where a schema is neither an object nor a boolean */
  constructor(schema: Json) {
    this.root = this.#scan(schema, '', NO_BASE)
  }

  /** The schema at a pointer below a known one. */
  at(pointer: string): SchemaNode {
    return this.#nodes.get(pointer)!
  }

  #scan(root: Json, rootPointer: string, rootBase: string): SchemaNode {
    const todo: [Json, string, string, number][] = [[root, rootPointer, rootBase, 0]]
    for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
      const [value, pointer, outer, depth] = next
      if (typeof value !== 'boolean' && !isObject(value)) {
        throw new GrammarFault('is no schema: it must be an object or a boolean', pointer)
      }
      if (depth > MAX_DEPTH) {
        throw new GrammarFault(`nests schemas deeper than ${MAX_DEPTH}`, pointer)
      }
      if (this.#nodes.size >= MAX_SCHEMAS) {
        throw new GrammarFault(`holds more than ${MAX_SCHEMAS} schemas`, pointer)
      }
      if (this.#nodes.has(pointer)) continue
      let base = outer
      if (isObject(value)) {
        const id = text(value, '$id', pointer)
        if (id !== undefined) {
          base = resolve(id, outer, pointer)
          this.#targets.set(base.replace(/#$/, ''), pointer)
        }
        const anchor = text(value, '$anchor', pointer)
        if (anchor !== undefined) this.#targets.set(`${without(base)}#${anchor}`, pointer)
      }
      this.#nodes.set(pointer, { pointer, value, base })
      if (!isObject(value)) continue
      const add = (sub: Json, at: string) => todo.push([sub, at, base, depth + 1])
      for (const key of ONE_SCHEMA) {
        if (!Object.hasOwn(value, key)) continue
        const sub = value[key]
        // Before 2020-12 a list of items stood for the first items, one by one.
        if (key === 'items' && Array.isArray(sub)) {
          sub.forEach((item, i) => {
            add(item, step(step(pointer, key), i))
          })
        } else add(sub, step(pointer, key))
      }
      for (const key of SCHEMA_LIST) {
        if (!Object.hasOwn(value, key)) continue
        const list = value[key]
        if (!Array.isArray(list) || (list.length === 0 && key !== 'prefixItems')) {
          throw new GrammarFault('must be a list of schemas with at least one', step(pointer, key))
        }
        list.forEach((sub, i) => {
          add(sub, step(step(pointer, key), i))
        })
      }
      for (const key of SCHEMA_MAP) {
        if (!Object.hasOwn(value, key)) continue
        const map = value[key]
        if (!isObject(map)) {
          throw new GrammarFault('must be an object of schemas by name', step(pointer, key))
        }
        for (const name of Object.keys(map)) add(map[name], step(step(pointer, key), name))
      }
      if (Object.hasOwn(value, 'dependencies') && isObject(value.dependencies)) {
        for (const [name, sub] of Object.entries(value.dependencies)) {
          if (!Array.isArray(sub)) add(sub, step(step(pointer, 'dependencies'), name))
        }
      }
    }
    return this.#nodes.get(rootPointer)!
  }

  /** The schema that a $ref means. @throws GrammarFault where it leads nowhere or off the document */
  resolve(reference: string, from: SchemaNode): SchemaNode {
    const place = step(from.pointer, '$ref')
    const url = resolve(reference, from.base, place)
    const known = this.#targets.get(url.replace(/#$/, ''))
    if (known !== undefined) return this.#nodes.get(known)!
    const document = without(url)
    const fragment = url.slice(document.length + 1)
    const home =
      document === NO_BASE || document === without(this.root.base)
        ? ''
        : this.#targets.get(document)
    if (home === undefined) {
      throw new GrammarFault(
        `refers to ${JSON.stringify(reference)}, which is not in this schema; nothing is fetched`,
        place,
      )
    }
    if (fragment === '') return this.#nodes.get(home)!
    if (!fragment.startsWith('/')) {
      throw new GrammarFault(
        `refers to ${JSON.stringify(reference)}, an anchor that is not there`,
        place,
      )
    }
    return this.#byPointer(home, fragment, reference, place)
  }

  #byPointer(home: string, fragment: string, reference: string, place: string): SchemaNode {
    const missing = () =>
      new GrammarFault(`refers to ${JSON.stringify(reference)}, which is not there`, place)
    let decoded: string
    try {
      decoded = decodeURIComponent(fragment)
    } catch {
      throw missing()
    }
    const pointer = home + decoded
    const known = this.#nodes.get(pointer)
    if (known !== undefined) return known
    let value: Json | undefined = this.#nodes.get(home)!.value
    for (const part of decoded.slice(1).split('/')) {
      const key = part.replaceAll('~1', '/').replaceAll('~0', '~')
      if (Array.isArray(value)) value = /^\d+$/.test(key) ? value[Number(key)] : undefined
      else value = isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined
      if (value === undefined) throw missing()
    }
    return this.#scan(value, pointer, this.#nodes.get(home)!.base)
  }
}

function text(
  value: Readonly<Record<string, Json>>,
  key: string,
  pointer: string,
): string | undefined {
  if (!Object.hasOwn(value, key)) return undefined
  const found = value[key]
  if (typeof found === 'string') return found
  throw new GrammarFault('must be a string', step(pointer, key))
}

function resolve(reference: string, base: string, place: string): string {
  try {
    return new URL(reference, base).href
  } catch {
    throw new GrammarFault(`is ${JSON.stringify(reference)}, which is no reference`, place)
  }
}

function without(url: string): string {
  const hash = url.indexOf('#')
  return hash < 0 ? url : url.slice(0, hash)
}
