// Ternary matrix with a scale per block of columns times int8 rows: the truth of linear_t2b_i8.
#include "ryz.h"
#include "t2_code.h"

void linear_t2b_i8(const ActsI8& x, const RyzMatrix& w, float* y, int32_t y_stride, int32_t begin,
                   int32_t end, void*) {
  const int32_t tiles = div_up(w.cols, TILE_COLS);
  const int32_t blocks = div_up(w.cols, w.scale_block);
  for (int32_t n = begin * TILE_ROWS; n < rows_end(w, end); n++) {
    const float* scales = w.scales + static_cast<size_t>(n) * blocks;
    for (int32_t t = 0; t < x.count; t++) {
      const int8_t* q = x.q + static_cast<size_t>(t) * x.stride;
      float acc = 0.0f;
      for (int32_t b = 0; b < blocks; b++) {
        int32_t sum = 0;
        for (int32_t k = b * w.scale_block; k < (b + 1) * w.scale_block && k < w.cols; k++) {
          sum += q[k] * (t2_code(w.weights, tiles, n, k) - 1);
        }
        acc = acc + static_cast<float>(sum) * scales[b];
      }
      y[static_cast<size_t>(t) * y_stride + n] = acc * x.inv[t];
    }
  }
}
