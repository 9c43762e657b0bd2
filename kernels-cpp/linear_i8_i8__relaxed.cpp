// linear_i8_i8 for one or two tokens in bytes where ryz_dots chose dots of 32 bits, else in words; the loops are
// in linear_i8_i8.h.
#include "dot_i8__relaxed.h"
#include "linear_i8_i8.h"

namespace {

// A weight is 16 times its upper half plus its lower one, each of 4 bits and so within the 7 for which the
// relaxed dot is the same everywhere. Where a machine is exact for all 8 bits, one dot would do instead of two, but
// nothing promises that a browser's two compilers agree on that.
struct ByteProducts {
  static v128_t lower(v128_t w) { return wasm_v128_and(w, wasm_i8x16_splat(15)); }
  // 8 more than the upper half, which is signed: 128 more in a product.
  static v128_t upper_plus_8(v128_t w) {
    return lower(wasm_u16x8_shr(wasm_v128_xor(w, wasm_i8x16_splat(-128)), 4));
  }

  static void add(v128_t sums[2], const int8_t* row, const int8_t* x) {
    const v128_t w = wasm_v128_load(row);
    const v128_t x_i8 = wasm_v128_load(x);
    sums[0] = dot_add_i32(x_i8, lower(w), sums[0]);
    sums[1] = dot_add_i32(x_i8, upper_plus_8(w), sums[1]);
  }

  static v128_t total(const v128_t sums[2]) { return wasm_i32x4_add(sums[0], wasm_i32x4_shl(sums[1], 4)); }
  static int32_t excess(int32_t sum) { return 128 * sum; }
};

}  // namespace

void linear_i8_i8(const ActsI8& x, const RyzMatrix& w, float* y, int32_t y_stride, int32_t begin,
                  int32_t end, void* scratch) {
  // One token in bytes takes 24 G products a second, 19 in words; four share a widened row: 31 and 37 (Nov 2026).
  if (dots_in_i32() && x.count < 3) {
    linear_i8_i8_by<ByteProducts>(x, w, y, y_stride, begin, end, scratch);
  } else {
    linear_i8_i8_by<WordProducts>(x, w, y, y_stride, begin, end, scratch);
  }
}
