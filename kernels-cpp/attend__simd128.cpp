// Attention of queries over the blocks of one KV head: score lanes are tokens (K lies transposed), output
// lanes are elements of the head. A block of f16 is widened to f32 first, once for all queries
// and, for one alone, still faster than in the inner loops. Same bits as __scalar.
#include "ryz.h"
#include "simd.h"
#include "touch.h"

namespace {

constexpr float NEG_INF = -__builtin_inff();
constexpr int LANE_VECTORS = KV_BLOCK / 4;

// The cache holds finite halves only (append saturates), so f16 needs no case for infinities: a half
// in the upper 16 bits, shifted down by 3 below its sign, has the exponent of f32 less 112.
inline v128_t f32_from_upper_half(v128_t halves_i32) {
  const v128_t bits = wasm_v128_and(wasm_i32x4_shr(halves_i32, 3),
                                    wasm_i32x4_splat(static_cast<int32_t>(0x8fffe000)));
  return wasm_f32x4_mul(bits, wasm_f32x4_splat(0x1p112f));
}

inline const float* widened(float*, const float* from, int32_t) { return from; }

// K and V stand together and have 32 tokens: n is a multiple of 64.
const float* widened(float* to, const uint16_t* from, int32_t n) {
  const v128_t zero = wasm_i16x8_splat(0);
  for (int32_t i = 0; i < n; i += 8) {
    const v128_t h = wasm_v128_load(from + i);
    const v128_t lo = wasm_i16x8_shuffle(zero, h, 0, 8, 1, 9, 2, 10, 3, 11);
    const v128_t hi = wasm_i16x8_shuffle(zero, h, 4, 12, 5, 13, 6, 14, 7, 15);
    wasm_v128_store(to + i, f32_from_upper_half(lo));
    wasm_v128_store(to + i + 4, f32_from_upper_half(hi));
  }
  return to;
}

// p[0..31] = scores of a block; 8 sums stay in registers over the whole head.
void block_scores(float* p, const float* q, const float* keys, int32_t head_dim) {
  v128_t s[LANE_VECTORS] = {};
  for (int32_t d = 0; d < head_dim; d++) {
    const v128_t q_x4 = wasm_v128_load32_splat(q + d);
    const float* k = keys + d * KV_BLOCK;
    for (int i = 0; i < LANE_VECTORS; i++) {
      s[i] = wasm_f32x4_add(s[i], wasm_f32x4_mul(q_x4, wasm_v128_load(k + 4 * i)));
    }
  }
  for (int i = 0; i < LANE_VECTORS; i++) wasm_v128_store(p + 4 * i, s[i]);
}

inline float max_of_block(const float* p) {
  v128_t m = wasm_v128_load(p);
  for (int i = 1; i < LANE_VECTORS; i++) m = wasm_f32x4_max(m, wasm_v128_load(p + 4 * i));
  return max_f32(max_f32(wasm_f32x4_extract_lane(m, 0), wasm_f32x4_extract_lane(m, 1)),
                 max_f32(wasm_f32x4_extract_lane(m, 2), wasm_f32x4_extract_lane(m, 3)));
}

// p = exp(p - m), 0 past the n tokens; returns their sum by 4 lanes.
__attribute__((noinline)) float exp_and_sum(float* p, float m, int32_t n) {
  const v128_t m_x4 = wasm_f32x4_splat(m);
  v128_t lanes = wasm_f32x4_const_splat(0.0f);
  for (int32_t t = 0; t < n; t += 4) {
    const v128_t index = wasm_i32x4_add(wasm_i32x4_splat(t), wasm_i32x4_const(0, 1, 2, 3));
    const v128_t alive = wasm_i32x4_lt(index, wasm_i32x4_splat(n));
    const v128_t e = wasm_v128_and(exp32x4(wasm_f32x4_sub(wasm_v128_load(p + t), m_x4)), alive);
    lanes = wasm_f32x4_add(lanes, e);
    wasm_v128_store(p + t, e);
  }
  return (wasm_f32x4_extract_lane(lanes, 0) + wasm_f32x4_extract_lane(lanes, 2)) +
         (wasm_f32x4_extract_lane(lanes, 1) + wasm_f32x4_extract_lane(lanes, 3));
}

// N vectors of out = out * a + o * b, o = sum over n tokens of p * V; the first block is stored as it is.
template <int N>
inline void add_values_n(float* out, const float* p, const float* values, int32_t n, int32_t head_dim,
                         bool is_first, v128_t a_x4, v128_t b_x4) {
  v128_t o[N] = {};
  for (int32_t t = 0; t < n; t++, values += head_dim) {
    const v128_t p_x4 = wasm_v128_load32_splat(p + t);
    for (int i = 0; i < N; i++) {
      o[i] = wasm_f32x4_add(o[i], wasm_f32x4_mul(p_x4, wasm_v128_load(values + 4 * i)));
    }
  }
  for (int i = 0; i < N; i++) {
    const v128_t before = wasm_v128_load(out + 4 * i);
    const v128_t merged = wasm_f32x4_add(wasm_f32x4_mul(before, a_x4), wasm_f32x4_mul(o[i], b_x4));
    wasm_v128_store(out + 4 * i, is_first ? o[i] : merged);
  }
}

// Eight sums at a time: an add takes three cycles, and four would wait for each other.
__attribute__((noinline)) void add_values(float* out, const float* p, const float* values, int32_t n,
                                          int32_t head_dim, bool is_first, float a, float b) {
  const v128_t a_x4 = wasm_f32x4_splat(a);
  const v128_t b_x4 = wasm_f32x4_splat(b);
  int32_t d = 0;
  for (; d + 32 <= head_dim; d += 32) {
    add_values_n<8>(out + d, p, values + d, n, head_dim, is_first, a_x4, b_x4);
  }
  for (; d + 4 <= head_dim; d += 4) {
    add_values_n<1>(out + d, p, values + d, n, head_dim, is_first, a_x4, b_x4);
  }
  for (; d < head_dim; d++) {
    float o = 0.0f;
    for (int32_t t = 0; t < n; t++) o = o + p[t] * values[t * head_dim + d];
    out[d] = is_first ? o : out[d] * a + o * b;
  }
}

struct Running {
  float max = NEG_INF;
  float sum = 0.0f;
};

// One block of n tokens into the running softmax of one query.
__attribute__((noinline)) void add_block(Running& run, float* out, const float* q, const float* keys,
                                         const float* values, int32_t n, int32_t head_dim,
                                         bool is_first) {
  alignas(16) float p[KV_BLOCK];
  block_scores(p, q, keys, head_dim);
  for (int32_t t = n; t < KV_BLOCK; t++) p[t] = NEG_INF;

  const float m = max_of_block(p);
  const float l = exp_and_sum(p, m, n);

  const float merged = max_f32(run.max, m);
  const float a = exp32(run.max - merged);
  const float b = exp32(m - merged);
  add_values(out, p, values, n, head_dim, is_first, a, b);
  run.sum = is_first ? l : run.sum * a + l * b;
  run.max = merged;
}

__attribute__((noinline)) void divide(float* out, float sum, int32_t head_dim) {
  const v128_t sum_x4 = wasm_f32x4_splat(sum);
  int32_t d = 0;
  for (; d + 4 <= head_dim; d += 4) {
    wasm_v128_store(out + d, wasm_f32x4_div(wasm_v128_load(out + d), sum_x4));
  }
  for (; d < head_dim; d++) out[d] = out[d] / sum;
}

template <class T>
inline void attend(const AttendQueries& queries, const uint8_t* kv, const int32_t* table,
                   int32_t block_bytes, int32_t head_dim) {
  Running runs[ATTEND_QUERIES];
  int32_t last = 0;
  for (int32_t i = 0; i < queries.count; i++) {
    if (queries.tokens[i] > last) last = queries.tokens[i];
  }
  const int32_t elements = KV_BLOCK * head_dim;
  for (int32_t first = 0; first < last; first += KV_BLOCK) {
    const uint8_t* head = kv + static_cast<size_t>(table[first / KV_BLOCK]) * block_bytes;
    const T* keys = reinterpret_cast<const T*>(head);
    const float* wide = widened(reinterpret_cast<float*>(queries.scratch), keys, 2 * elements);
    if (first + KV_BLOCK < last) {
      touch_range(kv + static_cast<size_t>(table[first / KV_BLOCK + 1]) * block_bytes, block_bytes);
    }
    for (int32_t i = 0; i < queries.count; i++) {
      const int32_t left = queries.tokens[i] - first;
      if (left <= 0) continue;
      add_block(runs[i], queries.out[i], queries.q[i], wide, wide + elements,
                left < KV_BLOCK ? left : KV_BLOCK, head_dim, first == 0);
    }
  }
  for (int32_t i = 0; i < queries.count; i++) divide(queries.out[i], runs[i].sum, head_dim);
}

}  // namespace

void attend_f32(const AttendQueries& queries, const uint8_t* kv, const int32_t* table, int32_t block_bytes,
                int32_t head_dim) {
  attend<float>(queries, kv, table, block_bytes, head_dim);
}

void attend_f16(const AttendQueries& queries, const uint8_t* kv, const int32_t* table, int32_t block_bytes,
                int32_t head_dim) {
  attend<uint16_t>(queries, kv, table, block_bytes, head_dim);
}
