// The integer dots of t2 tiles that all ternary kernels are made of. The including file brings
// dot_pairs_i16 (dot_i8__simd128.h or dot_i8__relaxed.h). Codes are w + 1: the caller subtracts the
// sum of the activations.
#pragma once
#include "ryz.h"
#include "simd.h"

// An int16 lane takes 4 dots a tile of at most 512 in size: -32768 after 16 tiles, the last that fits.
constexpr int32_t WIDEN_TILES = 16;

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
  if (HAS_DOT_I32 && dots_in_i32()) return t2_dots_4x1_i32(w, q, first, last);
  return t2_dots_4x1(w, q, first, last);
}

template <int SHIFT>
inline void step_2x4(v128_t sums_i16[2][4], v128_t packed_0, v128_t packed_1, const int8_t* const q[4],
                     int32_t at) {
  const v128_t codes_0 = codes_at<SHIFT>(packed_0);
  const v128_t codes_1 = codes_at<SHIFT>(packed_1);
  for (int t = 0; t < 4; t++) {
    const v128_t x_i8 = wasm_v128_load(q[t] + at);
    sums_i16[0][t] = wasm_i16x8_add(sums_i16[0][t], dot_pairs_i16(x_i8, codes_0));
    sums_i16[1][t] = wasm_i16x8_add(sums_i16[1][t], dot_pairs_i16(x_i8, codes_1));
  }
}

// dots[r] lane t = the same sum for rows r = 0, 1 at `w` and `w + 16`, and four tokens: 8 sums stay in
// registers while each code is unpacked once for four tokens.
inline void t2_dots_2x4(v128_t dots[2], const uint8_t* w, const int8_t* const q[4], int32_t first,
                        int32_t last) {
  v128_t sums_i32[2][4] = {};
  for (int32_t tile = first; tile < last;) {
    const int32_t stop = tile + WIDEN_TILES < last ? tile + WIDEN_TILES : last;
    v128_t sums_i16[2][4] = {};
    for (; tile < stop; tile++) {
      const uint8_t* tile_w = w + static_cast<size_t>(tile) * TILE_BYTES;
      const v128_t packed_0 = wasm_v128_load(tile_w);
      const v128_t packed_1 = wasm_v128_load(tile_w + 16);

      step_2x4<0>(sums_i16, packed_0, packed_1, q, tile * TILE_COLS);
      step_2x4<2>(sums_i16, packed_0, packed_1, q, tile * TILE_COLS + 16);
      step_2x4<4>(sums_i16, packed_0, packed_1, q, tile * TILE_COLS + 32);
      step_2x4<6>(sums_i16, packed_0, packed_1, q, tile * TILE_COLS + 48);
    }
    for (int r = 0; r < 2; r++) {
      for (int t = 0; t < 4; t++) {
        sums_i32[r][t] =
            wasm_i32x4_add(sums_i32[r][t], wasm_i32x4_extadd_pairwise_i16x8(sums_i16[r][t]));
      }
    }
  }
  for (int r = 0; r < 2; r++) {
    dots[r] = sum_lanes_i32(sums_i32[r][0], sums_i32[r][1], sums_i32[r][2], sums_i32[r][3]);
  }
}
