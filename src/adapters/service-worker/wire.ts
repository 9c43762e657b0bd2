// What a service worker and the tabs say to each other: names of locks and channels, and messages. Both find each
// other by Web Locks alone, so nothing has to be remembered by a worker that the browser may stop at any time, and
// the end of either side is noticed at once. Used by answer.ts and provide.ts.

/** With a number for the protocol: tabs and workers of other versions do not hear each other. */
const NAME = 'ryzanstein-api-1'

/** A lock that a tab holds while it answers requests. */
export const TAB = `${NAME}:tab:`
/** A second lock of a tab whose engine is loaded. */
export const READY = `${NAME}:ready:`
/** The channel on which a tab is asked. */
export const ASK = `${NAME}:ask:`
/** The channel of one answer, and the lock that the service worker holds while it is wanted. */
export const ANSWER = `${NAME}:answer:`

/** A request, to a tab. */
export interface Asked {
  readonly id: string
  readonly method: string
  readonly url: string
  readonly headers: readonly (readonly [string, string])[]
  readonly body: ArrayBuffer | undefined
}

interface Head {
  readonly status: number
  readonly headers: readonly (readonly [string, string])[]
}

/** From the tab, in this order: 'taken', then 'whole', or 'head' with pieces and 'end'. */
export type FromTab =
  | { readonly kind: 'taken' }
  | ({ readonly kind: 'whole'; readonly body: ArrayBuffer } & Head)
  | ({ readonly kind: 'head' } & Head)
  | { readonly kind: 'piece'; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: 'end' }
  | { readonly kind: 'broken'; readonly message: string }

/** To the tab: one piece more, or none at all. */
export type ToTab = { readonly kind: 'pull' } | { readonly kind: 'cancel' }

/** Takes a lock. @returns what gives it back */
export function hold(name: string): Promise<() => void> {
  return new Promise((taken, failed) => {
    navigator.locks
      .request(name, () => new Promise<void>(release => taken(release)))
      .catch((caught: unknown) => failed(caught))
  })
}

/** Calls back when nobody holds the lock any more; never once the signal is aborted. */
export function whenFree(name: string, signal: AbortSignal, free: () => void): void {
  navigator.locks
    .request(name, { mode: 'shared', signal }, () => {
      if (!signal.aborted) free()
    })
    // Aborted.
    .catch(() => undefined)
}
