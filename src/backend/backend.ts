// The interface between the network (model/network.ts) and whatever computes it. One op here is one
// fat call: every operand is a Slot or a Matrix made at load time, no op allocates, ops run in the
// order issued, and only read() may be asynchronous. Implemented by reference/ and wasm/; both must give
// the same bits, so the order of every float sum is part of this contract:
//
//  - f32 throughout; every product and every sum is rounded to f32 on its own (no fused multiply-add).
//  - "sum16" over columns: lane j adds the elements whose index is j mod 16, in ascending order, from
//    +0; then the lanes are folded 16 -> 8 -> 4 -> 2 -> 1, lane j with lane j + half.
//  - norm: s = sum16(x*x); r = 1 / sqrt(s / n + eps); out = (x * r) * gain.
//  - activation rounding of a row: a = max(|x|) but at least 1e-5; q = round-half-even(x * (127 / a)),
//    clipped to [-128, 127]; its inverse scale is a / 127 (all f32).
//  - t2 matrix, one scale a row: y = f32(sum q*w) * (rowScale * (a / 127)); the sum is an exact int32.
//  - t2 matrix, block scales: acc = +0; per block in column order acc += f32(sum of the block) * scale;
//    y = acc * (a / 127).
//  - t2 matrix with float activations: sum16 over the columns of one scale block (the row is one block
//    when there is one scale) of x, -x or +0; then acc += sum * scale per block from +0 (one scale a
//    row: y = sum * rowScale).
//  - i8 and i4 matrix, w the integers of layout.ts: activations rounded as above;
//    y = f32(sum q*w) * (rowScale * (a / 127)). With float activations: y = sum16(x * f32(w)) * rowScale.
//  - f16/f32 matrix: f32 activations; y = sum16(x * w).
//  - RoPE: neox pairs (i, i + ropeDim/2), norm pairs (2i, 2i+1); out0 = a*cos - b*sin,
//    out1 = b*cos + a*sin, tables from TypeScript. Elements from ropeDim on pass unchanged.
//  - attention: q is multiplied by f32(1 / sqrt(headDim)) after RoPE. KV is walked in blocks of
//    KV_BLOCK = 32 tokens by absolute position. In a block: s[t] = sum over d in ascending order of
//    q[d]*K[t][d] from +0; m = max s; p[t] = exp(s[t] - m); l = sum over t in ascending order by 4 lanes
//    (t mod 4), folded (0+2)+(1+3); o[d] = sum over t ascending of p[t]*V[t][d] from +0.
//    Tokens past the row's own position do not take part. Blocks merge in order:
//    M' = max(M, m); A = exp(M - M'), B = exp(m - M'); L = L*A + l*B; O = O*A + o*B (first block: as it is).
//    out = O / L.
//  - int8 and int4 KV: sums over elements and over tokens are exact integers. "word rounding" of x to
//    16 bits, with a the maximum: x16 = round-half-even(x * (Q / a)), its scale a / Q; where a is not
//    finite, the scale is NaN. Q = 32767; for q of heads wider than 512: 16383 (no sum overflows int32).
//    q16: word rounding of q, a = max(|q|) but at least 1e-5; scale c.
//    int8: s[t] = f32(sum q16*K) * (c * kscale[t]).
//    int4: s[t] = (sum over groups g of 32 elements, ascending, of f32(sum q16*K) * kscale[g][t]) * c.
//    m, p, l, A, B as above. w16: word rounding of p[t]*vscale[t] (int4: for each group g, by
//    vscale[g][t]), a = max over the block's tokens but at least 1e-30; scale c.
//    First block: O[d] = f32(sum w16*V) * c, then O = O*A + f32(sum w16*V) * (c*B).
//  - KV rounding of a head's vector: int8 as activations. int4, for 32 elements at a time: scale =
//    (max(|x|) but at least 1e-5) / 7, its bits rounded up to the upper 16 (NaN: 0x7fc0);
//    x4 = round-half-even(x * (1 / scale)), clipped to [-7, 7], NaN: 0.
//  - routing of a row by its experts' logits z: softmax p = exp(z - max z), each divided by their sum in ascending
//    order from +0; or sigmoid p = 1 / (1 + exp(-z)). Chosen are the `used` largest of z (softmax without a
//    bias), else of p + bias; of equals the first. Weights are p of the chosen, without the bias; normalised: each
//    divided by their sum, in ascending order of expert from +0, but at least 2^-14; then times the scale. A
//    logit that is not finite makes every weight of its row NaN.
//  - mix: out = out + weight * y, expert after expert in ascending order.
//  - exp, silu and the f16 rounding are defined in exp.ts and reference/math.ts, operation by operation.

