// i4 matrix (a smaller output head) times int8 rows, for both SIMD builds: row after row, as memory lies, and
// four tokens share the codes of a row. Sums are int32, so exact in any order. The template argument says how 16
// columns are multiplied and in which lanes a block of 64 is summed; these fit int16, so that the scales of its
// four groups are applied by one multiply-add of pairs.
#pragma once
#include "i4.h"
#include "lookup_t2_i8.h"
#include "simd.h"
#include "touch.h"

// The codes of a block, 16 columns each.
struct I4Codes {
  v128_t v[4];
};

inline I4Codes i4_codes(const uint8_t* block) {
  const v128_t low = wasm_i8x16_splat(15);
  const v128_t a = wasm_v128_load(block);
  const v128_t b = wasm_v128_load(block + 16);
  return {{wasm_v128_and(a, low), wasm_v128_and(wasm_u16x8_shr(a, 4), low), wasm_v128_and(b, low),
           wasm_v128_and(wasm_u16x8_shr(b, 4), low)}};
}

// Of products that are summed in 8 lanes of 16 bits, two for each group: at most 4 * 2 * 15 * 128 in size.
struct I4SumsI16 {
  // Scales of a block, each twice, out of those of two blocks.
  static v128_t first_scales(v128_t two) { return wasm_i16x8_shuffle(two, two, 0, 0, 1, 1, 2, 2, 3, 3); }
  static v128_t second_scales(v128_t two) { return wasm_i16x8_shuffle(two, two, 4, 4, 5, 5, 6, 6, 7, 7); }
  static v128_t minus(v128_t sums) { return wasm_i16x8_neg(sums); }
};

// Bytes widened to words.
struct I4Words : I4SumsI16 {
  static v128_t add_block(v128_t start, const int8_t* x, const I4Codes& codes) {
    v128_t low = wasm_i32x4_splat(0);
    v128_t high = low;
#pragma unroll
    for (int i = 0; i < 4; i++) {
      low = wasm_i32x4_add(low, wasm_i32x4_dot_i16x8(wasm_i16x8_load8x8(x + 16 * i),
                                                     wasm_u16x8_extend_low_u8x16(codes.v[i])));
      high = wasm_i32x4_add(high, wasm_i32x4_dot_i16x8(wasm_i16x8_load8x8(x + 16 * i + 8),
                                                       wasm_u16x8_extend_high_u8x16(codes.v[i])));
    }
    return wasm_i16x8_add(start, wasm_i16x8_narrow_i32x4(low, high));
  }
};

// What the sums of a block start from, as a code is I4_ZERO too large: [count][stride / 64].
template <class Products>
inline void i4_starts(v128_t* to, const ActsI8& x) {
  const v128_t zero = wasm_i8x16_splat(I4_ZERO);
  const I4Codes codes{{zero, zero, zero, zero}};
  for (int32_t t = 0; t < x.count; t++) {
    for (int32_t k = 0; k < x.stride; k += I4_COLS) {
      const int8_t* q = x.q + static_cast<size_t>(t) * x.stride + k;
      *to++ = Products::minus(Products::add_block(wasm_i32x4_splat(0), q, codes));
    }
  }
}

// Rows that follow each other in memory, and how far ahead of them lines were touched.
struct RowStream {
  const uint8_t* first;
  Ahead ahead;
  size_t next;

  RowStream(const uint8_t* row, size_t bytes) : first(row), ahead(ahead_of(bytes, 0, 1)), next(0) {}

  void reach(const uint8_t* at) {
    for (; next <= static_cast<size_t>(at - first); next += TOUCH_BYTES) ahead.touch(first, next);
  }
};

// Where a row's dots have got to.
struct I4At {
  const uint8_t* codes;
  const v128_t* starts;  // of the first token
  const int8_t* q;
};

// Adds one block to the totals and steps to the next.
template <class Products, int TOKENS>
inline void add_i4_block(v128_t totals[TOKENS], I4At& at, v128_t scales, int32_t blocks, int32_t stride) {
  const I4Codes codes = i4_codes(at.codes);
#pragma unroll
  for (int t = 0; t < TOKENS; t++) {
    const v128_t sums = Products::add_block(at.starts[t * blocks], at.q + static_cast<size_t>(t) * stride, codes);
    totals[t] = wasm_i32x4_add(totals[t], wasm_i32x4_dot_i16x8(sums, scales));
  }
  at.codes += I4_BLOCK_BYTES;
  at.starts++;
  at.q += I4_COLS;
}

