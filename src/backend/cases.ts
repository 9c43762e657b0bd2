// What every backend must be proven on: the kinds of each op, one table for the self-test at load
// (engine/faults/self-test.ts) and the conformance tests. A layout, KV type or activation that is added to
// its type and not here is an error of types, so none is left out of either.
import { FLAT_COLS, I4_BLOCK_BYTES, type LayoutId, layoutBytes } from '../format/layouts/layout.ts'
import type { KvType } from '../types/index.ts'
import type { AttendSpec, Matrix } from './backend.ts'

/** How a matrix may be held and multiplied. */
export interface LinearKind {
  readonly layout: LayoutId
  /** See Matrix.scaleBlock. */
  readonly scaleBlock: Matrix['scaleBlock']
  readonly activations: 'int8' | 'float'
}

/** Sizes of scale blocks that a layout may have. */
const SCALE_BLOCKS = {
  t2: [0, 64, 128, 256],
  i8: [0],
  i4: [0],
  f16: [0],
  f32: [0],
} as const satisfies Record<LayoutId, readonly Matrix['scaleBlock'][]>

/** Layouts of an embedding table. */
const TABLES = {
  t2: true,
  i8: true,
  i4: true,
  f16: true,
  f32: true,
} as const satisfies Record<LayoutId, boolean>

const KV = { f32: true, f16: true, int8: true, int4: true } as const satisfies Record<KvType, true>
const PAIRINGS = { neox: true, norm: true } as const satisfies Record<
  AttendSpec['ropePairing'],
  true
>
const GATES = { silu: true, relu2: true } as const

export const LAYOUTS = Object.keys(SCALE_BLOCKS) as LayoutId[]
export const TABLE_LAYOUTS = LAYOUTS.filter(layout => TABLES[layout])
export const KV_TYPES = Object.keys(KV) as KvType[]
export const ROPE_PAIRINGS = Object.keys(PAIRINGS) as AttendSpec['ropePairing'][]
export const GATE_KINDS = Object.keys(GATES) as (keyof typeof GATES)[]
export const LINEAR_KINDS: readonly LinearKind[] = LAYOUTS.flatMap(layout =>
  SCALE_BLOCKS[layout].flatMap(scaleBlock =>
    (['int8', 'float'] as const).map(activations => ({ layout, scaleBlock, activations })),
  ),
)

/** What a model asks of a backend, as far as its header tells. */
export interface ModelNeeds {
  readonly tables: readonly LayoutId[]
  readonly linears: readonly LinearKind[]
  readonly gates: readonly (keyof typeof GATES)[]
  readonly headDim: number
  /** It is a mixture of experts. */
  readonly experts?: boolean
}

/** All there is. */
export const ALL_NEEDS: ModelNeeds = {
  tables: TABLE_LAYOUTS,
  linears: LINEAR_KINDS,
  gates: GATE_KINDS,
  headDim: 20,
  experts: true,
}

/** 't2 in blocks of 64, int8' */
export function kindName({ layout, scaleBlock, activations }: LinearKind): string {
  return `${layout}${scaleBlock > 0 ? ` in blocks of ${scaleBlock}` : ''}, ${activations}`
}

/**
 * Weights of any layout from random 32-bit numbers, padding as layout.ts wants it.
 * @param next  a number from 0 to 2^32 - 1
 */
export function randomWeights(
  layout: LayoutId,
  rows: number,
  cols: number,
  next: () => number,
): Uint8Array {
  const bytes = new Uint8Array(layoutBytes(layout, rows, cols))
  switch (layout) {
    case 't2':
      fillTernary(bytes, rows, cols, next)
      break
    case 'i4':
      fillI4(bytes, rows, cols, next)
      break
    case 'i8':
    case 'f16':
    case 'f32':
      fillFlat(layout, bytes, rows, cols, next)
      break
    default:
      layout satisfies never
  }
  return bytes
}

function fillTernary(bytes: Uint8Array, rows: number, cols: number, next: () => number): void {
  bytes.fill(0x55) // padding is code 1
  const tiles = Math.ceil(cols / 64)
  for (let n = 0; n < rows; n++) {
    for (let k = 0; k < cols; k++) {
      const at = ((n >> 2) * tiles + (k >> 6)) * 64 + (n & 3) * 16 + (k & 15)
      const shift = 2 * ((k & 63) >> 4)
      bytes[at] = (bytes[at]! & ~(3 << shift)) | ((next() % 3) << shift)
    }
  }
}

function fillI4(bytes: Uint8Array, rows: number, cols: number, next: () => number): void {
  const blocks = Math.ceil(cols / 64)
  const codeBytes = I4_BLOCK_BYTES - 4
  for (let n = 0; n < rows; n++) {
    const row = bytes.subarray(n * (bytes.length / rows))
    row.fill(0x88, 0, codeBytes * blocks) // padding is code 8
    for (let k = 0; k < cols; k++) {
      const at = (k >> 6) * codeBytes + ((k >> 5) & 1) * 16 + (k & 15)
      const shift = 4 * ((k >> 4) & 1)
      row[at] = (row[at]! & ~(15 << shift)) | ((next() >>> 28) << shift)
    }
    for (let g = 0; g < 4 * blocks; g++) row[codeBytes * blocks + g] = (next() % 255) - 127
  }
}

function fillFlat(
  layout: 'i8' | 'f16' | 'f32',
  bytes: Uint8Array,
  rows: number,
  cols: number,
  next: () => number,
): void {
  const stride = Math.ceil(cols / FLAT_COLS) * FLAT_COLS
  const f32 = new Float32Array(bytes.buffer, 0, layout === 'f32' ? rows * stride : 0)
  const u16 = new Uint16Array(bytes.buffer, 0, layout === 'f16' ? rows * stride : 0)
  for (let i = 0; i < rows * stride; i++) {
    if (i % stride >= cols) continue
    const random = next()
    if (layout === 'f32') f32[i] = random / 2 ** 32 - 0.5
    // Any half below 2; one in 16 is a subnormal.
    else if (layout === 'f16') u16[i] = (random >>> 16) & (random % 16 === 0 ? 0x83ff : 0xbfff)
    else bytes[i] = Math.max(1, random >>> 24) ^ 0x80 // -127..127
  }
}
