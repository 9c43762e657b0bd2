// A backend and the reference side by side, made anew when their memory may run out: the same op on both. Used by
// suites whose results are near the reference's, in Node and in the browser.
import type { Backend } from '../../src/backend/backend.ts'
import { createReferenceBackend } from '../../src/backend/reference/reference-backend.ts'
import { LIMITS, type Resetable, resetable } from './ops.ts'

/** @param make  the backend that is tested, with LIMITS of ops.ts */
export function besideReference(make: () => Promise<Backend>) {
  const reference = resetable(async () => createReferenceBackend({ limits: LIMITS }))
  const tested = resetable(make)
  return {
    reference,
    tested,
    ready: () => Promise.all([tested.ready(), reference.ready()]),
    reset: () => Promise.all([tested.reset(), reference.reset()]),
    /** What the tested one gives, and what is right. */
    both: async (run: (on: Resetable) => Promise<Float32Array>) =>
      [await run(tested), await run(reference)] as const,
    close(): void {
      tested.close()
      reference.close()
    },
  }
}
