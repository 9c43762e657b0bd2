// Ternary matrix with one scale a row times int8 rows: the truth of linear_t2_i8.
#include "ryz.h"
#include "t2_code.h"

void linear_t2_i8(const ActsI8& x, const RyzMatrix& w, float* y, int32_t y_stride, int32_t begin,
                  int32_t end, void*) {
  const int32_t tiles = div_up(w.cols, TILE_COLS);
  for (int32_t n = begin * TILE_ROWS; n < rows_end(w, end); n++) {
    for (int32_t t = 0; t < x.count; t++) {
      const int8_t* q = x.q + static_cast<size_t>(t) * x.stride;
      int32_t sum = 0;
      for (int32_t k = 0; k < w.cols; k++) sum += q[k] * (t2_code(w.weights, tiles, n, k) - 1);
      y[static_cast<size_t>(t) * y_stride + n] = static_cast<float>(sum) * (w.scales[n] * x.inv[t]);
    }
  }
}

// As early as the tests need it; no table here.
int32_t lookup_from() { return 5; }
