// What an evaluation consists of, and its form as a query string: the link that repeats it. Pure; files of this
// device have no link.
import type { LoadOptions } from 'ryzanstein'
import type { BosRule } from '../../evals/run/model.ts'
import { SHOT_SEED } from '../../evals/run/plan.ts'

/** A few documents of the project's own. */
export const OURS = 'ours'

export interface EvalSettings {
  readonly task: string
  /** URLs, or OURS. */
  readonly data: readonly string[]
  readonly shots: readonly string[]
  /** Examples before each question; null takes the task's own number. */
  readonly fewshot: number | null
  /** Documents of each part at most; null takes all. */
  readonly limit: number | null
  readonly bos: BosRule
  readonly seed: number
  /** A name of the site's models, or a URL. */
  readonly model: string
  readonly backend: string
  readonly threads: number | null
  readonly kv: string
  readonly head: string
  readonly context: number | null
  /** MB. */
  readonly budget: number | null
  readonly strict: boolean
  readonly float: boolean
  /** A WebGPU that computes on the CPU is taken, too. */
  readonly software: boolean
}

export const DEFAULTS: EvalSettings = {
  task: 'hellaswag',
  data: [OURS],
  shots: [],
  fewshot: null,
  limit: null,
  bos: 'tokenizer',
  seed: SHOT_SEED,
  model: 'ryz-chat',
  backend: 'auto',
  threads: null,
  kv: 'auto',
  head: 'auto',
  context: null,
  budget: null,
  strict: false,
  float: false,
  software: false,
}

const BOS_RULES: readonly BosRule[] = ['tokenizer', 'never', 'always']

/** Reads settings from a query string; what is missing or not usable takes its default. */
export function settingsFrom(query: URLSearchParams): EvalSettings {
  const text = (name: 'task' | 'model' | 'backend' | 'kv' | 'head') =>
    query.get(name)?.trim() || DEFAULTS[name]
  const list = (name: 'data' | 'shots') => {
    const given = (query.get(name) ?? '').split(/\s+/).filter(Boolean)
    return given.length > 0 ? given : DEFAULTS[name]
  }
  const whole = (name: 'fewshot' | 'limit' | 'threads' | 'context' | 'budget', least: number) => {
    const value = query.get(name)?.trim()
    const number = Number(value)
    return value && Number.isInteger(number) && number >= least ? number : null
  }
  const seed = Number(query.get('seed') || DEFAULTS.seed)
  return {
    task: text('task'),
    data: list('data'),
    shots: list('shots'),
    fewshot: whole('fewshot', 0),
    limit: whole('limit', 1),
    bos: BOS_RULES.find(rule => rule === query.get('bos')) ?? DEFAULTS.bos,
    seed: Number.isInteger(seed) && seed >= 0 && seed < 2 ** 32 ? seed : DEFAULTS.seed,
    model: text('model'),
    backend: text('backend'),
    threads: whole('threads', 1),
    kv: text('kv'),
    head: text('head'),
    context: whole('context', 1),
    budget: whole('budget', 1),
    strict: query.get('strict') === '1',
    float: query.get('float') === '1',
    software: query.get('software') === '1',
  }
}

/** The query string of settings; defaults are left out. */
export function queryOf(settings: EvalSettings): URLSearchParams {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(settings)) {
    const standard: unknown = DEFAULTS[name as keyof EvalSettings]
    if (Array.isArray(value)) {
      if (value.join(' ') !== (standard as readonly string[]).join(' '))
        query.set(name, value.join(' '))
    } else if (value !== standard && value !== null)
      query.set(name, value === true ? '1' : String(value))
  }
  return query
}

/** What load() is told. Not checked here: load() says what is wrong. */
export function loadOptionsOf(settings: EvalSettings): LoadOptions {
  const { backend, threads, kv, head, context, budget, strict, float, software } = settings
  const chosen = {
    ...(backend !== 'auto' && { backend }),
    ...(threads !== null && { threads }),
    ...(kv !== 'auto' && { kv }),
    ...(head !== 'auto' && { head }),
    ...(context !== null && { contextLength: context }),
    ...(budget !== null && { memoryBudget: budget * 1e6 }),
    ...(strict && { strict }),
    ...(float && { activations: 'float' }),
    ...(software && { allowSoftwareAdapter: true }),
  }
  return chosen as LoadOptions
}
