// Attention of queries over the blocks of one KV head: score lanes are tokens (K lies transposed), output
// lanes are elements of the head. Where several queries meet a block it is widened to f32 once, which
// is most of the work for f16 and int8. Same bits as __scalar.
#include "ryz.h"
#include "simd.h"

namespace {

constexpr float NEG_INF = -__builtin_inff();
constexpr int LANE_VECTORS = KV_BLOCK / 4;

inline v128_t load4(const float* p) { return wasm_v128_load(p); }
// The cache holds finite halves only (append saturates), so f16 needs no case for infinities: a half
// shifted down by 3 below its sign has the exponent of f32, less 112.
inline v128_t load4(const uint16_t* p) {
  const v128_t high = wasm_i32x4_shl(wasm_u32x4_load16x4(p), 16);
  const v128_t bits = wasm_v128_and(wasm_i32x4_shr(high, 3), wasm_i32x4_splat(static_cast<int32_t>(0x8fffe000)));
  return wasm_f32x4_mul(bits, wasm_f32x4_splat(0x1p112f));
}
inline v128_t load4(const int8_t* p) { return load4_i8(p); }
inline float load1(float x) { return x; }
inline float load1(uint16_t x) { return f32_from_f16(x); }
inline float load1(int8_t x) { return static_cast<float>(x); }

// p[0..31] = scores of a block; 8 sums stay in registers over the whole head.
template <class T>
__attribute__((noinline)) void block_scores(float* p, const float* q, const T* keys, int32_t head_dim) {
  v128_t s[LANE_VECTORS] = {};
  for (int32_t d = 0; d < head_dim; d++) {
    const v128_t q_x4 = wasm_v128_load32_splat(q + d);
    const T* k = keys + d * KV_BLOCK;
    for (int i = 0; i < LANE_VECTORS; i++) {
      s[i] = wasm_f32x4_add(s[i], wasm_f32x4_mul(q_x4, load4(k + 4 * i)));
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

// out = out * a + o * b, o = sum over n tokens of p * V; the first block is stored as it is.
template <class T>
__attribute__((noinline)) void add_values(float* out, const float* p, const T* values, int32_t n, int32_t head_dim,
                       bool is_first, float a, float b) {
  const v128_t a_x4 = wasm_f32x4_splat(a);
  const v128_t b_x4 = wasm_f32x4_splat(b);
  int32_t d = 0;
  for (; d + 16 <= head_dim; d += 16) {
    Lanes16 o = lanes16_zero();
    for (int32_t t = 0; t < n; t++) {
      const v128_t p_x4 = wasm_v128_load32_splat(p + t);
      const T* v = values + t * head_dim + d;
      add16(o, mul16({p_x4, p_x4, p_x4, p_x4},
                     {load4(v), load4(v + 4), load4(v + 8), load4(v + 12)}));
    }
    if (!is_first) {
      o = mul16(o, {b_x4, b_x4, b_x4, b_x4});
      Lanes16 scaled = mul16(load16_f32(out + d), {a_x4, a_x4, a_x4, a_x4});
      add16(scaled, o);
      o = scaled;
    }
    wasm_v128_store(out + d, o.a);
    wasm_v128_store(out + d + 4, o.b);
    wasm_v128_store(out + d + 8, o.c);
    wasm_v128_store(out + d + 12, o.d);
  }
  for (; d < head_dim; d++) {
    float o = 0.0f;
    for (int32_t t = 0; t < n; t++) o = o + p[t] * load1(values[t * head_dim + d]);
    out[d] = is_first ? o : out[d] * a + o * b;
  }
}

struct Running {
  float max = NEG_INF;
  float sum = 0.0f;
};

// One block of n tokens into the running softmax of one query.
template <class T, bool SCALED>
__attribute__((noinline)) void add_block(Running& run, float* out, const float* q, const T* keys, const T* values,
                      const float* scales, int32_t n, int32_t head_dim, bool is_first) {
  alignas(16) float p[KV_BLOCK];
  block_scores(p, q, keys, head_dim);
  for (int32_t t = 0; SCALED && t < n; t++) p[t] = p[t] * scales[t];
  for (int32_t t = n; t < KV_BLOCK; t++) p[t] = NEG_INF;

  const float m = max_of_block(p);
  const float l = exp_and_sum(p, m, n);
  for (int32_t t = 0; SCALED && t < n; t++) p[t] = p[t] * scales[KV_BLOCK + t];

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

// From so many queries on, widening a block first is cheaper than widening it in every query.
constexpr int32_t WIDEN_FROM = 3;

template <class T, bool SCALED>
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
    const T* values = keys + elements;
    const float* scales = reinterpret_cast<const float*>(head + 2 * elements);
    const bool widen = sizeof(T) < 4 && queries.count >= WIDEN_FROM;
    if (widen) {
      // Keys and values stand together; 32 tokens, so whole vectors for any head.
      for (int32_t i = 0; i < 2 * elements; i += 4) {
        wasm_v128_store(queries.scratch + i, load4(keys + i));
      }
    }
    for (int32_t i = 0; i < queries.count; i++) {
      const int32_t left = queries.tokens[i] - first;
      if (left <= 0) continue;
      const int32_t n = left < KV_BLOCK ? left : KV_BLOCK;
      if (widen) {
        add_block<float, SCALED>(runs[i], queries.out[i], queries.q[i], queries.scratch,
                                 queries.scratch + elements, scales, n, head_dim, first == 0);
      } else {
        add_block<T, SCALED>(runs[i], queries.out[i], queries.q[i], keys, values, scales, n, head_dim,
                             first == 0);
      }
    }
  }
  for (int32_t i = 0; i < queries.count; i++) divide(queries.out[i], runs[i].sum, head_dim);
}

}  // namespace

void attend_f32(const AttendQueries& queries, const uint8_t* kv, const int32_t* table, int32_t block_bytes,
                int32_t head_dim) {
  attend<float, false>(queries, kv, table, block_bytes, head_dim);
}

void attend_f16(const AttendQueries& queries, const uint8_t* kv, const int32_t* table, int32_t block_bytes,
                int32_t head_dim) {
  attend<uint16_t, false>(queries, kv, table, block_bytes, head_dim);
}

void attend_int8(const AttendQueries& queries, const uint8_t* kv, const int32_t* table,
                 int32_t block_bytes, int32_t head_dim) {
  attend<int8_t, true>(queries, kv, table, block_bytes, head_dim);
}
