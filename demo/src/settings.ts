// What the page remembers between visits: the opening and the sampling values, in localStorage.
// Storage may be blocked or hold anything; whatever is not usable becomes the default.

const KEY = 'ryzanstein.demo'

/** The sampling values with a slider, by the id of their input. */
export interface SliderValues {
  temperature: number
  topK: number
  topP: number
  minP: number
  repetitionPenalty: number
  maxTokens: number
}

export interface Settings extends SliderValues {
  prompt: string
  /** null draws a new one each time. */
  seed: number | null
}

export const DEFAULTS: Readonly<Settings> = {
  prompt: 'Once upon a time',
  temperature: 0.8,
  topK: 40,
  topP: 0.95,
  minP: 0,
  repetitionPenalty: 1.1,
  maxTokens: 240,
  seed: null,
}

export function loadSettings(): Settings {
  const settings: Settings = { ...DEFAULTS }
  try {
    const stored: unknown = JSON.parse(localStorage.getItem(KEY) ?? '{}')
    if (typeof stored !== 'object' || stored === null) return settings
    const values = new Map<string, unknown>(Object.entries(stored))
    const prompt = values.get('prompt')
    if (typeof prompt === 'string') settings.prompt = prompt
    const seed = values.get('seed')
    if (isSeed(seed)) settings.seed = seed
    for (const name of SLIDERS) {
      const value = values.get(name)
      if (typeof value === 'number' && Number.isFinite(value)) settings[name] = value
    }
  } catch {
    // Blocked or damaged storage: the defaults stand.
  }
  return settings
}

export function saveSettings(settings: Settings): void {
  try {
    localStorage.setItem(KEY, JSON.stringify(settings))
  } catch {
    // Private windows may refuse; the page works without.
  }
}

export const SLIDERS = [
  'temperature',
  'topK',
  'topP',
  'minP',
  'repetitionPenalty',
  'maxTokens',
] as const satisfies readonly (keyof SliderValues)[]

/** Seeds are unsigned 32-bit integers. */
export function isSeed(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < 2 ** 32
}
