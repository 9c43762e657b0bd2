// The float primitives, one f32 operation a line: the scalar twin of src/backend/reference/math.ts.
// simd.h holds the same on four lanes. NaN passes through where it does there and never traps.
#pragma once
#include <stdint.h>
#include <string.h>

inline uint32_t f32_bits(float x) {
  uint32_t u;
  memcpy(&u, &x, 4);
  return u;
}

inline float f32_from_bits(uint32_t u) {
  float x;
  memcpy(&x, &u, 4);
  return x;
}

// Math.max for two floats: a NaN wins.
inline float max_f32(float a, float b) {
  if (a != a) return a;
  if (b != b) return b;
  return a > b ? a : b;
}

constexpr float LOG2E = 1.4426950408889634f;
// ln 2 in two parts, so that n * LN2_HI is exact for |n| <= 2^15 (Cody & Waite 1980).
constexpr float LN2_HI = 0.693359375f;
constexpr float LN2_LO = -2.121944400546906e-4f;
// (exp(r) - 1 - r) / r^2 on [-ln2/2, ln2/2] (Cephes expf), highest power first.
constexpr float EXP_P0 = 1.98756915e-4f;
constexpr float EXP_P1 = 1.3981999507e-3f;
constexpr float EXP_P2 = 8.3334519073e-3f;
constexpr float EXP_P3 = 4.1665795894e-2f;
constexpr float EXP_P4 = 1.6666665459e-1f;
constexpr float EXP_P5 = 5.0000001201e-1f;
constexpr float EXP_MIN = -87.0f;
constexpr float EXP_MAX = 88.0f;

// e^x with x clamped to [-87, 88]: the result is never subnormal or infinite. NaN stays NaN, so that attention
// over a broken query is seen as broken.
inline float exp32(float x) {
  float v = x < EXP_MIN ? EXP_MIN : x;
  v = v > EXP_MAX ? EXP_MAX : v;
  const float n = __builtin_floorf(v * LOG2E + 0.5f);
  const float r = (v - n * LN2_HI) - n * LN2_LO;
  float y = EXP_P0;
  y = y * r + EXP_P1;
  y = y * r + EXP_P2;
  y = y * r + EXP_P3;
  y = y * r + EXP_P4;
  y = y * r + EXP_P5;
  y = y * (r * r) + r;
  y = y + 1.0f;
  const int32_t exponent = n == n ? static_cast<int32_t>(n) : 0;  // converting NaN may trap
  return y * f32_from_bits(static_cast<uint32_t>(exponent + 127) << 23);
}

inline float silu(float x) { return x / (1.0f + exp32(-x)); }

// Rounds half to even, |x| < 2^22: adding 1.5 * 2^23 leaves no fraction bits.
inline float round_even(float x) { return (x + 12582912.0f) - 12582912.0f; }

// One activation: NaN becomes 0, as storing it in an Int8Array does.
inline int8_t round_to_i8(float x) {
  const float q = round_even(x);
  if (q != q) return 0;
  return static_cast<int8_t>(q < -128.0f ? -128.0f : q > 127.0f ? 127.0f : q);
}

// f32 to IEEE half, round half to even, saturating at 65504 (NaN too).
inline uint16_t f16_from_f32(float x) {
  const uint32_t u = f32_bits(x);
  const uint32_t sign = (u >> 16) & 0x8000u;
  const uint32_t mag = u & 0x7fffffffu;
  if (mag >= 0x477ff000u) return static_cast<uint16_t>(sign | 0x7bffu);
  if (mag < 0x38800000u) {
    // Subnormal half: adding 0.5 lets the FPU round to the half's last bit.
    const float shifted = f32_from_bits(mag) + 0.5f;
    return static_cast<uint16_t>(sign | (f32_bits(shifted) - 0x3f000000u));
  }
  const uint32_t rounded = mag + 0xfffu + ((mag >> 13) & 1u);
  return static_cast<uint16_t>(sign | ((rounded - 0x38000000u) >> 13));
}

// IEEE half to f32, exact; infinities and NaN keep their kind.
inline float f32_from_f16(uint16_t h) {
  const uint32_t sign = (h & 0x8000u) << 16;
  const uint32_t mag = h & 0x7fffu;
  if (mag >= 0x7c00u) return f32_from_bits(sign | 0x7f800000u | ((mag & 0x3ffu) << 13));
  // The exponent bias differs by 112; the product also normalises subnormal halves, exactly.
  const float value = f32_from_bits(mag << 13) * 0x1p112f;
  return f32_from_bits(sign | f32_bits(value));
}

// Folds 16 lanes 16 -> 8 -> 4 -> 2 -> 1, lane j with lane j + half.
inline float fold16(float* lanes) {
  for (int32_t half = 8; half > 0; half >>= 1) {
    for (int32_t j = 0; j < half; j++) lanes[j] = lanes[j] + lanes[j + half];
  }
  return lanes[0];
}

// sum16 of backend.ts over value(0..n-1).
template <class Value>
inline float sum16(int32_t n, Value value) {
  float lanes[16] = {};
  for (int32_t i = 0; i < n; i++) lanes[i & 15] = lanes[i & 15] + value(i);
  return fold16(lanes);
}
