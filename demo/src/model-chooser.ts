// The ways to a model: the embedded file, a published one, a URL, files from this device (picked, or dropped
// anywhere on the page). Hands a source and its label to main.ts; opens nothing itself.
import type { ModelSource } from 'ryzanstein'
import { byId } from './dom.ts'
import { onDrop } from './drop.ts'
import { fillPublished } from './published.ts'

export interface ChosenModel {
  source: ModelSource
  label: string
  /** The model of this site, small and always there. */
  isOurs?: true
  /** What is to be said before it is loaded. */
  note?: string
}

const EMBEDDED_PATH = 'models/ryz-tales-tq2_0-embq8_0.gguf'
/** From the pages below the root. */
const CHAT_PATH = '../models/ryz-chat-tq2_0-embq8_0.gguf'

export function embeddedModel(): ChosenModel {
  return { source: new URL(EMBEDDED_PATH, document.baseURI), label: 'ryz-tales', isOurs: true }
}

export function modelAt(url: string): ChosenModel {
  const name = new URL(url, document.baseURI).pathname.replace(/\/$/, '').split('/').at(-1)
  return { source: url, label: name || url }
}

/** The chat model of this site. */
export function chatModel(): ChosenModel {
  return { source: new URL(CHAT_PATH, document.baseURI), label: 'ryz-chat', isOurs: true }
}

/**
 * Calls back with every choice the user makes.
 * @param ours  the model of this page
 */
export function onModelChosen(ours: () => ChosenModel, choose: (model: ChosenModel) => void): void {
  const fromFiles = (files: readonly File[]) => {
    if (files.length > 0)
      choose({ source: files.length === 1 ? files[0] : files, label: files[0].name })
  }

  byId('use-embedded', HTMLButtonElement).addEventListener('click', () => choose(ours()))

  fillPublished(({ name, source, tried }) =>
    choose({ source, label: name, note: `${name} is ${tried}.` }),
  )

  byId('url-form', HTMLFormElement).addEventListener('submit', event => {
    event.preventDefault()
    choose(modelAt(byId('model-url', HTMLInputElement).value.trim()))
  })

  const picker = byId('model-files', HTMLInputElement)
  // The same file may be chosen again: after it was repaired, or its question was declined.
  picker.addEventListener('click', () => {
    picker.value = ''
  })
  picker.addEventListener('change', () => fromFiles([...(picker.files ?? [])]))

  onDrop(fromFiles)
}
