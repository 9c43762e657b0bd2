// The first path that is available, fits into memory, starts, and computes right; what was passed over is
// named. Called by open-parts.ts once per load.
import type { Backend, BackendLimits } from '../../backend/backend.ts'
import type { ModelNeeds } from '../../backend/cases.ts'
import {
  type BackendFactory,
  type BackendNeeds,
  type Guards,
  pathName,
} from '../../backend/factory.ts'
import { asRyzError, type ErrorCode, RyzError } from '../../errors.ts'
import type { MemoryPlan } from '../../model/memory-plan.ts'
import { watched } from '../../net/watch.ts'
import type { Fallback } from '../../types/index.ts'
import { Proof } from '../faults/proof.ts'
import { SELF_TEST_BYTES } from '../faults/self-test.ts'
import { createWithin } from './memory-refused.ts'

/** Fetching kernels, memory and workers: a slow network's share is the largest. */
const START_MS = 60_000

export interface Opened {
  readonly backend: Backend
  readonly plan: MemoryPlan
  readonly fallbacks: readonly Fallback[]
  /** Where it still compiles: its proof, that follows. Never rejects; gives what is wrong with it. */
  readonly proof?: Promise<RyzError | undefined>
  /** Of a path that may begin to differ: see Proof.sample(). */
  readonly sample?: (stopped: () => boolean) => Promise<string | undefined>
}

/**
 * The first rung that is available, fits, starts and computes right; what was passed over is named.
 * @param compile  told while shaders compile; whether that and the proof may go on beside the load
 */
export async function openFirst(
  factories: readonly BackendFactory[],
  limits: BackendLimits,
  plan: (scratchBytes: (wantedRows: number) => number, budget?: number) => MemoryPlan,
  guards: Guards | undefined,
  needs?: ModelNeeds,
  compile?: Pick<BackendNeeds, 'compiled' | 'compilesBeside'>,
): Promise<Opened> {
  const passed: { rung: string; reason: string; code: ErrorCode }[] = []
  const proof = guards && new Proof(guards.reference, limits, needs)
  for (const factory of factories) {
    const rung = pathName(factory.path)
    if (factory.unavailable !== undefined) {
      passed.push({ rung, reason: factory.unavailable, code: 'BAD_OPTION' })
      continue
    }
    const judged = factory.path.backend === 'reference' ? undefined : proof
    const testBytes = judged === undefined ? 0 : SELF_TEST_BYTES
    // Where the browser refuses memory to the kernels, it has none for slower ones.
    if (factory.path.backend === 'reference' && passed.some(p => p.code === 'MEMORY_BUDGET')) break
    const scratch = (rows: number): number => factory.scratchBytes(limits, rows) + testBytes
    const first = plan(scratch)
    let backend: Backend | undefined
    try {
      const again = (budget: number): MemoryPlan => plan(scratch, budget)
      const starting = createWithin(factory, limits, first, again, needs, compile)
      const made = await watched(starting, {
        what: `${rung} starting`,
        ms: START_MS,
        code: 'WORKER_DIED',
        advice: 'load again',
        giveUp: () => void starting.then(late => late.backend.close()).catch(() => undefined),
      })
      const planned = made.plan
      const fallbacks = passed.map(({ rung: from, reason }) => ({ from, to: rung, reason }))
      const sampled = !factory.traits.exact && judged !== undefined
      const opened: Opened = {
        ...made,
        fallbacks: [...fallbacks, ...made.refused],
        ...(sampled && { sample: stopped => judged.sample(factory, planned.kv, stopped) }),
      }
      backend = made.backend
      if (backend.ready === undefined) {
        await judged?.require(factory, backend, planned.kv)
        return opened
      }
      const proof = backend
        .ready()
        .then(() => judged?.require(factory, made.backend, planned.kv))
        .then(
          () => undefined,
          (caught: unknown) => asRyzError(caught, 'KERNEL_TRAP', 'it did not start'),
        )
      return { ...opened, proof }
    } catch (caught) {
      backend?.close()
      const { message, code } = asRyzError(caught, 'KERNEL_TRAP', 'it did not start')
      passed.push({ rung, reason: message, code })
    }
  }
  const reasons = passed.map(p => `${p.rung}: ${p.reason}`).join('; ')
  throw new RyzError(codeOfAll(passed), `no backend can run here (${reasons})`)
}

/** What all rungs that could have run have in common, for the caller to act upon. */
function codeOfAll(passed: readonly { code: ErrorCode }[]): ErrorCode {
  const codes = new Set(passed.map(p => p.code))
  if (codes.size > 1) codes.delete('BAD_OPTION') // it could not have run here anyway
  const [code] = codes
  return codes.size === 1 && code !== undefined ? code : 'BAD_OPTION'
}
