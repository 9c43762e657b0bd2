// The shaders by name: which text belongs to which, and what each binds. A pipeline's code is a list of
// files joined in order (enable directives, parts, entry); no text is edited. What a shader reads and
// writes is told at its head and in shaders/README.md. Used by pipelines.ts.
import add from '../../../shaders/add.wgsl?raw'
import attend from '../../../shaders/attend.wgsl?raw'
import attendMerge from '../../../shaders/attend_merge.wgsl?raw'
import attendTile from '../../../shaders/attend_tile.wgsl?raw'
import bias from '../../../shaders/bias.wgsl?raw'
import draw from '../../../shaders/draw.wgsl?raw'
import embed from '../../../shaders/embed.wgsl?raw'
import finish from '../../../shaders/finish.wgsl?raw'
import finite from '../../../shaders/finite.wgsl?raw'
import gather from '../../../shaders/gather.wgsl?raw'
import linearFlat from '../../../shaders/linear_flat.wgsl?raw'
import linearFloat from '../../../shaders/linear_float.wgsl?raw'
import linearT2 from '../../../shaders/linear_t2.wgsl?raw'
import linearT2Row from '../../../shaders/linear_t2_row.wgsl?raw'
import linearT2Tile from '../../../shaders/linear_t2_tile.wgsl?raw'
import mix from '../../../shaders/mix.wgsl?raw'
import normColumns from '../../../shaders/norm_columns.wgsl?raw'
import columns4 from '../../../shaders/parts/columns4.wgsl?raw'
import dotF32 from '../../../shaders/parts/dot16_f32.wgsl?raw'
import dotI32 from '../../../shaders/parts/dot16_i32.wgsl?raw'
import dotPacked from '../../../shaders/parts/dot16_packed.wgsl?raw'
import enableF16 from '../../../shaders/parts/enable_f16.wgsl?raw'
import enableSubgroups from '../../../shaders/parts/enable_subgroups.wgsl?raw'
import flatI4 from '../../../shaders/parts/flat_i4.wgsl?raw'
import flatI8 from '../../../shaders/parts/flat_i8.wgsl?raw'
import halvesF16 from '../../../shaders/parts/halves_f16.wgsl?raw'
import halvesPlain from '../../../shaders/parts/halves_plain.wgsl?raw'
import kvF16 from '../../../shaders/parts/kv_f16.wgsl?raw'
import kvF32 from '../../../shaders/parts/kv_f32.wgsl?raw'
import kvInt4 from '../../../shaders/parts/kv_int4.wgsl?raw'
import kvInt8 from '../../../shaders/parts/kv_int8.wgsl?raw'
import lanesHalves from '../../../shaders/parts/lanes.wgsl?raw'
import lanesSubgroups from '../../../shaders/parts/lanes_subgroups.wgsl?raw'
import lanesTree from '../../../shaders/parts/lanes_tree.wgsl?raw'
import reduceSubgroups from '../../../shaders/parts/reduce_subgroups.wgsl?raw'
import reduceTree from '../../../shaders/parts/reduce_tree.wgsl?raw'
import subgroupOps from '../../../shaders/parts/subgroup_ops.wgsl?raw'
import sumsFlat from '../../../shaders/parts/sums_flat.wgsl?raw'
import sumsT2 from '../../../shaders/parts/sums_t2.wgsl?raw'
import valuesF16 from '../../../shaders/parts/values_f16.wgsl?raw'
import valuesF32 from '../../../shaders/parts/values_f32.wgsl?raw'
import valuesI4 from '../../../shaders/parts/values_i4.wgsl?raw'
import valuesI8 from '../../../shaders/parts/values_i8.wgsl?raw'
import valuesT2 from '../../../shaders/parts/values_t2.wgsl?raw'
import ropeAppend from '../../../shaders/rope_append.wgsl?raw'
import route from '../../../shaders/route.wgsl?raw'
import routedFlat from '../../../shaders/routed_flat.wgsl?raw'
import routedFloat from '../../../shaders/routed_float.wgsl?raw'
import routedT2 from '../../../shaders/routed_t2.wgsl?raw'
import rows from '../../../shaders/rows.wgsl?raw'
import top from '../../../shaders/top.wgsl?raw'
import type { KvType } from '../../types/index.ts'
import type { LayoutId } from '../backend.ts'
import { ALL_NEEDS, KV_TYPES, type LinearKind, type ModelNeeds } from '../cases.ts'

import { FORMS, type Form, MOST_ROOM, type RowShader, rowRoom } from './forms.ts'

