// Row-major int8 matrix (the output head) times int8 rows; sums are int32, so exact in any order.
// Four rows a pass for one token, one row for four tokens.
#include "ryz.h"
#include "simd.h"
#include "t2_code.h"

namespace {

// Lane i = dot of `one` and four[i] over n columns, a multiple of 16. Loads widen to i16 on the way:
// one instruction for eight weights, where extend_high would need two (logits 7.7 -> 6.0 ms on one thread, bitnet-large, Nov 2026).
v128_t dots_1x4(const int8_t* one, const int8_t* const four[4], int32_t n) {
  v128_t sums[4] = {};
  for (int32_t k = 0; k < n; k += 16) {
    const v128_t lo_i16 = wasm_i16x8_load8x8(one + k);
    const v128_t hi_i16 = wasm_i16x8_load8x8(one + k + 8);
    for (int i = 0; i < 4; i++) {
      const v128_t lo = wasm_i32x4_dot_i16x8(lo_i16, wasm_i16x8_load8x8(four[i] + k));
      const v128_t hi = wasm_i32x4_dot_i16x8(hi_i16, wasm_i16x8_load8x8(four[i] + k + 8));
      sums[i] = wasm_i32x4_add(sums[i], wasm_i32x4_add(lo, hi));
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
        wasm_v128_store(sums, wasm_f32x4_convert_i32x4(dots_1x4(unit_w + r * stride, q4, stride)));
        float* to = y + static_cast<size_t>(t) * y_stride + row + r;
        for (int32_t i = 0; i < 4; i++) {
          to[static_cast<size_t>(i) * y_stride] = sums[i] * (w.scales[row + r] * x.inv[t + i]);
        }
      }
    }

    // Rows past the last one repeat it: read, never written.
    const int8_t* w4[4];
    for (int32_t r = 0; r < 4; r++) w4[r] = unit_w + (r < rows ? r : rows - 1) * stride;
    for (; t < x.count; t++) {
      float sums[4];
      wasm_v128_store(sums, wasm_f32x4_convert_i32x4(dots_1x4(
                                x.q + static_cast<size_t>(t) * x.stride, w4, stride)));
      float* to = y + static_cast<size_t>(t) * y_stride + row;
      for (int32_t r = 0; r < rows; r++) to[r] = sums[r] * (w.scales[row + r] * x.inv[t]);
    }
  }
}
