// A conversation as data: turns that hang on each other as a tree, so that an edited question or a second answer
// keeps what was there before, and one path through it. Knows no DOM, no store and no engine.
import type { ChatMessage, FinishReason } from 'ryzanstein'

/** How a turn of the model ended; absent while it is written, or when the page was left meanwhile. */
export type TurnEnd = FinishReason | 'stopped' | 'replaced' | 'failed'

export interface Turn {
  readonly id: string
  /** The turn before, or '' for a first one. */
  readonly parent: string
  readonly role: 'user' | 'assistant'
  text: string
  reasoning?: string
  end?: TurnEnd
  /** A line about it: tokens, speed. */
  facts?: string
  /** The model that wrote it. */
  by?: string
}

export interface Conversation {
  readonly id: string
  /** The system prompt; empty for none. */
  system: string
  /** When it was written. */
  systemMs?: number
  /** Parents before their children. */
  turns: Turn[]
  /** Which child of a turn, or of '' at the start, is on the path; the newest where nothing is said. */
  chosen: Record<string, string>
  /** The turn with which the model begins to read; what is before has slid out of its context. */
  readFrom?: string
  changedMs: number
}

export function newConversation(system: string): Conversation {
  return { id: newId(), system, turns: [], chosen: {}, changedMs: Date.now() }
}

/** Unique enough for one browser; works where crypto.randomUUID is missing (plain http). */
export function newId(): string {
  const random = crypto.getRandomValues(new Uint32Array(2))
  return [Date.now(), ...random].map(part => part.toString(36)).join('')
}

/** The turns that hang on the same one, in the order they were made. */
export function branchesOf({ turns }: Conversation, { parent }: Turn): Turn[] {
  return turns.filter(turn => turn.parent === parent)
}

/** From the first turn to the newest, along the chosen branches. */
export function pathOf({ turns, chosen }: Conversation): Turn[] {
  const children = new Map<string, Turn[]>()
  for (const turn of turns) {
    const beside = children.get(turn.parent)
    if (beside) beside.push(turn)
    else children.set(turn.parent, [turn])
  }
  const path: Turn[] = []
  let parent = ''
  for (;;) {
    const here = children.get(parent)
    const next = here?.find(turn => turn.id === chosen[parent]) ?? here?.at(-1)
    if (!next) return path
    path.push(next)
    parent = next.id
  }
}

/** Adds a turn and puts it on the path. */
export function addTurn(to: Conversation, turn: Omit<Turn, 'id'>): Turn {
  const added = { id: newId(), ...turn }
  to.turns.push(added)
  choose(to, added)
  return added
}

/** Puts a turn on the path, in place of its branches. */
export function choose(conversation: Conversation, { parent, id }: Turn): void {
  conversation.chosen[parent] = id
}

/** Takes a turn away of which nothing came; it must have no children. */
export function dropTurn(from: Conversation, { id, parent }: Turn): void {
  from.turns = from.turns.filter(turn => turn.id !== id)
  if (from.chosen[parent] === id) delete from.chosen[parent]
}

/**
 * Takes what another tab added: turns hang on each other, so both tabs' stand side by side, and each tab stays on its
 * own path. A turn that only grew there grows here. The same object, for what shows it.
 * @returns whether anything was new
 */
export function merge(mine: Conversation, theirs: Conversation): boolean {
  let isNew = false
  const known = new Map(mine.turns.map(turn => [turn.id, turn]))
  for (const turn of theirs.turns) {
    const here = known.get(turn.id)
    if (here) isNew = takeGrowth(here, turn) || isNew
    // Who writes an answer of which nothing came yet brings it with its first word, or drops it.
    else if (hasCome(turn) && (turn.parent === '' || known.has(turn.parent))) {
      const added = { ...turn }
      known.set(added.id, added)
      mine.turns.push(added)
      isNew = true
    }
  }
  for (const [parent, id] of Object.entries(theirs.chosen)) {
    if (known.has(id)) mine.chosen[parent] ??= id
  }
  if ((theirs.systemMs ?? 0) > (mine.systemMs ?? 0)) {
    mine.system = theirs.system
    mine.systemMs = theirs.systemMs
    isNew = true
  }
  mine.changedMs = Math.max(mine.changedMs, theirs.changedMs)
  return isNew
}

function hasCome({ role, text, end }: Turn): boolean {
  return role === 'user' || text !== '' || end === 'eos'
}

function takeGrowth(here: Turn, there: Turn): boolean {
  const grew = there.text.length > here.text.length && there.text.startsWith(here.text)
  const ended = there.text === here.text && here.end === undefined && there.end !== undefined
  if (!grew && !ended) return false
  const { text, reasoning, end, facts } = there
  Object.assign(here, { text, reasoning, end, facts })
  return true
}

/** What the conversation is called: how it begins. */
export function titleOf(conversation: Conversation): string {
  const line = pathOf(conversation)[0]?.text.replace(/\s+/g, ' ').trim() ?? ''
  if (line === '') return 'New conversation'
  const short = [...line].slice(0, 48).join('')
  return short.length < line.length ? `${short}…` : line
}

/** The chat as the model gets it. */
export function messagesOf({ system }: Conversation, path: readonly Turn[]): ChatMessage[] {
  const turns = path.map(({ role, text, reasoning }) =>
    reasoning === undefined ? { role, content: text } : { role, content: text, reasoning },
  )
  return system.trim() === '' ? turns : [{ role: 'system', content: system.trim() }, ...turns]
}
