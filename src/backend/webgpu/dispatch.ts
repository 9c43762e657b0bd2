// What a step is made of on the device: dispatches with their pipeline, bind group and grid, the plans they
// form, and what all of them bind. Made by plan.ts, run by steps.ts.
import type { Kv, Linear, Matrix, Rope, Slot } from '../backend.ts'
import type { Buffers, Piece } from './buffers.ts'
import type { Form } from './forms.ts'
import type { KvCache } from './kv-cache.ts'
import type { Params, ParamWord } from './params.ts'
import type { Pipelines } from './pipelines.ts'
import type { Shader } from './shaders.ts'

/** How the workgroups of a dispatch follow from the count in the step block. */
export type Grid =
  | 'one' // x as it stands
  | 'rows' // a workgroup a row, in x and y
  | 'y' // x, count
  | 'z1' // x, and a z for each row
  | 'z4' // x, and a z for 4 rows
  | 'z32' // x, and a z for 32 rows
  | 'elements' // 256 elements a workgroup, in x and y
  | 'attend' // x, count (of rows or tiles), splits
  | 'merge' // x, count; nothing where there are no splits
export interface Dispatch {
  readonly name: string
  readonly pipeline: GPUComputePipeline
  readonly group: GPUBindGroup
  readonly grid: Grid
  /** Workgroups in x, before they are spread over x and y. */
  readonly x: number
  /** Where the count stands in the step block. */
  readonly at: number
}

/** `block[a] * factor` must be `block[b]`, or the fused plan is not what was asked for. */
export interface Agreement {
  readonly a: number
  readonly factor: number
  readonly b: number
}

export interface Plan {
  readonly dispatches: readonly Dispatch[]
  readonly agreements: readonly Agreement[]
  /** Dispatches from one layer's attention to the next; 0 where there is one layer. */
  readonly layer: number
}

/** What a step of one row reads; see plan-bytes.ts. */
export interface Reads {
  /** Bytes of weights and their scales. */
  readonly weightBytes: number
  /** Bytes of the KV cache for each token it holds. */
  readonly kvTokenBytes: number
}

/** What dispatches bind besides slots. */
export interface Scratch {
  readonly block: GPUBuffer
  /** int8 rows and what stands beside them. */
  readonly q: GPUBuffer
  readonly marks: GPUBuffer
  readonly runs: GPUBuffer
  /** Of each row, which of its experts is the last one; see route.wgsl. */
  readonly cuts: GPUBuffer
  /** Sums of squares of a row, by the workgroups that made it. */
  readonly partials: GPUBuffer
  /** u32 [maxRows]: the tokens drawn last. */
  readonly drawn: GPUBuffer
  /** Bound where a shader reads nothing. */
  readonly nothing: GPUBuffer
  /** Bound where a shader writes nothing, each in a place of its own. */
  readonly sinks: readonly [GPUBuffer, GPUBuffer, GPUBuffer]
}

export interface PlanParts {
  readonly device: GPUDevice
  readonly pipelines: Pipelines
  readonly buffers: Buffers
  readonly params: Params
  readonly scratch: Scratch
  /** Where the step block has rows, splits, table stride, tables, positions; see attend.wgsl. */
  readonly rowsAt: number
  /** Where it has the tiles of attend_tile.wgsl. */
  readonly tilesAt: number
  /** Of norm and rounding before a linear of one row. */
  readonly form: Form
  /** Columns of the widest row. */
  readonly maxCols: number
  kvOf(kv: Kv): KvCache
  /** The matrices of a linear: its parts, or what they were joined to. */
  matricesOf(w: Linear): readonly Matrix[]
  ropeOf(rope: Rope): { readonly cos: Slot; readonly sin: Slot }
}

/** What is bound: a buffer, or a piece of one. */
export type Bound = GPUBuffer | Piece

/** One dispatch with its pipeline, parameters and bind group. */
export function makeDispatch(
  { device, pipelines, params, scratch }: PlanParts,
  shader: Shader,
  words: readonly ParamWord[],
  bound: readonly Bound[],
  grid: Pick<Dispatch, 'grid' | 'x' | 'at'>,
): Dispatch {
  const { pipeline, bindings, name } = pipelines.get(shader)
  const resources = [params.add(words), { buffer: scratch.block }, ...bound.map(resourceOf)]
  const group = device.createBindGroup({
    label: name,
    layout: pipelines.groupLayout(bindings),
    entries: resources.map((resource, binding) => ({ binding, resource })),
  })
  return { name, pipeline, group, ...grid }
}

function resourceOf(bound: Bound): GPUBufferBinding {
  return 'at' in bound
    ? { buffer: bound.buffer, offset: bound.offset, size: bound.size }
    : { buffer: bound }
}
