// What is left of a text when it no longer fits the context: its beginning, which holds bos and the
// system prompt, and the newest half of the rest. Pure. Called by generate.ts.

/**
 * The tokens to go on with.
 * @param keep  tokens from the start, at most half of what fits
 * @param room  tokens that fit; the result has about half of them, so that the next slide is far
 */
export function slide(
  prompt: readonly number[],
  answer: readonly number[],
  keep: number,
  room: number,
): number[] {
  const all = prompt.concat(answer)
  const kept = Math.min(keep, Math.floor(room / 2))
  const newest = Math.ceil((Math.min(room, all.length) - kept) / 2)
  return all.slice(0, kept).concat(all.slice(all.length - newest))
}
