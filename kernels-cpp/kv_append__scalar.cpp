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

// a of backend.ts "activation rounding".
float abs_max(const float* x, int32_t n) {
  float a = 1e-5f;
  for (int32_t i = 0; i < n; i++) a = max_f32(a, __builtin_fabsf(x[i]));
  return a;
}

// Stores the scale of one group of int4; returns its inverse.
float keep_scale(uint16_t* scale, const float* x, int32_t n) {
  const float exact = abs_max(x, n) / 7.0f;
  *scale = exact != exact ? 0x7fc0 : static_cast<uint16_t>((f32_bits(exact) + 0xffffu) >> 16);
  return 1.0f / f32_from_upper(*scale);
}

void put_nibble(uint16_t& word, int32_t shift, float x) {
  const float q = round_even(x);
  const int32_t nibble = q != q ? 8 : 8 + static_cast<int32_t>(q < -7.0f ? -7.0f : q > 7.0f ? 7.0f : q);
  word = static_cast<uint16_t>((word & ~(15 << shift)) | (nibble << shift));
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
  for (int32_t d = 0; d < head_dim; d++) {
    all[int8_key_at(slot, d)] = round_to_i8(k[d] * k_scale);
    all[int8_value_at(slot, d, width)] = round_to_i8(v[d] * v_scale);
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
  for (int32_t g = 0; g < groups; g++) {
    const int32_t first = g * KV_GROUP;
    const int32_t end = first + KV_GROUP < head_dim ? first + KV_GROUP : head_dim;
    const float k_inverse = keep_scale(scales + g * KV_BLOCK, k + first, end - first);
    const float v_inverse = keep_scale(scales + (groups + g) * KV_BLOCK, v + first, end - first);
    for (int32_t d = first; d < end; d++) {
      put_nibble(words[int4_key_word(slot, d)], int4_key_shift(d), k[d] * k_inverse);
      put_nibble(words[int4_value_word(slot, d, width)], int4_value_shift(d), v[d] * v_inverse);
    }
  }
}
