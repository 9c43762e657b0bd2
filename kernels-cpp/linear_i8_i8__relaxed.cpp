// linear_i8_i8 in bytes where this machine's relaxed dot of 32 bits is exact for all of them (VNNI, SDOT), else
// in words; the loops are in linear_i8_i8.h.
#include "dot_i8__relaxed.h"
#include "linear_i8_i8.h"

namespace {

// The second operand of the relaxed dot is promised for 7 bits only. With the eighth a machine takes it as
// signed, as unsigned, or adds in 16 bits that may saturate; which, it tells itself.
enum class Bytes : int32_t { NONE, SIGNED, UNSIGNED };

bool adds_up(int32_t a, int32_t b, int32_t product) {
  const v128_t dot = dot_add_i32(wasm_i8x16_splat(static_cast<int8_t>(a)),
                                 wasm_i8x16_splat(static_cast<int8_t>(b)), wasm_i32x4_splat(0));
  return wasm_i32x4_extract_lane(dot, 0) == 4 * product && wasm_i32x4_extract_lane(dot, 3) == 4 * product;
}

Bytes bytes_of_this_machine() {
  constexpr int32_t EXTREMES[] = {-128, -127, -1, 0, 1, 127};
  bool is_signed = true;
  bool is_unsigned = true;
  for (const int32_t a : EXTREMES) {
    for (const int32_t b : EXTREMES) {
      is_signed = is_signed && adds_up(a, b, a * b);
      is_unsigned = is_unsigned && adds_up(a, b, a * (b & 255));
    }
  }
  return is_signed ? Bytes::SIGNED : is_unsigned ? Bytes::UNSIGNED : Bytes::NONE;
}

// Weights as they are, or 128 more, which the sum of the activations takes back.
struct ByteProducts {
  using Wide = int8_t;

  int32_t flip;

  static void prepare(int8_t* to, const int8_t* x, int32_t token) {
    wasm_v128_store(to + 16 * token, wasm_v128_load(x));
  }

  v128_t weights(const int8_t* row) const {
    return wasm_v128_xor(wasm_v128_load(row), wasm_i8x16_splat(static_cast<int8_t>(flip)));
  }

  void add(v128_t sums[2], const int8_t* row, const int8_t* x) const {
    sums[0] = dot_add_i32(wasm_v128_load(x), weights(row), sums[0]);
  }

  void add_fours(v128_t sums[4], const int8_t* row, const int8_t* x4) const {
    const v128_t row_i8 = weights(row);
#pragma unroll
    for (int t = 0; t < 4; t++) sums[t] = dot_add_i32(wasm_v128_load(x4 + 16 * t), row_i8, sums[t]);
  }

  int32_t excess(int32_t sum) const { return flip * sum; }
};

}  // namespace

void linear_i8_i8(const ActsI8& x, const RyzMatrix& w, float* y, int32_t y_stride, int32_t begin,
                  int32_t end, void* scratch) {
  // 36 dots, for matrices of megabytes.
  const Bytes bytes = dots_in_i32() ? bytes_of_this_machine() : Bytes::NONE;
  if (bytes == Bytes::NONE) {
    linear_i8_i8_by(WordProducts{}, x, w, y, y_stride, begin, end, scratch);
  } else {
    const ByteProducts products{bytes == Bytes::UNSIGNED ? 128 : 0};
    linear_i8_i8_by(products, x, w, y, y_stride, begin, end, scratch);
  }
}
