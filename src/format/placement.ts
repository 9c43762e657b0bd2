// Which layout a tensor gets in memory: by its role, its type in the file, what the caller asked for, and what the
// backend can hold. Decided here alone: the memory plan counts by it, transcode.ts carries it out.
import { RyzError } from '../errors.ts'
import type { HeadType } from '../types/index.ts'
import { I4_MAX_COLS, type LayoutId, layoutBytes, tableLayout } from './layouts/layout.ts'
import type { TensorInfo, TensorType } from './model-file.ts'

/** A router of experts keeps its values: what it reads and gives is never rounded. */
export type Role = 'linear' | 'table' | 'vector' | 'router'

export interface PlacementPolicy {
  /** A table is an embedding or head: rows are gathered from it. */
  readonly role: Role
  /** Float linears that are not ternary yet are rounded by absmean. */
  readonly masters: boolean
  /** How tables are rounded. */
  readonly head: HeadType
  /** What the backend can hold; every layout when absent. f32 it must. */
  readonly accepts?: (layout: LayoutId) => boolean
}

interface Common {
  /** A matrix of values that are all -s, 0 or +s is held as t2. */
  readonly mayBeTernary: boolean
  /** Columns that share a scale in the file; 0 where a row or the whole does. */
  readonly scaleBlock: 0 | 64 | 128 | 256
}

/** The file has ternary codes, or masters that are rounded to such. */
interface Ternary extends Common {
  readonly from: 'codes' | 'masters'
  readonly layout: 't2'
}

/** Values that are kept (rounded for tables), unless they turn out to be ternary. */
interface Values extends Common {
  readonly from: 'values'
  readonly layout: Exclude<LayoutId, 't2'>
}

export type Placement = Ternary | Values

const CODE_BLOCKS: ReadonlyMap<TensorType, Placement['scaleBlock']> = new Map<
  TensorType,
  Placement['scaleBlock']
>([
  ['I2_S', 0],
  ['HF_T2', 0],
  ['TQ1_0', 256],
  ['TQ2_0', 256],
  ['Q2_0_64', 64],
  ['Q2_0_128', 128],
])

/** Types that training wrote; the others were quantised from something and are never masters. */
const TRAINED: ReadonlySet<TensorType> = new Set<TensorType>(['F32', 'F16', 'BF16'])

type Placed = Pick<TensorInfo, 'type' | 'cols' | 'sourceName'>

/** @throws RyzError UNSUPPORTED_TYPE | UNSUPPORTED_FEATURE */
export function placementOf(info: Placed, policy: PlacementPolicy): Placement {
  const { type, cols, sourceName } = info
  const { role, accepts = () => true } = policy
  if (role === 'linear') return linear(type, policy.masters, accepts)
  if (type === 'HF_T2' || (type === 'I2_S' && role !== 'table')) {
    throw new RyzError('UNSUPPORTED_TYPE', `${sourceName} is a ${role} of type ${type}`)
  }
  const values = { from: 'values', mayBeTernary: false, scaleBlock: 0 } as const
  if (role === 'vector' || role === 'router') return { layout: 'f32', ...values }
  const layout = tableLayout(policy.head, type === 'F16' && accepts('f16'))
  if (!accepts(layout)) {
    throw new RyzError(
      'UNSUPPORTED_FEATURE',
      `${sourceName} would be held as ${layout}, which this backend does not take; load it with another head`,
      { tensor: sourceName, option: 'head' },
    )
  }
  if (layout === 'i4' && cols > I4_MAX_COLS) {
    throw new RyzError(
      'UNSUPPORTED_FEATURE',
      `${sourceName} has ${cols} columns and a head of int4 takes ${I4_MAX_COLS} at most; load it with head: 'int8'`,
      { tensor: sourceName, cols, option: 'head' },
    )
  }
  return { layout, ...values }
}

function linear(
  type: TensorType,
  masters: boolean,
  accepts: (layout: LayoutId) => boolean,
): Placement {
  const block = CODE_BLOCKS.get(type)
  if (block !== undefined) {
    return { layout: 't2', from: 'codes', mayBeTernary: false, scaleBlock: block }
  }
  if (masters && TRAINED.has(type)) {
    return { layout: 't2', from: 'masters', mayBeTernary: true, scaleBlock: 0 }
  }
  const layout = type === 'F16' && accepts('f16') ? 'f16' : 'f32'
  return { layout, from: 'values', mayBeTernary: true, scaleBlock: 0 }
}

/** Upper bound of what it takes, scales included: blocks are counted as if their scales all differed. */
export function placedBytes({ layout, scaleBlock }: Placement, rows: number, cols: number): number {
  const scales =
    layout === 'f16' || layout === 'f32' ? 0 : scaleBlock ? Math.ceil(cols / scaleBlock) : 1
  return layoutBytes(layout, rows, cols) + 4 * rows * scales
}
