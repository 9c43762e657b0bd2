// The two gates of the feed-forward block and the residual add, element by element.
#include "math.h"
#include "ryz.h"

void gate_silu(float* out, const float* g, const float* u, int32_t n) {
  for (int32_t i = 0; i < n; i++) out[i] = silu(g[i]) * u[i];
}

void gate_relu2(float* out, const float* g, const float* u, int32_t n) {
  for (int32_t i = 0; i < n; i++) {
    const float r = g[i] > 0.0f ? g[i] : 0.0f;
    out[i] = (r * r) * u[i];
  }
}

void add_f32(float* out, const float* x, int32_t n) {
  for (int32_t i = 0; i < n; i++) out[i] = out[i] + x[i];
}
