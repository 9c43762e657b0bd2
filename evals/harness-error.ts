// The error of the harness: what is wrong with data, options or a run, and what to do. Errors of the engine
// pass through as they are.

/** What is wrong, with the value, and what to do. */
export class HarnessError extends Error {
  override readonly name = 'HarnessError'
}
