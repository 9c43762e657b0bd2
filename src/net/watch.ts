// Waiting for the browser with a limit, and with a hand on what is waited for. Chromium forgets a pending read of
// a byte stream when a garbage collection runs and nothing else holds its reader: the promise then never settles.
// So every wait of a load goes through here: it is held from a root, and it ends with an error that names it.
// Depends on errors.ts alone.
import { type ErrorCode, RyzError } from '../errors.ts'

/** What is under way, by the wait that holds it. A module's variable is a root: no collection takes it. */
const held = new Set<object>()

/** Holds `objects` until `work` has settled. */
export async function hold<T>(work: Promise<T>, ...objects: object[]): Promise<T> {
  const all = [work, ...objects]
  held.add(all)
  try {
    return await work
  } finally {
    held.delete(all)
  }
}

/** A wait and its limit. */
export interface Wait {
  /** What is waited for, as it follows "20000 ms passed without": "an answer of https://...". */
  readonly what: string
  /** Silence after which it is given up, in milliseconds. */
  readonly ms: number
  /** What happened then; NETWORK when absent. */
  readonly code?: ErrorCode
  /** What the caller can do. */
  readonly advice?: string
  /** Called when it is given up: to end the work, if it can be ended. */
  readonly giveUp?: () => void
}

/** Looks at the clock so often within one wait. */
const STEPS = 4
/** Steps between two looks after which the device must have slept: the wait begins again. */
const JUMP = 3

/**
 * Waits for `work`, but not for ever; `objects` are held meanwhile.
 * @throws RyzError wait.code when nothing came for wait.ms, and whatever `work` throws
 */
export async function watched<T>(work: Promise<T>, wait: Wait, ...objects: object[]): Promise<T> {
  const { what, ms, code = 'NETWORK', advice = 'try again', giveUp } = wait
  const stepMs = ms / STEPS
  let timer: ReturnType<typeof setTimeout> | undefined
  const silence = new Promise<never>((_, reject) => {
    let steps = 0
    let before = Date.now()
    const look = (): void => {
      const now = Date.now()
      steps = now - before > JUMP * stepMs + 1000 ? 0 : steps + 1
      before = now
      if (steps < STEPS) {
        timer = setTimeout(look, stepMs)
        return
      }
      const message = `${ms} ms passed without ${what}; ${advice}`
      reject(new RyzError(code, message, { waitedFor: what, silentMs: ms }))
      giveUp?.()
    }
    timer = setTimeout(look, stepMs)
  })
  work.catch(() => undefined) // what it says after it was given up is not heard
  try {
    return await hold(Promise.race([work, silence]), work, ...objects)
  } finally {
    clearTimeout(timer)
  }
}
