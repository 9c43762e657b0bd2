// What this tab remembers while it lives: the tale on the sheet, which model, the engine's options and what is
// folded open. Kept in sessionStorage when the page is left, so that back, forward and reload find it again;
// prompt and sampling are kept for longer (settings.ts). Whatever is not usable is left out.
import { byId } from './dom.ts'
import type { ToldTale } from './tale.ts'

const KEY = 'ryzanstein.visit'

export interface Visit {
  tale?: ToldTale
  /** URL of the model that was open; files cannot be found again. */
  modelUrl?: string
  /** Values of the engine's form by id. */
  engine?: Record<string, string>
  /** Ids of folds, and whether they are open. */
  folds?: Record<string, boolean>
}

/** What was left here before, if anything. */
export function lastVisit(): Visit {
  try {
    const stored: unknown = JSON.parse(sessionStorage.getItem(KEY) ?? '{}')
    const { tale, modelUrl, engine, folds } = Object(stored) as Record<string, unknown>
    return {
      ...(isTale(tale) && { tale }),
      ...(typeof modelUrl === 'string' && { modelUrl }),
      ...(isTable(engine, 'string') && { engine: engine as Record<string, string> }),
      ...(isTable(folds, 'boolean') && { folds: folds as Record<string, boolean> }),
    }
  } catch {
    return {} // blocked or damaged
  }
}

/** Calls `current` whenever the page may be left for good: hidden, or on its way elsewhere. */
export function rememberVisit(current: () => Visit): void {
  const store = (): void => {
    try {
      sessionStorage.setItem(KEY, JSON.stringify(current()))
    } catch {
      // Private windows may refuse, and a tale may be too long; the page works without.
    }
  }
  addEventListener('pagehide', store)
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'hidden') store()
  })
}

/** Folds as they are now. */
export function foldsNow(): Record<string, boolean> {
  return Object.fromEntries([...allFolds()].map(fold => [fold.id, fold.open]))
}

export function setFolds(folds: Readonly<Record<string, boolean>>): void {
  for (const fold of allFolds()) fold.open = folds[fold.id] ?? fold.open
}

function allFolds(): NodeListOf<HTMLDetailsElement> {
  return document.querySelectorAll<HTMLDetailsElement>('details.fold')
}

/** The engine's form as text, as the visitor left it. */
export function engineNow(): Record<string, string> {
  return Object.fromEntries(engineFields().map(field => [field.id, fieldText(field)]))
}

export function setEngine(values: Readonly<Record<string, string>>): void {
  for (const field of engineFields()) {
    const value = values[field.id]
    if (value === undefined) continue
    if (field instanceof HTMLInputElement && field.type === 'checkbox')
      field.checked = value === 'on'
    else field.value = value
    // A select shows nothing for a value that it does not have.
    if (field instanceof HTMLSelectElement && field.selectedIndex < 0) field.selectedIndex = 0
  }
}

type Field = HTMLInputElement | HTMLSelectElement

function engineFields(): Field[] {
  return [...byId('engine-form', HTMLFormElement).elements].filter(
    (field): field is Field =>
      field instanceof HTMLInputElement || field instanceof HTMLSelectElement,
  )
}

function fieldText(field: Field): string {
  if (field instanceof HTMLInputElement && field.type === 'checkbox') {
    return field.checked ? 'on' : 'off'
  }
  return field.value
}

function isTale(value: unknown): value is ToldTale {
  const { prompt, text, summary, canContinue } = Object(value) as Record<string, unknown>
  return (
    typeof prompt === 'string' &&
    typeof text === 'string' &&
    typeof summary === 'string' &&
    typeof canContinue === 'boolean'
  )
}

function isTable(value: unknown, type: 'string' | 'boolean'): boolean {
  return (
    typeof value === 'object' &&
    value !== null &&
    Object.values(value).every(v => typeof v === type)
  )
}
