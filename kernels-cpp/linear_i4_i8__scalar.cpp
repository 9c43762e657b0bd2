// i4 matrix (a smaller output head) times int8 rows: the truth of linear_i4_i8.
#include "i4.h"
#include "ryz.h"

void linear_i4_i8(const ActsI8& x, const RyzMatrix& w, float* y, int32_t y_stride, int32_t begin,
                  int32_t end, void*) {
  for (int32_t n = begin * TILE_ROWS; n < rows_end(w, end); n++) {
    const uint8_t* row = i4_row(w, n);
    const int8_t* scales = i4_scales(row, w.cols);
    for (int32_t t = 0; t < x.count; t++) {
      const int8_t* q = x.q + static_cast<size_t>(t) * x.stride;
      int32_t sum = 0;
      for (int32_t k = 0; k < w.cols; k++) sum += q[k] * i4_weight(row, scales, k);
      y[static_cast<size_t>(t) * y_stride + n] = static_cast<float>(sum) * (w.scales[n] * x.inv[t]);
    }
  }
}
