// Row-major int8 matrix (the output head) times int8 rows; sums are int32, so exact in any order.
// One row after another, as memory lies: four rows side by side are four streams, and that is three
// times slower (8 against 24 GB/s, Nov 2026). Four tokens share a widened piece of a row.
#include "lookup_t2_i8.h"
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

// Four tokens side by side, widened once for all rows:
//   x4  i16 [count / 4][stride / 8][4][8]
// Returns the tokens done: a multiple of 4, as many as there are and fit into the scratch.
int32_t widen_fours(int16_t* x4, const ActsI8& x) {
  const int32_t room = LOOKUP_BYTES / 2 / x.stride;
  const int32_t count = (x.count < room ? x.count : room) / 4 * 4;
  for (int32_t first = 0; first < count; first += 4) {
    for (int32_t k = 0; k < x.stride; k += 8) {
      for (int32_t t = first; t < first + 4; t++, x4 += 8) {
        wasm_v128_store(x4, wasm_i16x8_load8x8(x.q + static_cast<size_t>(t) * x.stride + k));
      }
    }
  }
  return count;
}

// Lane t = dot of the row and token t of four; n columns, a multiple of 16.
inline v128_t row_dots_x4(const int8_t* row, const int16_t* x4, int32_t n) {
  v128_t sums[4] = {};
  const int8_t* const stop = row + n;
  // Not unrolled: LLVM would finish one sum before it starts the next, and V8 spill (see t2_dots.h).
#pragma clang loop unroll(disable)
  for (; row != stop; row += 8, x4 += 32) {
    const v128_t row_i16 = wasm_i16x8_load8x8(row);
#pragma unroll
    for (int t = 0; t < 4; t++) {
      sums[t] = wasm_i32x4_add(sums[t], wasm_i32x4_dot_i16x8(row_i16, wasm_v128_load(x4 + 8 * t)));
    }
  }
  return sum_lanes_i32(sums[0], sums[1], sums[2], sums[3]);
}

}  // namespace

void linear_i8_i8(const ActsI8& x, const RyzMatrix& w, float* y, int32_t y_stride, int32_t begin,
                  int32_t end, void* scratch) {
  const auto* weights = reinterpret_cast<const int8_t*>(w.weights);
  const int32_t stride = div_up(w.cols, FLAT_COLS) * FLAT_COLS;
  auto* x4 = static_cast<int16_t*>(scratch);
  const int32_t fours = widen_fours(x4, x);
  for (int32_t unit = begin; unit < end; unit++) {
    const int32_t row = unit * TILE_ROWS;
    const int32_t rows = w.rows - row < TILE_ROWS ? w.rows - row : TILE_ROWS;
    const int8_t* unit_w = weights + static_cast<size_t>(row) * stride;
    int32_t t = 0;

    for (; t < fours; t += 4) {
      const int16_t* xs = x4 + static_cast<size_t>(t) * x.stride;
      for (int32_t r = 0; r < rows; r++) {
        float sums[4];
        wasm_v128_store(sums, wasm_f32x4_convert_i32x4(row_dots_x4(unit_w + r * stride, xs, stride)));
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
