// How much work one slice of a long text may still do. Encoders count it down and pause at zero, so
// that the engine can give other requests a turn.

/** Steps of some 5 to 50 ns that are left of this slice. */
export interface Budget {
  left: number
}

/** Below a millisecond on a slow machine. */
export const SLICE_STEPS = 16_384
