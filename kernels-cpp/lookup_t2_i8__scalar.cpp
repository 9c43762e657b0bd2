// The truth of lookup_t2_i8 is that of linear_t2_i8 and linear_t2b_i8: the same sums, without tables.
#include "ryz.h"

void lookup_t2_i8(const ActsI8& x, const RyzMatrix& w, float* y, int32_t y_stride, int32_t begin,
                  int32_t end, void* scratch) {
  (w.scale_block ? linear_t2b_i8 : linear_t2_i8)(x, w, y, y_stride, begin, end, scratch);
}
