// Products of 16 int8 activations and 16 codes 0..2, added in pairs into 8 int16 lanes: one
// instruction (pmaddubsw on x86). The codes are the 7-bit operand, for which the result is the same,
// and exact, on every machine; each lane is at most 2 * 2 * 128 = 512 in size.
#pragma once
#include <wasm_simd128.h>

inline v128_t dot_pairs_i16(v128_t x_i8, v128_t codes) {
  return wasm_i16x8_relaxed_dot_i8x16_i7x16(x_i8, codes);
}

// The same products added four by four into int32 lanes: one SDOT on ARM, three instructions on x86.
inline v128_t dot_add_i32(v128_t x_i8, v128_t codes, v128_t sums_i32) {
  return wasm_i32x4_relaxed_dot_i8x16_i7x16_add(x_i8, codes, sums_i32);
}
