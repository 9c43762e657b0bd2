// What the self-test compares. Made by self-test.ts and self-test-draws.ts.

/** What one op gave. */
export interface Probe {
  /** The op and its operands, e.g. 'linear (t2, 37 x 200, int8, 9 rows)'. */
  readonly op: string
  readonly values: Float32Array
}