/** The variants of one device: how the same sums are computed. */
export interface ShaderChoice {
  /** Inner loop of integer dot products. */
  readonly inner: 'packed' | 'i32' | 'f32'
  /** Reductions of a workgroup. */
  readonly subgroups: boolean
  /** Halves are read as f16. */
  readonly f16: boolean
  /** Workgroups in x; more go on in y. A device has 65,535 in a dimension. */
  readonly grid: number
}

/** What every device can. */
export const PLAIN: ShaderChoice = { inner: 'i32', subgroups: false, f16: false, grid: 8192 }

export type Shader =
  | { readonly name: 'rows'; source: 0 | 1 | 2; norm: boolean; round: boolean; inPlace: boolean }
  | { readonly name: 'linear_t2'; many: boolean; blocked: boolean }
  | { readonly name: 'linear_t2_tile'; blocked: boolean }
  | RowShader
  | { readonly name: 'linear_flat'; layout: 'i8' | 'i4'; many: boolean }
  | { readonly name: 'linear_float'; layout: LayoutId; many: boolean }
  | { readonly name: 'routed_t2'; many: boolean; blocked: boolean }
  | { readonly name: 'routed_flat'; layout: 'i8' | 'i4' }
  | { readonly name: 'routed_float'; layout: LayoutId }
  | { readonly name: 'route' | 'mix' | 'norm_columns' | 'bias' }
  | { readonly name: 'embed'; layout: LayoutId }
  | { readonly name: 'rope_append' | 'attend' | 'attend_tile'; kv: KvType; dim: number }
  | { readonly name: 'attend_merge' | 'add' | 'gather' | 'finish' | 'finite' | 'top' | 'draw' }

export type ShaderName = Shader['name']

/**
 * Storage bindings in order, from binding 1 on (0 is the parameters): r read only, w read and write. A
 * write binding never shares its buffer with another one.
 */
export const BINDINGS = {
  rows: 'rrrwww',
  linear_t2: 'rrrrrww',
  linear_t2_tile: 'rrrrrww',
  linear_t2_row: 'rrrrrwww',
  linear_flat: 'rrrrrww',
  linear_float: 'rrrrww',
  embed: 'rrrrw',
  route: 'rrrwww',
  routed_t2: 'rrrrrrw',
  routed_flat: 'rrrrrrw',
  routed_float: 'rrrrrw',
  mix: 'rrrw',
  norm_columns: 'rrw',
  bias: 'rrw',
  rope_append: 'rrrrrww',
  attend: 'rrrww',
  attend_tile: 'rrrww',
  attend_merge: 'rrw',
  add: 'rrw',
  gather: 'rrw',
  finish: 'rw',
  finite: 'rrw',
  top: 'rrw',
  draw: 'rrw',
} as const satisfies Record<ShaderName, string>

const DOTS = { packed: dotPacked, i32: dotI32, f32: dotF32 }
const VALUES = { t2: valuesT2, i8: valuesI8, i4: valuesI4, f16: valuesF16, f32: valuesF32 }
const FLAT = { i8: flatI8, i4: flatI4 }
const KV = { f32: kvF32, f16: kvF16, int8: kvInt8, int4: kvInt4 }
const KV_CODES = { f32: 0, f16: 1, int8: 2, int4: 3 } as const satisfies Record<KvType, number>

/** What a pipeline is made of. */
export interface ShaderCode {
  readonly entry: ShaderName
  readonly text: string
  readonly constants: Record<string, number>
}

/** The code and constants of a shader on a device. */
export function codeOf(shader: Shader, choice: ShaderChoice): ShaderCode {
  const { texts, constants } = partsOf(shader, choice)
  // What a text enables stands before all else.
  const enables = [enableF16, enableSubgroups].filter(enable => texts.includes(enable))
  const text = [...enables, ...texts.filter(part => !enables.includes(part))].join('\n')
  const spread = text.includes('override GRID:')
  return {
    entry: shader.name,
    text,
    constants: spread ? { ...constants, GRID: choice.grid } : constants,
  }
}

