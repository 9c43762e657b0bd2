// Where norm and rounding of a single row happen before a ternary linear: the forms that tune.ts chooses from, and the
// shader of those that leave it to the linear. Pure.

/** A linear that makes its rounded row itself; see Form. */
export interface RowShader {
  readonly name: 'linear_t2_row'
  readonly source: 0 | 1 | 2
  readonly norm: boolean
  readonly blocked: boolean
  /** The sum of squares comes from the dispatch that made the row. */
  readonly summed: boolean
  /** It sums the squares of what it adds to, for the next one. */
  readonly squares: boolean
  /** Units of 16 columns that its memory holds. */
  readonly room: number
}

/**
 * Where norm and rounding of a single row happen before a ternary linear: in a dispatch of their own, once; in each
 * workgroup of the linear; or there, with the sum of squares from the dispatch that made the row. Which is fastest is
 * measured; see tune.ts.
 */
export const FORMS = ['once', 'fused', 'producer'] as const
export type Form = (typeof FORMS)[number]

/** Units of 16 columns: with the sums of lanes beside it 15.3 of 16 KiB. */
export const MOST_ROOM = 640

/**
 * Workgroup memory of linear_t2_row.wgsl for rows of so many columns, in units of 16; nothing where they are too wide.
 */
export function rowRoom(cols: number): number | undefined {
  const units = 4 * Math.ceil(cols / 64)
  if (units > MOST_ROOM) return undefined
  return Math.min(MOST_ROOM, Math.max(64, 2 ** Math.ceil(Math.log2(units))))
}
