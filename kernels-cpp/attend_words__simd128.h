// What attention over int8 and int4 KV does in floats, between its two integer sums: the rounding of
// queries and weights to 16-bit words, the softmax of a block, and the merge of a block into the output.
// Included by attend_int__simd128.cpp; numerics in src/backend/backend.ts ("word rounding").
#pragma once
#include "kv_layout.h"
#include "simd.h"

constexpr float NEG_INF = -__builtin_inff();
constexpr int LANE_VECTORS = KV_BLOCK / 4;

// ---- Word rounding ----

// 8 words of x * factor, |x * factor| <= 32767 or NaN (any word): adding 1.5 * 2^23 leaves the integer in
// the float's low bits.
inline v128_t to_words(v128_t lo, v128_t hi, v128_t factor) {
  const v128_t magic = wasm_f32x4_splat(12582912.0f);
  const v128_t lo_i32 = wasm_i32x4_sub(wasm_f32x4_add(wasm_f32x4_mul(lo, factor), magic), magic);
  const v128_t hi_i32 = wasm_i32x4_sub(wasm_f32x4_add(wasm_f32x4_mul(hi, factor), magic), magic);
  return wasm_i16x8_narrow_i32x4(lo_i32, hi_i32);
}

// Largest lane; as integers, so that a NaN of either sign is above all. No lane is below +0.
inline float max_lane(v128_t m) {
  m = wasm_u32x4_max(m, wasm_i32x4_shuffle(m, m, 2, 3, 0, 1));
  m = wasm_u32x4_max(m, wasm_i32x4_shuffle(m, m, 1, 0, 3, 2));
  return wasm_f32x4_extract_lane(m, 0);
}

// x f32 [width], width a multiple of 8; returns the scale.
inline float query_words(int16_t* words, const float* x, int32_t width, float largest) {
  v128_t m = wasm_f32x4_splat(LEAST_QUERY);
  for (int32_t d = 0; d < width; d += 4) m = wasm_u32x4_max(m, wasm_f32x4_abs(wasm_v128_load(x + d)));
  const float a = max_lane(m);
  const v128_t factor = wasm_f32x4_splat(largest / a);
  for (int32_t d = 0; d < width; d += 8) {
    wasm_v128_store(words + d, to_words(wasm_v128_load(x + d), wasm_v128_load(x + d + 4), factor));
  }
  return word_scale(a, largest);
}

// ---- Softmax of a block ----

// exp32x4 of simd.h for x <= 0 or NaN, bit for bit: nothing to clamp above, and the integral n becomes
// an exponent by way of its float.
inline v128_t exp_below_zero(v128_t x) {
  v128_t n;
  const v128_t y = exp_reduced(wasm_f32x4_pmax(x, wasm_f32x4_splat(EXP_MIN)), n);
  const v128_t n_low_bits = wasm_f32x4_add(n, wasm_f32x4_splat(12582912.0f));
  return wasm_f32x4_mul(y, wasm_i32x4_shl(wasm_i32x4_add(n_low_bits, wasm_i32x4_splat(127)), 23));
}

// All ones for tokens below n, read at ALIVE + KV_BLOCK - n.
#define EIGHT(x) x, x, x, x, x, x, x, x
alignas(16) constexpr int32_t ALIVE[2 * KV_BLOCK] = {EIGHT(-1), EIGHT(-1), EIGHT(-1), EIGHT(-1),
                                                     EIGHT(0),  EIGHT(0),  EIGHT(0),  EIGHT(0)};
#undef EIGHT

// The maximum; a NaN wins.
inline float max_of_block(const float* p) {
  v128_t m = wasm_v128_load(p);
  v128_t sum = m;
  for (int i = 1; i < LANE_VECTORS; i++) {
    const v128_t x = wasm_v128_load(p + 4 * i);
    m = wasm_f32x4_pmax(m, x);
    sum = wasm_f32x4_add(sum, x);
  }
  // pmax is one instruction and loses NaN; the sum has one if any score was, and seldom otherwise.
  if (__builtin_expect(wasm_i32x4_all_true(wasm_f32x4_eq(sum, sum)), 1)) {
    m = wasm_f32x4_pmax(m, wasm_i32x4_shuffle(m, m, 2, 3, 0, 1));
    m = wasm_f32x4_pmax(m, wasm_i32x4_shuffle(m, m, 1, 0, 3, 2));
    return wasm_f32x4_extract_lane(m, 0);
  }
  float slow = NEG_INF;
  for (int t = 0; t < KV_BLOCK; t++) slow = max_f32(slow, p[t]);
  return slow;
}

