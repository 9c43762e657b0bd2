// Ternary matrix (either kind of scale) times float rows: the truth of linear_t2_f32.
#include "math.h"
#include "ryz.h"
#include "t2_code.h"

void linear_t2_f32(const ActsF32& x, const RyzMatrix& w, float* y, int32_t y_stride, int32_t begin,
                   int32_t end) {
  const int32_t tiles = div_up(w.cols, TILE_COLS);
  const int32_t block = w.scale_block ? w.scale_block : w.cols;
  const int32_t blocks = div_up(w.cols, block);
  for (int32_t n = begin * TILE_ROWS; n < rows_end(w, end); n++) {
    const float* scales = w.scales + static_cast<size_t>(n) * blocks;
    for (int32_t t = 0; t < x.count; t++) {
      const float* row = x.x + static_cast<size_t>(t) * x.stride;
      float acc = 0.0f;
      for (int32_t b = 0; b < blocks; b++) {
        const int32_t first = b * block;
        const int32_t n_cols = first + block < w.cols ? block : w.cols - first;
        const float sum = sum16(n_cols, [=](int32_t i) {
          const int32_t code = t2_code(w.weights, tiles, n, first + i);
          return code == 2 ? row[first + i] : code == 0 ? -row[first + i] : 0.0f;
        });
        // One scale a row is not a sum: 0 + -0 would lose the sign.
        acc = w.scale_block ? acc + sum * scales[b] : sum * scales[b];
      }
      y[static_cast<size_t>(t) * y_stride + n] = acc;
    }
  }
}
