// Parts of stats() that are there only where something has them to tell. Used by engine.ts.
import type {
  CacheStats,
  Calibration,
  DrawStats,
  EngineStats,
  GpuStats,
  HybridStats,
  PoolStats,
} from '../types/index.ts'

export const NOT_CALIBRATED: Calibration = {
  source: 'skipped',
  reason: 'there was nothing to choose from',
  ms: 0,
  rates: [],
}

export const NOT_CACHED: CacheStats = {
  state: 'off',
  verifyMs: 0,
  hits: 0,
  hitBytes: 0,
  fetched: 0,
  fetchedBytes: 0,
  repaired: 0,
  retries: 0,
}

/** Nothing where no GPU computes. */
export function gpuOf(
  gpu: GpuStats | undefined,
  drawing: DrawStats | undefined,
  proofs: number | undefined,
): Pick<EngineStats, 'gpu'> {
  if (gpu === undefined) return {}
  return { gpu: { ...gpu, ...(proofs !== undefined && { proofs }), ...(drawing && { drawing }) } }
}

/** Nothing where one thread computes. */
export function poolOf(pool: PoolStats | undefined): Pick<EngineStats, 'pool'> {
  return pool === undefined ? {} : { pool }
}

/** Nothing where one backend computes. */
export function hybridOf(hybrid: HybridStats | undefined): Pick<EngineStats, 'hybrid'> {
  return hybrid === undefined ? {} : { hybrid }
}

export function expertsOf(tokens: number[][] | undefined): Pick<EngineStats, 'experts'> {
  return tokens ? { experts: { tokens } } : {}
}
