// The truth of lookup_t2_i8 is that of linear_t2_i8 and linear_t2b_i8: the same sums, without tables.
#include "lookup_t2_i8.h"

namespace {

// f32 [part][x.count][rows of the part], where the other build has its totals.
constexpr int32_t RESULTS = LOOKUP_TABLE_BYTES + LOOKUP_SUMS_BYTES;

int32_t first_row(const LookupPart& part) { return part.begin * TILE_ROWS; }
int32_t end_row(const LookupPart& part) {
  const int32_t end = part.end * TILE_ROWS;
  return end < part.w->rows ? end : part.w->rows;
}

}  // namespace

void lookup_t2_i8(const ActsI8& x, const LookupPart* parts, int32_t n_parts, void* scratch) {
  auto* to = reinterpret_cast<float*>(static_cast<uint8_t*>(scratch) + RESULTS);
  for (int32_t p = 0; p < n_parts; p++) {
    const LookupPart& part = parts[p];
    LinearI8* kernel = part.w->scale_block ? linear_t2b_i8 : linear_t2_i8;
    const int32_t rows = end_row(part) - first_row(part);
    // The kernel adds the first row again.
    const uintptr_t y = reinterpret_cast<uintptr_t>(to) - static_cast<size_t>(first_row(part)) * sizeof(float);
    kernel(x, *part.w, reinterpret_cast<float*>(y), rows, part.begin, part.end, scratch);
    to += static_cast<size_t>(x.count) * rows;
  }
}

void lookup_write(const ActsI8& x, const LookupPart* parts, int32_t n_parts, int32_t y_stride, const void* scratch) {
  auto* from = reinterpret_cast<const float*>(static_cast<const uint8_t*>(scratch) + RESULTS);
  for (int32_t p = 0; p < n_parts; p++) {
    const LookupPart& part = parts[p];
    const int32_t rows = end_row(part) - first_row(part);
    for (int32_t t = 0; t < x.count; t++, from += rows) {
      __builtin_memcpy(part.y + static_cast<size_t>(t) * y_stride + first_row(part), from, rows * sizeof(float));
    }
  }
}
