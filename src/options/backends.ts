// Every backend there is, in one list: options, demo, benchmarks and conformance tests go by it.
import type { BackendName } from '../types/index.ts'

const ALL = { wasm: true, webgpu: true, reference: true } as const satisfies Record<
  BackendName,
  true
>

/** What computes, as LoadOptions.backend names it: the CPU's kernels, a GPU, plain TypeScript. */
export const BACKENDS: readonly BackendName[] = Object.keys(ALL) as BackendName[]
