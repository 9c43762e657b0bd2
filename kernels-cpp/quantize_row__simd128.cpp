// Activation rounding of one row, 16 columns a pass; same bits as __scalar.
#include "ryz.h"
#include "simd.h"

namespace {

v128_t round_x4(const float* x, v128_t scale) {
  v128_t q = wasm_f32x4_nearest(wasm_f32x4_mul(wasm_v128_load(x), scale));
  q = wasm_f32x4_min(wasm_f32x4_max(q, wasm_f32x4_splat(-128.0f)), wasm_f32x4_splat(127.0f));
  return wasm_i32x4_trunc_sat_f32x4(q);  // NaN becomes 0
}

v128_t round_x16(const float* x, v128_t scale) {
  const v128_t lo_i16 = wasm_i16x8_narrow_i32x4(round_x4(x, scale), round_x4(x + 4, scale));
  const v128_t hi_i16 = wasm_i16x8_narrow_i32x4(round_x4(x + 8, scale), round_x4(x + 12, scale));
  return wasm_i8x16_narrow_i16x8(lo_i16, hi_i16);
}

int32_t sum_i8x16(v128_t q) {
  const v128_t s = wasm_i32x4_extadd_pairwise_i16x8(wasm_i16x8_extadd_pairwise_i8x16(q));
  return wasm_i32x4_extract_lane(s, 0) + wasm_i32x4_extract_lane(s, 1) +
         wasm_i32x4_extract_lane(s, 2) + wasm_i32x4_extract_lane(s, 3);
}

}  // namespace

void quantize_row(const float* x, int32_t n, int8_t* q, int32_t stride, float* inv, int32_t* sum,
                  int32_t* tile_sums) {
  v128_t max_x4 = wasm_f32x4_splat(1e-5f);
  int32_t i = 0;
  for (; i + 4 <= n; i += 4) max_x4 = wasm_f32x4_max(max_x4, wasm_f32x4_abs(wasm_v128_load(x + i)));
  float a = max_f32(
      max_f32(wasm_f32x4_extract_lane(max_x4, 0), wasm_f32x4_extract_lane(max_x4, 1)),
      max_f32(wasm_f32x4_extract_lane(max_x4, 2), wasm_f32x4_extract_lane(max_x4, 3)));
  for (; i < n; i++) a = max_f32(a, __builtin_fabsf(x[i]));
  const v128_t scale = wasm_f32x4_splat(127.0f / a);

  *sum = 0;
  for (int32_t tile = 0; tile * TILE_COLS < stride; tile++) {
    int32_t s = 0;
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
      s += sum_i8x16(q_i8);
    }
    tile_sums[tile] = s;
    *sum += s;
  }
  *inv = a / 127.0f;
}
