// Rounding half to even, as the kernels round: Math.round goes up at a half. Used by float-rows.ts and i4-rows.ts.

/** Added and taken away again it leaves no fraction bits, for |x| < 2^51: 1.5 * 2^52. */
export const MAGIC = 6755399441055744

/** To the next integer between two limits. */
export function roundWithin(x: number, least: number, most: number): number {
  const q = x + MAGIC - MAGIC
  return q > most ? most : q < least ? least : q
}
