// Body of linear_t2b_i8 for both SIMD builds: as linear_t2_i8, with the sums closed after every scale
// block and added in f32 in column order. The including file brings dot_pairs_i16.
#pragma once
#include "t2_code.h"
#include "t2_dots.h"

// Sum of q over tiles first..last-1.
inline int32_t block_sum(const int32_t* tile_sums, int32_t first, int32_t last) {
  int32_t sum = 0;
  for (int32_t i = first; i < last; i++) sum += tile_sums[i];
  return sum;
}

void linear_t2b_i8(const ActsI8& x, const RyzMatrix& w, float* y, int32_t y_stride, int32_t begin,
                   int32_t end, void* scratch) {
  const int32_t tiles = div_up(w.cols, TILE_COLS);
  const int32_t block_tiles = w.scale_block / TILE_COLS;
  const int32_t blocks = div_up(tiles, block_tiles);
  const int32_t sums_stride = x.stride / TILE_COLS;
  auto* q4 = static_cast<int8_t*>(scratch);
  const int32_t fours = interleave_fours(q4, x);
  void* x1 = q4 + static_cast<size_t>(fours) * x.stride;
  prepare_x1(x1, x, fours);

  for (int32_t unit = begin; unit < end; unit++) {
    const uint8_t* unit_w = w.weights + static_cast<size_t>(unit) * tiles * TILE_BYTES;
    const size_t left = static_cast<size_t>(end - unit) * tiles * TILE_BYTES;
    // A piece is touched where a block begins it.
    Ahead ahead = ahead_of(left, tiles * TILE_BYTES, passes_of(fours, x.count));
    const int32_t row = unit * TILE_ROWS;
    const int32_t rows = w.rows - row < TILE_ROWS ? w.rows - row : TILE_ROWS;
    const float* scales = w.scales + static_cast<size_t>(row) * blocks;
    int32_t t = 0;

    for (; t < fours; t += 4) {
      const int8_t* q = q4 + static_cast<size_t>(t) * x.stride;
      const int32_t* tile_sums = x.tile_sums + static_cast<size_t>(t) * sums_stride;
      const v128_t inv = wasm_v128_load(x.inv + t);
      for (int32_t r = 0; r < rows; r += 2, ahead.pass++) {
        v128_t acc[2] = {wasm_f32x4_const_splat(0.0f), wasm_f32x4_const_splat(0.0f)};
        for (int32_t b = 0; b < blocks; b++) {
          const int32_t first = b * block_tiles;
          const int32_t last = first + block_tiles < tiles ? first + block_tiles : tiles;
          const v128_t x_sums = wasm_i32x4_make(block_sum(tile_sums, first, last),
                                                block_sum(tile_sums + sums_stride, first, last),
                                                block_sum(tile_sums + 2 * sums_stride, first, last),
                                                block_sum(tile_sums + 3 * sums_stride, first, last));
          v128_t dots[2];
          t2_dots_four(dots, unit_w + r * 16, q, first, last, first % WIDEN_TILES == 0 ? ahead : NOTHING_AHEAD);
          for (int32_t i = 0; i < 2 && r + i < rows; i++) {
            const v128_t sums = wasm_f32x4_convert_i32x4(wasm_i32x4_sub(dots[i], x_sums));
            const v128_t scale = wasm_f32x4_splat(scales[(r + i) * blocks + b]);
            acc[i] = wasm_f32x4_add(acc[i], wasm_f32x4_mul(sums, scale));
          }
        }
        for (int32_t i = 0; i < 2 && r + i < rows; i++) {
          const v128_t out = wasm_f32x4_mul(acc[i], inv);
          float* to = y + static_cast<size_t>(t) * y_stride + row + r + i;
          store_four(to, y_stride, out, x.count - t);
        }
      }
    }

    for (; t < x.count; t++, ahead.pass++) {
      const int32_t* tile_sums = x.tile_sums + static_cast<size_t>(t) * sums_stride;
      float acc[4] = {};
      for (int32_t b = 0; b < blocks; b++) {
        const int32_t first = b * block_tiles;
        const int32_t last = first + block_tiles < tiles ? first + block_tiles : tiles;
        const v128_t dots =
            t2_dots_one(unit_w, acts_x1(x1, x, t, fours), first, last, first % WIDEN_TILES == 0 ? ahead : NOTHING_AHEAD);
        const v128_t x_sum = wasm_i32x4_splat(block_sum(tile_sums, first, last));
        float sums[4];
        wasm_v128_store(sums, wasm_f32x4_convert_i32x4(wasm_i32x4_sub(dots, x_sum)));
        for (int32_t r = 0; r < rows; r++) acc[r] = acc[r] + sums[r] * scales[r * blocks + b];
      }
      float* to = y + static_cast<size_t>(t) * y_stride + row;
      for (int32_t r = 0; r < rows; r++) to[r] = acc[r] * x.inv[t];
    }
  }
}
