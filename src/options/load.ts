// What load() and willItRun() may be told: bounds and defaults of LoadOptions. Used by src/api and src/engine.
import type { BackendName, LoadOptions, SpeculationOptions } from '../types/index.ts'
import { BACKENDS } from './backends.ts'
import {
  badOption,
  callback,
  checkOptions,
  flag,
  isList,
  kindOf,
  number,
  oneOf,
  type Rule,
  type Rules,
  shown,
  signal,
  whole,
} from './rules.ts'

/** The longest published ones have 20,000. */
const MAX_TEMPLATE_CHARS = 1_000_000

export const LOAD_DEFAULTS = {
  maxSequences: 4,
  queueLimit: 16,
  queueTimeoutMs: 30_000,
  prefillPiece: 128,
} as const satisfies LoadOptions

export const SPECULATION_DEFAULTS = {
  lookup: true,
  maxTokens: 31,
  adaptive: true,
} as const satisfies SpeculationOptions

/** Milliseconds in the queue: 0 only starts at once or not at all, Infinity waits for ever. */
export const queueTimeout: Rule = number(0, Number.POSITIVE_INFINITY)

const hash: Rule = value =>
  typeof value === 'string' && /^[0-9a-f]{64}$/i.test(value) ? undefined : '64 hex digits'

const hashes: Rule = value => {
  if (typeof value !== 'object') return hash(value)
  const all = Object.values(value ?? {})
  const wanted = '64 hex digits, or 64 hex digits by file name'
  return all.length > 0 && all.every(one => hash(one) === undefined) ? undefined : wanted
}

/** What a page may not set is dropped by browsers without a word; Range is the loader's own. */
const FORBIDDEN =
  /^(accept-(charset|encoding)|access-control-.*|connection|content-length|cookie2?|date|dnt|expect|host|if-range|keep-alive|origin|proxy-.*|range|referer|sec-.*|set-cookie|te|trailer|transfer-encoding|upgrade|via)$/i

/** Values may be secrets: a message never shows them. */
const headers: Rule = value => {
  const all = headersOf(value)
  if (all === undefined) return 'an object of header names and texts'
  for (const [name, text] of Object.entries(all)) {
    if (!/^[\w!#$%&'*+.^`|~-]+$/.test(name))
      return `without ${shown(name)}, which is no header's name`
    if (FORBIDDEN.test(name)) return `without ${name}, which a page may not set`
    if (typeof text !== 'string' || !/^[\t\x20-\x7e\x80-\xff]*$/.test(text)) {
      return `with Latin-1 text in one line as ${name}`
    }
  }
  return undefined
}

/** A plain object, which can be sent to the worker; undefined for what holds no headers. */
function headersOf(value: unknown): Record<string, string> | undefined {
  if (kindOf(value) === 'Headers') return Object.fromEntries(value as Headers)
  return typeof value === 'object' && value !== null && !isList(value)
    ? { ...(value as Record<string, string>) }
    : undefined
}

const hubUrl: Rule = value =>
  typeof value === 'string' && /^https?:\/\//.test(value) && URL.canParse(value)
    ? undefined
    : 'the URL of a hub, with https://'

const url: Rule = value =>
  (typeof value === 'string' && value !== '') || kindOf(value) === 'URL' ? undefined : 'a URL'

const template: Rule = value =>
  typeof value === 'string' && value !== '' && value.length <= MAX_TEMPLATE_CHARS
    ? undefined
    : `a Jinja template of at most ${MAX_TEMPLATE_CHARS} characters`

const threads: Rule = value =>
  value === 'auto' || whole(1, 64)(value) === undefined
    ? undefined
    : "'auto' or a whole number from 1 to 64"

const SPECULATION_RULES: Rules<SpeculationOptions> = {
  lookup: flag,
  maxTokens: whole(1, 31),
  adaptive: flag,
}

const speculation: Rule = value => {
  if (value === 'auto' || value === 'off') return undefined
  if (kindOf(value) !== 'Object')
    return "'auto', 'off', or an object of lookup, maxTokens, adaptive"
  const given = value as Record<string, unknown>
  for (const name in given) {
    if (given[name] === undefined) continue
    const rule = Object.hasOwn(SPECULATION_RULES, name) && SPECULATION_RULES[name as 'lookup']
    if (!rule) return `an object of lookup, maxTokens, adaptive; ${shown(name)} is none`
    const wrong = rule(given[name])
    if (wrong !== undefined) return `an object whose ${name} is ${wrong}`
  }
  return undefined
}

/** What LoadOptions.backend may be. */
export const LOAD_BACKENDS: readonly ('auto' | BackendName)[] = ['auto', ...BACKENDS]

export const LOAD_RULES: Rules<LoadOptions> = {
  backend: oneOf(...LOAD_BACKENDS),
  powerPreference: oneOf('low-power', 'high-performance'),
  allowSoftwareAdapter: flag,
  profileGpu: flag,
  variant: oneOf('auto', 'relaxed', 'relaxed-i32', 'simd128', 'scalar'),
  threads,
  strict: flag,
  head: oneOf('int8', 'int4'),
  activations: oneOf('int8', 'float'),
  i2sLayout: oneOf('x86', 'arm', 'rows4', 'sequential'),
  kv: oneOf('f32', 'f16', 'int8', 'int4'),
  contextLength: whole(1, 1 << 20),
  maxSequences: whole(1, 256),
  memoryBudget: whole(1, 2 ** 40),
  queueLimit: whole(0, 1 << 20),
  queueTimeoutMs: queueTimeout,
  prefillPiece: whole(1, 512),
  speculation,
  // What it may be is checked where sources are: api/local-source.ts.
  draft: () => undefined,
  calibrate: flag,
  share: flag,
  cache: oneOf('auto', 'require', 'only', 'off'),
  sha256: hashes,
  cacheChunkBytes: whole(1 << 12, 1 << 26),
  autoRestart: flag,
  chatTemplate: template,
  headers,
  hubUrl,
  fetch: callback,
  baseUrl: url,
  signal,
  onProgress: callback,
}

/** @throws RyzError BAD_OPTION naming the option */
export function checkLoad(options: LoadOptions, call = 'load()'): LoadOptions {
  const checked = checkOptions(LOAD_RULES, options, call)
  if (checked.strict && checked.head) {
    throw badOption('head', checked.head, 'left out where strict is true')
  }
  if (typeof checked.speculation === 'object') checked.speculation = { ...checked.speculation }
  if (checked.headers) checked.headers = headersOf(checked.headers)
  return checked
}
