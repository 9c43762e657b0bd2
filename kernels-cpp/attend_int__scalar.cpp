// Attention of one query head over KV blocks of int8 or int4, written like the formula: the truth of
// attend_int8 and attend_int4. Sums over elements and over tokens are exact integers.
#include "kv_layout.h"
#include "math.h"
#include "ryz.h"

namespace {

constexpr float NEG_INF = -__builtin_inff();

// Word rounding; NaN, whose scale makes the word meaningless, becomes 0.
int32_t to_word(float x) {
  const float q = round_even(x);
  return q != q ? 0 : static_cast<int32_t>(q < -32768.0f ? -32768.0f : q > 32767.0f ? 32767.0f : q);
}

struct Int8Block {
  const int8_t* all;
  const float* scales;
  int32_t width;
  static constexpr int32_t group_size(int32_t head_dim) { return head_dim; }
  Int8Block(const uint8_t* head, int32_t head_dim)
      : all(reinterpret_cast<const int8_t*>(head)),
        scales(reinterpret_cast<const float*>(head + 2 * KV_BLOCK * int8_width(head_dim))),
        width(int8_width(head_dim)) {}
  int32_t key(int32_t t, int32_t d) const { return all[int8_key_at(t, d)]; }
  int32_t value(int32_t t, int32_t d) const { return all[int8_value_at(t, d, width)]; }
  float score(const int32_t* dots, int32_t, int32_t t, float q_scale) const {
    return static_cast<float>(dots[0]) * (q_scale * scales[t]);
  }
  float value_scale(int32_t t, int32_t) const { return scales[KV_BLOCK + t]; }
};

struct Int4Block {
  const uint16_t* words;
  const uint16_t* scales;
  int32_t width, groups;
  static constexpr int32_t group_size(int32_t) { return KV_GROUP; }
  Int4Block(const uint8_t* head, int32_t head_dim)
      : words(reinterpret_cast<const uint16_t*>(head)),
        scales(reinterpret_cast<const uint16_t*>(head + int4_scales_at(int4_width(head_dim)))),
        width(int4_width(head_dim)),
        groups(int4_groups(head_dim)) {}
  int32_t key(int32_t t, int32_t d) const {
    return ((words[int4_key_word(t, d)] >> int4_key_shift(d)) & 15) - 8;
  }
  int32_t value(int32_t t, int32_t d) const {
    return ((words[int4_value_word(t, d, width)] >> int4_value_shift(d)) & 15) - 8;
  }
  float score(const int32_t* dots, int32_t n, int32_t t, float q_scale) const {
    float s = 0.0f;
    for (int32_t g = 0; g < n; g++) {
      s = s + static_cast<float>(dots[g]) * f32_from_upper(scales[g * KV_BLOCK + t]);
    }
    return s * q_scale;
  }
  float value_scale(int32_t t, int32_t g) const {
    return f32_from_upper(scales[(groups + g) * KV_BLOCK + t]);
  }
};

// scratch: i16 [head_dim], the rounded query.
template <class Block>
void attend(float* out, const float* q, const uint8_t* kv, const int32_t* table, int32_t block_bytes,
            int32_t tokens, int32_t head_dim, int16_t* q_words) {
  float q_max = LEAST_QUERY;
  for (int32_t d = 0; d < head_dim; d++) q_max = max_f32(q_max, __builtin_fabsf(q[d]));
  const float q_scale = word_scale(q_max, query_max(head_dim));
  const float q_factor = query_max(head_dim) / q_max;
  for (int32_t d = 0; d < head_dim; d++) q_words[d] = static_cast<int16_t>(to_word(q[d] * q_factor));

  const int32_t group = Block::group_size(head_dim);
  float max = NEG_INF;
  float sum = 0.0f;
  for (int32_t first = 0; first < tokens; first += KV_BLOCK) {
    const Block block(kv + static_cast<size_t>(table[first / KV_BLOCK]) * block_bytes, head_dim);
    const int32_t n = tokens - first < KV_BLOCK ? tokens - first : KV_BLOCK;

    float p[KV_BLOCK];
    float m = NEG_INF;
    for (int32_t t = 0; t < n; t++) {
      int32_t dots[1024 / KV_GROUP] = {};
      for (int32_t d = 0; d < head_dim; d++) dots[d / group] += q_words[d] * block.key(t, d);
      p[t] = block.score(dots, (head_dim + group - 1) / group, t, q_scale);
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
    for (int32_t g = 0; g * group < head_dim; g++) {
      float w[KV_BLOCK];
      float w_max = LEAST_WEIGHT;
      for (int32_t t = 0; t < n; t++) {
        w[t] = p[t] * block.value_scale(t, g);
        w_max = max_f32(w_max, w[t]);
      }
      const float w_scale = word_scale(w_max, WORD_MAX);
      const float w_factor = WORD_MAX / w_max;
      int32_t w_words[KV_BLOCK];
      for (int32_t t = 0; t < n; t++) w_words[t] = to_word(w[t] * w_factor);

      const int32_t end = (g + 1) * group < head_dim ? (g + 1) * group : head_dim;
      for (int32_t d = g * group; d < end; d++) {
        int32_t dot = 0;
        for (int32_t t = 0; t < n; t++) dot += w_words[t] * block.value(t, d);
        const float o = static_cast<float>(dot);
        out[d] = first == 0 ? o * w_scale : out[d] * a + o * (w_scale * b);
      }
    }
    sum = first == 0 ? l : sum * a + l * b;
    max = merged;
  }
  for (int32_t d = 0; d < head_dim; d++) out[d] = out[d] / sum;
}

template <class Block>
void attend_all(const AttendQueries& queries, const uint8_t* kv, const int32_t* table,
                int32_t block_bytes, int32_t head_dim) {
  for (int32_t i = 0; i < queries.count; i++) {
    attend<Block>(queries.out[i], queries.q[i], kv, table, block_bytes, queries.tokens[i], head_dim,
                  reinterpret_cast<int16_t*>(queries.scratch));
  }
}

}  // namespace

void attend_int8(const AttendQueries& queries, const uint8_t* kv, const int32_t* table,
                 int32_t block_bytes, int32_t head_dim) {
  attend_all<Int8Block>(queries, kv, table, block_bytes, head_dim);
}

void attend_int4(const AttendQueries& queries, const uint8_t* kv, const int32_t* table,
                 int32_t block_bytes, int32_t head_dim) {
  attend_all<Int4Block>(queries, kv, table, block_bytes, head_dim);
}
