// The sampling sliders, the seed and the prompt box: shows the settings, keeps them up to date and
// saves them. Knows nothing of the engine; main.ts reads the settings when it writes.
import { byId } from './dom.ts'
import { DEFAULTS, isSeed, loadSettings, type Settings, SLIDERS, saveSettings } from './settings.ts'

const OPENINGS = [
  'Once upon a time',
  'There was once a king who had three sons',
  'The little rabbit',
  '“Who are you?” said the fox.',
  'In the middle of the dark forest stood',
]

export class SamplingForm {
  readonly #settings: Settings = loadSettings()
  readonly #prompt = byId('prompt', HTMLTextAreaElement)
  readonly #seed = byId('seed', HTMLInputElement)

  constructor() {
    this.#prompt.value = this.#settings.prompt
    this.#prompt.addEventListener('input', () => this.#store())
    for (const name of SLIDERS) {
      byId(name, HTMLInputElement).addEventListener('input', () => this.#readSlider(name))
    }
    this.#seed.addEventListener('input', () => this.#readSeed())
    byId('dice', HTMLButtonElement).addEventListener('click', () => this.keepSeed(drawSeed()))
    byId('reset', HTMLButtonElement).addEventListener('click', () => this.#reset())
    this.#showOpenings()
    this.#show()
    // Stored values may be out of range; the sliders' own limits put them right.
    for (const name of SLIDERS) this.#settings[name] = byId(name, HTMLInputElement).valueAsNumber
  }

  get settings(): Readonly<Settings> {
    return this.#settings
  }

  /** Uses this seed from now on. */
  keepSeed(seed: number): void {
    this.#settings.seed = seed
    this.#show()
    saveSettings(this.#settings)
  }

  /** The answer cannot be longer than the model's context; the wish for more is kept for the next. */
  limitTokens(contextLength: number): void {
    const input = byId('maxTokens', HTMLInputElement)
    input.max = String(Math.min(2048, Math.max(8, Math.floor(contextLength / 8) * 8)))
    this.#showSlider('maxTokens')
  }

  #showOpenings(): void {
    const group = byId('openings', HTMLElement)
    for (const opening of OPENINGS) {
      const button = document.createElement('button')
      button.type = 'button'
      button.textContent = opening
      button.addEventListener('click', () => {
        // The model was trained on straight quotes.
        this.#prompt.value = opening.replaceAll(/[“”]/g, '"')
        this.#store()
        this.#prompt.focus()
      })
      group.append(button)
    }
  }

  #show(): void {
    for (const name of SLIDERS) this.#showSlider(name)
    this.#seed.value = this.#settings.seed === null ? '' : String(this.#settings.seed)
    this.#seed.setAttribute('aria-invalid', 'false')
  }

  /** The browser keeps the shown value within the slider's range. */
  #showSlider(name: SliderName): void {
    const input = byId(name, HTMLInputElement)
    input.value = String(this.#settings[name])
    const output = input.parentElement?.querySelector('output')
    if (output) output.value = sliderText(name, input.valueAsNumber)
  }

  #readSlider(name: SliderName): void {
    this.#settings[name] = byId(name, HTMLInputElement).valueAsNumber
    this.#showSlider(name)
    saveSettings(this.#settings)
  }

  #readSeed(): void {
    const value = this.#seed.value === '' ? null : this.#seed.valueAsNumber
    const usable = value === null || isSeed(value)
    this.#seed.setAttribute('aria-invalid', String(!usable))
    if (usable) this.#settings.seed = value
    saveSettings(this.#settings)
  }

  #store(): void {
    this.#settings.prompt = this.#prompt.value
    saveSettings(this.#settings)
  }

  #reset(): void {
    Object.assign(this.#settings, { ...DEFAULTS, prompt: this.#settings.prompt })
    this.#show()
    saveSettings(this.#settings)
  }
}

type SliderName = (typeof SLIDERS)[number]

/** The values at which a control does nothing are named so. */
function sliderText(name: SliderName, value: number): string {
  if (name === 'temperature' && value === 0) return '0, greedy'
  const off =
    (name === 'topK' && value === 0) ||
    (name === 'topP' && value === 1) ||
    (name === 'minP' && value === 0) ||
    (name === 'repetitionPenalty' && value === 1)
  return off ? 'off' : String(value)
}

function drawSeed(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0]
}
