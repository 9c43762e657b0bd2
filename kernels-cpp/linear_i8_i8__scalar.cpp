// Row-major int8 matrix (the output head) times int8 rows: the truth of linear_i8_i8.
#include "ryz.h"
#include "t2_code.h"

void linear_i8_i8(const ActsI8& x, const RyzMatrix& w, float* y, int32_t y_stride, int32_t begin,
                  int32_t end, void*) {
  const auto* rows = reinterpret_cast<const int8_t*>(w.weights);
  const int32_t stride = div_up(w.cols, FLAT_COLS) * FLAT_COLS;
  for (int32_t n = begin * TILE_ROWS; n < rows_end(w, end); n++) {
    for (int32_t t = 0; t < x.count; t++) {
      const int8_t* q = x.q + static_cast<size_t>(t) * x.stride;
      int32_t sum = 0;
      for (int32_t k = 0; k < w.cols; k++) sum += q[k] * rows[static_cast<size_t>(n) * stride + k];
      y[static_cast<size_t>(t) * y_stride + n] = static_cast<float>(sum) * (w.scales[n] * x.inv[t]);
    }
  }
}
