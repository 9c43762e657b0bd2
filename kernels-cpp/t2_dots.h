// The integer dots of t2 tiles for four tokens. The including file brings dot_pairs_i16
// (dot_i8__simd128.h or dot_i8__relaxed.h); t2_dots__<arch>.h has the dots for one token. Codes are
// w + 1: the caller subtracts the sum of the activations.
#pragma once
#include "lookup_t2_i8.h"
#include "ryz.h"
#include "simd.h"
#include "touch.h"

// Tiles after which int16 sums are widened: a piece of touch.h. Four tokens would have room for 16, as a lane takes
// 4 dots a tile of at most 512 in size; one token for just these, see t2_dots__relaxed.h.
constexpr int32_t WIDEN_TILES = TOUCH_BYTES / TILE_BYTES;

// Four tokens side by side, so that one address and constant offsets reach them all:
//   q4  i8 [count / 4][stride / 16][4][16]
// Returns the tokens done, a multiple of 4: as many as there are and fit into the scratch, and one more where
// three are left, which take longer by themselves than four (3 rows 2.2 steps of one, 4 rows 2.1). Its sums are
// of the last token and are not stored; x.sums, x.inv and x.tile_sums are read there, whatever stands in them.
inline int32_t interleave_fours(int8_t* q4, const ActsI8& x) {
  const int32_t room = LOOKUP_BYTES / x.stride;
  const int32_t padded = (x.count + 1) / 4 * 4;
  const int32_t count = padded < room ? padded : room / 4 * 4;
  for (int32_t first = 0; first < count; first += 4) {
    for (int32_t k = 0; k < x.stride; k += 16) {
      for (int32_t i = first; i < first + 4; i++, q4 += 16) {
        const int32_t t = i < x.count ? i : x.count - 1;
        wasm_v128_store(q4, wasm_v128_load(x.q + static_cast<size_t>(t) * x.stride + k));
      }
    }
  }
  return count;
}

// Passes over the rows of a unit: two for four tokens, one for each that is left.
inline int32_t passes_of(int32_t fours, int32_t count) { return fours / 4 * 2 + (count > fours ? count - fours : 0); }

// A lane for each token; of the last four there may be three.
inline void store_four(float* to, int32_t y_stride, v128_t out, int32_t left) {
  to[0] = wasm_f32x4_extract_lane(out, 0);
  to[y_stride] = wasm_f32x4_extract_lane(out, 1);
  to[2 * static_cast<size_t>(y_stride)] = wasm_f32x4_extract_lane(out, 2);
  if (left > 3) to[3 * static_cast<size_t>(y_stride)] = wasm_f32x4_extract_lane(out, 3);
}

// Sums in pairs: int16 lanes, widened by total_i32 after WIDEN_TILES.
struct DotPairs {
  static constexpr bool WIDENED = true;
  static v128_t add(v128_t sums, v128_t x_i8, v128_t codes) {
    return wasm_i16x8_add(sums, dot_pairs_i16(x_i8, codes));
  }
  static v128_t total_i32(v128_t sums) { return wasm_i32x4_extadd_pairwise_i16x8(sums); }
};

// dots[r] lane t = the same sum for rows r = 0, 1 at `w` and `w + 16`, and four interleaved tokens: 8
// sums stay in registers while each code is unpacked once for four tokens.
template <class Dot>
inline void t2_dots_2x4(v128_t dots[2], const uint8_t* w, const int8_t* q4, int32_t first, int32_t last,
                        const Ahead& ahead) {
  v128_t sums[8] = {};
  v128_t sums_i32[8] = {};
  const uint8_t* tile_w = w + static_cast<size_t>(first) * TILE_BYTES;
  const int8_t* x = q4 + static_cast<size_t>(first) * 4 * TILE_COLS;
  const v128_t mask = wasm_i8x16_splat(3);
  for (int32_t rest = last - first; rest > 0;) {
    int32_t tiles = rest < WIDEN_TILES ? rest : WIDEN_TILES;
    rest -= tiles;
    ahead.touch(w, static_cast<size_t>(tile_w - w));
#pragma clang loop unroll(disable)
    do {
      v128_t packed_0 = wasm_v128_load(tile_w);
      v128_t packed_1 = wasm_v128_load(tile_w + 16);
      const int8_t* stop = x + 4 * TILE_COLS;
      // The quarters stay a loop, or LLVM finishes one sum before it starts the next: then 20 vectors
      // live, and V8 has 15 registers (-10 %). Without the asm it counts instead of comparing.
      asm("" : "+r"(stop));
#pragma clang loop unroll(disable)
      do {
#pragma unroll
        for (int t = 0; t < 4; t++) {
          const v128_t x_i8 = wasm_v128_load(x + 16 * t);
          sums[t] = Dot::add(sums[t], x_i8, wasm_v128_and(packed_0, mask));
          sums[4 + t] = Dot::add(sums[4 + t], x_i8, wasm_v128_and(packed_1, mask));
        }
        packed_0 = wasm_u16x8_shr(packed_0, 2);
        packed_1 = wasm_u16x8_shr(packed_1, 2);
        x += 64;
      } while (x != stop);
      tile_w += TILE_BYTES;
    } while (--tiles > 0);
    if (!Dot::WIDENED) continue;
    for (int i = 0; i < 8; i++) {
      sums_i32[i] = wasm_i32x4_add(sums_i32[i], Dot::total_i32(sums[i]));
      sums[i] = wasm_i32x4_splat(0);
    }
  }
  const v128_t* all = Dot::WIDENED ? sums_i32 : sums;
  dots[0] = sum_lanes_i32(all[0], all[1], all[2], all[3]);
  dots[1] = sum_lanes_i32(all[4], all[5], all[6], all[7]);
}
