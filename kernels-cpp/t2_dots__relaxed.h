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

// Sums of rows R at `tile_w` over `tiles` tiles, the codes in int16 (16 * 2 * 512 in size after 8 tiles
// in sums_x4, the most that fits) or in int32.
template <bool IN_I32>
struct RowSums {
  v128_t once = wasm_i32x4_splat(0);
  v128_t x4 = wasm_i32x4_splat(0);

  void add(const Quarters& codes, v128_t x0, v128_t x1, v128_t x2, v128_t x3) {
    if (IN_I32) {
      once = dot_add_i32(x0, codes.at_0, once);
      x4 = dot_add_i32(x1, codes.at_0_x4, x4);
      once = dot_add_i32(x2, codes.at_4, once);
      x4 = dot_add_i32(x3, codes.at_4_x4, x4);
    } else {
      once = wasm_i16x8_add(once, dot_pairs_i16(x0, codes.at_0));
      x4 = wasm_i16x8_add(x4, dot_pairs_i16(x1, codes.at_0_x4));
      once = wasm_i16x8_add(once, dot_pairs_i16(x2, codes.at_4));
      x4 = wasm_i16x8_add(x4, dot_pairs_i16(x3, codes.at_4_x4));
    }
  }

  v128_t total_i32() const {
    const v128_t a = IN_I32 ? once : wasm_i32x4_extadd_pairwise_i16x8(once);
    const v128_t b = IN_I32 ? x4 : wasm_i32x4_extadd_pairwise_i16x8(x4);
    return wasm_i32x4_add(a, wasm_i32x4_shr(b, 2));
  }
};

// Two rows at a time: eight sums and their codes would not fit the 15 registers.
template <bool IN_I32>
inline v128_t t2_dots_4x1(const uint8_t* w, const int8_t* q, int32_t first, int32_t last, const Ahead& ahead) {
  v128_t sums_i32[4] = {};
  for (int32_t tile = first; tile < last; tile += WIDEN_TILES) {
    const int32_t stop = tile + WIDEN_TILES < last ? tile + WIDEN_TILES : last;
    const uint8_t* at = w + static_cast<size_t>(tile) * TILE_BYTES;
    ahead.touch(w, static_cast<size_t>(at - w));
#pragma clang loop unroll(disable)
    for (int r = 0; r < 4; r += 2) {
      RowSums<IN_I32> sums[2];
      const uint8_t* tile_w = at + r * 16;
      const int8_t* x = q + tile * TILE_COLS;
#pragma clang loop unroll(disable)
      for (int32_t i = tile; i < stop; i++, tile_w += TILE_BYTES, x += TILE_COLS) {
        const v128_t x0 = wasm_v128_load(x);
        const v128_t x1 = wasm_v128_load(x + 16);
        const v128_t x2 = wasm_v128_load(x + 32);
        const v128_t x3 = wasm_v128_load(x + 48);
        sums[0].add(quarters_of(wasm_v128_load(tile_w)), x0, x1, x2, x3);
        sums[1].add(quarters_of(wasm_v128_load(tile_w + 16)), x0, x1, x2, x3);
      }
      sums_i32[r] = wasm_i32x4_add(sums_i32[r], sums[0].total_i32());
      sums_i32[r + 1] = wasm_i32x4_add(sums_i32[r + 1], sums[1].total_i32());
    }
  }
  return sum_lanes_i32(sums_i32[0], sums_i32[1], sums_i32[2], sums_i32[3]);
}

// Lane r = sum over tiles first..last-1 of code * q for row r of the tile row `w`; one token.
inline v128_t t2_dots_one(const uint8_t* w, const int8_t* q, int32_t first, int32_t last, const Ahead& ahead) {
  if (dots_in_i32()) return t2_dots_4x1<true>(w, q, first, last, ahead);
  return t2_dots_4x1<false>(w, q, first, last, ahead);
}

// Sums in fours: int32 lanes, nothing to widen.
struct DotFours {
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
