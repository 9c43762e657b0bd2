// The float primitives of math.h on four lanes, operation for operation, and the folds of sum16.
// Included by the __simd128 and __relaxed kernels; plain SIMD only, no relaxed float instruction.
#pragma once
#include <wasm_simd128.h>

#include "math.h"

// exp(v) = 2^n times what it returns; n is integral.
inline v128_t exp_reduced(v128_t v, v128_t& n) {
  n = wasm_f32x4_floor(
      wasm_f32x4_add(wasm_f32x4_mul(v, wasm_f32x4_splat(LOG2E)), wasm_f32x4_splat(0.5f)));
  const v128_t r = wasm_f32x4_sub(wasm_f32x4_sub(v, wasm_f32x4_mul(n, wasm_f32x4_splat(LN2_HI))),
                                  wasm_f32x4_mul(n, wasm_f32x4_splat(LN2_LO)));

  v128_t y = wasm_f32x4_splat(EXP_P0);
  y = wasm_f32x4_add(wasm_f32x4_mul(y, r), wasm_f32x4_splat(EXP_P1));
  y = wasm_f32x4_add(wasm_f32x4_mul(y, r), wasm_f32x4_splat(EXP_P2));
  y = wasm_f32x4_add(wasm_f32x4_mul(y, r), wasm_f32x4_splat(EXP_P3));
  y = wasm_f32x4_add(wasm_f32x4_mul(y, r), wasm_f32x4_splat(EXP_P4));
  y = wasm_f32x4_add(wasm_f32x4_mul(y, r), wasm_f32x4_splat(EXP_P5));
  y = wasm_f32x4_add(wasm_f32x4_mul(y, wasm_f32x4_mul(r, r)), r);
  return wasm_f32x4_add(y, wasm_f32x4_splat(1.0f));
}

inline v128_t exp32x4(v128_t x) {
  // pmax(a, b) is a < b ? b : a, so a NaN in a stays.
  const v128_t v = wasm_f32x4_pmin(wasm_f32x4_pmax(x, wasm_f32x4_splat(EXP_MIN)), wasm_f32x4_splat(EXP_MAX));

  v128_t n;
  const v128_t y = exp_reduced(v, n);
  const v128_t exponent =
      wasm_i32x4_add(wasm_i32x4_trunc_sat_f32x4(n), wasm_i32x4_splat(127));
  return wasm_f32x4_mul(y, wasm_i32x4_shl(exponent, 23));
}

inline v128_t silu_x4(v128_t x) {
  return wasm_f32x4_div(x, wasm_f32x4_add(wasm_f32x4_splat(1.0f), exp32x4(wasm_f32x4_neg(x))));
}

// 16 columns of a row of sum16: lane j holds columns j mod 16.
struct Lanes16 {
  v128_t a, b, c, d;  // lanes 0-3, 4-7, 8-11, 12-15
};

inline Lanes16 lanes16_zero() {
  const v128_t z = wasm_f32x4_const_splat(0.0f);
  return {z, z, z, z};
}

inline Lanes16 load16_f32(const float* x) {
  return {wasm_v128_load(x), wasm_v128_load(x + 4), wasm_v128_load(x + 8), wasm_v128_load(x + 12)};
}

inline void add16(Lanes16& sum, const Lanes16& x) {
  sum.a = wasm_f32x4_add(sum.a, x.a);
  sum.b = wasm_f32x4_add(sum.b, x.b);
  sum.c = wasm_f32x4_add(sum.c, x.c);
  sum.d = wasm_f32x4_add(sum.d, x.d);
}

inline Lanes16 mul16(const Lanes16& x, const Lanes16& y) {
  return {wasm_f32x4_mul(x.a, y.a), wasm_f32x4_mul(x.b, y.b), wasm_f32x4_mul(x.c, y.c),
          wasm_f32x4_mul(x.d, y.d)};
}

// 16 -> 8 -> 4 -> 2 -> 1, lane j with lane j + half.
inline float fold16(const Lanes16& s) {
  const v128_t four = wasm_f32x4_add(wasm_f32x4_add(s.a, s.c), wasm_f32x4_add(s.b, s.d));
  const v128_t two = wasm_f32x4_add(four, wasm_i32x4_shuffle(four, four, 2, 3, 2, 3));
  return wasm_f32x4_extract_lane(two, 0) + wasm_f32x4_extract_lane(two, 1);
}

// 4 halves in the low bits of 32-bit lanes to f32, exact; see f32_from_f16.
inline v128_t f32x4_from_f16x4(v128_t halves_u32) {
  const v128_t sign = wasm_i32x4_shl(wasm_v128_and(halves_u32, wasm_i32x4_splat(0x8000)), 16);
  const v128_t mag = wasm_v128_and(halves_u32, wasm_i32x4_splat(0x7fff));
  const v128_t shifted = wasm_i32x4_shl(mag, 13);
  const v128_t finite = wasm_f32x4_mul(shifted, wasm_f32x4_splat(0x1p112f));
  const v128_t special = wasm_i32x4_gt(mag, wasm_i32x4_splat(0x7bff));
  const v128_t infinite = wasm_v128_or(shifted, wasm_i32x4_splat(0x7f800000));
  return wasm_v128_or(sign, wasm_v128_bitselect(infinite, finite, special));
}

inline v128_t load4_f16(const uint16_t* h) { return f32x4_from_f16x4(wasm_u32x4_load16x4(h)); }

inline v128_t load4_i8(const int8_t* w) {
  const v128_t w_i16 = wasm_i16x8_extend_low_i8x16(wasm_v128_load32_zero(w));
  return wasm_f32x4_convert_i32x4(wasm_i32x4_extend_low_i16x8(w_i16));
}

inline Lanes16 load16_f16(const uint16_t* h) {
  return {load4_f16(h), load4_f16(h + 4), load4_f16(h + 8), load4_f16(h + 12)};
}

inline Lanes16 load16_i8(const int8_t* w) {
  const v128_t all = wasm_v128_load(w);
  const v128_t lo = wasm_i16x8_extend_low_i8x16(all);
  const v128_t hi = wasm_i16x8_extend_high_i8x16(all);
  return {wasm_f32x4_convert_i32x4(wasm_i32x4_extend_low_i16x8(lo)),
          wasm_f32x4_convert_i32x4(wasm_i32x4_extend_high_i16x8(lo)),
          wasm_f32x4_convert_i32x4(wasm_i32x4_extend_low_i16x8(hi)),
          wasm_f32x4_convert_i32x4(wasm_i32x4_extend_high_i16x8(hi))};
}

// Lane i = sum of the lanes of the i-th vector; integers, so the order is free.
inline v128_t sum_lanes_i32(v128_t a, v128_t b, v128_t c, v128_t d) {
  const v128_t ab = wasm_i32x4_add(wasm_i32x4_shuffle(a, b, 0, 4, 1, 5),
                                   wasm_i32x4_shuffle(a, b, 2, 6, 3, 7));
  const v128_t cd = wasm_i32x4_add(wasm_i32x4_shuffle(c, d, 0, 4, 1, 5),
                                   wasm_i32x4_shuffle(c, d, 2, 6, 3, 7));
  return wasm_i32x4_add(wasm_i64x2_shuffle(ab, cd, 0, 2), wasm_i64x2_shuffle(ab, cd, 1, 3));
}

inline int32_t sum_lanes_i32(v128_t a) {
  const v128_t two = wasm_i32x4_add(a, wasm_i32x4_shuffle(a, a, 2, 3, 2, 3));
  return wasm_i32x4_extract_lane(two, 0) + wasm_i32x4_extract_lane(two, 1);
}
