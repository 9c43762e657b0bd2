// The ops of mixtures of experts that are not linears: mixing the experts' results into the residual stream,
// and what the attention of their architectures has besides. Which expert computes which row is decided in
// src/backend/routing.ts; an expert's matrices go through ryz_linear. See ops.cpp.
#include "ops.h"

namespace {

// ---- mix ----

struct Mix {
  float* out;           // [..][n]
  const float* y;       // [pairs][n]
  const float* routes;  // [pairs][3]: expert, row, weight
  int32_t pairs;
  int32_t n;
};

// Items are pieces of columns: every thread adds all pairs of its columns in their order.
constexpr int32_t MIX_PIECE = 256;

void mix_task(const void* args, int32_t begin, int32_t end, int32_t) {
  const auto& a = *static_cast<const Mix*>(args);
  const int32_t first = begin * MIX_PIECE;
  const int32_t last = end * MIX_PIECE < a.n ? end * MIX_PIECE : a.n;
  for (int32_t p = 0; p < a.pairs; p++) {
    const float* route = a.routes + static_cast<size_t>(p) * 3;
    float* out = a.out + static_cast<size_t>(route[1]) * a.n;
    const float* y = a.y + static_cast<size_t>(p) * a.n;
    const float weight = route[2];
    for (int32_t i = first; i < last; i++) out[i] += weight * y[i];
  }
}

// ---- norm of columns ----

struct NormColumns {
  float* x;
  const float* gain;
  float eps;
  int32_t stride;
  int32_t n;
};

void norm_columns_task(const void* args, int32_t begin, int32_t end, int32_t) {
  const auto& a = *static_cast<const NormColumns*>(args);
  for (int32_t r = begin; r < end; r++) {
    float* row = a.x + static_cast<size_t>(r) * a.stride;
    norm_row(row, row, a.gain, a.eps, a.n);
  }
}

}  // namespace

// out[row] += weight * y[pair], pair after pair.
RYZ_EXPORT(ryz_mix)
int32_t ryz_mix(float* out, const float* y, const float* routes, int32_t pairs, int32_t n) {
  const Mix args{out, y, routes, pairs, n};
  // A pair and piece take 0.1 us.
  return pool_run(mix_task, &args, div_up(n, MIX_PIECE), 1, ns_of(100LL * pairs, 1));
}

// RMSNorm of n columns of each row, in place; x is their address in the first row.
RYZ_EXPORT(ryz_norm_columns)
int32_t ryz_norm_columns(float* x, const float* gain, float eps, int32_t count, int32_t stride, int32_t n) {
  const NormColumns args{x, gain, eps, stride, n};
  return pool_run(norm_columns_task, &args, count, 2, ns_of(n, 4));
}

// x[r][i] += b[i]. Small and bandwidth-bound, like ryz_add.
RYZ_EXPORT(ryz_bias)
int32_t ryz_bias(float* x, const float* b, int32_t count, int32_t n) {
  for (int32_t r = 0; r < count; r++) add_f32(x + static_cast<size_t>(r) * n, b, n);
  return RYZ_OK;
}