import type { RyzError } from '../errors.ts'
import type { LayoutId } from '../format/layouts/layout.ts'
import type { MoverLayout, MoverSource, RowMover } from '../format/layouts/row-mover.ts'
import type { ExecutionPath, GpuStats, OpTime, PoolStats } from '../types/index.ts'
import type { KvSpec } from './kv-layout.ts'

export type { LayoutId } from '../format/layouts/layout.ts'
export {
  FLAT_COLS,
  I4_COLS,
  layoutBytes,
  PIECE_ROWS,
  T2_COLS,
  T2_ROWS,
} from '../format/layouts/layout.ts'
export type { MoverLayout, MoverSource, RowMover } from '../format/layouts/row-mover.ts'
export type { KvSpec } from './kv-layout.ts'
export {
  KV_BLOCK,
  KV_GROUP,
  kvBlockBytes,
  kvCacheBytes,
  kvHeadBytes,
  kvHeadWidth,
} from './kv-layout.ts'

/** A range of backend memory. Plain data; owned by the backend that allocated it. */
export interface Slot {
  readonly bytes: number
  readonly label: string
  /** wasm: byte address; reference: index of its array. Not for other layers. */
  readonly at: number
}

/** Receives bytes for a slot; the bytes are copied before write returns. */
export interface Sink {
  /** @param offset byte offset in the slot; offset + bytes.length must not exceed its size. */
  write(offset: number, bytes: Uint8Array): void
}

/** One resident weight matrix, y[n] = sum_k x[k] * w[n][k]. */
export interface Matrix {
  readonly layout: LayoutId
  readonly rows: number
  readonly cols: number
  readonly weights: Slot
  /** f32 [rows] or, with scaleBlock, [rows][ceil(cols/scaleBlock)]; absent for f16 and f32. */
  readonly scales?: Slot
  /** 0 = one scale a row; else columns per scale: 64, 128 or 256. Only t2. */
  readonly scaleBlock: number
}

/** A part of the rows of a result: the width of a row, and the first column of the part. */
export interface OutputColumns {
  readonly stride: number
  readonly first: number
}

/** Matrices that share their input, computed in one call; outputs stand side by side in a row. */
export interface Linear {
  readonly parts: readonly Matrix[]
  readonly cols: number
  readonly outputs: number
  /** Where in a row of the result its outputs stand; absent: they are the row. */
  readonly columns?: OutputColumns
  /** The backend's own descriptor. */
  readonly at: number
}

/** A KV cache of a backend: one of a network, another of its draft. */
export interface Kv extends KvSpec {
  /** The backend's own. */
  readonly at: number
}

/** RoPE tables of a backend, f32 [positions][ropeDim / 2] each. */
export interface Rope {
  readonly ropeDim: number
  /** The backend's own. */
  readonly at: number
}

/** Rows of one step: row r is token position[r] of the sequence with block table tables[r]. */
export interface StepRows {
  readonly count: number
  /** [count] absolute position of each row in its sequence. */
  readonly positions: Int32Array
  /** [count][maxBlocks] KV block ids of the row's sequence, valid up to its position. */
  readonly tables: Int32Array
  readonly maxBlocks: number
}

export interface AttendSpec {
  readonly kv: Kv
  readonly rope: Rope
  /** Of the cache. */
  readonly layer: number
  readonly heads: number
  readonly kvHeads: number
  readonly headDim: number
  readonly ropePairing: 'neox' | 'norm'
  readonly eps: number
  /** f32 [headDim] gains of the QK-norm (applied per head before RoPE), or none. */
  readonly qGain?: Slot
  readonly kGain?: Slot
}

export interface BackendLimits {
  /** Rows of a step at most. */
  readonly maxRows: number
  /** Sequence length at most, in tokens. */
  readonly maxContext: number
  /** Widest input row of any linear, in columns. */
  readonly maxCols: number
  /** Elements of a head that RoPE turns, for planning its tables; 256 where it is not known. */
  readonly ropeDim?: number
  /** Experts that a row is routed to at most; absent or 0 where nothing is routed. */
  readonly routed?: number
  /** Logits of a row, for planning where results stand; 0 where it is not known. */
  readonly vocab?: number
}

/** How one layer chooses experts for a row; see "routing" above. */
export interface RouterSpec {
  readonly experts: number
  /** Experts that a row is computed by, at most `experts`. */
  readonly used: number
  readonly scores: 'softmax' | 'sigmoid'
  readonly normalise: boolean
  readonly scale: number
  /** f32 [experts], added to the scores while choosing. */
  readonly bias?: Slot
}

