// Relaxed SIMD in Node 20, which has it behind a flag. Later versions have it as browsers do.
import { setFlagsFromString } from 'node:v8'

/**
 * Node 20's baseline compiler gets i32x4.relaxed_dot_i8x16_i7x16_add_s wrong, so the optimising one makes all
 * code. Without effect once WebAssembly was compiled.
 */
export function relaxedSimdInNode20(): void {
  if (process.versions.node.split('.')[0] !== '20') return
  setFlagsFromString('--experimental-wasm-relaxed-simd')
  setFlagsFromString('--no-liftoff')
}
