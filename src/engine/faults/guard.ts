// What happens when a step yields a number that is not finite: the step of that sequence is computed
// again, op by op, on the scalar kernels, an op that fails there too on the reference, and only when that
// fails as well does its request end with BAD_WEIGHTS. The network finds such steps (every row is
// looked at, so the KV cache before them holds finite numbers only); the ops are in guard-backend.ts.
// Made by open-parts.ts, one per network; what happened is named in stats().faults.
import type { Backend } from '../../backend/backend.ts'
import { type BackendFactory, type Guards, pathId } from '../../backend/factory.ts'
import { RyzError } from '../../errors.ts'
import type { StepRow } from '../../model/network.ts'
import type { StepRepair } from '../../model/run-network.ts'
import type { FaultStats } from '../../types/index.ts'
import { GuardBackend } from './guard-backend.ts'
import type { GuardSpec } from './guard-bench.ts'

export interface Guard {
  readonly repair: StepRepair
  stats(): Omit<FaultStats, 'restarts'>
}

/** @param warn  told the first time of each kind of event */
export function createGuard(
  spec: GuardSpec,
  guards: Guards,
  warn: (text: string) => void = text => console.warn(text),
): Guard {
  let [recomputed, ended] = [0, 0]
  const events = new Map<string, FaultStats['events'][number]>()
  const note = (op: string, by: FaultStats['events'][number]['by']): void => {
    const key = `${op} ${by}`
    const event = events.get(key)
    if (event !== undefined) event.count++
    else {
      events.set(key, { op, by, count: 1 })
      warn(`ryzanstein: ${op} gave a number that is not finite; ${OUTCOME[by]}`)
    }
  }
  const repair: StepRepair = async (rows, rerun) => {
    if (sequences(rows) > 1) {
      // The scheduler runs the requests of a failed step one by one.
      note('a step of several requests', 'alone')
      throw new RyzError(
        'BAD_WEIGHTS',
        'a step of several requests gave numbers that are not finite',
      )
    }
    const on = new GuardBackend(spec, repairers(guards, spec.main), note)
    try {
      const result = await rerun(on)
      await on.flush() // a piece without logits reads nothing
      recomputed++
      if (on.repaired === 0) note('a step', 'scalar')
      return result
    } catch (caught) {
      ended++
      throw caught
    } finally {
      on.close()
    }
  }
  return {
    repair,
    stats: () => ({ recomputed, ended, events: [...events.values()].map(e => ({ ...e })) }),
  }
}

const OUTCOME = {
  alone: 'each request is computed by itself',
  scalar: 'it was computed again by the scalar kernels',
  reference: 'it was computed again by the reference',
  none: 'no kernel does better, so the request ends',
} as const satisfies Record<FaultStats['events'][number]['by'], string>

/** Scalar kernels first, unless they are what failed or cannot run here. */
function repairers({ scalar, reference }: Guards, main: Backend): BackendFactory[] {
  const failed = [pathId(main.path), pathId(reference.path)]
  return scalar && !failed.includes(pathId(scalar.path)) && failed[0] !== failed[1]
    ? [scalar, reference]
    : [reference]
}

function sequences(rows: readonly StepRow[]): number {
  return new Set(rows.map(row => row.seq)).size
}
