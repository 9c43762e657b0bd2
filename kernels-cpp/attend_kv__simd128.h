// How attention reads int8 and int4 KV: a block's scores of one query, its weighted values, and the
// pieces of both that the path for many queries shares. Layouts in kv_layout.h.
// Included by attend_int__simd128.cpp.
#pragma once
#include "attend_words__simd128.h"

// ---- int8 ----

struct Int8 {
  static int32_t width_of(int32_t head_dim) { return int8_width(head_dim); }
  // Elements that share a scale.
  static int32_t group_of(int32_t width) { return width; }

  // Scores of 32 tokens.
  static void scores(float* p, const int16_t* q, const uint8_t* head, int32_t width, float q_scale) {
    const auto* k = reinterpret_cast<const int8_t*>(head);
    v128_t sums[LANE_VECTORS] = {};
    for (int32_t d = 0; d < width; d += 2, k += 2 * KV_BLOCK) {
      const v128_t q_pair = wasm_v128_load32_splat(q + d);
      for (int i = 0; i < LANE_VECTORS; i++) {
        sums[i] = wasm_i32x4_add(sums[i], wasm_i32x4_dot_i16x8(q_pair, wasm_i16x8_load8x8(k + 8 * i)));
      }
    }
    for (int i = 0; i < LANE_VECTORS; i++) put_score(p + 4 * i, sums[i], head, width, 0, 4 * i, q_scale);
  }

  // p = scores of tokens t..t+3 from their sums.
  static void put_score(float* p, v128_t sum, const uint8_t* head, int32_t width, int32_t, int32_t t,
                        float q_scale) {
    const auto* scales = reinterpret_cast<const float*>(head + 2 * KV_BLOCK * width);
    const v128_t scale = wasm_f32x4_mul(wasm_f32x4_splat(q_scale), wasm_v128_load(scales + t));
    wasm_v128_store(p, wasm_f32x4_mul(wasm_f32x4_convert_i32x4(sum), scale));
  }

  static void end_scores(float*, float) {}

  static float value_words(int16_t* words, const float* p, const uint8_t* head, int32_t width, int32_t,
                           int32_t n) {
    const auto* scales = reinterpret_cast<const float*>(head + 2 * KV_BLOCK * width) + KV_BLOCK;
    return weight_words(words, p, n, [scales](int i) { return wasm_v128_load(scales + 4 * i); });
  }

  template <int N>
  static void add_n(float* out, const int16_t* words, const int8_t* v, int32_t width, int32_t pairs,
                    bool is_first, float scale, Merge merge) {
    v128_t sums[N] = {};
    for (int32_t t = 0; t < pairs; t++, v += 2 * width) {
      const v128_t w_pair = wasm_v128_load32_splat(words + 2 * t);
      for (int i = 0; i < N; i++) {
        sums[i] = wasm_i32x4_add(sums[i], wasm_i32x4_dot_i16x8(w_pair, wasm_i16x8_load8x8(v + 8 * i)));
      }
    }
    merge_sums<N>(out, sums, is_first, scale, merge);
  }

  // The block's weighted values into out.
  static void values(float* out, const float* p, const uint8_t* head, int32_t width, int32_t n,
                     bool is_first, Merge merge) {
    alignas(16) int16_t words[KV_BLOCK];
    const float scale = value_words(words, p, head, width, 0, n);
    const auto* v = reinterpret_cast<const int8_t*>(head) + KV_BLOCK * width;
    const int32_t pairs = (n + 1) / 2;
    int32_t d = 0;
    for (; d + 32 <= width; d += 32) add_n<8>(out + d, words, v + 2 * d, width, pairs, is_first, scale, merge);
    for (; d < width; d += 8) add_n<2>(out + d, words, v + 2 * d, width, pairs, is_first, scale, merge);
  }
};

// ---- int4 ----

// Nibble I of each word; 0..15, so 8 above what it means.
template <int I>
inline v128_t nibble(v128_t words) {
  if constexpr (I == 3) return wasm_u16x8_shr(words, 12);
  return wasm_v128_and(I == 0 ? words : wasm_u16x8_shr(words, 4 * I), wasm_i16x8_splat(15));
}

// Upper halves of f32 to f32.
inline v128_t load_upper(const uint16_t* halves) { return wasm_i32x4_shl(wasm_u32x4_load16x4(halves), 16); }

// What 8 above each element adds to a sum, taken off beforehand: -8 times the sum of the words.
inline v128_t offset_of(const int16_t* words, int32_t n) {
  v128_t sum = wasm_i32x4_splat(0);
  for (int32_t i = 0; i < n; i += 8) {
    sum = wasm_i32x4_add(sum, wasm_i32x4_extadd_pairwise_i16x8(wasm_v128_load(words + i)));
  }
  sum = wasm_i32x4_add(sum, wasm_i32x4_shuffle(sum, sum, 2, 3, 0, 1));
  sum = wasm_i32x4_add(sum, wasm_i32x4_shuffle(sum, sum, 1, 0, 3, 2));
  return wasm_i32x4_mul(sum, wasm_i32x4_splat(-8));
}

