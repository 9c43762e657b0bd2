// The wasm SIMD intrinsics on a native machine, for bench/native only: SIMDe's, which become the native
// instructions, and the relaxed dots as the instructions that V8 makes of them on x86 without VNNI.
#pragma once
#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/wasm/simd128.h>
#include <tmmintrin.h>

// Missing from SIMDe 0.7.
#define wasm_f32x4_const_splat wasm_f32x4_splat

inline v128_t wasm_i16x8_relaxed_dot_i8x16_i7x16(v128_t a, v128_t codes) {
  return (v128_t)_mm_maddubs_epi16((__m128i)codes, (__m128i)a);
}

inline v128_t wasm_i32x4_relaxed_dot_i8x16_i7x16_add(v128_t a, v128_t codes, v128_t sums) {
  const __m128i pairs = _mm_maddubs_epi16((__m128i)codes, (__m128i)a);
  return (v128_t)_mm_add_epi32(_mm_madd_epi16(pairs, _mm_set1_epi16(1)), (__m128i)sums);
}
