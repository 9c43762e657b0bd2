// The published models of the package's catalogue in the model form: what each takes, by its numbers alone, and a
// button to look closer, which asks its host for the header. Fetches nothing itself.
import { memoryEstimate, models, type PublishedModel } from 'ryzanstein/models'
import { byId } from './dom.ts'
import { count, megabytes, parameters } from './wording.ts'

/** What a page takes beside a model. */
const PAGE_BYTES = 170e6
/** What a page can have at most, in WebAssembly's 32-bit memory. */
const MOST_BYTES = 4e9

export function fillPublished(look: (model: PublishedModel) => void): void {
  const select = byId('published', HTMLSelectElement)
  const facts = byId('published-facts', HTMLElement)
  const text = byId('published-text', HTMLElement)
  select.append(
    ...models.map(({ name, downloadBytes }, index) => {
      const option = document.createElement('option')
      option.value = String(index)
      option.textContent = `${name}, ${megabytes(downloadBytes)}`
      return option
    }),
  )
  const chosen = () => (select.value === '' ? undefined : models[Number(select.value)])
  const show = (): void => {
    const model = chosen()
    facts.hidden = model === undefined
    text.textContent = model ? publishedText(model, deviceGb()) : ''
  }
  select.addEventListener('change', show)
  // A browser may bring back what was chosen before a reload.
  addEventListener('pageshow', show)
  byId('published-look', HTMLButtonElement).addEventListener('click', () => {
    const model = chosen()
    if (model) look(model)
  })
}

/** Gigabytes of the device; browsers that tell say 8 for all above. */
function deviceGb(): number | undefined {
  return (navigator as Navigator & { deviceMemory?: number }).deviceMemory
}

/** 'It should run here: about 1.1 GB of memory. 2.4 B parameters, 1,188 MB to download, ... Not tried by us.' */
export function publishedText(model: PublishedModel, deviceGb?: number): string {
  const { shape, licence, template, contextLength, tried } = model
  const bytes = shape ? memoryEstimate(shape) : PAGE_BYTES + model.parameters / 4
  const memory = `${shape ? 'about' : 'at least'} ${megabytes(bytes)} of memory`
  const facts = [
    `${parameters(model.parameters)} parameters`,
    `${megabytes(model.downloadBytes)} to download`,
    `context ${count(contextLength)}`,
    `licence ${licence}`,
    template === 'none' ? 'continues texts, does not chat' : 'chats',
  ]
  const note = tried === 'yes' ? 'Tried by us.' : 'Not tried by us.'
  return `${verdict(bytes, deviceGb)}: ${memory}. ${facts.join(', ')}. ${note}`
}

function verdict(bytes: number, deviceGb: number | undefined): string {
  if (bytes > MOST_BYTES) return 'It does not run in a page'
  if (deviceGb === undefined) return 'It may run here'
  if (bytes > deviceGb * 1e9) return 'It does not run on this device'
  return bytes > deviceGb * 0.5e9 ? 'It is a tight fit here' : 'It should run here'
}
