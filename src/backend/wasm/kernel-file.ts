// Which kernels run a variant, by the name of their file. Used by worker/main.ts.
import type { PackageFile } from '../../package-files.ts'
import type { KernelVariant } from '../../types/index.ts'

/** The kernel module of a variant: the threaded build, or the single-thread one for 1 thread. */
export function kernelFile(variant: KernelVariant, threads: number): PackageFile {
  const threaded = threads > 1
  switch (variant) {
    case 'relaxed':
    case 'relaxed-i32':
      return threaded ? 'ryz-relaxed-mt.wasm' : 'ryz-relaxed-st.wasm'
    case 'simd128':
      return threaded ? 'ryz-simd128-mt.wasm' : 'ryz-simd128-st.wasm'
    case 'scalar':
      return threaded ? 'ryz-scalar-mt.wasm' : 'ryz-scalar-st.wasm'
    default:
      return variant satisfies never
  }
}
