// Ternary matrix (either kind of scale) times float rows, 16 columns a pass; same bits as __scalar.
// A weight selects x, -x or +0 by masks: x * 0 would be NaN for an infinite x.
#include "ryz.h"
#include "simd.h"
#include "t2_code.h"

namespace {

// x, -x or +0 where the 32-bit lane of w is 1, -1, 0.
v128_t select_x4(v128_t x, v128_t w_i32) {
  const v128_t sign = wasm_v128_and(w_i32, wasm_i32x4_splat(INT32_MIN));
  const v128_t zero = wasm_i32x4_eq(w_i32, wasm_i32x4_splat(0));
  return wasm_v128_andnot(wasm_v128_xor(x, sign), zero);
}

Lanes16 select_x16(const float* x, v128_t w_i8) {
  const v128_t lo = wasm_i16x8_extend_low_i8x16(w_i8);
  const v128_t hi = wasm_i16x8_extend_high_i8x16(w_i8);
  const Lanes16 v = load16_f32(x);
  return {select_x4(v.a, wasm_i32x4_extend_low_i16x8(lo)),
          select_x4(v.b, wasm_i32x4_extend_high_i16x8(lo)),
          select_x4(v.c, wasm_i32x4_extend_low_i16x8(hi)),
          select_x4(v.d, wasm_i32x4_extend_high_i16x8(hi))};
}

template <int SHIFT>
v128_t weights_at(v128_t packed) {
  const v128_t codes = wasm_v128_and(wasm_u16x8_shr(packed, SHIFT), wasm_i8x16_splat(3));
  return wasm_i8x16_sub(codes, wasm_i8x16_splat(1));
}

// sum16 over tiles first..last-1 of one row; `w` is the row's 16 bytes in its first tile.
float tiles_sum(const uint8_t* w, const float* x, int32_t first, int32_t last) {
  Lanes16 sum = lanes16_zero();
  for (int32_t tile = first; tile < last; tile++) {
    const v128_t packed = wasm_v128_load(w + static_cast<size_t>(tile) * TILE_BYTES);
    const float* tile_x = x + tile * TILE_COLS;
    add16(sum, select_x16(tile_x, weights_at<0>(packed)));
    add16(sum, select_x16(tile_x + 16, weights_at<2>(packed)));
    add16(sum, select_x16(tile_x + 32, weights_at<4>(packed)));
    add16(sum, select_x16(tile_x + 48, weights_at<6>(packed)));
  }
  return fold16(sum);
}

}  // namespace

void linear_t2_f32(const ActsF32& x, const RyzMatrix& w, float* y, int32_t y_stride, int32_t begin,
                   int32_t end) {
  const int32_t tiles = div_up(w.cols, TILE_COLS);
  const int32_t block_tiles = w.scale_block ? w.scale_block / TILE_COLS : tiles;
  const int32_t blocks = div_up(tiles, block_tiles);
  for (int32_t n = begin * TILE_ROWS; n < rows_end(w, end); n++) {
    const uint8_t* row_w =
        w.weights + static_cast<size_t>(n / TILE_ROWS) * tiles * TILE_BYTES + n % TILE_ROWS * 16;
    const float* scales = w.scales + static_cast<size_t>(n) * blocks;
    for (int32_t t = 0; t < x.count; t++) {
      const float* row_x = x.x + static_cast<size_t>(t) * x.stride;
      float acc = 0.0f;
      for (int32_t b = 0; b < blocks; b++) {
        const int32_t first = b * block_tiles;
        const int32_t last = first + block_tiles < tiles ? first + block_tiles : tiles;
        const float sum = tiles_sum(row_w, row_x, first, last);
        // One scale a row is not a sum: 0 + -0 would lose the sign.
        acc = w.scale_block ? acc + sum * scales[b] : sum * scales[b];
      }
      y[static_cast<size_t>(t) * y_stride + n] = acc;
    }
  }
}
