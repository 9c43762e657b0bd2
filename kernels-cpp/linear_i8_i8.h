// Row-major int8 matrix (the output head) times int8 rows, for both SIMD builds: one row after another, as
// memory lies (four rows side by side are four streams, three times slower: 8 against 24 GB/s, Nov 2026), and
// four tokens share a piece of a row. Sums are int32, so exact in any order. The template argument says how
// 16 columns of one token are multiplied: WordProducts here, ByteProducts in linear_i8_i8__relaxed.cpp; four
// tokens go in words.
#pragma once
#include "lookup_t2_i8.h"
#include "ryz.h"
#include "simd.h"
#include "t2_code.h"
#include "touch.h"

// Bytes widened to words.
struct WordProducts {
  static void add(v128_t sums[2], const int8_t* row, const int8_t* x) {
    sums[0] = wasm_i32x4_add(
        sums[0], wasm_i32x4_dot_i16x8(wasm_i16x8_load8x8(x), wasm_i16x8_load8x8(row)));
    sums[1] = wasm_i32x4_add(
        sums[1], wasm_i32x4_dot_i16x8(wasm_i16x8_load8x8(x + 8), wasm_i16x8_load8x8(row + 8)));
  }

  // Of the two sums.
  static v128_t total(const v128_t sums[2]) { return wasm_i32x4_add(sums[0], sums[1]); }

  // By what a sum of products is too large, where the activations of the row add up to `sum`.
  static int32_t excess(int32_t) { return 0; }
};

template <class Products>
inline v128_t row_dot(const int8_t* row, const int8_t* x, int32_t n) {
  v128_t sums[4] = {};
  int32_t k = 0;
  for (; k + 32 <= n; k += 32) {
    Products::add(sums, row + k, x + k);
    Products::add(sums + 2, row + k + 16, x + k + 16);
  }
  if (k < n) Products::add(sums, row + k, x + k);
  return wasm_i32x4_add(Products::total(sums), Products::total(sums + 2));
}

// Four tokens, their activations widened once for all rows: see prepare_fours.
inline void row_dots_x4(v128_t sums[4], const int8_t* row, const int16_t* x4, int32_t n) {
  const int8_t* const stop = row + n;
  // Not unrolled: LLVM would finish one sum before it starts the next, and V8 spill (see t2_dots.h).
#pragma clang loop unroll(disable)
  for (; row != stop; row += 16, x4 += 64) {
#pragma unroll
    for (int half = 0; half < 2; half++) {
      const v128_t row_i16 = wasm_i16x8_load8x8(row + 8 * half);
#pragma unroll
      for (int t = 0; t < 4; t++) {
        const v128_t x_i16 = wasm_v128_load(x4 + 32 * half + 8 * t);
        sums[t] = wasm_i32x4_add(sums[t], wasm_i32x4_dot_i16x8(row_i16, x_i16));
      }
    }
  }
}

// Four tokens side by side, [count / 4][stride / 8][4][8]. Returns the tokens done: a multiple of 4, as many
// as there are and fit into the scratch, and one more where three are left (see interleave_fours).
inline int32_t prepare_fours(int16_t* x4, const ActsI8& x) {
  const int32_t room = LOOKUP_BYTES / static_cast<int32_t>(sizeof(*x4)) / x.stride;
  const int32_t padded = (x.count + 1) / 4 * 4;
  const int32_t count = padded < room ? padded : room / 4 * 4;
  for (int32_t first = 0; first < count; first += 4) {
    for (int32_t k = 0; k < x.stride; k += 8) {
      for (int32_t i = first; i < first + 4; i++, x4 += 8) {
        const int32_t t = i < x.count ? i : x.count - 1;
        wasm_v128_store(x4, wasm_i16x8_load8x8(x.q + static_cast<size_t>(t) * x.stride + k));
      }
    }
  }
  return count;
}

template <class Products>
inline void linear_i8_i8_by(const ActsI8& x, const RyzMatrix& w, float* y, int32_t y_stride, int32_t begin,
                            int32_t end, void* scratch) {
  const auto* weights = reinterpret_cast<const int8_t*>(w.weights);
  const int32_t stride = div_up(w.cols, FLAT_COLS) * FLAT_COLS;
  auto* x4 = static_cast<int16_t*>(scratch);
  const int32_t fours = prepare_fours(x4, x);
  const int32_t last = rows_end(w, end);

  const int32_t row_0 = begin * TILE_ROWS;
  for (int32_t i = 0; i < last - row_0; i++) {
    const int32_t row = row_0 + (fours > 0 ? i : in_two_streams(i, last - row_0));
    const int8_t* row_w = weights + static_cast<size_t>(row) * stride;
    const size_t left = static_cast<size_t>(last - row) * stride;
    Ahead ahead = ahead_of(left, stride, fours / 4 + (x.count > fours ? x.count - fours : 0));
    float* to = y + row;
    int32_t t = 0;

    for (; t < fours; t += 4, ahead.pass++) {
      const auto* xs = x4 + static_cast<size_t>(t) * x.stride;
      v128_t dots[4] = {};
      for (int32_t k = 0; k < stride; k += TOUCH_BYTES) {
        ahead.touch(w.weights + (row_w - weights), k);
        const int32_t n = stride - k < TOUCH_BYTES ? stride - k : TOUCH_BYTES;
        row_dots_x4(dots, row_w + k, xs + 4 * k, n);
      }
      int32_t sums[4];
      wasm_v128_store(sums, sum_lanes_i32(dots[0], dots[1], dots[2], dots[3]));
      for (int32_t i = 0; i < 4 && t + i < x.count; i++) {
        to[static_cast<size_t>(t + i) * y_stride] = static_cast<float>(sums[i]) * (w.scales[row] * x.inv[t + i]);
      }
    }

    for (; t < x.count; t++, ahead.pass++) {
      const int8_t* const q = x.q + static_cast<size_t>(t) * x.stride;
      v128_t dots = wasm_i32x4_splat(0);
      for (int32_t k = 0; k < stride; k += TOUCH_BYTES) {
        ahead.touch(w.weights + (row_w - weights), k);
        const int32_t n = stride - k < TOUCH_BYTES ? stride - k : TOUCH_BYTES;
        dots = wasm_i32x4_add(dots, row_dot<Products>(row_w + k, q + k, n));
      }
      const int32_t sum = sum_lanes_i32(dots) - Products::excess(x.sums[t]);
      to[static_cast<size_t>(t) * y_stride] = static_cast<float>(sum) * (w.scales[row] * x.inv[t]);
    }
  }
}