function partsOf(
  shader: Shader,
  choice: ShaderChoice,
): { texts: readonly string[]; constants: Record<string, number> } {
  const subgroups = choice.subgroups ? [enableSubgroups, subgroupOps] : []
  const reduce = [...subgroups, choice.subgroups ? reduceSubgroups : reduceTree]
  const lanes = [...subgroups, lanesHalves, choice.subgroups ? lanesSubgroups : lanesTree]
  const halves = choice.f16 ? [enableF16, halvesF16] : [halvesPlain]
  const dots = DOTS[choice.inner]
  switch (shader.name) {
    case 'rows':
      return {
        texts: [...reduce, rows],
        constants: {
          SOURCE: shader.source,
          NORM: +shader.norm,
          ROUND: +shader.round,
          IN_PLACE: +shader.inPlace,
        },
      }
    case 'linear_t2':
      return {
        texts: [...lanes, dots, sumsT2, linearT2],
        constants: { BLOCKED: +shader.blocked, ...linearConstants(shader) },
      }
    case 'linear_t2_tile':
      return {
        texts: [dots, linearT2Tile],
        constants: { BLOCKED: +shader.blocked },
      }
    case 'linear_t2_row':
      return {
        texts: [...reduce, dots, sumsT2, linearT2Row],
        constants: {
          SOURCE: shader.source,
          NORM: +shader.norm,
          BLOCKED: +shader.blocked,
          SUMMED: +shader.summed,
          SQUARES: +shader.squares,
          ROOM: shader.room,
        },
      }
    case 'linear_flat':
      return {
        texts: [...lanes, dots, sumsFlat, FLAT[shader.layout], linearFlat],
        constants: linearConstants(shader),
      }
    case 'linear_float':
      return {
        texts: [...halvesFor(shader.layout, halves), VALUES[shader.layout], columns4, linearFloat],
        constants: { SCALED: +isScaled(shader.layout), ...linearConstants(shader) },
      }
    case 'embed':
      return {
        texts: [...halvesFor(shader.layout, halves), VALUES[shader.layout], embed],
        constants: {},
      }
    case 'routed_t2':
      return {
        texts: [...lanes, dots, sumsT2, routedT2],
        constants: { BLOCKED: +shader.blocked, ...linearConstants(shader) },
      }
    case 'routed_flat':
      return {
        texts: [...lanes, dots, sumsFlat, FLAT[shader.layout], routedFlat],
        constants: {},
      }
    case 'routed_float':
      return {
        texts: [...halvesFor(shader.layout, halves), VALUES[shader.layout], columns4, routedFloat],
        constants: { SCALED: +isScaled(shader.layout) },
      }
    case 'route':
      return { texts: [route], constants: {} }
    case 'mix':
      return { texts: [mix], constants: {} }
    case 'norm_columns':
      return { texts: [...reduce, normColumns], constants: {} }
    case 'bias':
      return { texts: [bias], constants: {} }
    case 'rope_append':
      return {
        texts: [...reduce, ropeAppend],
        constants: { KV: KV_CODES[shader.kv], DIM: shader.dim },
      }
    case 'attend':
      return {
        texts: [...reduce, ...(shader.kv === 'f16' ? halves : []), KV[shader.kv], attend],
        constants: { DIM: shader.dim },
      }
    case 'attend_tile':
      return {
        texts: [...(shader.kv === 'f16' ? halves : []), KV[shader.kv], attendTile],
        constants: { DIM: shader.dim, QUERY: 2 * shader.dim },
      }
    case 'attend_merge':
      return { texts: [attendMerge], constants: {} }
    case 'add':
      return { texts: [add], constants: {} }
    case 'gather':
      return { texts: [gather], constants: {} }
    case 'finish':
      return { texts: [finish], constants: {} }
    case 'finite':
      return { texts: [finite], constants: {} }
    case 'top':
      return { texts: [top], constants: {} }
    case 'draw':
      return { texts: [draw], constants: {} }
    default:
      return shader satisfies never
  }
}

/** Invocations of a workgroup of the linears; the default of WG in the shaders. */
const LINEAR_GROUP = 64

function linearConstants({ many }: { many: boolean }): Record<string, number> {
  return { MANY: +many, SUMS: many ? 4 * LINEAR_GROUP : LINEAR_GROUP }
}

/**
 * Workgroup memory for a head of so many elements: a power of two, as large memory takes long to compile
 * and few sizes are few pipelines.
 */
export function headRoom(headDim: number): number {
  return Math.max(64, 2 ** Math.ceil(Math.log2(headDim)))
}

/** Widest head of attend_tile.wgsl: 8 rows of it fill a quarter of the workgroup memory of every device. */
export const TILED_HEAD_DIM = 256

/** Whether a matrix of this layout has scales. */
export function isScaled(layout: LayoutId): boolean {
  return layout !== 'f16' && layout !== 'f32'
}

function halvesFor(layout: LayoutId, halves: readonly string[]): readonly string[] {
  return layout === 'f16' ? halves : []
}

