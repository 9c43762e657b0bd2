// Attention of one query head over KV blocks of f32 or f16, written like the formula: the truth of
// attend_f32 and attend_f16.
#include "math.h"
#include "ryz.h"

namespace {

constexpr float NEG_INF = -__builtin_inff();

template <class T, class Element>
void attend(float* out, const float* q, const uint8_t* kv, const int32_t* table, int32_t block_bytes,
            int32_t tokens, int32_t head_dim, Element element) {
  float max = NEG_INF;
  float sum = 0.0f;
  for (int32_t first = 0; first < tokens; first += KV_BLOCK) {
    const uint8_t* head = kv + static_cast<size_t>(table[first / KV_BLOCK]) * block_bytes;
    const T* keys = reinterpret_cast<const T*>(head);
    const T* values = keys + KV_BLOCK * head_dim;
    const int32_t n = tokens - first < KV_BLOCK ? tokens - first : KV_BLOCK;

    float p[KV_BLOCK];
    float m = NEG_INF;
    for (int32_t t = 0; t < n; t++) {
      float s = 0.0f;
      for (int32_t d = 0; d < head_dim; d++) s = s + q[d] * element(keys[d * KV_BLOCK + t]);
      p[t] = s;
      m = max_f32(m, p[t]);
    }

    float lanes[4] = {};
    for (int32_t t = 0; t < n; t++) {
      p[t] = exp32(p[t] - m);
      lanes[t & 3] = lanes[t & 3] + p[t];
    }
    const float l = (lanes[0] + lanes[2]) + (lanes[1] + lanes[3]);

    const float merged = max_f32(max, m);
    const float a = exp32(max - merged);
    const float b = exp32(m - merged);
    for (int32_t d = 0; d < head_dim; d++) {
      float o = 0.0f;
      for (int32_t t = 0; t < n; t++) o = o + p[t] * element(values[t * head_dim + d]);
      out[d] = first == 0 ? o : out[d] * a + o * b;
    }
    sum = first == 0 ? l : sum * a + l * b;
    max = merged;
  }
  for (int32_t d = 0; d < head_dim; d++) out[d] = out[d] / sum;
}

template <class T, class Element>
void attend_all(const AttendQueries& queries, const uint8_t* kv, const int32_t* table,
                int32_t block_bytes, int32_t head_dim, Element element) {
  for (int32_t i = 0; i < queries.count; i++) {
    attend<T>(queries.out[i], queries.q[i], kv, table, block_bytes, queries.tokens[i], head_dim,
                      element);
  }
}

}  // namespace

void attend_f32(const AttendQueries& queries, const uint8_t* kv, const int32_t* table, int32_t block_bytes,
                int32_t head_dim) {
  attend_all<float>(queries, kv, table, block_bytes, head_dim, [](float x) { return x; });
}

void attend_f16(const AttendQueries& queries, const uint8_t* kv, const int32_t* table, int32_t block_bytes,
                int32_t head_dim) {
  attend_all<uint16_t>(queries, kv, table, block_bytes, head_dim, f32_from_f16);
}
