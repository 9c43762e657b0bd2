// Typed lookups of the page's fixed elements. Knows nothing of what they mean; every view uses it.

/** The element with this id, checked to be of the class the caller works with. */
export function byId<T extends Element>(id: string, type: new () => T): T {
  const element = document.getElementById(id)
  if (!(element instanceof type)) throw new Error(`index.html has no ${type.name} #${id}`)
  return element
}

/**
 * Call before a box appears that may take the focus; the result, called when it goes away, gives the focus back
 * if the box has it, so that a keyboard's user goes on where they were.
 */
export function keepFocus(box: HTMLElement): () => void {
  const before = document.activeElement
  return () => {
    if (!box.contains(document.activeElement)) return
    const there = before instanceof HTMLElement && before !== document.body && before.isConnected
    const to = there && !box.contains(before) ? before : document.getElementById('prompt')
    to?.focus()
  }
}

/**
 * Marks a button as unusable but leaves it in the tab order, so that focus is not lost when a state
 * changes under the user's finger. Handlers ask isOff().
 */
export function setOff(button: HTMLButtonElement, off: boolean): void {
  button.setAttribute('aria-disabled', String(off))
}

export function isOff(button: HTMLButtonElement): boolean {
  return button.getAttribute('aria-disabled') === 'true'
}
