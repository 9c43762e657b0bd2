// The integer dots of t2 tiles for one token on the relaxed dot: an unpacked code is used once, so
// unpacking (3 shifts, 4 masks) is half of the work. 51 Gw/s (Chromium, Nov 2026).
#pragma once
#include "dot_i8__relaxed.h"
#include "t2_dots.h"

// Activations as t2_dots_one takes them: as they are.
using ActsX1 = const int8_t*;

// Prepares tokens first..count-1.
inline void prepare_x1(void*, const ActsI8&, int32_t) {}

inline ActsX1 acts_x1(const void*, const ActsI8& x, int32_t token, int32_t) {
  return x.q + static_cast<size_t>(token) * x.stride;
}

template <int SHIFT>
inline v128_t codes_at(v128_t packed) {
  const v128_t shifted = SHIFT == 0 ? packed : wasm_u16x8_shr(packed, SHIFT);
  return wasm_v128_and(shifted, wasm_i8x16_splat(3));
}

template <int SHIFT>
inline void step_4x1(v128_t sums_i16[4], const v128_t packed[4], v128_t x_i8) {
  for (int r = 0; r < 4; r++) {
    sums_i16[r] = wasm_i16x8_add(sums_i16[r], dot_pairs_i16(x_i8, codes_at<SHIFT>(packed[r])));
  }
}

// Lane r = sum over tiles first..last-1 of code * q for row r of the tile row `w`; one token.
inline v128_t t2_dots_4x1(const uint8_t* w, const int8_t* q, int32_t first, int32_t last) {
  v128_t sums_i32[4] = {};
  for (int32_t tile = first; tile < last;) {
    const int32_t stop = tile + WIDEN_TILES < last ? tile + WIDEN_TILES : last;
    v128_t sums_i16[4] = {};
    for (; tile < stop; tile++) {
      const uint8_t* tile_w = w + static_cast<size_t>(tile) * TILE_BYTES;
      const int8_t* tile_q = q + tile * TILE_COLS;
      const v128_t packed[4] = {wasm_v128_load(tile_w), wasm_v128_load(tile_w + 16),
                                wasm_v128_load(tile_w + 32), wasm_v128_load(tile_w + 48)};

      step_4x1<0>(sums_i16, packed, wasm_v128_load(tile_q));
      step_4x1<2>(sums_i16, packed, wasm_v128_load(tile_q + 16));
      step_4x1<4>(sums_i16, packed, wasm_v128_load(tile_q + 32));
      step_4x1<6>(sums_i16, packed, wasm_v128_load(tile_q + 48));
    }
    for (int r = 0; r < 4; r++) {
      sums_i32[r] = wasm_i32x4_add(sums_i32[r], wasm_i32x4_extadd_pairwise_i16x8(sums_i16[r]));
    }
  }
  return sum_lanes_i32(sums_i32[0], sums_i32[1], sums_i32[2], sums_i32[3]);
}

template <int SHIFT>
inline void step_4x1_i32(v128_t sums_i32[4], const v128_t packed[4], v128_t x_i8) {
  for (int r = 0; r < 4; r++) sums_i32[r] = dot_add_i32(x_i8, codes_at<SHIFT>(packed[r]), sums_i32[r]);
}

// The same sums with dots that add in 32 bits; nothing to widen.
inline v128_t t2_dots_4x1_i32(const uint8_t* w, const int8_t* q, int32_t first, int32_t last) {
  v128_t sums_i32[4] = {};
  for (int32_t tile = first; tile < last; tile++) {
    const uint8_t* tile_w = w + static_cast<size_t>(tile) * TILE_BYTES;
    const int8_t* tile_q = q + tile * TILE_COLS;
    const v128_t packed[4] = {wasm_v128_load(tile_w), wasm_v128_load(tile_w + 16),
                              wasm_v128_load(tile_w + 32), wasm_v128_load(tile_w + 48)};

    step_4x1_i32<0>(sums_i32, packed, wasm_v128_load(tile_q));
    step_4x1_i32<2>(sums_i32, packed, wasm_v128_load(tile_q + 16));
    step_4x1_i32<4>(sums_i32, packed, wasm_v128_load(tile_q + 32));
    step_4x1_i32<6>(sums_i32, packed, wasm_v128_load(tile_q + 48));
  }
  return sum_lanes_i32(sums_i32[0], sums_i32[1], sums_i32[2], sums_i32[3]);
}

// One token, by the dots that ryz_dots chose.
inline v128_t t2_dots_one(const uint8_t* w, const int8_t* q, int32_t first, int32_t last) {
  if (dots_in_i32()) return t2_dots_4x1_i32(w, q, first, last);
  return t2_dots_4x1(w, q, first, last);
}
