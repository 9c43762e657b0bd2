// Row ops through their exports, against plain loops in the order of backend.ts.
#include <algorithm>
#include <cmath>

#include "check.h"
#include "math.h"
#include "ryz.h"

// The 16-lane sum, folded by hand.
static float lanes_sum(const std::vector<float>& v) {
  float lane[16] = {};
  for (size_t i = 0; i < v.size(); i++) lane[i % 16] += v[i];
  float eight[8];
  for (int j = 0; j < 8; j++) eight[j] = lane[j] + lane[j + 8];
  float four[4];
  for (int j = 0; j < 4; j++) four[j] = eight[j] + eight[j + 4];
  return (four[0] + four[2]) + (four[1] + four[3]);
}

static void test_norm(int32_t count, int32_t n) {
  Random random{77};
  const auto x = random.floats(static_cast<size_t>(count) * n);
  const auto gain = random.floats(n);
  std::vector<float> out(x.size());
  CHECK(ryz_norm(out.data(), x.data(), gain.data(), 1e-5f, count, n) == RYZ_OK);
  for (int32_t r = 0; r < count; r++) {
    std::vector<float> squares(n);
    for (int32_t i = 0; i < n; i++) squares[i] = x[r * n + i] * x[r * n + i];
    const float scale = 1.0f / std::sqrt(lanes_sum(squares) / static_cast<float>(n) + 1e-5f);
    for (int32_t i = 0; i < n; i++) {
      const float scaled = x[r * n + i] * scale;
      CHECK(same_bits(out[r * n + i], scaled * gain[i]), "norm row %d of %d", r, n);
    }
  }
}

static void test_gate(int32_t relu2, int32_t count, int32_t n) {
  Random random{78};
  const auto x = random.floats(static_cast<size_t>(count) * 2 * n);
  std::vector<float> out(static_cast<size_t>(count) * n);
  CHECK(ryz_gate(out.data(), x.data(), relu2, count, n) == RYZ_OK);
  for (int32_t r = 0; r < count; r++) {
    for (int32_t i = 0; i < n; i++) {
      const float g = x[r * 2 * n + i];
      const float u = x[r * 2 * n + n + i];
      const float y = out[r * n + i];
      if (relu2) {
        const float positive = g > 0 ? g : 0;
        const float squared = positive * positive;
        CHECK(same_bits(y, squared * u), "relu2 of %g", g);
      } else {
        const double want = g / (1 + std::exp(-static_cast<double>(g))) * u;
        CHECK(std::fabs(y - want) <= std::fabs(want) * 1e-6 + 1e-36, "silu of %g", g);
      }
    }
  }
}

static void test_quantize(int32_t n) {
  Random random{79};
  const auto x = random.floats(n);
  const int32_t stride = (n + 63) / 64 * 64;
  std::vector<int8_t> q(stride, 99);
  std::vector<int32_t> tile_sums(stride / 64, 99);
  float inv;
  int32_t sum;
  quantize_row(x.data(), n, q.data(), stride, &inv, &sum, tile_sums.data());
  float a = 1e-5f;
  for (float v : x) a = std::fmax(a, std::fabs(v));
  CHECK(same_bits(inv, a / 127.0f));
  int32_t total = 0;
  for (int32_t i = 0; i < stride; i++) {
    const float scaled = i < n ? x[i] * (127.0f / a) : 0.0f;
    CHECK(q[i] == static_cast<int>(std::nearbyint(scaled)), "q[%d] of %d", i, n);
    total += q[i];
    tile_sums[i / 64] -= q[i];
  }
  CHECK(sum == total);
  for (int32_t s : tile_sums) CHECK(s == 0, "tile sums of %d", n);
}

static void test_embed() {
  Random random{80};
  const int32_t cols = 50;
  const int32_t stride = 64;
  const int32_t rows = 9;
  const std::vector<int32_t> ids{8, 0, 3};
  std::vector<float> out(ids.size() * cols);

  std::vector<int8_t> table_i8(rows * stride);
  for (auto& w : table_i8) w = static_cast<int8_t>(random.below(255) - 127);
  const auto scales = random.floats(rows);
  ryz_embed(out.data(), RYZ_I8, reinterpret_cast<const uint8_t*>(table_i8.data()), scales.data(), cols,
            0, ids.data(), 3);
  for (size_t i = 0; i < out.size(); i++) {
    const int32_t id = ids[i / cols];
    CHECK(same_bits(out[i], static_cast<float>(table_i8[id * stride + i % cols]) * scales[id]));
  }

  // Codes 9 with scales 2 but for one column: see src/format/layouts/layout.ts.
  std::vector<uint8_t> table_i4(rows * 48, 0x99);
  for (int32_t r = 0; r < rows; r++) std::fill_n(&table_i4[r * 48 + 32], 4, uint8_t{2});
  table_i4[8 * 48 + 16 + 1] = 0x39;  // column 49 of row 8: code 3
  ryz_embed(out.data(), RYZ_I4, table_i4.data(), scales.data(), cols, 0, ids.data(), 3);
  for (size_t i = 0; i < out.size(); i++) {
    CHECK(same_bits(out[i], (i == 49 ? -10.0f : 2.0f) * scales[ids[i / cols]]));
  }

  std::vector<uint16_t> table_f16(rows * stride);
  for (auto& w : table_f16) w = static_cast<uint16_t>(random.below(0x7c00));
  ryz_embed(out.data(), RYZ_F16, reinterpret_cast<const uint8_t*>(table_f16.data()), nullptr, cols, 0,
            ids.data(), 3);
  for (size_t i = 0; i < out.size(); i++) {
    CHECK(same_bits(out[i], f32_from_f16(table_f16[ids[i / cols] * stride + i % cols])));
  }

  const auto table_f32 = random.floats(static_cast<size_t>(rows) * stride);
  ryz_embed(out.data(), RYZ_F32, reinterpret_cast<const uint8_t*>(table_f32.data()), nullptr, cols, 0,
            ids.data(), 3);
  for (size_t i = 0; i < out.size(); i++) {
    CHECK(same_bits(out[i], table_f32[ids[i / cols] * stride + i % cols]));
  }
}

void test_rows() {
  for (int32_t n : {1, 16, 17, 50, 1536}) {
    test_norm(1, n);
    test_norm(7, n);
    test_quantize(n);
  }
  for (int32_t n : {1, 33, 1300}) {
    test_gate(0, 3, n);
    test_gate(1, 3, n);
  }
  test_embed();

  Random random{81};
  auto y = random.floats(1001);
  const auto before = y;
  const auto x = random.floats(1001);
  ryz_add(y.data(), x.data(), 1001);
  for (size_t i = 0; i < y.size(); i++) CHECK(same_bits(y[i], before[i] + x[i]));
}
