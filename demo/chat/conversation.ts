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
