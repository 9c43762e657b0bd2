// RMSNorm of one row (Zhang & Sennrich 2019), written like the formula.
#include "math.h"
#include "ryz.h"

void norm_row(float* out, const float* x, const float* gain, float eps, int32_t n) {
  const float s = sum16(n, [=](int32_t i) { return x[i] * x[i]; });
  const float r = 1.0f / __builtin_sqrtf(s / static_cast<float>(n) + eps);
  for (int32_t i = 0; i < n; i++) out[i] = (x[i] * r) * gain[i];
}
