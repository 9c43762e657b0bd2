// Writes one token's K and V of one head into its KV block. K lies transposed, so that the lanes of a
// score vector are tokens; see kv_layout.h. Once a token and head: the same in all builds.
#include "kv_layout.h"
#include "math.h"
#include "ryz.h"

namespace {

template <class T, class Convert>
void append(uint8_t* head, int32_t head_dim, int32_t slot, const float* k, const float* v,
            Convert convert) {
  T* keys = reinterpret_cast<T*>(head);
  T* values = keys + KV_BLOCK * head_dim + slot * head_dim;
  for (int32_t d = 0; d < head_dim; d++) {
    keys[d * KV_BLOCK + slot] = convert(k[d]);
    values[d] = convert(v[d]);
  }
}

// Heads are at most this wide.
constexpr int32_t MAX_HEAD = 1024;

// a of backend.ts "activation rounding". Compared as integers, where NaN is the largest: that the
// compiler turns into vectors, and max_f32 it does not.
float abs_max(const float* x, int32_t n) {
  uint32_t a = f32_bits(1e-5f);
  for (int32_t i = 0; i < n; i++) {
    const uint32_t bits = f32_bits(x[i]) & 0x7fffffffu;
    a = bits > a ? bits : a;
  }
  return f32_from_bits(a);
}

// round_to_i8 of x * factor, |x * factor| < 128 or NaN; without a branch, for vectors.
void round_all(int8_t* __restrict q, const float* __restrict x, float factor, int32_t n) {
  for (int32_t i = 0; i < n; i++) {
    const float y = x[i] * factor;
    const int32_t integer = static_cast<int32_t>(f32_bits(y + 12582912.0f) - 0x4b400000u);
    q[i] = static_cast<int8_t>(y == y ? integer : 0);
  }
}

// Stores the scale of one group of int4; returns its inverse.
float keep_scale(uint16_t* scale, const float* x, int32_t n) {
  const float exact = abs_max(x, n) / 7.0f;
  *scale = exact != exact ? 0x7fc0 : static_cast<uint16_t>((f32_bits(exact) + 0xffffu) >> 16);
  return 1.0f / f32_from_upper(*scale);
}

// Four nibbles x + 8 that stand `step` elements apart.
uint16_t nibbles(const int8_t* q, int32_t step) {
  uint32_t word = 0;
  for (int32_t i = 0; i < 4; i++) word |= static_cast<uint32_t>(q[i * step] + 8) << (4 * i);
  return static_cast<uint16_t>(word);
}

}  // namespace

void kv_append_f32(uint8_t* head, int32_t head_dim, int32_t slot, const float* k, const float* v) {
  append<float>(head, head_dim, slot, k, v, [](float x) { return x; });
}

void kv_append_f16(uint8_t* head, int32_t head_dim, int32_t slot, const float* k, const float* v) {
  append<uint16_t>(head, head_dim, slot, k, v, f16_from_f32);
}

void kv_append_int8(uint8_t* head, int32_t head_dim, int32_t slot, const float* k, const float* v) {
  const int32_t width = int8_width(head_dim);
  const float k_max = abs_max(k, head_dim);
  const float v_max = abs_max(v, head_dim);
  const float k_scale = 127.0f / k_max;
  const float v_scale = 127.0f / v_max;
  auto* all = reinterpret_cast<int8_t*>(head);
  int8_t k_i8[MAX_HEAD];
  int8_t v_i8[MAX_HEAD];
  round_all(k_i8, k, k_scale, head_dim);
  round_all(v_i8, v, v_scale, head_dim);
  for (int32_t d = 0; d < head_dim; d++) {
    all[int8_key_at(slot, d)] = k_i8[d];
    all[int8_value_at(slot, d, width)] = v_i8[d];
  }
  auto* scales = reinterpret_cast<float*>(head + 2 * KV_BLOCK * width);
  scales[slot] = k_max / 127.0f;
  scales[KV_BLOCK + slot] = v_max / 127.0f;
}

void kv_append_int4(uint8_t* head, int32_t head_dim, int32_t slot, const float* k, const float* v) {
  const int32_t width = int4_width(head_dim);
  const int32_t groups = int4_groups(head_dim);
  auto* words = reinterpret_cast<uint16_t*>(head);
  auto* scales = reinterpret_cast<uint16_t*>(head + int4_scales_at(width)) + slot;
  int8_t k_i4[MAX_HEAD];
  int8_t v_i4[MAX_HEAD];
  for (int32_t g = 0; g < groups; g++) {
    const int32_t first = g * KV_GROUP;
    const int32_t n = first + KV_GROUP < head_dim ? KV_GROUP : head_dim - first;
    round_all(k_i4 + first, k + first, keep_scale(scales + g * KV_BLOCK, k + first, n), n);
    round_all(v_i4 + first, v + first, keep_scale(scales + (groups + g) * KV_BLOCK, v + first, n), n);
  }
  for (int32_t d = head_dim; d < width; d++) k_i4[d] = v_i4[d] = -8;  // padding is zero bits
  for (int32_t d = 0; d < width; d += 8) {
    for (int32_t b = 0; b < 2; b++) words[int4_key_word(slot, d + b)] = nibbles(k_i4 + d + b, 2);
  }
  for (int32_t d = 0; d < width; d += 16) {
    for (int32_t l = 0; l < 4; l++) words[int4_value_word(slot, d + l, width)] = nibbles(v_i4 + d + l, 4);
  }
}
