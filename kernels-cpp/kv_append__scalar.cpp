// Writes one token's K and V of one head into its KV block. K lies transposed, [head_dim][32], so that
// the lanes of a score vector are tokens. Once a token and head: the same in all builds.
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

}  // namespace

void kv_append_f32(uint8_t* head, int32_t head_dim, int32_t slot, const float* k, const float* v) {
  append<float>(head, head_dim, slot, k, v, [](float x) { return x; });
}

void kv_append_f16(uint8_t* head, int32_t head_dim, int32_t slot, const float* k, const float* v) {
  append<uint16_t>(head, head_dim, slot, k, v, f16_from_f32);
}

void kv_append_int8(uint8_t* head, int32_t head_dim, int32_t slot, const float* k, const float* v) {
  const float k_max = abs_max(k, head_dim);
  const float v_max = abs_max(v, head_dim);
  const float k_scale = 127.0f / k_max;
  const float v_scale = 127.0f / v_max;
  auto* keys = reinterpret_cast<int8_t*>(head);
  int8_t* values = keys + KV_BLOCK * head_dim + slot * head_dim;
  for (int32_t d = 0; d < head_dim; d++) {
    keys[d * KV_BLOCK + slot] = round_to_i8(k[d] * k_scale);
    values[d] = round_to_i8(v[d] * v_scale);
  }
  auto* scales = reinterpret_cast<float*>(head + 2 * KV_BLOCK * head_dim);
  scales[slot] = k_max / 127.0f;
  scales[KV_BLOCK + slot] = v_max / 127.0f;
}
