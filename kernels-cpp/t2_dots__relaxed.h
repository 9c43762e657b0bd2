// The integer dots of t2 tiles on the relaxed dots: in pairs that are added in 16 bits, or in fours that
// are added in 32 bits where ryz_dots chose so. Which is faster depends on the machine (one instruction
// with VNNI or SDOT, three without); the sums are the same.
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

// A tile row is four quarters of a code each: two are masked where they stand, the others after one shift.
// The second of a pair is four times too large and summed apart: 5 operations unpack 64 codes, where
// four shifted to the bottom take 7.
struct Quarters {
  v128_t at_0, at_0_x4, at_4, at_4_x4;
};

inline Quarters quarters_of(v128_t packed) {
  const v128_t low = wasm_i8x16_splat(0x03);
  const v128_t high = wasm_i8x16_splat(0x0c);
  const v128_t shifted = wasm_u16x8_shr(packed, 4);
  return {wasm_v128_and(packed, low), wasm_v128_and(packed, high), wasm_v128_and(shifted, low),
          wasm_v128_and(shifted, high)};
}

// Sums of two rows over at most WIDEN_TILES tiles, one token; `totals` int32.
using TwoRows = void(v128_t totals[2], const uint8_t* w, const int8_t* x, int32_t tiles);

// In pairs, whose int16 lanes are 16 * 2 * 512 in size after 8 tiles where codes are four times too large: the most
// that fits.
inline void two_rows_pairs(v128_t totals[2], const uint8_t* w, const int8_t* x, int32_t tiles) {
  v128_t once[2] = {};
  v128_t x4[2] = {};
#pragma clang loop unroll(disable)
  for (; tiles > 0; tiles--, w += TILE_BYTES, x += TILE_COLS) {
    const v128_t x0 = wasm_v128_load(x);
    const v128_t x1 = wasm_v128_load(x + 16);
    const v128_t x2 = wasm_v128_load(x + 32);
    const v128_t x3 = wasm_v128_load(x + 48);
#pragma unroll
    for (int r = 0; r < 2; r++) {
      const Quarters codes = quarters_of(wasm_v128_load(w + 16 * r));
      once[r] = wasm_i16x8_add(once[r], dot_pairs_i16(x0, codes.at_0));
      x4[r] = wasm_i16x8_add(x4[r], dot_pairs_i16(x1, codes.at_0_x4));
      once[r] = wasm_i16x8_add(once[r], dot_pairs_i16(x2, codes.at_4));
      x4[r] = wasm_i16x8_add(x4[r], dot_pairs_i16(x3, codes.at_4_x4));
    }
  }
  for (int r = 0; r < 2; r++) {
    const v128_t four_times = wasm_i32x4_extadd_pairwise_i16x8(x4[r]);
    totals[r] = wasm_i32x4_add(wasm_i32x4_extadd_pairwise_i16x8(once[r]), wasm_i32x4_shr(four_times, 2));
  }
}

// In fours, with a sum for each quarter: eight side by side, as such a dot takes five cycles and two can begin in
// each (56 -> 61 Gw/s in cache, Xeon, Nov 2026). An activation is loaded where it is used: 15 registers hold it all.
inline void two_rows_fours(v128_t totals[2], const uint8_t* w, const int8_t* x, int32_t tiles) {
  const v128_t low = wasm_i8x16_splat(0x03);
  const v128_t high = wasm_i8x16_splat(0x0c);
  v128_t a[4] = {};
  v128_t b[4] = {};
#pragma clang loop unroll(disable)
  for (; tiles > 0; tiles--, w += TILE_BYTES, x += TILE_COLS) {
    v128_t codes_a = wasm_v128_load(w);
    v128_t codes_b = wasm_v128_load(w + 16);
#pragma unroll
    for (int half = 0; half < 4; half += 2) {
      const v128_t x_low = wasm_v128_load(x + 16 * half);
      a[half] = dot_add_i32(x_low, wasm_v128_and(codes_a, low), a[half]);
      b[half] = dot_add_i32(x_low, wasm_v128_and(codes_b, low), b[half]);
      const v128_t x_high = wasm_v128_load(x + 16 * half + 16);
      a[half + 1] = dot_add_i32(x_high, wasm_v128_and(codes_a, high), a[half + 1]);
      b[half + 1] = dot_add_i32(x_high, wasm_v128_and(codes_b, high), b[half + 1]);
      codes_a = wasm_u16x8_shr(codes_a, 4);
      codes_b = wasm_u16x8_shr(codes_b, 4);
    }
  }
  const auto total = [](const v128_t sums[4]) {
    const v128_t four_times = wasm_i32x4_add(sums[1], sums[3]);
    return wasm_i32x4_add(wasm_i32x4_add(sums[0], sums[2]), wasm_i32x4_shr(four_times, 2));
  };
  totals[0] = total(a);
  totals[1] = total(b);
}

template <TwoRows two_rows>
inline v128_t t2_dots_4x1(const uint8_t* w, const int8_t* q, int32_t first, int32_t last, const Ahead& ahead) {
  v128_t sums[4] = {};
  for (int32_t tile = first; tile < last; tile += WIDEN_TILES) {
    const int32_t tiles = last - tile < WIDEN_TILES ? last - tile : WIDEN_TILES;
    const uint8_t* at = w + static_cast<size_t>(tile) * TILE_BYTES;
    ahead.touch(w, static_cast<size_t>(at - w));
#pragma clang loop unroll(disable)
    for (int r = 0; r < 4; r += 2) {
      v128_t totals[2];
      two_rows(totals, at + r * 16, q + tile * TILE_COLS, tiles);
      sums[r] = wasm_i32x4_add(sums[r], totals[0]);
      sums[r + 1] = wasm_i32x4_add(sums[r + 1], totals[1]);
    }
  }
  return sum_lanes_i32(sums[0], sums[1], sums[2], sums[3]);
}

// Lane r = sum over tiles first..last-1 of code * q for row r of the tile row `w`; one token.
inline v128_t t2_dots_one(const uint8_t* w, const int8_t* q, int32_t first, int32_t last, const Ahead& ahead) {
  if (dots_in_i32()) return t2_dots_4x1<two_rows_fours>(w, q, first, last, ahead);
  return t2_dots_4x1<two_rows_pairs>(w, q, first, last, ahead);
}

// Sums in fours: int32 lanes, nothing to widen.
struct DotFours {
  static constexpr bool WIDENED = false;
  static v128_t add(v128_t sums, v128_t x_i8, v128_t codes) { return dot_add_i32(x_i8, codes, sums); }
  static v128_t total_i32(v128_t sums) { return sums; }
};

// Four tokens: see t2_dots_2x4.
inline void t2_dots_four(v128_t dots[2], const uint8_t* w, const int8_t* q4, int32_t first, int32_t last,
                         const Ahead& ahead) {
  if (dots_in_i32()) {
    t2_dots_2x4<DotFours>(dots, w, q4, first, last, ahead);
  } else {
    t2_dots_2x4<DotPairs>(dots, w, q4, first, last, ahead);
  }
}
