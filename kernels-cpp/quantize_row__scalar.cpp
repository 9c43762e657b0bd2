// Activation rounding of one row, written like the formula. Called by ops.cpp before any _i8 kernel.
#include "math.h"
#include "ryz.h"

void quantize_row(const float* x, int32_t n, int8_t* q, int32_t stride, float* inv, int32_t* sum,
                  int32_t* tile_sums) {
  float a = 1e-5f;
  for (int32_t i = 0; i < n; i++) a = max_f32(a, __builtin_fabsf(x[i]));
  const float scale = 127.0f / a;

  *sum = 0;
  for (int32_t tile = 0; tile * TILE_COLS < stride; tile++) {
    int32_t s = 0;
    for (int32_t i = tile * TILE_COLS; i < (tile + 1) * TILE_COLS; i++) {
      q[i] = i < n ? round_to_i8(x[i] * scale) : static_cast<int8_t>(0);
      s += q[i];
    }
    tile_sums[tile] = s;
    *sum += s;
  }
  *inv = a / 127.0f;
}