struct Int4 {
  static int32_t width_of(int32_t head_dim) { return int4_width(head_dim); }
  static int32_t group_of(int32_t) { return KV_GROUP; }

  static void scores(float* p, const int16_t* q, const uint8_t* head, int32_t width, float q_scale) {
    const uint8_t* k = head;
    for (int32_t first = 0; first < width; first += KV_GROUP) {
      const int32_t n = width - first < KV_GROUP ? width - first : KV_GROUP;
      const v128_t offset = offset_of(q + first, n);
      // 16 tokens at a time: their four sums and four pairs of q fit the registers.
      for (int half = 0; half < 2; half++) {
        v128_t sums[4] = {offset, offset, offset, offset};
        for (int32_t d = 0; d < n; d += 8) {
          const uint8_t* words = k + (d / 8 * KV_BLOCK + half * 16) * 4;
          const v128_t q0 = wasm_v128_load32_splat(q + first + d);
          const v128_t q1 = wasm_v128_load32_splat(q + first + d + 2);
          const v128_t q2 = wasm_v128_load32_splat(q + first + d + 4);
          const v128_t q3 = wasm_v128_load32_splat(q + first + d + 6);
          for (int i = 0; i < 4; i++) {
            const v128_t w = wasm_v128_load(words + 16 * i);
            sums[i] = add_pairs(sums[i], q0, nibble<0>(w));
            sums[i] = add_pairs(sums[i], q1, nibble<1>(w));
            sums[i] = add_pairs(sums[i], q2, nibble<2>(w));
            sums[i] = add_pairs(sums[i], q3, nibble<3>(w));
          }
        }
        for (int i = 0; i < 4; i++) {
          const int32_t t = half * 16 + 4 * i;
          put_score(p + t, sums[i], head, width, first, t, q_scale);
        }
      }
      k += n * (KV_BLOCK / 2);
    }
    end_scores(p, q_scale);
  }

  // Adds what the group that begins with element `first` gives to tokens t..t+3.
  static void put_score(float* p, v128_t sum, const uint8_t* head, int32_t width, int32_t first, int32_t t,
                        float) {
    const auto* scales = reinterpret_cast<const uint16_t*>(head + int4_scales_at(width)) + first;
    const v128_t s = wasm_f32x4_mul(wasm_f32x4_convert_i32x4(sum), load_upper(scales + t));
    wasm_v128_store(p, first == 0 ? s : wasm_f32x4_add(wasm_v128_load(p), s));
  }

  static void end_scores(float* p, float q_scale) {
    const v128_t q_scale_x4 = wasm_f32x4_splat(q_scale);
    for (int32_t t = 0; t < KV_BLOCK; t += 4) {
      wasm_v128_store(p + t, wasm_f32x4_mul(wasm_v128_load(p + t), q_scale_x4));
    }
  }

  static float value_words(int16_t* words, const float* p, const uint8_t* head, int32_t width, int32_t first,
                           int32_t n) {
    const auto* scales =
        reinterpret_cast<const uint16_t*>(head + int4_scales_at(width)) + int4_groups(width) * KV_BLOCK + first;
    return weight_words(words, p, n, [scales](int i) { return load_upper(scales + 4 * i); });
  }

  // N * 16 elements.
  template <int N>
  static void add_n(float* out, const int16_t* words, v128_t offset, const uint8_t* v, int32_t width,
                    int32_t pairs, bool is_first, float scale, Merge merge) {
    v128_t sums[4 * N];
    for (int i = 0; i < 4 * N; i++) sums[i] = offset;
    for (int32_t t = 0; t < pairs; t++, v += width) {
      const v128_t w_pair = wasm_v128_load32_splat(words + 2 * t);
      for (int i = 0; i < N; i++) {
        const v128_t w = wasm_v128_load(v + 16 * i);
        sums[4 * i] = add_pairs(sums[4 * i], w_pair, nibble<0>(w));
        sums[4 * i + 1] = add_pairs(sums[4 * i + 1], w_pair, nibble<1>(w));
        sums[4 * i + 2] = add_pairs(sums[4 * i + 2], w_pair, nibble<2>(w));
        sums[4 * i + 3] = add_pairs(sums[4 * i + 3], w_pair, nibble<3>(w));
      }
    }
    merge_sums<4 * N>(out, sums, is_first, scale, merge);
  }

  static void values(float* out, const float* p, const uint8_t* head, int32_t width, int32_t n,
                     bool is_first, Merge merge) {
    const uint8_t* v = head + KV_BLOCK / 2 * width;
    const int32_t pairs = (n + 1) / 2;
    for (int32_t d = 0; d < width; d += KV_GROUP) {
      alignas(16) int16_t words[KV_BLOCK];
      const float scale = value_words(words, p, head, width, d, n);
      const v128_t offset = offset_of(words, KV_BLOCK);
      if (d + KV_GROUP <= width) {
        add_n<2>(out + d, words, offset, v + d, width, pairs, is_first, scale, merge);
      } else {
        add_n<1>(out + d, words, offset, v + d, width, pairs, is_first, scale, merge);
      }
    }
  }
};
