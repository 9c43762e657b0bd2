// Row-major i8, f16 and f32 matrices times float rows: sum16 in four vectors, two tokens a pass.
// Same bits as __scalar.
#include "ryz.h"
#include "simd.h"
#include "t2_code.h"

namespace {

// load(w + k) gives 16 weights as f32; finish(n, sum) applies the row's scale.
template <class T, class Load, class Finish>
inline void linear_flat(const ActsF32& x, const RyzMatrix& w, float* y, int32_t y_stride,
                        int32_t begin, int32_t end, Load load, Finish finish) {
  const int32_t stride = div_up(w.cols, FLAT_COLS) * FLAT_COLS;
  for (int32_t n = begin * TILE_ROWS; n < rows_end(w, end); n++) {
    const T* row = reinterpret_cast<const T*>(w.weights) + static_cast<size_t>(n) * stride;
    float* to = y + n;
    int32_t t = 0;

    for (; t + 2 <= x.count; t += 2) {
      const float* x0 = x.x + static_cast<size_t>(t) * x.stride;
      const float* x1 = x0 + x.stride;
      Lanes16 sum0 = lanes16_zero();
      Lanes16 sum1 = lanes16_zero();
      for (int32_t k = 0; k < stride; k += 16) {
        const Lanes16 weights = load(row + k);
        add16(sum0, mul16(load16_f32(x0 + k), weights));
        add16(sum1, mul16(load16_f32(x1 + k), weights));
      }
      to[static_cast<size_t>(t) * y_stride] = finish(n, fold16(sum0));
      to[static_cast<size_t>(t + 1) * y_stride] = finish(n, fold16(sum1));
    }

    for (; t < x.count; t++) {
      const float* x0 = x.x + static_cast<size_t>(t) * x.stride;
      Lanes16 sum = lanes16_zero();
      for (int32_t k = 0; k < stride; k += 16) {
        add16(sum, mul16(load16_f32(x0 + k), load(row + k)));
      }
      to[static_cast<size_t>(t) * y_stride] = finish(n, fold16(sum));
    }
  }
}

}  // namespace

void linear_i8_f32(const ActsF32& x, const RyzMatrix& w, float* y, int32_t y_stride, int32_t begin,
                   int32_t end) {
  const float* scales = w.scales;
  linear_flat<int8_t>(x, w, y, y_stride, begin, end, load16_i8,
                      [=](int32_t n, float sum) { return sum * scales[n]; });
}

void linear_f16_f32(const ActsF32& x, const RyzMatrix& w, float* y, int32_t y_stride, int32_t begin,
                    int32_t end) {
  linear_flat<uint16_t>(x, w, y, y_stride, begin, end, load16_f16,
                        [](int32_t, float sum) { return sum; });
}

void linear_f32_f32(const ActsF32& x, const RyzMatrix& w, float* y, int32_t y_stride, int32_t begin,
                    int32_t end) {
  linear_flat<float>(x, w, y, y_stride, begin, end, load16_f32,
                     [](int32_t, float sum) { return sum; });
}
