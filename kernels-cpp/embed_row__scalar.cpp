// One row of an embedding table as f32. Memory-bound and once a token: the same in all builds.
#include "i4.h"
#include "math.h"
#include "ryz.h"
#include "t2_code.h"

void embed_row_t2(float* out, const RyzMatrix& w, int32_t row) {
  const int32_t tiles = div_up(w.cols, TILE_COLS);
  const int32_t block = w.scale_block ? w.scale_block : w.cols;
  const float* scales = w.scales + static_cast<size_t>(row) * div_up(w.cols, block);
  for (int32_t i = 0; i < w.cols; i++) {
    out[i] = static_cast<float>(t2_code(w.weights, tiles, row, i) - 1) * scales[i / block];
  }
}

void embed_row_i8(float* out, const int8_t* w, float scale, int32_t n) {
  for (int32_t i = 0; i < n; i++) out[i] = static_cast<float>(w[i]) * scale;
}

void embed_row_i4(float* out, const uint8_t* row, float scale, int32_t n) {
  const int8_t* scales = i4_scales(row, n);
  for (int32_t i = 0; i < n; i++) out[i] = static_cast<float>(i4_weight(row, scales, i)) * scale;
}

void embed_row_f16(float* out, const uint16_t* w, int32_t n) {
  for (int32_t i = 0; i < n; i++) out[i] = f32_from_f16(w[i]);
}

void embed_row_f32(float* out, const float* w, int32_t n) {
  for (int32_t i = 0; i < n; i++) out[i] = w[i];
}
