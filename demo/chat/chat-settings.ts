// The few values that shape an answer, kept in localStorage between visits, and the system prompt, which belongs
// to a conversation. Damaged or blocked storage gives the defaults.
import { byId } from '../src/dom.ts'
import type { AnswerOptions } from './talk.ts'

const KEY = 'ryzanstein.chat'

/** Ids of the sliders, and what they stand at; the ranges are the page's. */
const DEFAULTS = { temperature: 0.7, repetitionPenalty: 1.1, maxTokens: 256 } as const
type Name = keyof typeof DEFAULTS
const NAMES = Object.keys(DEFAULTS) as Name[]

export class ChatSettings {
  readonly #system = byId('system', HTMLTextAreaElement)

  /** @param onSystem  called with each change of the system prompt */
  constructor(onSystem: (text: string) => void) {
    const stored = storedValues()
    for (const name of NAMES) {
      const value = stored[name]
      const slider = byId(name, HTMLInputElement)
      // The slider keeps the value within its range.
      slider.value = String(typeof value === 'number' ? value : DEFAULTS[name])
      slider.addEventListener('input', () => {
        showValue(slider)
        this.#store()
      })
      showValue(slider)
    }
    this.#system.addEventListener('input', () => onSystem(this.#system.value))
    byId('reset', HTMLButtonElement).addEventListener('click', () => this.#reset())
  }

  get answer(): AnswerOptions {
    const value = (name: Name): number => byId(name, HTMLInputElement).valueAsNumber
    return {
      temperature: value('temperature'),
      repetitionPenalty: value('repetitionPenalty'),
      maxTokens: value('maxTokens'),
    }
  }

  showSystem(text: string): void {
    this.#system.value = text
  }

  #reset(): void {
    for (const name of NAMES) {
      const slider = byId(name, HTMLInputElement)
      slider.value = String(DEFAULTS[name])
      showValue(slider)
    }
    this.#store()
  }

  #store(): void {
    try {
      localStorage.setItem(KEY, JSON.stringify(this.answer))
    } catch {
      // Private windows may refuse; the page works without.
    }
  }
}

function storedValues(): Record<string, unknown> {
  try {
    return Object(JSON.parse(localStorage.getItem(KEY) ?? '{}'))
  } catch {
    return {}
  }
}

function showValue(slider: HTMLInputElement): void {
  const output = slider.parentElement?.querySelector('output')
  if (output) output.value = slider.valueAsNumber === 0 ? '0, greedy' : slider.value
}