// The sums of a row for TOKENS tokens from `token` on, without the row's scale.
template <class Products, int TOKENS>
inline void i4_row_dots(v128_t totals[TOKENS], const uint8_t* row, const ActsI8& x, int32_t token,
                        const v128_t* starts, RowStream& stream) {
  const int32_t stride = x.stride;
  const int32_t blocks = stride / I4_COLS;
  I4At at{row, starts + static_cast<size_t>(token) * blocks, x.q + static_cast<size_t>(token) * stride};
  const uint8_t* scales = row + blocks * I4_BLOCK_BYTES;
  const uint8_t* const codes_end = scales;
  while (at.codes != codes_end) {
    stream.reach(at.codes);
    const uint8_t* stop = codes_end - at.codes < TOUCH_BYTES ? codes_end : at.codes + TOUCH_BYTES;
    // Two blocks have eight scales. Behind those of the last block stand zeros, or the row ends with a pair.
    while (stop - at.codes >= 2 * I4_BLOCK_BYTES) {
      const v128_t two = wasm_i16x8_load8x8(scales);
      add_i4_block<Products, TOKENS>(totals, at, Products::first_scales(two), blocks, stride);
      add_i4_block<Products, TOKENS>(totals, at, Products::second_scales(two), blocks, stride);
      scales += 2 * I4_GROUPS;
    }
    if (at.codes != stop) {
      add_i4_block<Products, TOKENS>(totals, at, Products::first_scales(wasm_i16x8_load8x8(scales)), blocks, stride);
    }
  }
}

// Tokens whose starts are in scratch at a time.
constexpr int32_t I4_TOKENS = 64;

template <class Products>
inline void i4_tokens(const ActsI8& x, const RyzMatrix& w, float* y, int32_t y_stride, int32_t first,
                      int32_t rows, v128_t* starts) {
  const int32_t row_bytes = i4_row_bytes(w.cols);
  // Two streams of rows keep more on its way from memory than one; four tokens lose by it (see touch.h).
  const bool two = x.count < 4;
  const int32_t half = two ? rows / 2 : rows;
  const uint8_t* at = i4_row(w, first);
  RowStream streams[2] = {{at, static_cast<size_t>(half) * row_bytes},
                          {at + static_cast<size_t>(half) * row_bytes, static_cast<size_t>(rows - half) * row_bytes}};
  i4_starts<Products>(starts, x);
  for (int32_t i = 0; i < rows; i++) {
    const int32_t n = two ? in_two_streams(i, rows) : i;
    const uint8_t* row = at + static_cast<size_t>(n) * row_bytes;
    RowStream& stream = streams[n < half ? 0 : 1];
    const float scale = w.scales[first + n];
    float* to = y + first + n;
    int32_t t = 0;
    for (; t + 4 <= x.count; t += 4) {
      v128_t totals[4] = {};
      i4_row_dots<Products, 4>(totals, row, x, t, starts, stream);
      int32_t sums[4];
      wasm_v128_store(sums, sum_lanes_i32(totals[0], totals[1], totals[2], totals[3]));
      for (int32_t j = 0; j < 4; j++) {
        to[static_cast<size_t>(t + j) * y_stride] = static_cast<float>(sums[j]) * (scale * x.inv[t + j]);
      }
    }
    for (; t < x.count; t++) {
      v128_t total[1] = {};
      i4_row_dots<Products, 1>(total, row, x, t, starts, stream);
      to[static_cast<size_t>(t) * y_stride] = static_cast<float>(sum_lanes_i32(total[0])) * (scale * x.inv[t]);
    }
  }
}

template <class Products>
inline void linear_i4_i8_by(const ActsI8& x, const RyzMatrix& w, float* y, int32_t y_stride, int32_t begin,
                            int32_t end, void* scratch) {
  const int32_t first = begin * TILE_ROWS;
  const int32_t rows = rows_end(w, end) - first;
  for (int32_t t = 0; t < x.count; t += I4_TOKENS) {
    const int32_t count = x.count - t < I4_TOKENS ? x.count - t : I4_TOKENS;
    const ActsI8 some{x.q + static_cast<size_t>(t) * x.stride, x.stride, x.inv + t, nullptr, nullptr, count};
    float* to = y + static_cast<size_t>(t) * y_stride;
    i4_tokens<Products>(some, w, to, y_stride, first, rows, static_cast<v128_t*>(scratch));
  }
}

static_assert(LOOKUP_BYTES >= I4_TOKENS * (I4_MAX_COLS / I4_COLS) * 16, "the starts of all tokens");
