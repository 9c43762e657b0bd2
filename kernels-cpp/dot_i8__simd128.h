// Products of 16 int8 activations and 16 codes 0..2, added in pairs into 8 int16 lanes: exact, each
// lane is at most 2 * 2 * 128 = 512 in size. Which pairs share a lane differs from __relaxed; the
// total does not.
#pragma once
#include <wasm_simd128.h>

inline v128_t dot_pairs_i16(v128_t x_i8, v128_t codes) {
  return wasm_i16x8_add(wasm_i16x8_extmul_low_i8x16(x_i8, codes),
                        wasm_i16x8_extmul_high_i8x16(x_i8, codes));
}
