// The C ABI of kernels-cpp as TypeScript sees it: the exported functions and the numbers of its enums.
// The contracts are in kernels-cpp/ryz.h; the structs are written by descriptors.ts.
import type { KvType } from '../../types/index.ts'
import type { LayoutId, MoverSource } from '../backend.ts'

/** Every op returns a status of ryz.h. */
type Op = (...args: number[]) => number

export interface KernelExports {
  readonly __stack_pointer: WebAssembly.Global
  readonly __heap_base: WebAssembly.Global
  readonly __tls_size?: WebAssembly.Global
  readonly __wasm_init_tls?: (address: number) => void
  /** (q, x, inv, sums, tileSums, lookup): see RyzScratch. */
  readonly ryz_setup: (...addresses: number[]) => void
  /** 1 for ternary dots that add in 32 bits, where the build has them; 0 at the start. */
  readonly ryz_dots: (i32: number) => void
  /** (out, layout, weights, scales, cols, scaleBlock, ids, count) */
  readonly ryz_embed: Op
  /** (out, x, gain, eps, count, n) */
  readonly ryz_norm: Op
  /** (out, x, linear, count, roundActivations) */
  readonly ryz_linear: Op
  /** (out, qkv, spec, count) */
  readonly ryz_attend: Op
  /** (out, x, isRelu2, count, n) */
  readonly ryz_gate: Op
  /** (out, x, count) */
  readonly ryz_add: Op
  /** (out, y, routes, pairs, n) */
  readonly ryz_mix: Op
  /** (address of the columns, gain, eps, count, stride, n) */
  readonly ryz_norm_columns: Op
  /** (x, bias, count, n) */
  readonly ryz_bias: Op
  /** (source, layout, from, rowBytes, cols, rows, to, scales, bad): rows of a file to their place, while loading. */
  readonly ryz_pour: Op
  // The rest is in threaded builds only.
  /** (threads, spins before a thread sleeps, ms to wait for a piece, ns below which thread 0 works alone) */
  readonly ryz_pool_setup?: (
    threads: number,
    spin: number,
    limitMs: number,
    aloneNs: number,
  ) => void
  /** Threads that share work from now on, thread 0 included; the others sleep. */
  readonly ryz_pool_use?: (threads: number) => void
  readonly ryz_pool_failed?: () => number
  readonly ryz_pool_left?: () => number
  /** Addresses of what the threads did, and of what thread 0 waited; see pool-watch.ts. */
  readonly ryz_pool_done?: () => number
  readonly ryz_pool_waits?: () => number
  /** Makes a pool worker trap (0) or never end (1); for tests. */
  readonly ryz_pool_fault?: Op
  /** The loop of a pool worker; never returns. */
  readonly ryz_thread_main?: () => void
}

/** RyzStatus */
export const STATUS_OK = 0
export const STATUS_WORKER_TRAPPED = 1

/** RyzLayout */
export const LAYOUT_CODES: Readonly<Record<LayoutId, number>> = {
  t2: 0,
  i8: 1,
  f16: 2,
  f32: 3,
  i4: 4,
}
/** RyzKvType */
export const KV_CODES: Readonly<Record<KvType, number>> = {
  f32: 0,
  f16: 1,
  int8: 2,
  int4: 3,
}

/** RyzSource */
export const MOVER_CODES: Readonly<Record<MoverSource, number>> = {
  TQ2_0: 0,
  I2_S: 1,
  Q6_K: 2,
  Q8_0: 3,
  F16: 4,
}
/** POUR_ROW of ryz.h: before it, a thread's lookup scratch is free while loading. */
export const POUR_ROW = 491_520

/** Words of RyzAttend; the order is in descriptors.ts. */
export const ATTEND_WORDS = 18
/** Rows of a matrix that are shared out together (TILE_ROWS). */
export const UNIT_ROWS = 4
/** Scratch of one thread for the lookup-table product; see lookup_t2_i8.h. */
export const LOOKUP_BYTES = 963_584
