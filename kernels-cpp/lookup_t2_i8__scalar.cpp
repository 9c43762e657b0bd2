// The truth of lookup_t2_i8 is that of linear_t2_i8 and linear_t2b_i8: the same sums, without tables.
#include "ryz.h"

void lookup_t2_i8(const ActsI8& x, const LookupPart* parts, int32_t n_parts, int32_t y_stride, void* scratch) {
  for (int32_t p = 0; p < n_parts; p++) {
    const LookupPart& part = parts[p];
    LinearI8* kernel = part.w->scale_block ? linear_t2b_i8 : linear_t2_i8;
    kernel(x, *part.w, part.y, y_stride, part.begin, part.end, scratch);
  }
}
