// Row-major int8 matrix (the output head) times int8 rows; sums are int32, so exact in any order.
// One row after another, as memory lies: four rows side by side are four streams, and that is three
// times slower (8 against 24 GB/s, Nov 2026). Up to four tokens share a widened piece of a row.
#include "ryz.h"
#include "simd.h"
#include "t2_code.h"

namespace {

// Lanes to be added up of row * x over n columns, a multiple of 16.
inline v128_t row_dot(const int8_t* row, const int8_t* x, int32_t n) {
  v128_t lo = wasm_i32x4_splat(0);
  v128_t hi = lo;
  for (int32_t k = 0; k < n; k += 16) {
    lo = wasm_i32x4_add(
        lo, wasm_i32x4_dot_i16x8(wasm_i16x8_load8x8(x + k), wasm_i16x8_load8x8(row + k)));
    hi = wasm_i32x4_add(
        hi, wasm_i32x4_dot_i16x8(wasm_i16x8_load8x8(x + k + 8), wasm_i16x8_load8x8(row + k + 8)));
  }
  return wasm_i32x4_add(lo, hi);
}

// Lane t = dot of the row and x[t].
inline v128_t row_dots_x4(const int8_t* row, const int8_t* const x[4], int32_t n) {
  v128_t sums[4] = {};
  for (int32_t k = 0; k < n; k += 16) {
    const v128_t row_lo = wasm_i16x8_load8x8(row + k);
    const v128_t row_hi = wasm_i16x8_load8x8(row + k + 8);
#pragma unroll
    for (int t = 0; t < 4; t++) {
      sums[t] = wasm_i32x4_add(sums[t], wasm_i32x4_dot_i16x8(row_lo, wasm_i16x8_load8x8(x[t] + k)));
      sums[t] = wasm_i32x4_add(sums[t], wasm_i32x4_dot_i16x8(row_hi, wasm_i16x8_load8x8(x[t] + k + 8)));
    }
  }
  return sum_lanes_i32(sums[0], sums[1], sums[2], sums[3]);
}

}  // namespace

void linear_i8_i8(const ActsI8& x, const RyzMatrix& w, float* y, int32_t y_stride, int32_t begin,
                  int32_t end) {
  const auto* weights = reinterpret_cast<const int8_t*>(w.weights);
  const int32_t stride = div_up(w.cols, FLAT_COLS) * FLAT_COLS;
  for (int32_t unit = begin; unit < end; unit++) {
    const int32_t row = unit * TILE_ROWS;
    const int32_t rows = w.rows - row < TILE_ROWS ? w.rows - row : TILE_ROWS;
    const int8_t* unit_w = weights + static_cast<size_t>(row) * stride;
    int32_t t = 0;

    for (; t + 4 <= x.count; t += 4) {
      const int8_t* q = x.q + static_cast<size_t>(t) * x.stride;
      const int8_t* const q4[4] = {q, q + x.stride, q + 2 * x.stride, q + 3 * x.stride};
      for (int32_t r = 0; r < rows; r++) {
        float sums[4];
        wasm_v128_store(sums, wasm_f32x4_convert_i32x4(row_dots_x4(unit_w + r * stride, q4, stride)));
        float* to = y + static_cast<size_t>(t) * y_stride + row + r;
        for (int32_t i = 0; i < 4; i++) {
          to[static_cast<size_t>(i) * y_stride] = sums[i] * (w.scales[row + r] * x.inv[t + i]);
        }
      }
    }

    for (; t < x.count; t++) {
      const int8_t* const q = x.q + static_cast<size_t>(t) * x.stride;
      v128_t dots[TILE_ROWS] = {};
      for (int32_t r = 0; r < rows; r++) dots[r] = row_dot(unit_w + r * stride, q, stride);
      float sums[4];
      wasm_v128_store(sums, wasm_f32x4_convert_i32x4(sum_lanes_i32(dots[0], dots[1], dots[2], dots[3])));
      float* to = y + static_cast<size_t>(t) * y_stride + row;
      for (int32_t r = 0; r < rows; r++) to[r] = sums[r] * (w.scales[row + r] * x.inv[t]);
    }
  }
}