struct Running {
  float max = NEG_INF;
  float sum = 0.0f;
  float scale = 0.0f;  // of the query's words
};

// O = O * before + o * block.
struct Merge {
  float before, block;
};

// Scores to exp(s - m), 0 past the n tokens, and on to the running maximum and sum.
inline Merge softmax(Running& run, float* p, int32_t n, bool is_first) {
  const int32_t* alive = ALIVE + KV_BLOCK - n;
  if (n < KV_BLOCK) {
    const v128_t none = wasm_f32x4_splat(NEG_INF);
    for (int i = 0; i < LANE_VECTORS; i++) {
      const v128_t mask = wasm_v128_load(alive + 4 * i);
      wasm_v128_store(p + 4 * i, wasm_v128_bitselect(wasm_v128_load(p + 4 * i), none, mask));
    }
  }
  const float m = max_of_block(p);
  const v128_t m_x4 = wasm_f32x4_splat(m);
  v128_t lanes = wasm_f32x4_splat(0.0f);
  for (int i = 0; i < LANE_VECTORS; i++) {
    const v128_t e = wasm_v128_and(exp_below_zero(wasm_f32x4_sub(wasm_v128_load(p + 4 * i), m_x4)),
                                   wasm_v128_load(alive + 4 * i));
    wasm_v128_store(p + 4 * i, e);
    lanes = wasm_f32x4_add(lanes, e);
  }
  const v128_t two = wasm_f32x4_add(lanes, wasm_i32x4_shuffle(lanes, lanes, 2, 3, 0, 1));
  const float l = wasm_f32x4_extract_lane(two, 0) + wasm_f32x4_extract_lane(two, 1);

  const float merged = max_f32(run.max, m);
  const v128_t both = exp_below_zero(
      wasm_f32x4_sub(wasm_f32x4_make(run.max, m, m, m), wasm_f32x4_splat(merged)));
  const Merge merge{wasm_f32x4_extract_lane(both, 0), wasm_f32x4_extract_lane(both, 1)};
  run.sum = is_first ? l : run.sum * merge.before + l * merge.block;
  run.max = merged;
  return merge;
}

// Words of w = p * scale for 32 tokens, 0 where p is not alive; returns their scale.
// load(i): the scales of tokens 4*i..4*i+3
template <class Load>
inline float weight_words(int16_t* words, const float* p, int32_t n, Load load) {
  const int32_t* alive = ALIVE + KV_BLOCK - n;
  v128_t w[LANE_VECTORS];
  v128_t m = wasm_f32x4_splat(LEAST_WEIGHT);
  for (int i = 0; i < LANE_VECTORS; i++) {
    w[i] = wasm_v128_and(wasm_f32x4_mul(wasm_v128_load(p + 4 * i), load(i)), wasm_v128_load(alive + 4 * i));
    m = wasm_u32x4_max(m, w[i]);
  }
  const float a = max_lane(m);
  const v128_t factor = wasm_f32x4_splat(WORD_MAX / a);
  for (int i = 0; i < LANE_VECTORS; i += 2) wasm_v128_store(words + 4 * i, to_words(w[i], w[i + 1], factor));
  return word_scale(a, WORD_MAX);
}

// out = out * before + sums * block; of the first block, sums * first_scale.
template <int N>
inline void merge_sums(float* out, const v128_t* sums_i32, bool is_first, float first_scale, Merge merge) {
  const v128_t before = wasm_f32x4_splat(merge.before);
  const v128_t block = wasm_f32x4_splat(is_first ? first_scale : first_scale * merge.block);
  for (int i = 0; i < N; i++) {
    const v128_t o = wasm_f32x4_mul(wasm_f32x4_convert_i32x4(sums_i32[i]), block);
    const v128_t both = wasm_f32x4_add(wasm_f32x4_mul(wasm_v128_load(out + 4 * i), before), o);
    wasm_v128_store(out + 4 * i, is_first ? o : both);
  }
}

inline v128_t add_pairs(v128_t sum, v128_t pair, v128_t words) {
  return wasm_i32x4_add(sum, wasm_i32x4_dot_i16x8(pair, words));
}
