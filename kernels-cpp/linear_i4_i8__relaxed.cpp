// linear_i4_i8 on the relaxed dots, for which codes of 4 bits are within the 7 that are the same everywhere; the
// loops are in linear_i4_i8.h.
#include "dot_i8__relaxed.h"
#include "linear_i4_i8.h"

namespace {

struct I4Pairs : I4SumsI16 {
  static v128_t add_block(v128_t start, const int8_t* x, const I4Codes& codes) {
    v128_t sums = start;
#pragma unroll
    for (int i = 0; i < 4; i++) {
      sums = wasm_i16x8_add(sums, dot_pairs_i16(wasm_v128_load(x + 16 * i), codes.v[i]));
    }
    return sums;
  }
};

// Summed in four lanes of 32 bits, one for each group, of which the lower halves are multiplied.
struct I4Fours {
  static v128_t first_scales(v128_t two) { return wasm_u32x4_extend_low_u16x8(two); }
  static v128_t second_scales(v128_t two) { return wasm_u32x4_extend_high_u16x8(two); }
  static v128_t minus(v128_t sums) { return wasm_i32x4_neg(sums); }

  static v128_t add_block(v128_t start, const int8_t* x, const I4Codes& codes) {
    v128_t sums = start;
#pragma unroll
    for (int i = 0; i < 4; i++) sums = dot_add_i32(wasm_v128_load(x + 16 * i), codes.v[i], sums);
    return sums;
  }
};

}  // namespace

void linear_i4_i8(const ActsI8& x, const RyzMatrix& w, float* y, int32_t y_stride, int32_t begin,
                  int32_t end, void* scratch) {
  if (dots_in_i32()) {
    linear_i4_i8_by<I4Fours>(x, w, y, y_stride, begin, end, scratch);
  } else {
    linear_i4_i8_by<I4Pairs>(x, w, y, y_stride, begin, end, scratch);
  }
}
