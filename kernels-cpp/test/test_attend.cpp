// ryz_attend against softmax(q K / sqrt(d)) V in double precision, with K and V as the cache holds them:
// every KV type and head size, grouped queries, RoPE pairings, tables out of order. The exact order of
// the float sums is tested against the reference in test/backend/conformance.test.ts.
#include <cmath>

#include "check.h"
#include "math.h"
#include "ryz.h"

extern "C" int32_t ryz_attend(float*, float*, const RyzAttend*, int32_t);

namespace {

struct Case {
  int32_t type, heads, kv_heads, head_dim, rope_dim, rope_norm;
};

// Rotates one head in place.
void rope(float* x, int32_t position, const Case& c, const std::vector<float>& cos,
          const std::vector<float>& sin) {
  const int32_t half = c.rope_dim / 2;
  for (int32_t i = 0; i < half; i++) {
    const int32_t i0 = c.rope_norm ? 2 * i : i;
    const int32_t i1 = c.rope_norm ? 2 * i + 1 : i + half;
    const float a = x[i0];
    const float b = x[i1];
    x[i0] = a * cos[position * half + i] - b * sin[position * half + i];
    x[i1] = b * cos[position * half + i] + a * sin[position * half + i];
  }
}

// What the cache gives back for a vector.
std::vector<float> stored(const float* x, int32_t n, int32_t type) {
  std::vector<float> y(x, x + n);
  if (type == RYZ_KV_F16) {
    for (auto& v : y) v = f32_from_f16(f16_from_f32(v));
  }
  if (type == RYZ_KV_INT8) {
    float a = 1e-5f;
    for (float v : y) a = std::fmax(a, std::fabs(v));
    for (auto& v : y) v = std::nearbyint(v * (127.0f / a)) * (a / 127.0f);
  }
  return y;
}

void run(const Case& c) {
  Random random{101};
  const int32_t tokens = 70;
  const int32_t d = c.head_dim;
  const int32_t width = (c.heads + 2 * c.kv_heads) * d;
  const int32_t element = c.type == RYZ_KV_F32 ? 4 : c.type == RYZ_KV_F16 ? 2 : 1;
  const int32_t head_bytes =
      (2 * 32 * d * element + (c.type == RYZ_KV_INT8 ? 256 : 0) + 63) / 64 * 64;
  std::vector<uint64_t> cache(static_cast<size_t>(6) * c.kv_heads * head_bytes / 8);
  auto qkv = random.floats(static_cast<size_t>(tokens) * width);
  std::vector<float> cos(tokens * c.rope_dim / 2);
  std::vector<float> sin(cos.size());
  for (size_t i = 0; i < cos.size(); i++) {
    cos[i] = std::cos(static_cast<float>(i) * 0.37f);
    sin[i] = std::sin(static_cast<float>(i) * 0.37f);
  }

  // The truth, from copies of the inputs.
  std::vector<std::vector<float>> keys;
  std::vector<std::vector<float>> values;
  std::vector<double> want;
  auto plain = qkv;
  for (int32_t t = 0; t < tokens; t++) {
    float* row = &plain[static_cast<size_t>(t) * width];
    for (int32_t h = 0; h < c.heads + c.kv_heads; h++) rope(row + h * d, t, c, cos, sin);
    for (int32_t g = 0; g < c.kv_heads; g++) {
      keys.push_back(stored(row + (c.heads + g) * d, d, c.type));
      values.push_back(stored(row + (c.heads + c.kv_heads + g) * d, d, c.type));
    }
    for (int32_t h = 0; h < c.heads; h++) {
      const int32_t g = h * c.kv_heads / c.heads;
      std::vector<double> o(d);
      double total = 0;
      for (int32_t s = 0; s <= t; s++) {
        double score = 0;
        for (int32_t i = 0; i < d; i++) score += double(row[h * d + i]) * keys[s * c.kv_heads + g][i];
        const double p = std::exp(score / std::sqrt(double(d)));
        total += p;
        for (int32_t i = 0; i < d; i++) o[i] += p * values[s * c.kv_heads + g][i];
      }
      for (int32_t i = 0; i < d; i++) want.push_back(o[i] / total);
    }
  }

  // One row alone, then 40 in one call, then the rest.
  const int32_t table[3] = {4, 0, 5};
  size_t at = 0;
  for (int32_t first = 0, piece = 1; first < tokens; first += piece, piece = first == 1 ? 40 : 29) {
    std::vector<int32_t> positions(piece);
    std::vector<int32_t> tables(piece * 3);
    for (int32_t r = 0; r < piece; r++) positions[r] = first + r;
    for (int32_t i = 0; i < piece * 3; i++) tables[i] = table[i % 3];
    RyzAttend a{};
    a.kv = reinterpret_cast<uint8_t*>(cache.data());
    a.block_bytes = c.kv_heads * head_bytes;
    a.head_bytes = head_bytes;
    a.kv_type = c.type;
    a.heads = c.heads;
    a.kv_heads = c.kv_heads;
    a.head_dim = d;
    a.rope_dim = c.rope_dim;
    a.rope_norm = c.rope_norm;
    a.rope_cos = cos.data();
    a.rope_sin = sin.data();
    a.eps = 1e-6f;
    a.q_scale = 1.0f / std::sqrt(static_cast<float>(d));
    a.positions = positions.data();
    a.tables = tables.data();
    a.max_blocks = 3;
    std::vector<float> rows(qkv.begin() + first * width, qkv.begin() + (first + piece) * width);
    std::vector<float> out(static_cast<size_t>(piece) * c.heads * d, NAN);
    CHECK(ryz_attend(out.data(), rows.data(), &a, piece) == RYZ_OK);
    for (float y : out) {
      // f32 sums of 70 terms and a 2 ulp exp: 1e-4 of values below 30.
      CHECK(std::fabs(y - want[at]) < 1e-3 + 1e-4 * std::fabs(want[at]),
            "KV type %d, head of %d: %g, want %g", c.type, d, y, want[at]);
      at++;
    }
  }
  CHECK(at == want.size());
}

}  // namespace

void test_attend() {
  for (const int32_t type : {RYZ_KV_F32, RYZ_KV_F16, RYZ_KV_INT8}) {
    for (const int32_t d : {32, 50, 64, 80, 96, 100, 128, 256}) run({type, 2, 1, d, d, d % 64 == 0});
    run({type, 6, 2, 64, 32, 0});
    run({type, 3, 3, 32, 32, 1});
  }
}