/** A router of a backend, which counts what it chose. */
export interface Router extends RouterSpec {
  /** The backend's own. */
  readonly at: number
}

/** Linears of one shape, one for each expert of a layer. */
export interface Experts {
  readonly experts: readonly (readonly Matrix[])[]
  readonly cols: number
  readonly outputs: number
}

/** Numbers of one entry of `routes`. */
export const ROUTE_VALUES = 3

/**
 * What mixtures of experts need, and the attention of their architectures. A pair is (expert, row): `used` of them for each row, ordered by expert, then by row.
 * `routes` is f32 [pairs][3]: expert, row, weight.
 */
export interface ExpertOps {
  /** Load time only. @throws RyzError MEMORY_BUDGET */
  createRouter(spec: RouterSpec): Router
  /** Load time only. Experts must agree in cols and rows of their parts; layouts may differ. */
  stackExperts(experts: readonly (readonly Matrix[])[]): Experts
  /** routes [count * used][3] from logits f32 [count][experts]. */
  route(routes: Slot, logits: Slot, router: Router, count: number): void
  /**
   * out f32 [count * used][w.outputs]: of each pair, its input times its expert's matrices; only those of chosen
   * experts are read. Rounding as in linear.
   * @param input  'rows': x is f32 [count][w.cols]; 'pairs': f32 [count * used][w.cols]
   */
  routedLinear(
    out: Slot,
    x: Slot,
    w: Experts,
    routes: Slot,
    shape: RoutedShape,
    activations: 'int8' | 'float',
  ): void
  /** out f32 [..][n] += weight * y f32 [pairs][n], each pair to its row. */
  mix(out: Slot, y: Slot, routes: Slot, pairs: number, n: number): void
  /** RMSNorm of columns first..first+n-1 of rows of `stride` values, in place. */
  normColumns(x: Slot, gain: Slot, eps: number, count: number, columns: Columns): void
  /** x f32 [count][n] += b f32 [n], to each row. */
  bias(x: Slot, b: Slot, count: number, n: number): void
  /** Rows that each expert of a router computed so far; a copy. */
  use(router: Router): number[]
}

export interface RoutedShape {
  readonly input: 'rows' | 'pairs'
  readonly count: number
  readonly used: number
}

/** Some columns of rows. */
export interface Columns {
  readonly stride: number
  readonly first: number
  readonly n: number
}

/** What others may rely on. Ask these, never the name of a backend. */
export interface BackendTraits {
  /** The bits of the reference, in every op. Without it a self-test judges by tolerance. */
  readonly exact: boolean
  /** Ops are done when they return, and read() gives values instead of a promise. */
  readonly immediate: boolean
  /** Slots hold the bytes of format/layouts, so that rows of a matrix can be read out again. */
  readonly cpuLayouts: boolean
  /** It has `experts`. */
  readonly experts: boolean
}

/** The likeliest tokens that a draw is made from, at most. */
export const MOST_DRAWN = 64

/** How a token is drawn; the rules are those of the engine's sampler. */
export interface Drawing {
  /** 0: the likeliest, of equals the lowest id. */
  readonly temperature: number
  /** At most MOST_DRAWN; 0 off, with topP below 1. */
  readonly topK: number
  readonly topP: number
  readonly minP: number
  /** Uniform in [0, 1). */
  readonly random: number
}

export interface Backend {
  readonly path: ExecutionPath
  readonly traits: BackendTraits
  /**
   * Resolves when it can compute no more: a pool worker that died between two ops, a GPU that is gone.
   * Never rejects, and stays open when the backend is closed. Whoever waits for a read waits for this, too.
   */
  readonly lost: Promise<RyzError>

  /**
   * Reserves memory; load time only. Contents are zero.
   * @param unit  bytes that must stay together, for a backend whose buffers end somewhere
   * @throws RyzError MEMORY_BUDGET
   */
  alloc(bytes: number, label: string, unit?: number): Slot
  writer(slot: Slot): Sink
  /**
   * Moves rows of a file's type into `slot`, in the layout that transcode.ts asks for and with the same
   * bytes; undefined where it has no faster way than that. While loading only.
   */
  rowMover?(
    source: MoverSource,
    layout: MoverLayout,
    rows: number,
    cols: number,
    slot: Slot,
  ): RowMover | undefined

  /**
   * While loading, for a backend whose memory takes time to fill: waits until what was written has arrived,
   * or gives nothing where little is on its way. Absent where a write is done when it returns.
   * @param all  wait however little it is
   * @throws RyzError GPU_OOM | DEVICE_LOST
   */
  settle?(all: boolean): Promise<void> | undefined

