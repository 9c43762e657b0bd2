// The models this browser keeps: what, how large, when last used; a button each to delete, one to ask that
// the browser keeps them. Nothing is removed unasked. Refreshed by main.ts after every load.
import {
  deleteModel,
  evictionCandidates,
  listModels,
  persistStorage,
  type StoredModel,
  storageEstimate,
} from 'ryzanstein'
import { byId, setOff } from './dom.ts'
import { megabytes, storedName } from './wording.ts'

const list = byId('stored-list', HTMLUListElement)
const room = byId('stored-room', HTMLElement)
const persist = byId('stored-persist', HTMLButtonElement)

/** Less free room than this, and the models used longest ago are offered for deletion. */
const LOW_BYTES = 300e6

persist.addEventListener('click', () => persistStorage().then(() => refreshStored()))

/** Shows what is stored now; without a store the panel says so. */
export async function refreshStored(): Promise<void> {
  const { usage, quota, persisted } = await storageEstimate()
  let models: StoredModel[]
  let offered: readonly string[] = []
  try {
    models = await listModels()
    const free = quota === undefined || usage === undefined ? LOW_BYTES : quota - usage
    if (free < LOW_BYTES) offered = (await evictionCandidates(LOW_BYTES - free)).map(m => m.url)
  } catch (caught) {
    list.replaceChildren()
    setOff(persist, true)
    room.textContent = `Nothing can be kept here: ${caught instanceof Error ? caught.message : caught}.`
    return
  }
  const kept = persisted ? ' The browser keeps them until you delete them.' : ''
  const of = quota === undefined ? '' : ` of ${megabytes(quota)} that this site may use`
  room.textContent =
    usage === undefined ? `${models.length} stored.${kept}` : `${megabytes(usage)}${of}.${kept}`
  setOff(persist, persisted)
  list.replaceChildren(...models.map(model => itemOf(model, offered.includes(model.url))))
}

function itemOf(model: StoredModel, offered: boolean): HTMLLIElement {
  const item = document.createElement('li')
  const name = document.createElement('span')
  name.textContent = storedName(model)
  name.title = model.url
  const facts = document.createElement('span')
  facts.className = 'muted'
  const used = new Date(model.usedAt).toLocaleString('en', {
    dateStyle: 'medium',
    timeStyle: 'short',
  })
  const size = model.complete
    ? megabytes(model.storedBytes)
    : `${megabytes(model.storedBytes)} of ${megabytes(model.totalBytes)}, loading goes on there`
  const hint = offered ? '; room is short, this one was used longest ago' : ''
  facts.textContent = `${size}, used ${used}${hint}`
  const remove = document.createElement('button')
  remove.type = 'button'
  remove.className = 'quiet'
  remove.textContent = 'Delete'
  remove.setAttribute('aria-label', `Delete ${name.textContent}`)
  remove.addEventListener('click', () => deleteModel(model.url).then(() => refreshStored()))
  item.append(name, facts, remove)
  return item
}
