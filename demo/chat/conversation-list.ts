// The conversations of this browser beside the chat: links, so that back and forward work, a button each to delete,
// and one to take the last deletion back. Knows no store; main.ts acts.
import { byId } from '../src/dom.ts'
import { type Conversation, titleOf } from './conversation.ts'

export class ConversationList {
  readonly #list = byId('conversations', HTMLUListElement)
  readonly #none = byId('no-conversations', HTMLElement)
  readonly #undo = byId('undo', HTMLButtonElement)
  readonly #remove: (conversation: Conversation) => void
  #deleted: Conversation | null = null

  constructor(actions: {
    remove(conversation: Conversation): void
    bringBack(conversation: Conversation): void
  }) {
    this.#remove = actions.remove
    this.#undo.addEventListener('click', () => {
      const back = this.#deleted
      this.#deleted = null
      this.#undo.hidden = true
      if (back) actions.bringBack(back)
    })
  }

  show(all: readonly Conversation[], current: string): void {
    this.#none.hidden = all.length > 0
    this.#list.replaceChildren(...all.map(one => this.#itemOf(one, one.id === current)))
  }

  /** Offers to take the deletion back; the focus goes there, as its button is gone. */
  offerUndo(deleted: Conversation): void {
    this.#deleted = deleted
    this.#undo.textContent = `Bring “${titleOf(deleted)}” back`
    this.#undo.hidden = false
    this.#undo.focus()
  }

  #itemOf(conversation: Conversation, isCurrent: boolean): HTMLLIElement {
    const title = titleOf(conversation)
    const item = document.createElement('li')
    const link = document.createElement('a')
    link.href = `#${conversation.id}`
    link.textContent = title
    link.dir = 'auto'
    if (isCurrent) link.setAttribute('aria-current', 'page')
    const remove = document.createElement('button')
    remove.type = 'button'
    remove.className = 'quiet'
    remove.textContent = 'Delete'
    remove.setAttribute('aria-label', `Delete ${title}`)
    remove.addEventListener('click', () => this.#remove(conversation))
    item.append(link, remove)
    return item
  }
}
