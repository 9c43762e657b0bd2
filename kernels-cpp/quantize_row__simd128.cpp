// Activation rounding of one row, 16 columns a pass; same bits as __scalar.
#include "ryz.h"
#include "simd.h"

namespace {

// Four values to integers, half to even: 1.5 * 2^23 pushes the fraction out of the mantissa, and |x * scale|
// is at most 127 and a little. Rounding and conversion as wasm spells them take 14 instructions, these five.
v128_t round_x4(const float* x, v128_t scale) {
  const v128_t scaled = wasm_f32x4_mul(wasm_v128_load(x), scale);
  const v128_t pushed = wasm_f32x4_add(scaled, wasm_f32x4_splat(0x1.8p23f));
  const v128_t q = wasm_i32x4_sub(pushed, wasm_i32x4_splat(0x4b400000));
  return wasm_v128_and(q, wasm_f32x4_eq(scaled, scaled));  // NaN becomes 0
}

// Narrowing saturates, so nothing needs to be clipped before.
v128_t round_x16(const float* x, v128_t scale) {
  const v128_t lo_i16 = wasm_i16x8_narrow_i32x4(round_x4(x, scale), round_x4(x + 4, scale));
  const v128_t hi_i16 = wasm_i16x8_narrow_i32x4(round_x4(x + 8, scale), round_x4(x + 12, scale));
  return wasm_i8x16_narrow_i16x8(lo_i16, hi_i16);
}

// Magnitudes in the order of their bits, in which NaN is the largest.
v128_t larger(v128_t most, const float* x) {
  const v128_t bits = wasm_v128_and(wasm_v128_load(x), wasm_i32x4_splat(0x7fffffff));
  return wasm_i32x4_max(most, bits);
}

}  // namespace

void quantize_row(const float* x, int32_t n, int8_t* q, int32_t stride, float* inv, int32_t* sum,
                  int32_t* tile_sums) {
  v128_t most[2] = {wasm_f32x4_splat(1e-5f), wasm_f32x4_splat(1e-5f)};
  int32_t i = 0;
  for (; i + 8 <= n; i += 8) {
    most[0] = larger(most[0], x + i);
    most[1] = larger(most[1], x + i + 4);
  }
  const v128_t most_x4 = wasm_i32x4_max(most[0], most[1]);
  float a = max_f32(
      max_f32(wasm_f32x4_extract_lane(most_x4, 0), wasm_f32x4_extract_lane(most_x4, 1)),
      max_f32(wasm_f32x4_extract_lane(most_x4, 2), wasm_f32x4_extract_lane(most_x4, 3)));
  for (; i < n; i++) a = max_f32(a, __builtin_fabsf(x[i]));
  const v128_t scale = wasm_f32x4_splat(127.0f / a);

  *sum = 0;
  for (int32_t tile = 0; tile * TILE_COLS < stride; tile++) {
    v128_t sums_i16 = wasm_i16x8_splat(0);
    for (int32_t at = tile * TILE_COLS; at < (tile + 1) * TILE_COLS; at += 16) {
      v128_t q_i8;
      if (at + 16 <= n) {
        q_i8 = round_x16(x + at, scale);
      } else {
        float rest[16] = {};
        for (int32_t j = at; j < n; j++) rest[j - at] = x[j];
        q_i8 = round_x16(rest, scale);
      }
      wasm_v128_store(q + at, q_i8);
      sums_i16 = wasm_i16x8_add(sums_i16, wasm_i16x8_extadd_pairwise_i8x16(q_i8));
    }
    tile_sums[tile] = sum_lanes_i32(wasm_i32x4_extadd_pairwise_i16x8(sums_i16));
    *sum += tile_sums[tile];
  }
  *inv = a / 127.0f;
}
