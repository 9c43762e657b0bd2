// ryz_attend against softmax(q K / sqrt(d)) V in double precision, with K and V as the cache holds them:
// every KV type and head size, grouped queries, RoPE pairings, tables out of order. The exact order of
// the float sums is tested against the reference in test/backend/conformance.test.ts.
#include <cmath>

#include "check.h"
#include "kv_layout.h"
#include "lookup_t2_i8.h"
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
  if (type == RYZ_KV_INT4) {
    for (int32_t first = 0; first < n; first += KV_GROUP) {
      const int32_t end = first + KV_GROUP < n ? first + KV_GROUP : n;
      float a = 1e-5f;
      for (int32_t i = first; i < end; i++) a = std::fmax(a, std::fabs(y[i]));
      const uint32_t half = (f32_bits(a / 7.0f) + 0xffffu) >> 16;
      const float scale = f32_from_upper(static_cast<uint16_t>(half));
      for (int32_t i = first; i < end; i++) y[i] = std::nearbyint(y[i] * (1.0f / scale)) * scale;
    }
  }
  return y;
}

// A query as int8 and int4 see it: words of 16 bits.
void round_query(float* q, int32_t n, int32_t type) {
  if (type != RYZ_KV_INT8 && type != RYZ_KV_INT4) return;
  float a = 1e-5f;
  for (int32_t i = 0; i < n; i++) a = std::fmax(a, std::fabs(q[i]));
  for (int32_t i = 0; i < n; i++) q[i] = std::nearbyint(q[i] * (32767.0f / a)) * (a / 32767.0f);
}

int32_t bytes_of_head(int32_t type, int32_t d) {
  switch (type) {
    case RYZ_KV_F32: return 256 * d;
    case RYZ_KV_F16: return 128 * d;
    case RYZ_KV_INT8: return 64 * int8_width(d) + 256;
    default: return 32 * int4_width(d) + 128 * int4_groups(d);
  }
}

void run(const Case& c) {
  Random random{101};
  const int32_t tokens = 70;
  const int32_t d = c.head_dim;
  const int32_t width = (c.heads + 2 * c.kv_heads) * d;
  const int32_t head_bytes = (bytes_of_head(c.type, d) + 63) / 64 * 64;
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
    for (int32_t h = 0; h < c.heads; h++) round_query(row + h * d, d, c.type);
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
    a.block_bytes = head_bytes;
    a.head_bytes = 6 * head_bytes;
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
      // f32 sums of 70 terms and a 2 ulp exp: 1e-4 of values below 30. Weights as words of 16 bits are
      // wrong by 2^-16 of the largest: 5e-4 for a value of 30, of which a sum has a few.
      const double least = c.type == RYZ_KV_INT8 || c.type == RYZ_KV_INT4 ? 3e-3 : 1e-3;
      CHECK(std::fabs(y - want[at]) < least + 1e-4 * std::fabs(want[at]),
            "KV type %d, head of %d: %g, want %g", c.type, d, y, want[at]);
      at++;
    }
  }
  CHECK(at == want.size());
}

}  // namespace

void test_attend() {
  std::vector<uint64_t> scratch(3 * LOOKUP_BYTES / 8);
  ryz_setup(nullptr, nullptr, nullptr, nullptr, nullptr, reinterpret_cast<uint8_t*>(scratch.data()));
  for (const int32_t type : {RYZ_KV_F32, RYZ_KV_F16, RYZ_KV_INT8, RYZ_KV_INT4}) {
    for (const int32_t d : {32, 50, 64, 80, 96, 100, 128, 256}) run({type, 2, 1, d, d, d % 64 == 0});
    run({type, 6, 2, 64, 32, 0});
    run({type, 3, 3, 32, 32, 1});
    run({type, 4, 1, 45, 40, 1});
  }
}
