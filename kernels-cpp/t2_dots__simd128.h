// The integer dots of t2 tiles for one token without the relaxed dot. Two 8-bit products in a 16-bit lane
// take five instructions here, so codes stay in their bytes: in a lane of 16 bits the code of the odd byte
// is 256 times too large, and the activation of the even byte is made as large. One mask and one
// i32x4.dot_i16x8 then do 8 products.
#pragma once
#include "dot_i8__simd128.h"
#include "t2_dots.h"

// Sums are 256 times too large until they are folded: 64 tiles are at most 2^12 * 2 * 127 * 256 < 2^31.
constexpr int32_t FOLD_TILES = 64;

// Activations as t2_dots_one takes them: i16 [stride / 16][even bytes * 256, odd bytes][8].
using ActsX1 = const int16_t*;

// Prepares tokens first..count-1, which must fit into the scratch: there are few of them.
inline void prepare_x1(void* scratch, const ActsI8& x, int32_t first) {
  auto* to = static_cast<int16_t*>(scratch);
  for (int32_t t = first; t < x.count; t++) {
    const int8_t* q = x.q + static_cast<size_t>(t) * x.stride;
    for (int32_t k = 0; k < x.stride; k += 16, to += 16) {
      const v128_t x_i8 = wasm_v128_load(q + k);
      wasm_v128_store(to, wasm_i16x8_shl(x_i8, 8));
      wasm_v128_store(to + 8, wasm_i16x8_shr(x_i8, 8));
    }
  }
}

inline ActsX1 acts_x1(const void* scratch, const ActsI8& x, int32_t token, int32_t first) {
  return static_cast<const int16_t*>(scratch) + static_cast<size_t>(token - first) * x.stride;
}

// Lane r = sum over tiles first..last-1 of code * q for row r of the tile row `w`; one token.
inline v128_t t2_dots_one(const uint8_t* w, ActsX1 acts, int32_t first, int32_t last, const Ahead& ahead) {
  const uint8_t* tile_w = w + static_cast<size_t>(first) * TILE_BYTES;
  const int16_t* x = acts + static_cast<size_t>(first) * TILE_COLS;
  const v128_t low = wasm_i16x8_splat(0x0003);
  const v128_t high = wasm_i16x8_splat(0x0300);
  v128_t dots = wasm_i32x4_splat(0);
  for (int32_t rest = last - first; rest > 0;) {
    int32_t tiles = rest < FOLD_TILES ? rest : FOLD_TILES;
    rest -= tiles;
    v128_t sums_i32[4] = {};
#pragma clang loop unroll(disable)
    do {
      if (tiles % WIDEN_TILES == 0) ahead.touch(w, static_cast<size_t>(tile_w - w));
      v128_t packed[4] = {wasm_v128_load(tile_w), wasm_v128_load(tile_w + 16),
                          wasm_v128_load(tile_w + 32), wasm_v128_load(tile_w + 48)};
      const int16_t* stop = x + TILE_COLS;
      // A loop, not unrolled, as in t2_dots.h.
      asm("" : "+r"(stop));
#pragma clang loop unroll(disable)
      do {
        const v128_t x_even = wasm_v128_load(x);
        const v128_t x_odd = wasm_v128_load(x + 8);
#pragma unroll
        for (int r = 0; r < 4; r++) {
          sums_i32[r] =
              wasm_i32x4_add(sums_i32[r], wasm_i32x4_dot_i16x8(wasm_v128_and(packed[r], low), x_even));
          sums_i32[r] =
              wasm_i32x4_add(sums_i32[r], wasm_i32x4_dot_i16x8(wasm_v128_and(packed[r], high), x_odd));
          packed[r] = wasm_u16x8_shr(packed[r], 2);
        }
        x += 16;
      } while (x != stop);
      tile_w += TILE_BYTES;
    } while (--tiles > 0);
    dots = wasm_i32x4_add(
        dots, wasm_i32x4_shr(sum_lanes_i32(sums_i32[0], sums_i32[1], sums_i32[2], sums_i32[3]), 8));
  }
  return dots;
}

// Four tokens: see t2_dots_2x4.
inline void t2_dots_four(v128_t dots[2], const uint8_t* w, const int8_t* q4, int32_t first, int32_t last,
                         const Ahead& ahead) {
  t2_dots_2x4<DotPairs>(dots, w, q4, first, last, ahead);
}
