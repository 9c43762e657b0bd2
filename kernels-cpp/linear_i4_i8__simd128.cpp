// linear_i4_i8 in words; the loops are in linear_i4_i8.h.
#include "linear_i4_i8.h"

void linear_i4_i8(const ActsI8& x, const RyzMatrix& w, float* y, int32_t y_stride, int32_t begin,
                  int32_t end, void* scratch) {
  linear_i4_i8_by<I4Words>(x, w, y, y_stride, begin, end, scratch);
}
