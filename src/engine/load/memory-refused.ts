// When the browser refuses memory that the plan allows (other tabs, a 32-bit process, a phone): the same
// rung is asked with less and less KV cache, in the order of the memory plan, and what was given up is
// named. Called by open-parts.ts.
import type { Backend, BackendLimits } from '../../backend/backend.ts'
import type { ModelNeeds } from '../../backend/cases.ts'
import type { BackendFactory, BackendNeeds } from '../../backend/factory.ts'
import { RyzError } from '../../errors.ts'
import { type MemoryPlan, PAGE_BYTES } from '../../model/memory-plan.ts'
import type { Fallback } from '../../types/index.ts'

export interface Within {
  readonly backend: Backend
  readonly plan: MemoryPlan
  /** One entry per refusal. */
  readonly refused: readonly Fallback[]
}

/**
 * Makes the backend with the first plan that gets its memory.
 * @param first    the plan by the caller's budget
 * @param planned  plans for another budget
 * @param needs    what the model asks of it
 * @param compile  see BackendNeeds
 * @throws RyzError MEMORY_BUDGET with the figures when even the smallest plan is refused
 */
export async function createWithin(
  factory: BackendFactory,
  limits: BackendLimits,
  first: MemoryPlan,
  planned: (budget: number) => MemoryPlan,
  needs: ModelNeeds | undefined = undefined,
  compile: Pick<BackendNeeds, 'compiled' | 'compilesBeside'> = {},
): Promise<Within> {
  const refused: Fallback[] = []
  let plan = first
  for (;;) {
    try {
      const asked = needs && { ...needs, kv: plan.kv, ...compile }
      const backend = await factory.create(plan.totalBytes, limits, asked)
      return { backend, plan, refused }
    } catch (caught) {
      if (!isRefusal(caught)) throw caught
      const less = smaller(plan, planned)
      if (less === undefined) throw noneLeft(first, plan, caught)
      refused.push({
        from: `${mb(plan.totalBytes)} of memory`,
        to: `${mb(less.totalBytes)} of memory`,
        reason: caught.message,
      })
      plan = less
    }
  }
}

function isRefusal(caught: unknown): caught is RyzError {
  return caught instanceof RyzError && caught.code === 'MEMORY_BUDGET'
}

/** The plan with half the KV cache, or undefined when the caller's wishes do not allow it. */
function smaller(
  plan: MemoryPlan,
  planned: (budget: number) => MemoryPlan,
): MemoryPlan | undefined {
  try {
    const less = planned(PAGE_BYTES + plan.totalBytes - plan.kvBytes / 2)
    return less.totalBytes < plan.totalBytes ? less : undefined
  } catch (caught) {
    if (isRefusal(caught)) return undefined
    throw caught
  }
}

function noneLeft(first: MemoryPlan, last: MemoryPlan, cause: RyzError): RyzError {
  const { totalBytes, weightBytes, kvBytes, scratchBytes } = last
  const parts = `weights ${mb(weightBytes)}, KV ${mb(kvBytes)}, scratch ${mb(scratchBytes)}`
  return new RyzError(
    'MEMORY_BUDGET',
    `the browser refused ${mb(first.totalBytes)} and at last ${mb(totalBytes)} of memory (${parts}); close other pages, lower contextLength or use a smaller model`,
    { asked: first.totalBytes, last: totalBytes, weights: weightBytes, kv: kvBytes },
    { cause },
  )
}

function mb(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`
}
