// Products of 16 int8 activations and 16 codes 0..2, added in pairs into 8 int16 lanes: one
// instruction (pmaddubsw on x86). The codes are the 7-bit operand, for which the result is the same,
// and exact, on every machine; each lane is at most 2 * 2 * 128 = 512 in size.
#pragma once
#include <wasm_simd128.h>

inline v128_t dot_pairs_i16(v128_t x_i8, v128_t codes) {
  return wasm_i16x8_relaxed_dot_i8x16_i7x16(x_i8, codes);
}
