// Row-major i8, i4, f16 and f32 matrices times float rows: the truth of linear_{i8,i4,f16,f32}_f32.
#include "i4.h"
#include "math.h"
#include "ryz.h"
#include "t2_code.h"

namespace {

// y = sum16(x * element(n, k)), then finish(n, y).
template <class Element, class Finish>
void linear_rows(const ActsF32& x, const RyzMatrix& w, float* y, int32_t y_stride, int32_t begin,
                 int32_t end, Element element, Finish finish) {
  for (int32_t n = begin * TILE_ROWS; n < rows_end(w, end); n++) {
    for (int32_t t = 0; t < x.count; t++) {
      const float* row = x.x + static_cast<size_t>(t) * x.stride;
      const float sum = sum16(w.cols, [=](int32_t k) { return row[k] * element(n, k); });
      y[static_cast<size_t>(t) * y_stride + n] = finish(n, sum);
    }
  }
}

// The same where rows of FLAT_COLS stand one after another: element(i) of them all.
template <class Element, class Finish>
void linear_flat(const ActsF32& x, const RyzMatrix& w, float* y, int32_t y_stride, int32_t begin,
                 int32_t end, Element element, Finish finish) {
  const int32_t stride = div_up(w.cols, FLAT_COLS) * FLAT_COLS;
  const auto at = [=](int32_t n, int32_t k) { return element(static_cast<size_t>(n) * stride + k); };
  linear_rows(x, w, y, y_stride, begin, end, at, finish);
}

}  // namespace

void linear_i4_f32(const ActsF32& x, const RyzMatrix& w, float* y, int32_t y_stride, int32_t begin,
                   int32_t end) {
  const auto weight = [&](int32_t n, int32_t k) {
    const uint8_t* row = i4_row(w, n);
    return static_cast<float>(i4_weight(row, i4_scales(row, w.cols), k));
  };
  linear_rows(x, w, y, y_stride, begin, end, weight, [&](int32_t n, float sum) { return sum * w.scales[n]; });
}

void linear_i8_f32(const ActsF32& x, const RyzMatrix& w, float* y, int32_t y_stride, int32_t begin,
                   int32_t end) {
  const auto* rows = reinterpret_cast<const int8_t*>(w.weights);
  const float* scales = w.scales;
  linear_flat(
      x, w, y, y_stride, begin, end, [=](size_t i) { return static_cast<float>(rows[i]); },
      [=](int32_t n, float sum) { return sum * scales[n]; });
}

void linear_f16_f32(const ActsF32& x, const RyzMatrix& w, float* y, int32_t y_stride, int32_t begin,
                    int32_t end) {
  const auto* rows = reinterpret_cast<const uint16_t*>(w.weights);
  linear_flat(
      x, w, y, y_stride, begin, end, [=](size_t i) { return f32_from_f16(rows[i]); },
      [](int32_t, float sum) { return sum; });
}

void linear_f32_f32(const ActsF32& x, const RyzMatrix& w, float* y, int32_t y_stride, int32_t begin,
                    int32_t end) {
  const auto* rows = reinterpret_cast<const float*>(w.weights);
  linear_flat(
      x, w, y, y_stride, begin, end, [=](size_t i) { return rows[i]; },
      [](int32_t, float sum) { return sum; });
}