/** What the shaders of a model depend on. */
export interface ShaderNeeds extends Omit<ModelNeeds, 'headDim'> {
  readonly kvTypes: readonly KvType[]
  readonly headDims: readonly number[]
  /** Forms that may run, and the widest row; 'once' where absent. */
  readonly forms?: readonly Form[]
  readonly cols?: number
}

/** Every shader there is. */
export const ALL_SHADERS: ShaderNeeds = {
  ...ALL_NEEDS,
  forms: FORMS,
  cols: 16 * MOST_ROOM,
  kvTypes: KV_TYPES,
  headDims: [64, 128, 256, 512, 1024],
}

const BOTH = [false, true] as const

/** The shaders for compiling ahead. */
export function shadersFor(needs: ShaderNeeds): Shader[] {
  const shaders: Shader[] = [
    ...rowShaders(needs),
    ...needs.linears.flatMap(linearShaders),
    ...(needs.experts ? expertShaders(needs) : []),
    ...fusedShaders(needs),
    ...needs.tables.map((layout): Shader => ({ name: 'embed', layout })),
    ...needs.kvTypes.flatMap(kv =>
      needs.headDims.flatMap((headDim): Shader[] => [
        { name: 'rope_append', kv, dim: headRoom(headDim) },
        { name: 'attend', kv, dim: headRoom(headDim) },
        ...(headDim <= TILED_HEAD_DIM
          ? [{ name: 'attend_tile', kv, dim: headRoom(headDim) } as const]
          : []),
      ]),
    ),
    ...(['attend_merge', 'add', 'gather', 'finish', 'finite', 'top', 'draw'] as const).map(
      (name): Shader => ({ name }),
    ),
  ]
  return [...new Map(shaders.map(shader => [JSON.stringify(shader), shader])).values()]
}

function rowShaders({ gates, linears }: ShaderNeeds): Shader[] {
  const rounding = linears.some(l => l.activations === 'int8' && isScaled(l.layout))
  const sources = [0 as const, ...gates.map(gate => (gate === 'silu' ? 1 : 2))]
  return sources.flatMap(source =>
    BOTH.flatMap(norm =>
      BOTH.filter(round => rounding || !round).flatMap(round =>
        BOTH.filter(inPlace => !inPlace || (source === 0 && norm))
          .filter(() => source > 0 || norm || round)
          .map((inPlace): Shader => ({ name: 'rows', source, norm, round, inPlace })),
      ),
    ),
  )
}

function expertShaders({ linears }: ShaderNeeds): Shader[] {
  const names = ['route', 'mix', 'norm_columns', 'bias'] as const
  return [
    ...names.map((name): Shader => ({ name })),
    ...linears.flatMap(({ layout, scaleBlock, activations }): Shader[] => {
      if (activations === 'float' || !isScaled(layout)) return [{ name: 'routed_float', layout }]
      if (layout !== 't2') return [{ name: 'routed_flat', layout: layout as 'i8' | 'i4' }]
      return BOTH.map(many => ({ name: 'routed_t2', many, blocked: scaleBlock > 0 }))
    }),
  ]
}

/** linear_t2_row in all that a layer may have of it. */
function fusedShaders({ gates, linears, forms = [], cols = 0 }: ShaderNeeds): Shader[] {
  const room = rowRoom(cols)
  if (room === undefined || !forms.some(form => form !== 'once')) return []
  const sums = forms.includes('producer') ? BOTH : ([false] as const)
  const kinds = linears.filter(l => l.layout === 't2' && l.activations === 'int8')
  const sources = [0 as const, ...gates.map(gate => (gate === 'silu' ? 1 : 2))]
  return kinds.flatMap(({ scaleBlock }) =>
    sources.flatMap(source =>
      BOTH.flatMap(norm =>
        sums
          .filter(summed => !summed || (norm && source === 0))
          .flatMap(summed =>
            sums.map((squares): Shader => {
              const blocked = scaleBlock > 0
              return { name: 'linear_t2_row', source, norm, blocked, summed, squares, room }
            }),
          ),
      ),
    ),
  )
}

function linearShaders({ layout, scaleBlock, activations }: LinearKind): Shader[] {
  if (activations === 'float' || !isScaled(layout)) {
    return BOTH.map((many): Shader => ({ name: 'linear_float', layout, many }))
  }
  if (layout !== 't2') {
    return BOTH.map(
      (many): Shader => ({ name: 'linear_flat', layout: layout as 'i8' | 'i4', many }),
    )
  }
  const blocked = scaleBlock > 0
  return [
    ...BOTH.map((many): Shader => ({ name: 'linear_t2', many, blocked })),
    { name: 'linear_t2_tile', blocked },
  ]
}
