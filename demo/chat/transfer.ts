// A conversation as a file, and back. What comes from a file is checked field by field, for it may come from
// anywhere: only texts, known roles, and turns that hang on earlier ones are taken.
import { type Conversation, newId, type Turn } from './conversation.ts'

const FORMAT = 'ryzanstein-conversation'
const MOST_TURNS = 10_000

export function exportText(conversation: Conversation): string {
  const { system, turns, chosen } = conversation
  return `${JSON.stringify({ format: FORMAT, version: 1, system, turns, chosen }, null, 2)}\n`
}

/**
 * The conversation in an exported file, under a new id.
 * @throws Error what is wrong with it, in a sentence
 */
export function importConversation(text: string): Conversation {
  let data: Record<string, unknown>
  try {
    data = Object(JSON.parse(text))
  } catch {
    throw new Error('the file is no JSON; choose one that was exported here')
  }
  if (data.format !== FORMAT || data.version !== 1) {
    throw new Error('the file is no conversation that was exported here')
  }
  const { turns: given, system } = data
  if (!Array.isArray(given) || given.length > MOST_TURNS) {
    throw new Error(`the file has no list of at most ${MOST_TURNS} turns`)
  }
  const known = new Map<string, Turn>()
  for (const [index, value] of given.entries()) {
    const turn = turnOf(value)
    const before = known.get(turn?.parent ?? '')
    const fits = turn?.parent === '' ? turn.role === 'user' : before && before.role !== turn?.role
    if (!turn || known.has(turn.id) || !fits) {
      throw new Error(`turn ${index + 1} of the file is damaged or hangs on none before it`)
    }
    known.set(turn.id, turn)
  }
  const chosen = Object.entries(Object(data.chosen)).filter(
    (pair): pair is [string, string] =>
      typeof pair[1] === 'string' && known.get(pair[1])?.parent === pair[0],
  )
  return {
    id: newId(),
    system: typeof system === 'string' ? system : '',
    turns: [...known.values()],
    chosen: Object.fromEntries(chosen),
    changedMs: Date.now(),
  }
}

const ENDS = ['eos', 'stop', 'length', 'context', 'tool_calls', 'stopped', 'replaced', 'failed']

/** Undefined for what is no turn. */
function turnOf(value: unknown): Turn | undefined {
  const { id, parent, role, text, reasoning, end, facts, by } = Object(value) as Turn
  if (typeof id !== 'string' || id === '' || typeof parent !== 'string') return undefined
  if (typeof text !== 'string' || (role !== 'user' && role !== 'assistant')) return undefined
  return {
    id,
    parent,
    role,
    text,
    ...(typeof reasoning === 'string' && { reasoning }),
    ...(ENDS.includes(end ?? '') && { end }),
    ...(typeof facts === 'string' && { facts }),
    ...(typeof by === 'string' && { by }),
  }
}
