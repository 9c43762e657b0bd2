// The conversation on the page: its turns in order, a line where the model's reading begins, and the text as it
// comes, once a frame. Follows the pen only while its line is in view.
import { byId } from '../src/dom.ts'
import { branchesOf, type Conversation, pathOf, type Turn } from './conversation.ts'
import { type TurnActions, TurnView } from './turn-view.ts'

export class Transcript {
  readonly #list = byId('turns', HTMLOListElement)
  readonly #empty = byId('empty', HTMLElement)
  readonly #announce = byId('announce', HTMLElement)
  readonly #actions: TurnActions
  #views = new Map<string, TurnView>()
  #waiting: Turn | null = null
  #frame = 0

  constructor(actions: TurnActions) {
    this.#actions = actions
  }

  /** @param busy  the turn that is being written */
  show(conversation: Conversation, busy: Turn | null): void {
    const path = pathOf(conversation)
    const follow = this.#list.dataset.of === conversation.id && this.#endIsInView()
    this.#list.dataset.of = conversation.id
    const views = new Map<string, TurnView>()
    const items: HTMLElement[] = []
    for (const turn of path) {
      const before = this.#views.get(turn.id)
      const view = before?.shows(turn) ? before : new TurnView(turn, this.#actions)
      views.set(turn.id, view)
      if (turn.id === conversation.readFrom && turn !== path[0]) items.push(divider())
      items.push(view.element)
      const branches = branchesOf(conversation, turn)
      view.show({
        branch: branches.indexOf(turn),
        branches: branches.length,
        isLast: turn === path.at(-1),
        isBusy: turn === busy,
        someBusy: busy !== null,
      })
    }
    this.#views = views
    // Moving an element that has the focus would take it away.
    const same = items.length === this.#list.children.length
    if (!same || items.some((item, index) => item !== this.#list.children[index])) {
      this.#list.replaceChildren(...items)
    }
    this.#empty.hidden = path.length > 0
    if (follow) this.scrollToEnd()
  }

  /** The text of a turn has grown. */
  grow(turn: Turn): void {
    this.#waiting = turn
    this.#frame ||= requestAnimationFrame(() => this.#draw())
  }

  /** Told to those who hear the page: a whole answer, once. */
  announce(text: string): void {
    this.#announce.textContent = text
  }

  focus(turn: Turn, control: 'previous' | 'next'): void {
    this.#views.get(turn.id)?.focus(control)
  }

  /** The end of the conversation comes into view. */
  scrollToEnd(): void {
    this.#list.lastElementChild?.scrollIntoView({ block: 'nearest', behavior: 'instant' })
  }

  #draw(): void {
    this.#frame = 0
    const view = this.#waiting && this.#views.get(this.#waiting.id)
    this.#waiting = null
    if (!view) return
    const follow = this.#endIsInView()
    view.showText()
    if (follow) this.scrollToEnd()
  }

  /** Who has scrolled away reads on in peace. */
  #endIsInView(): boolean {
    const end = this.#list.lastElementChild?.getBoundingClientRect().bottom ?? 0
    return end <= byId('composer', HTMLElement).getBoundingClientRect().top + 64
  }
}

function divider(): HTMLElement {
  const line = document.createElement('li')
  line.className = 'slid'
  line.textContent = 'What is above has slid out of the context: the model reads on from here.'
  return line
}
