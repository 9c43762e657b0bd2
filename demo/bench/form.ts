// The settings form: shows BenchSettings and reads them back. Knows nothing of engines.
import { byId } from '../src/dom.ts'
import { CHOICES, fillSelect } from '../src/engine-choices.ts'
import { standardValues } from './plan.ts'
import {
  type BenchSettings,
  DEFAULTS,
  queryOf,
  type SweepKind,
  settingsFrom,
  splitValues,
} from './settings.ts'

const TEXTS = ['model', 'backend', 'variant', 'kv', 'head', 'sweep'] as const
const NUMBERS = ['threads', 'batch', 'prompt', 'generate', 'repeat', 'budget'] as const

const NOTES: Partial<Record<SweepKind, string>> = {
  context: 'The last new tokens before the context is full.',
  batch: 'Tokens per second of all sequences together.',
  breakdown: 'Per decoded token: from the engine’s own clock, or the GPU’s, shader by shader.',
  load: 'A cold load deletes every model this site has stored.',
  soak: 'The value is the number of requests, one after the other.',
  bandwidth: 'How fast wasm reads memory: the bound of every decode.',
  variant: 'A variant, or variant@threads.',
}

export class SettingsForm {
  readonly #values = byId('set-values', HTMLInputElement)
  readonly #strict = byId('set-strict', HTMLInputElement)
  readonly #software = byId('set-software', HTMLInputElement)
  /** Not a field: the name for the rows. */
  #shape = ''

  constructor() {
    for (const name of ['backend', 'variant', 'kv', 'head'] as const) {
      fillSelect(`set-${name}`, CHOICES[name], 'auto')
    }
    byId('settings', HTMLFormElement).addEventListener('submit', event => event.preventDefault())
    field('sweep').addEventListener('change', () => {
      this.#values.value = ''
      this.#showSweep()
    })
  }

  show(settings: BenchSettings): void {
    this.#shape = settings.shape
    for (const key of TEXTS) field(key).value = settings[key]
    for (const key of NUMBERS) field(key).value = settings[key] === 0 ? '' : String(settings[key])
    this.#values.value = settings.values.join(', ')
    this.#strict.checked = settings.strict
    this.#software.checked = settings.software
    this.#showSweep()
  }

  /** What cannot be used takes its default, as in a link. */
  read(): BenchSettings {
    const query = queryOf({ ...DEFAULTS, shape: this.#shape })
    for (const key of [...TEXTS, ...NUMBERS]) query.set(key, field(key).value.trim())
    query.set('values', splitValues(this.#values.value).join(','))
    if (this.#strict.checked) query.set('strict', '1')
    if (this.#software.checked) query.set('software', '1')
    return settingsFrom(query)
  }

  #showSweep(): void {
    const sweep = field('sweep').value as SweepKind
    this.#values.placeholder = standardValues(sweep, navigator.hardwareConcurrency).join(', ')
    byId('sweep-note', HTMLElement).textContent = NOTES[sweep] ?? ''
  }
}

function field(key: (typeof TEXTS)[number] | (typeof NUMBERS)[number]): HTMLInputElement {
  return byId(`set-${key}`, HTMLElement) as HTMLInputElement
}
