// Body of linear_t2_i8 for both SIMD builds: one weight tile row stays in cache while all tokens pass,
// four tokens at a time (GEMM), the rest one by one (GEMV). The including file brings dot_pairs_i16.
#pragma once
#include "t2_code.h"
#include "t2_dots.h"

void linear_t2_i8(const ActsI8& x, const RyzMatrix& w, float* y, int32_t y_stride, int32_t begin,
                  int32_t end, void* scratch) {
  const int32_t tiles = div_up(w.cols, TILE_COLS);
  auto* q4 = static_cast<int8_t*>(scratch);
  const int32_t fours = interleave_fours(q4, x);
  void* x1 = q4 + static_cast<size_t>(fours) * x.stride;
  prepare_x1(x1, x, fours);
  for (int32_t i = 0; i < end - begin; i++) {
    const int32_t unit = begin + (fours > 0 ? i : in_two_streams(i, end - begin));
    const uint8_t* unit_w = w.weights + static_cast<size_t>(unit) * tiles * TILE_BYTES;
    const size_t left = static_cast<size_t>(end - unit) * tiles * TILE_BYTES;
    Ahead ahead = ahead_of(left, tiles * TILE_BYTES, passes_of(fours, x.count));
    const int32_t row = unit * TILE_ROWS;
    const int32_t rows = w.rows - row < TILE_ROWS ? w.rows - row : TILE_ROWS;
    int32_t t = 0;

    for (; t < fours; t += 4) {
      const int8_t* q = q4 + static_cast<size_t>(t) * x.stride;
      const v128_t x_sums = wasm_v128_load(x.sums + t);
      const v128_t inv = wasm_v128_load(x.inv + t);
      for (int32_t r = 0; r < rows; r += 2, ahead.pass++) {
        v128_t dots[2];
        t2_dots_four(dots, unit_w + r * 16, q, 0, tiles, ahead);
        for (int32_t i = r; i < r + 2 && i < rows; i++) {
          const v128_t sums = wasm_f32x4_convert_i32x4(wasm_i32x4_sub(dots[i - r], x_sums));
          const v128_t scales = wasm_f32x4_mul(wasm_f32x4_splat(w.scales[row + i]), inv);
          const v128_t out = wasm_f32x4_mul(sums, scales);

          float* to = y + static_cast<size_t>(t) * y_stride + row + i;
          store_four(to, y_stride, out, x.count - t);
        }
      }
    }

    for (; t < x.count; t++, ahead.pass++) {
      const v128_t dots = t2_dots_one(unit_w, acts_x1(x1, x, t, fours), 0, tiles, ahead);
      float sums[4];
      wasm_v128_store(sums, wasm_f32x4_convert_i32x4(
                                wasm_i32x4_sub(dots, wasm_i32x4_splat(x.sums[t]))));
      float* to = y + static_cast<size_t>(t) * y_stride + row;
      for (int32_t r = 0; r < rows; r++) to[r] = sums[r] * (w.scales[row + r] * x.inv[t]);
    }
  }
}
