// Attention of queries over KV blocks of int8 or int4 in exact integers: pmaddwd on pairs of elements of
// K (lanes are tokens) and on pairs of tokens of V (lanes are elements), the bytes widened on the way.
// Same bits as __scalar.
#include "kv_layout.h"
#include "ryz.h"
#include "simd.h"

namespace {

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
float query_words(int16_t* words, const float* x, int32_t width, float largest) {
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
  const v128_t v = wasm_f32x4_pmax(wasm_f32x4_splat(EXP_MIN), x);
  const v128_t n = wasm_f32x4_floor(
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
  y = wasm_f32x4_add(y, wasm_f32x4_splat(1.0f));

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

// ---- int8 ----

struct Int8 {
  static int32_t width_of(int32_t head_dim) { return int8_width(head_dim); }

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
    const auto* scales = reinterpret_cast<const float*>(head + 2 * KV_BLOCK * width);
    const v128_t q_scale_x4 = wasm_f32x4_splat(q_scale);
    for (int i = 0; i < LANE_VECTORS; i++) {
      const v128_t scale = wasm_f32x4_mul(q_scale_x4, wasm_v128_load(scales + 4 * i));
      wasm_v128_store(p + 4 * i, wasm_f32x4_mul(wasm_f32x4_convert_i32x4(sums[i]), scale));
    }
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
    const auto* scales = reinterpret_cast<const float*>(head + 2 * KV_BLOCK * width) + KV_BLOCK;
    alignas(16) int16_t words[KV_BLOCK];
    const float scale =
        weight_words(words, p, n, [scales](int i) { return wasm_v128_load(scales + 4 * i); });
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

inline v128_t add_pairs(v128_t sum, v128_t pair, v128_t words) {
  return wasm_i32x4_add(sum, wasm_i32x4_dot_i16x8(pair, words));
}

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

  static void scores(float* p, const int16_t* q, const uint8_t* head, int32_t width, float q_scale) {
    const uint8_t* k = head;
    const auto* scales = reinterpret_cast<const uint16_t*>(head + int4_scales_at(width));
    for (int32_t first = 0; first < width; first += KV_GROUP, scales += KV_BLOCK) {
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
          const v128_t s = wasm_f32x4_mul(wasm_f32x4_convert_i32x4(sums[i]), load_upper(scales + t));
          wasm_v128_store(p + t, first == 0 ? s : wasm_f32x4_add(wasm_v128_load(p + t), s));
        }
      }
      k += n * (KV_BLOCK / 2);
    }
    const v128_t q_scale_x4 = wasm_f32x4_splat(q_scale);
    for (int32_t t = 0; t < KV_BLOCK; t += 4) {
      wasm_v128_store(p + t, wasm_f32x4_mul(wasm_v128_load(p + t), q_scale_x4));
    }
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
    const int32_t groups = int4_groups(width);
    const auto* scales =
        reinterpret_cast<const uint16_t*>(head + int4_scales_at(width)) + groups * KV_BLOCK;
    const uint8_t* v = head + KV_BLOCK / 2 * width;
    const int32_t pairs = (n + 1) / 2;
    for (int32_t d = 0; d < width; d += KV_GROUP, scales += KV_BLOCK) {
      alignas(16) int16_t words[KV_BLOCK];
      const float scale = weight_words(words, p, n, [scales](int i) { return load_upper(scales + 4 * i); });
      const v128_t offset = offset_of(words, KV_BLOCK);
      if (d + KV_GROUP <= width) {
        add_n<2>(out + d, words, offset, v + d, width, pairs, is_first, scale, merge);
      } else {
        add_n<1>(out + d, words, offset, v + d, width, pairs, is_first, scale, merge);
      }
    }
  }
};

// ---- Any number of queries ----

template <class Kv>
__attribute__((noinline)) void add_block(Running& run, float* out, const int16_t* q, const uint8_t* head,
                                         int32_t n, int32_t width, bool is_first) {
  alignas(16) float p[KV_BLOCK];
  Kv::scores(p, q, head, width, run.scale);
  const Merge merge = softmax(run, p, n, is_first);
  Kv::values(out, p, head, width, n, is_first, merge);
}

template <class Kv>
void attend(const AttendQueries& queries, const uint8_t* kv, const int32_t* table, int32_t block_bytes,
            int32_t head_dim) {
  const int32_t width = Kv::width_of(head_dim);
  auto* outs = reinterpret_cast<float*>(queries.scratch);  // f32 [count][width]
  auto* words = reinterpret_cast<int16_t*>(outs + queries.count * width);  // i16 [count][width]
  Running runs[ATTEND_QUERIES];
  int32_t last = 0;
  for (int32_t i = 0; i < queries.count; i++) {
    if (queries.tokens[i] > last) last = queries.tokens[i];
    float* padded = outs + i * width;
    for (int32_t d = 0; d < width; d++) padded[d] = d < head_dim ? queries.q[i][d] : 0.0f;
    runs[i].scale = query_words(words + i * width, padded, width, query_max(head_dim));
  }
  for (int32_t first = 0; first < last; first += KV_BLOCK) {
    const uint8_t* head = kv + static_cast<size_t>(table[first / KV_BLOCK]) * block_bytes;
    for (int32_t i = 0; i < queries.count; i++) {
      const int32_t left = queries.tokens[i] - first;
      if (left <= 0) continue;
      add_block<Kv>(runs[i], outs + i * width, words + i * width, head, left < KV_BLOCK ? left : KV_BLOCK,
                    width, first == 0);
    }
  }
  for (int32_t i = 0; i < queries.count; i++) {
    for (int32_t d = 0; d < head_dim; d++) queries.out[i][d] = outs[i * width + d] / runs[i].sum;
  }
}

}  // namespace

void attend_int8(const AttendQueries& queries, const uint8_t* kv, const int32_t* table,
                 int32_t block_bytes, int32_t head_dim) {
  attend<Int8>(queries, kv, table, block_bytes, head_dim);
}

void attend_int4(const AttendQueries& queries, const uint8_t* kv, const int32_t* table,
                 int32_t block_bytes, int32_t head_dim) {
  attend<Int4>(queries, kv, table, block_bytes, head_dim);
}
