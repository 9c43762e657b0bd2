// Where conversations are kept: IndexedDB, one record each, and beside them what the engine had computed of them
// (saved sessions of the package). Tabs tell each other what they kept or removed, and a record is read and written in
// one transaction, so that two tabs in one conversation lose nothing. Where nothing can be kept they live as long as
// the page, which is said.
import { createStore, del, type UseStore, update, values } from 'idb-keyval'
import { type Ryzanstein, RyzError, sessions } from 'ryzanstein'
import { type Conversation, merge } from './conversation.ts'

/** Saved states are a megabyte for about a hundred tokens of ryz-chat: the newest few are kept. */
const MOST_SESSIONS = 8

/** What another tab did. */
type News = { readonly kept: string } | { readonly removed: string }

export class Shelf {
  readonly #here = new Map<string, Conversation>()
  #store: UseStore | undefined
  #isBroken = false
  /** What is not in the store yet. */
  readonly #keeping = new Set<string>()
  readonly #channel = new BroadcastChannel('ryzanstein-chat')
  /** Why nothing is kept, where that is so. */
  problem: string | undefined

  /** @param hear  called when another tab kept or removed a conversation */
  constructor(hear: (news: News) => void) {
    this.#channel.onmessage = ({ data }: MessageEvent<News>) => hear(data)
  }

  /**
   * Reads what is kept, which other tabs may have changed; a conversation that is here stays the same object.
   * @returns ids of those that are new or have changed
   */
  async open(): Promise<Set<string>> {
    const changed = new Set<string>()
    if (this.#isBroken) return changed
    try {
      this.#store ??= createStore('ryzanstein-chat', 'conversations')
      const kept = await values<Conversation>(this.#store)
      const ids = new Set(kept.map(({ id }) => id))
      for (const id of this.#here.keys()) {
        if (!ids.has(id) && !this.#keeping.has(id)) this.#here.delete(id)
      }
      for (const one of kept) {
        const here = this.#here.get(one.id)
        if (!here) this.#here.set(one.id, one)
        if (!here || merge(here, one)) changed.add(one.id)
      }
    } catch (caught) {
      this.#fail(caught)
    }
    return changed
  }

  get all(): Conversation[] {
    return [...this.#here.values()].toSorted((a, b) => b.changedMs - a.changedMs)
  }

  get(id: string): Conversation | undefined {
    return this.#here.get(id)
  }

  /** @returns whether another tab had added something, which is in it now */
  async keep(conversation: Conversation): Promise<boolean> {
    const { id } = conversation
    this.#here.set(id, conversation)
    if (!this.#store) return false
    let isNew = false
    this.#keeping.add(id)
    try {
      await update<Conversation>(
        id,
        kept => {
          isNew = kept !== undefined && merge(conversation, kept)
          return conversation
        },
        this.#store,
      )
      this.#channel.postMessage({ kept: id } satisfies News)
    } catch (caught) {
      this.#fail(caught)
    } finally {
      this.#keeping.delete(id)
    }
    return isNew
  }

  async remove({ id }: Conversation): Promise<void> {
    this.#here.delete(id)
    if (!this.#store) return
    await del(id, this.#store).catch(caught => this.#fail(caught))
    this.#channel.postMessage({ removed: id } satisfies News)
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
