// The Engine disclosure: load options as the user set them. Empty fields mean "automatic" and are
// left out, so that the engine's own defaults hold; it also judges the values.
import type {
  ActivationMode,
  BackendName,
  I2sLayout,
  KernelVariant,
  KvType,
  LoadOptions,
} from 'ryzanstein'
import { byId } from './dom.ts'
import { CHOICES, fillSelect } from './engine-choices.ts'

/** Puts the choices into the selects; before anything is read. */
export function fillEngineForm(): void {
  for (const [name, values] of Object.entries(CHOICES)) fillSelect(`opt-${name}`, values, '')
}

/** Reads the form; only what differs from automatic is present. */
export function readEngineOptions(): LoadOptions {
  const options: LoadOptions = {}
  const backend = choice<BackendName>('opt-backend')
  const variant = choice<KernelVariant>('opt-variant')
  const kv = choice<KvType>('opt-kv')
  const head = choice<'int8' | 'int4'>('opt-head')
  const activations = choice<ActivationMode>('opt-activations')
  const i2sLayout = choice<I2sLayout>('opt-i2sLayout')
  const threads = number('opt-threads')
  const contextLength = number('opt-contextLength')
  const budgetMb = number('opt-memoryBudget')
  if (backend) options.backend = backend
  if (variant) options.variant = variant
  if (kv) options.kv = kv
  if (head) options.head = head
  if (activations) options.activations = activations
  if (i2sLayout) options.i2sLayout = i2sLayout
  if (threads !== undefined) options.threads = threads
  if (contextLength !== undefined) options.contextLength = contextLength
  if (budgetMb !== undefined) options.memoryBudget = budgetMb * 1e6
  if (byId('opt-strict', HTMLInputElement).checked) options.strict = true
  if (byId('opt-software', HTMLInputElement).checked) options.allowSoftwareAdapter = true
  return options
}

/** Calls back when the user applies the options. */
export function onEngineApply(apply: () => void): void {
  byId('engine-form', HTMLFormElement).addEventListener('submit', event => {
    event.preventDefault()
    apply()
  })
}

function choice<T extends string>(id: string): T | undefined {
  // fillEngineForm() put the union's members there.
  return (byId(id, HTMLSelectElement).value as T) || undefined
}

function number(id: string): number | undefined {
  const input = byId(id, HTMLInputElement)
  return input.value === '' ? undefined : input.valueAsNumber
}
