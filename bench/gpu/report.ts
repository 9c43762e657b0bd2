// docs/bench/gpu-*.json: what `make bench-gpu` finds. With a GPU: what a dispatch, a wait and a byte cost there, two
// shapes, and the rows of the bench page. Always: the plan of a token, and what a roofline makes of it. Types alone.
import type { BenchRow } from '../../demo/bench/results.ts'

export interface GpuReport {
  head: {
    machine: string
    node: string
    /** Of the npm package webgpu, which is Dawn. */
    webgpu: string
    commit: string
    date: string
    /** It proves that the benchmark works; its figures mean nothing. */
    quick: boolean
  }
  /** null where there is none that may be measured. */
  adapter: null | {
    name: string
    /** What Dawn says of adapter and driver. */
    description: string
    software: boolean
    features: readonly string[]
    inner_loop: string
  }
  /** Why there is none. */
  why?: string
  plans: PlanFigures[]
  costs?: CostFigures
  shapes?: ShapeFigures[]
  /** The cells of the bench page. */
  rows?: BenchRow[]
}

/** What a step is made of, recorded on a device that runs nothing. */
export interface PlanFigures {
  shape: string
  layers: number
  /** By where norm and rounding happen; see GpuTuning. */
  dispatches_a_layer: { once: number; fused: number }
  dispatches: { once: number; fused: number }
  /** Of a piece of 128 tokens. */
  prefill_dispatches: number
  /** Weights, and the KV cache (f16) of 2,048 tokens. */
  weight_bytes: number
  kv_bytes_2048: number
  /** Products of a token. */
  macs: number
  roofline: {
    kind: string
    bandwidth_gb_s: number
    dispatch_us: number
    wait_ms: number
    decode_tok_s: number
    decode_2048_tok_s: number
    label: 'estimate'
  }[]
}

/** Measured on the adapter. */
export interface CostFigures {
  dispatch_us: number
  wait_ms: number
  /** Reads and writes of a pass over more than a cache holds. */
  bandwidth_gb_s: number
}

export interface ShapeFigures {
  shape: string
  decode_tok_s: Record<string, number>
  decode_2048_tok_s: number
  prefill_512_tok_s: number
  /** Milliseconds of a token by shader, and how they were taken. */
  ops_ms: Record<string, number>
  profile: string
}
