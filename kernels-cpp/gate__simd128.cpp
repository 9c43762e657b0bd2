// The two gates and the residual add, four elements a pass; same bits as __scalar.
#include "ryz.h"
#include "simd.h"

void gate_silu(float* out, const float* g, const float* u, int32_t n) {
  int32_t i = 0;
  for (; i + 4 <= n; i += 4) {
    wasm_v128_store(out + i, wasm_f32x4_mul(silu_x4(wasm_v128_load(g + i)), wasm_v128_load(u + i)));
  }
  for (; i < n; i++) out[i] = silu(g[i]) * u[i];
}

void gate_relu2(float* out, const float* g, const float* u, int32_t n) {
  const v128_t zero = wasm_f32x4_const_splat(0.0f);
  int32_t i = 0;
  for (; i + 4 <= n; i += 4) {
    const v128_t v = wasm_v128_load(g + i);
    const v128_t r = wasm_v128_and(v, wasm_f32x4_gt(v, zero));
    wasm_v128_store(out + i, wasm_f32x4_mul(wasm_f32x4_mul(r, r), wasm_v128_load(u + i)));
  }
  for (; i < n; i++) {
    const float r = g[i] > 0.0f ? g[i] : 0.0f;
    out[i] = (r * r) * u[i];
  }
}

void add_f32(float* out, const float* x, int32_t n) {
  int32_t i = 0;
  for (; i + 4 <= n; i += 4) {
    wasm_v128_store(out + i, wasm_f32x4_add(wasm_v128_load(out + i), wasm_v128_load(x + i)));
  }
  for (; i < n; i++) out[i] = out[i] + x[i];
}
