// Long texts beside everything else: tokenizing and detokenizing run for a few milliseconds, then the event
// loop has a turn, so that other requests go on and a cancel is heard. A prompt that cannot fit is refused
// from its length, or as soon as it has too many tokens. Called by prompt.ts, embed-texts.ts and
// text-calls.ts.
import { throwIfAborted } from '../../errors.ts'
import type { EncodeOptions, Tokenizer } from '../../tokenizer/tokenizer.ts'
import { promptTooLong } from '../schedule/refusals.ts'
import { createTurn } from '../schedule/turn.ts'

/** The event loop gets a turn this often: with a step of the scheduler between, every 8 ms. */
export const SLICE_MS = 4
/** Texts up to here are tokenized to their end, so that a refusal says how many tokens they have. */
const COUNTED_UNITS = 1 << 16

/** Works that share the time of a slice. */
let underWay = 0

/**
 * Runs the slices of a work to its end.
 * @param each  gets what a slice gave
 * @throws RyzError ABORTED at the next turn after the signal; what a slice throws
 */
export async function inTurns<T>(
  slices: Iterator<T, void>,
  signal?: AbortSignal,
  each?: (value: T) => void,
): Promise<void> {
  underWay++
  try {
    let until = performance.now() + SLICE_MS / underWay
    for (let slice = slices.next(); !slice.done; slice = slices.next()) {
      each?.(slice.value)
      if (performance.now() < until) continue
      await nextTurn()
      throwIfAborted(signal, 'the request')
      until = performance.now() + SLICE_MS / underWay
    }
  } finally {
    underWay--
  }
}

/** A channel of its own each time: Node serves up to a thousand messages of one before it looks at timers. */
export function nextTurn(): Promise<void> {
  const turn = createTurn()
  return new Promise(resolve => {
    turn.next(() => {
      turn.close()
      resolve()
    })
  })
}

/** How many tokens of a prompt are wanted. */
export type PromptRoom =
  /** All, and no more than `most` of them; `contextLength` is what a refusal names. */
  | { readonly most: number; readonly contextLength: number }
  /** Those at its ends: what lies between would be slid over at once. */
  | { readonly first: number; readonly last: number }

/**
 * The ids of a text.
 * @param room  all of them when left out
 * @throws RyzError CONTEXT_FULL when the text has more than fit; ABORTED; BAD_OPTION
 */
export async function encodeText(
  tokenizer: Tokenizer,
  text: string,
  options: EncodeOptions,
  signal?: AbortSignal,
  room?: PromptRoom,
): Promise<number[]> {
  const counted = room !== undefined && 'most' in room && text.length > COUNTED_UNITS
  if (counted) {
    const fewest = tokenizer.fewestTokens(text.length)
    if (fewest > room.most) throw promptTooLong(fewest, text.length, room.contextLength)
  }
  const out =
    room !== undefined && 'first' in room
      ? new Ends(room.first, room.last)
      : new Ids(counted ? room.most : Number.POSITIVE_INFINITY)
  const slices = tokenizer.encodeInSlices(text, options, out)
  const check = () => {
    if (counted && out.length > room.most) {
      throw promptTooLong(out.length, text.length, room.contextLength)
    }
  }
  await inTurns(slices, signal, check)
  check()
  return out.ids
}

/** How many tokens a text has; none of them is kept. */
export async function countTextTokens(
  tokenizer: Tokenizer,
  text: string,
  options: EncodeOptions,
  signal?: AbortSignal,
): Promise<number> {
  const out = { length: 0, push: () => ++out.length }
  await inTurns(tokenizer.encodeInSlices(text, options, out), signal)
  return out.length
}

/** Counts on beyond `most` for the slice that it ends in. */
class Ids {
  readonly ids: number[] = []
  length = 0
  readonly #most: number

  constructor(most: number) {
    this.#most = most
  }

  push(id: number): void {
    if (++this.length <= this.#most) this.ids.push(id)
  }
}

/** Keeps the first and the last ids, now and then leaving out what lies between. */
class Ends {
  ids: number[] = []
  length = 0
  readonly #first: number
  readonly #last: number

  constructor(first: number, last: number) {
    this.#first = first
    this.#last = last
  }

  push(id: number): void {
    this.length++
    if (this.ids.push(id) > 2 * (this.#first + this.#last)) {
      this.ids = this.ids.slice(0, this.#first).concat(this.ids.slice(-this.#last))
    }
  }
}
