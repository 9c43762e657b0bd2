// One turn on the page: who speaks, what was said, reasoning folded, a line of facts, and the buttons that fit its
// state. A user's text stays text; an answer is Markdown. Built by transcript.ts.
import type { Turn, TurnEnd } from './conversation.ts'
import { renderMarkdown } from './markdown.ts'

/** What a turn's buttons ask for. */
export interface TurnActions {
  edit(turn: Turn, text: string): void
  answer(turn: Turn): void
  again(turn: Turn): void
  goOn(turn: Turn): void
  /** The branch `step` further. */
  turnTo(turn: Turn, step: -1 | 1): void
  copy(text: string, what: string): void
}

export interface TurnState {
  /** Place among its branches, and how many there are. */
  branch: number
  branches: number
  isLast: boolean
  isBusy: boolean
  /** Some answer is being written: nothing can be asked meanwhile. */
  someBusy: boolean
}

const ENDS: Partial<Record<TurnEnd, string>> = {
  length: 'Reached the length limit',
  context: 'Filled the context',
  stopped: 'Stopped by you',
  replaced: 'Ended for another model',
  failed: 'Broke off',
}

export class TurnView {
  readonly element = document.createElement('li')
  readonly #turn: Turn
  readonly #actions: TurnActions
  readonly #article = document.createElement('article')
  readonly #said = document.createElement('div')
  readonly #reasoning = document.createElement('details')
  readonly #thought = document.createElement('div')
  readonly #facts = document.createElement('p')
  readonly #tools = document.createElement('p')

  constructor(turn: Turn, actions: TurnActions) {
    this.#turn = turn
    this.#actions = actions
    this.element.className = `turn turn-${turn.role}`
    const who = document.createElement('h2')
    who.textContent = turn.role === 'user' ? 'You' : (turn.by ?? 'The model')
    who.id = `who-${turn.id}`
    this.#article.setAttribute('aria-labelledby', who.id)
    const summary = document.createElement('summary')
    summary.textContent = 'Reasoning'
    this.#reasoning.className = 'fold reasoning'
    this.#reasoning.append(summary, this.#thought)
    this.#said.className = 'said'
    // Which way a text runs is its own affair.
    this.#said.dir = 'auto'
    this.#facts.className = 'turn-facts'
    this.#tools.className = 'turn-tools'
    this.#article.append(who, this.#reasoning, this.#said, this.#facts, this.#tools)
    this.element.append(this.#article)
  }

  /** Whether it shows this very turn, and not one of before with the same id. */
  shows(turn: Turn): boolean {
    return this.#turn === turn
  }

  /** Shows the text as it is now. */
  showText(): void {
    const { role, text, reasoning } = this.#turn
    this.#reasoning.hidden = reasoning === undefined
    this.#thought.textContent = reasoning ?? ''
    if (role === 'user') this.#said.textContent = text
    else {
      this.#said.replaceChildren(renderMarkdown(text))
      for (const block of this.#said.querySelectorAll('pre')) this.#addCopy(block)
    }
  }

  /** Shows buttons and facts for a state; the text too. */
  show(state: TurnState): void {
    const { end, facts, role } = this.#turn
    this.#article.setAttribute('aria-busy', String(state.isBusy))
    this.element.dataset.busy = String(state.isBusy)
    this.showText()
    const unfinished = role === 'assistant' && !state.isBusy && end === undefined
    const ended = unfinished ? 'Broken off when the page was left' : end && ENDS[end]
    this.#facts.textContent = [ended, facts].filter(Boolean).join(' · ')
    this.#facts.hidden = this.#facts.textContent === ''
    this.#showTools(state)
  }

  focus(control: 'previous' | 'next'): void {
    const wanted = this.#tools.querySelector<HTMLElement>(`[data-control="${control}"]`)
    wanted?.focus()
  }

  #showTools({ branch, branches, isLast, isBusy, someBusy }: TurnState): void {
    this.#tools.replaceChildren()
    if (isBusy) return
    const turn = this.#turn
    const { text, role } = turn
    const ask = (label: string, act: () => void) => {
      if (!someBusy) this.#tools.append(button(label, act))
    }
    if (branches > 1 && !someBusy) this.#showBranches(branch, branches)
    if (role === 'user') {
      ask('Edit', () => this.#edit())
      if (isLast) ask('Get an answer', () => this.#actions.answer(turn))
    } else {
      ask('Answer again', () => this.#actions.again(turn))
      if (isLast && text !== '') ask('Continue', () => this.#actions.goOn(turn))
    }
    this.#tools.append(button('Copy', () => this.#actions.copy(text, 'The text')))
  }

  #showBranches(branch: number, branches: number): void {
    const place = document.createElement('span')
    place.textContent = `${branch + 1} of ${branches}`
    const previous = button('‹', () => this.#actions.turnTo(this.#turn, -1))
    previous.dataset.control = 'previous'
    previous.setAttribute('aria-label', 'Previous version')
    previous.setAttribute('aria-disabled', String(branch === 0))
    const next = button('›', () => this.#actions.turnTo(this.#turn, 1))
    next.dataset.control = 'next'
    next.setAttribute('aria-label', 'Next version')
    next.setAttribute('aria-disabled', String(branch === branches - 1))
    const group = document.createElement('span')
    group.className = 'branches'
    group.append(previous, place, next)
    this.#tools.append(group)
  }

  /** The text in a box; what was there stays as a branch. */
  #edit(): void {
    const form = document.createElement('form')
    form.className = 'edit'
    const box = document.createElement('textarea')
    box.value = this.#turn.text
    box.dir = 'auto'
    box.setAttribute('aria-label', 'Your message')
    const send = button('Send', () => {})
    send.type = 'submit'
    send.className = 'primary'
    const cancel = button('Cancel', () => close())
    cancel.className = ''
    const close = (): void => {
      form.replaceWith(this.#said)
      this.#tools.hidden = false
      this.#focusEdit()
    }
    form.addEventListener('submit', event => {
      event.preventDefault()
      const text = box.value.trim()
      if (text === '') return
      close()
      this.#actions.edit(this.#turn, text)
    })
    box.addEventListener('keydown', event => {
      if (event.key === 'Escape') {
        event.stopPropagation()
        close()
      } else if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
        event.preventDefault()
        form.requestSubmit()
      }
    })
    const buttons = document.createElement('p')
    buttons.className = 'edit-tools'
    buttons.append(send, cancel)
    form.append(box, buttons)
    this.#said.replaceWith(form)
    this.#tools.hidden = true
    box.focus()
  }

  #focusEdit(): void {
    for (const tool of this.#tools.querySelectorAll('button')) {
      if (tool.textContent === 'Edit') tool.focus()
    }
  }

  #addCopy(block: HTMLPreElement): void {
    const frame = document.createElement('div')
    frame.className = 'code'
    block.replaceWith(frame)
    block.tabIndex = 0
    const code = block.textContent ?? ''
    frame.append(
      button('Copy code', () => this.#actions.copy(code, 'The code')),
      block,
    )
  }
}

function button(label: string, act: () => void): HTMLButtonElement {
  const made = document.createElement('button')
  made.type = 'button'
  made.className = 'quiet'
  made.textContent = label
  made.addEventListener('click', () => {
    if (made.getAttribute('aria-disabled') !== 'true') act()
  })
  return made
}
