// Row-major i8, i4, f16 and f32 matrices times float rows: sum16 in four vectors, two tokens a pass.
// Same bits as __scalar.
#include "i4.h"
#include "ryz.h"
#include "simd.h"
#include "t2_code.h"

namespace {

// load(row, k) gives 16 weights as f32; finish(n, sum) applies the row's scale.
template <class T, class Load, class Finish>
inline void linear_flat(const ActsF32& x, const RyzMatrix& w, float* y, int32_t y_stride,
                        int32_t begin, int32_t end, size_t row_bytes, Load load, Finish finish) {
  const int32_t stride = div_up(w.cols, FLAT_COLS) * FLAT_COLS;
  for (int32_t n = begin * TILE_ROWS; n < rows_end(w, end); n++) {
    const T* row = reinterpret_cast<const T*>(w.weights + static_cast<size_t>(n) * row_bytes);
    float* to = y + n;
    int32_t t = 0;

    for (; t + 2 <= x.count; t += 2) {
      const float* x0 = x.x + static_cast<size_t>(t) * x.stride;
      const float* x1 = x0 + x.stride;
      Lanes16 sum0 = lanes16_zero();
      Lanes16 sum1 = lanes16_zero();
      for (int32_t k = 0; k < stride; k += 16) {
        const Lanes16 weights = load(row, k);
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
        add16(sum, mul16(load16_f32(x0 + k), load(row, k)));
      }
      to[static_cast<size_t>(t) * y_stride] = finish(n, fold16(sum));
    }
  }
}

size_t flat_bytes(const RyzMatrix& w, size_t element) { return element * FLAT_COLS * div_up(w.cols, FLAT_COLS); }

// Products of code and scale are at most 1016 in size: exact in 16 bits.
inline Lanes16 load16_i4(const uint8_t* row, int32_t k, const int8_t* scales) {
  const v128_t bytes = wasm_v128_load(row + k / I4_COLS * I4_BLOCK_BYTES + k % I4_COLS / 32 * 16);
  const v128_t shifted = k / 16 % 2 ? wasm_u16x8_shr(bytes, 4) : bytes;
  const v128_t codes = wasm_i8x16_sub(wasm_v128_and(shifted, wasm_i8x16_splat(15)), wasm_i8x16_splat(I4_ZERO));
  const v128_t four = wasm_v128_load32_zero(scales + k / I4_COLS * I4_GROUPS);
  const v128_t scales_i8 = wasm_i8x16_shuffle(four, four, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
  const v128_t lo = wasm_i16x8_extmul_low_i8x16(codes, scales_i8);
  const v128_t hi = wasm_i16x8_extmul_high_i8x16(codes, scales_i8);
  return {wasm_f32x4_convert_i32x4(wasm_i32x4_extend_low_i16x8(lo)),
          wasm_f32x4_convert_i32x4(wasm_i32x4_extend_high_i16x8(lo)),
          wasm_f32x4_convert_i32x4(wasm_i32x4_extend_low_i16x8(hi)),
          wasm_f32x4_convert_i32x4(wasm_i32x4_extend_high_i16x8(hi))};
}

}  // namespace

void linear_i8_f32(const ActsF32& x, const RyzMatrix& w, float* y, int32_t y_stride, int32_t begin,
                   int32_t end) {
  linear_flat<int8_t>(
      x, w, y, y_stride, begin, end, flat_bytes(w, 1),
      [](const int8_t* row, int32_t k) { return load16_i8(row + k); },
      [&](int32_t n, float sum) { return sum * w.scales[n]; });
}

void linear_i4_f32(const ActsF32& x, const RyzMatrix& w, float* y, int32_t y_stride, int32_t begin,
                   int32_t end) {
  linear_flat<uint8_t>(
      x, w, y, y_stride, begin, end, i4_row_bytes(w.cols),
      [&](const uint8_t* row, int32_t k) { return load16_i4(row, k, i4_scales(row, w.cols)); },
      [&](int32_t n, float sum) { return sum * w.scales[n]; });
}

void linear_f16_f32(const ActsF32& x, const RyzMatrix& w, float* y, int32_t y_stride, int32_t begin,
                    int32_t end) {
  linear_flat<uint16_t>(
      x, w, y, y_stride, begin, end, flat_bytes(w, 2),
      [](const uint16_t* row, int32_t k) { return load16_f16(row + k); }, [](int32_t, float sum) { return sum; });
}

void linear_f32_f32(const ActsF32& x, const RyzMatrix& w, float* y, int32_t y_stride, int32_t begin,
                    int32_t end) {
  linear_flat<float>(
      x, w, y, y_stride, begin, end, flat_bytes(w, 4),
      [](const float* row, int32_t k) { return load16_f32(row + k); }, [](int32_t, float sum) { return sum; });
}
