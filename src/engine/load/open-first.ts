// The first path that is available, fits into memory, starts, and computes right; what was passed over is
// named. Called by open-parts.ts once per load.
import type { Backend, BackendLimits } from '../../backend/backend.ts'
import { type BackendFactory, type Guards, pathName } from '../../backend/factory.ts'
import { asRyzError, type ErrorCode, RyzError } from '../../errors.ts'
import type { MemoryPlan } from '../../model/memory-plan.ts'
import type { Fallback, KvType } from '../../types/index.ts'
import { firstDifference, type Probe, runProbes, SELF_TEST_BYTES } from '../faults/self-test.ts'
import { createWithin } from './memory-refused.ts'

/** The first rung that is available, fits, starts and computes right; what was passed over is named. */
export async function openFirst(
  factories: readonly BackendFactory[],
  limits: BackendLimits,
  plan: (scratchBytes: number, budget?: number) => MemoryPlan,
  guards: Guards | undefined,
): Promise<{ backend: Backend; plan: MemoryPlan; fallbacks: Fallback[] }> {
  const passed: { rung: string; reason: string; code: ErrorCode }[] = []
  let right: { kv: KvType; probes: Probe[] } | undefined
  for (const factory of factories) {
    const rung = pathName(factory.path)
    if (factory.unavailable !== undefined) {
      passed.push({ rung, reason: factory.unavailable, code: 'BAD_OPTION' })
      continue
    }
    const judge = factory.path.backend === 'reference' ? undefined : guards?.reference
    const testBytes = judge === undefined ? 0 : SELF_TEST_BYTES
    // Where the browser refuses memory to the kernels, it has none for slower ones.
    if (factory.path.backend === 'reference' && passed.some(p => p.code === 'MEMORY_BUDGET')) break
    const scratch = factory.scratchBytes(limits) + testBytes
    const first = plan(scratch)
    let backend: Backend | undefined
    try {
      const made = await createWithin(factory, limits, first, budget => plan(scratch, budget))
      const planned = made.plan
      backend = made.backend
      if (judge !== undefined) {
        const { kv } = planned
        if (right?.kv !== kv) right = { kv, probes: await probesOf(judge, limits, kv) }
        const wrong = firstDifference(await runProbes(backend, limits, kv), right.probes)
        if (wrong !== undefined) throw new RyzError('KERNEL_TRAP', `self-test failed: ${wrong}`)
      }
      const fallbacks = passed.map(({ rung: from, reason }) => ({ from, to: rung, reason }))
      return { backend, plan: planned, fallbacks: [...fallbacks, ...made.refused] }
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

async function probesOf(
  factory: BackendFactory,
  limits: BackendLimits,
  kv: KvType,
): Promise<Probe[]> {
  const backend = await factory.create(2 * SELF_TEST_BYTES, limits)
  try {
    return await runProbes(backend, limits, kv)
  } finally {
    backend.close()
  }
}
