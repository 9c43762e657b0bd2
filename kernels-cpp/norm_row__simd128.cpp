// RMSNorm of one row, 16 columns a pass; same bits as __scalar.
#include "ryz.h"
#include "simd.h"

void norm_row(float* out, const float* x, const float* gain, float eps, int32_t n) {
  Lanes16 sum = lanes16_zero();
  int32_t i = 0;
  for (; i + 16 <= n; i += 16) {
    const Lanes16 v = load16_f32(x + i);
    add16(sum, mul16(v, v));
  }
  if (i < n) {
    float rest[16] = {};
    for (int32_t j = i; j < n; j++) rest[j - i] = x[j];
    const Lanes16 v = load16_f32(rest);
    add16(sum, mul16(v, v));
  }

  const float r = 1.0f / __builtin_sqrtf(fold16(sum) / static_cast<float>(n) + eps);
  const v128_t r_x4 = wasm_f32x4_splat(r);
  for (i = 0; i + 4 <= n; i += 4) {
    const v128_t scaled = wasm_f32x4_mul(wasm_v128_load(x + i), r_x4);
    wasm_v128_store(out + i, wasm_f32x4_mul(scaled, wasm_v128_load(gain + i)));
  }
  for (; i < n; i++) out[i] = (x[i] * r) * gain[i];
}
