// Where conversations are kept: IndexedDB, one record each, and beside them what the engine had computed of them
// (saved sessions of the package). Where nothing can be kept they live as long as the page, which is said.
import { createStore, del, set, type UseStore, values } from 'idb-keyval'
import { type Ryzanstein, RyzError, sessions } from 'ryzanstein'
import type { Conversation } from './conversation.ts'

/** Saved states are a megabyte for about a hundred tokens of ryz-chat: the newest few are kept. */
const MOST_SESSIONS = 8

export class Shelf {
  readonly #here = new Map<string, Conversation>()
  #store: UseStore | undefined
  #isBroken = false
  /** Why nothing is kept, where that is so. */
  problem: string | undefined

  /** Reads what is kept, which another tab may have changed. */
  async open(): Promise<void> {
    if (this.#isBroken) return
    try {
      this.#store ??= createStore('ryzanstein-chat', 'conversations')
      const kept = await values<Conversation>(this.#store)
      this.#here.clear()
      for (const one of kept) this.#here.set(one.id, one)
    } catch (caught) {
      this.#fail(caught)
    }
  }

  get all(): Conversation[] {
    return [...this.#here.values()].toSorted((a, b) => b.changedMs - a.changedMs)
  }

  get(id: string): Conversation | undefined {
    return this.#here.get(id)
  }

  async keep(conversation: Conversation): Promise<void> {
    this.#here.set(conversation.id, conversation)
    if (!this.#store) return
    await set(conversation.id, conversation, this.#store).catch(caught => this.#fail(caught))
  }

  async remove({ id }: Conversation): Promise<void> {
    this.#here.delete(id)
    if (!this.#store) return
    await del(id, this.#store).catch(caught => this.#fail(caught))
    await sessions.delete(sessionName(id)).catch(() => undefined)
  }

  /** Keeps what the engine has computed of a chat; the sessions of older conversations make room. */
  async keepSession(id: string, saved: Blob): Promise<void> {
    if (!this.#store) return
    const keep = new Set(this.all.slice(0, MOST_SESSIONS).map(kept => sessionName(kept.id)))
    for (const { name } of await sessions.list()) {
      if (name.startsWith(PREFIX) && !keep.has(name)) await sessions.delete(name)
    }
    await sessions.save(sessionName(id), saved)
  }

  /** @returns tokens that need not be read again; 0 where there is no session, or one of another model */
  async restoreSession(id: string, engine: Ryzanstein): Promise<number> {
    if (!this.#store) return 0
    const saved = await sessions.load(sessionName(id))
    if (!saved) return 0
    try {
      return (await engine.restoreSession(saved)).restoredTokens
    } catch (caught) {
      if (!(caught instanceof RyzError) || caught.code !== 'BAD_OPTION') throw caught
      await sessions.delete(sessionName(id))
      console.warn(
        `A saved session is of no use any more, the chat is read again: ${caught.message}`,
      )
      return 0
    }
  }

  #fail(caught: unknown): void {
    this.#store = undefined
    this.#isBroken = true
    this.problem = caught instanceof Error ? caught.message : String(caught)
  }
}

const PREFIX = 'demo-chat/'

function sessionName(id: string): string {
  return PREFIX + id
}