  /**
   * Resolves when it can compute, for a backend that compiles beside the load; memory may be filled before. Absent
   * where it could when it was made.
   * @throws RyzError what keeps it from computing
   */
  ready?(): Promise<void>

  /** Load time only. Parts must agree in cols. With `columns` the rest of a row of the result is left as it is. */
  stack(parts: readonly Matrix[], columns?: OutputColumns): Linear
  /** Reserves a cache; load time only. @throws RyzError MEMORY_BUDGET */
  createKv(spec: KvSpec): Kv
  /** Keeps tables of f32 [positions][ropeDim / 2] each; load time only. @throws RyzError MEMORY_BUDGET */
  createRope(cos: Float32Array, sin: Float32Array, ropeDim: number): Rope

  /** out f32 [count][cols] = rows `ids` of the table (its values times its scale). */
  embed(out: Slot, table: Matrix, ids: Int32Array, count: number): void
  /** RMSNorm per row (Zhang & Sennrich 2019); x and out f32 [count][n], may be the same slot. */
  norm(out: Slot, x: Slot, gain: Slot, eps: number, count: number, n: number): void
  /** out f32 [count][w.outputs], or those of w.columns, = x f32 [count][w.cols] times w; int8 rounds t2, i8 and i4 inputs per row. */
  linear(out: Slot, x: Slot, w: Linear, count: number, activations: 'int8' | 'float'): void
  /**
   * qkv f32 [count][(heads + 2*kvHeads) * headDim], q then k then v. Applies the QK-norm and RoPE,
   * appends K and V of all rows to the cache, then out f32 [count][heads*headDim] = attention over
   * positions 0..positions[r]. Rows of one sequence stand in ascending order of position.
   * qkv may be overwritten.
   */
  attend(out: Slot, qkv: Slot, rows: StepRows, spec: AttendSpec): void
  /** out f32 [count][n] = act(x[..][0..n-1]) * x[..][n..2n-1]; silu: g/(1+exp(-g)), relu2: max(g,0)^2. */
  gate(out: Slot, x: Slot, activation: 'silu' | 'relu2', count: number, n: number): void
  /** out f32 [count] += x f32 [count]. */
  add(out: Slot, x: Slot, count: number): void
  /** Absent where it computes no mixture of experts; see BackendTraits.experts. */
  readonly experts?: ExpertOps
  /** Copies rows `which` of x f32 [..][n] to out f32 [which.length][n]. */
  gather(out: Slot, x: Slot, which: Int32Array, count: number, n: number): void
  /**
   * f32 values, valid until the next op; the one point where results and failures surface. A backend
   * whose ops are done when they return gives the values themselves, and throws: a promise and what
   * awaits it leave 1 kB a token to the collector. Others give a promise.
   */
  read(slot: Slot, first: number, count: number): Float32Array | Promise<Float32Array>
  /**
   * Whether no value of f32 [first, first + count) is NaN or infinite. Asked before the read() of the same
   * step, so that a backend which waits answers both at once.
   */
  finite(slot: Slot, first: number, count: number): boolean | Promise<boolean>
  /**
   * Draws a token for each of the first `count` rows of logits f32 [..][vocab]. An id of the next embed() that is
   * negative, ~r, is the one drawn last for row r, so that steps need not wait for each other. Absent where
   * nothing is gained by it.
   * @returns ids, -1 where the logits have to be looked at: one is not finite, or the likeliest hold too little
   */
  draw?(
    logits: Slot,
    vocab: number,
    count: number,
    drawings: readonly Drawing[],
  ): Promise<Int32Array>
  /** Resolves when a question for nothing is answered: what waiting for a result costs. With draw(). */
  answer?(): Promise<void>
  /** Only of a GPU. */
  gpuStats?(): GpuStats
  /** Only of a GPU: it is of no more use, for a reason that it did not tell itself. `lost` resolves with the error. */
  condemn?(error: RyzError): void
  /** Only of kernels on several threads. */
  poolStats?(): PoolStats | undefined
  /** Milliseconds by op, where the backend knows better than how long its calls take. */
  opTimes?(): OpTime[] | undefined
  /** Copies KV block `from` to `to` in all layers (fork of a partly filled block). */
  copyBlock(kv: Kv, from: number, to: number): void
  /**
   * Copies KV block `block` out: [layer][kvHead][kvHeadBytes]. The same bytes mean the same block in
   * every backend.
   */
  readBlock(kv: Kv, block: number): Promise<Uint8Array>
  /** Overwrites KV block `block` with bytes in the order of readBlock; they are copied. */
  writeBlock(kv: Kv, block: number, bytes: Uint8Array): void
  /** Gives all memory and threads back; may be called twice. */
  close(): void
}
