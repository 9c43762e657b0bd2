// ryz_linear against plain loops over an unpacked weight matrix: every layout, odd shapes, stacked
// parts, output rows that nobody may touch. Integer results are exact, float ones follow sum16.
#include <algorithm>
#include <cmath>

#include "check.h"
#include "lookup_t2_i8.h"
#include "math.h"
#include "pool_native.h"
#include "ryz.h"

extern "C" int32_t ryz_linear(float*, const float*, const RyzLinear*, int32_t, int32_t);

namespace {

int32_t up(int32_t a, int32_t b) { return (a + b - 1) / b * b; }

struct Part {
  int32_t layout, rows, cols, scale_block;
  std::vector<uint8_t> bytes;
  std::vector<float> scales;
  std::vector<float> plain;  // [rows][cols] w, without scales
};

Part make_part(Random& random, int32_t layout, int32_t rows, int32_t cols, int32_t scale_block) {
  Part p{layout, rows, cols, scale_block, {}, {}, std::vector<float>(static_cast<size_t>(rows) * cols)};
  const int32_t per_row = scale_block ? up(cols, scale_block) / scale_block : 1;
  p.scales = random.floats(static_cast<size_t>(rows) * per_row);
  const int32_t stride = up(cols, 16);
  const int32_t tiles = up(cols, 64) / 64;
  const size_t elements = static_cast<size_t>(rows) * stride;
  if (layout == RYZ_T2) p.bytes.assign(static_cast<size_t>(up(rows, 4)) / 4 * tiles * 64, 0x55);
  if (layout == RYZ_I8) p.bytes.assign(elements, 0);
  // By the definition in src/format/layouts/layout.ts, not by i4.h.
  const int32_t i4_row = up(tiles * 36, 16);
  if (layout == RYZ_I4) {
    p.bytes.assign(static_cast<size_t>(rows) * i4_row, 0);
    for (int32_t n = 0; n < rows; n++) {
      for (int32_t b = 0; b < tiles * 32; b++) p.bytes[static_cast<size_t>(n) * i4_row + b] = 0x88;
      for (int32_t g = 0; g < tiles * 4; g++) {
        p.bytes[static_cast<size_t>(n) * i4_row + tiles * 32 + g] = static_cast<uint8_t>(random.below(255) - 127);
      }
    }
  }
  if (layout == RYZ_F16) p.bytes.assign(elements * 2, 0);
  if (layout == RYZ_F32) p.bytes.assign(elements * 4, 0);
  for (int32_t n = 0; n < rows; n++) {
    for (int32_t k = 0; k < cols; k++) {
      float& w = p.plain[static_cast<size_t>(n) * cols + k];
      const size_t at = static_cast<size_t>(n) * stride + k;
      if (layout == RYZ_T2) {
        const int32_t code = random.below(3);
        uint8_t& byte = p.bytes[static_cast<size_t>((n / 4) * tiles + k / 64) * 64 + n % 4 * 16 + k % 16];
        const int32_t shift = k % 64 / 16 * 2;
        byte = static_cast<uint8_t>((byte & ~(3 << shift)) | (code << shift));
        w = static_cast<float>(code - 1);
      } else if (layout == RYZ_I4) {
        const int32_t code = random.below(16);
        uint8_t* row = &p.bytes[static_cast<size_t>(n) * i4_row];
        uint8_t& byte = row[k / 64 * 32 + k % 64 / 32 * 16 + k % 16];
        byte = k / 16 % 2 ? static_cast<uint8_t>((byte & 15) | code << 4) : static_cast<uint8_t>((byte & 0xf0) | code);
        w = static_cast<float>((code - 8) * static_cast<int8_t>(row[tiles * 32 + k / 64 * 4 + k % 16 / 4]));
      } else if (layout == RYZ_I8) {
        const auto q = static_cast<int8_t>(random.below(255) - 127);
        p.bytes[at] = static_cast<uint8_t>(q);
        w = q;
      } else if (layout == RYZ_F16) {
        const auto h = static_cast<uint16_t>(random.below(0x4000));
        std::memcpy(&p.bytes[at * 2], &h, 2);
        w = f32_from_f16(h);
      } else {
        w = random.unit();
        std::memcpy(&p.bytes[at * 4], &w, 4);
      }
    }
  }
  return p;
}

float sum_16_lanes(const float* x, const float* w, int32_t n) {
  float lane[16] = {};
  for (int32_t i = 0; i < n; i++) lane[i % 16] += x[i] * w[i];
  for (int half = 8; half; half /= 2) {
    for (int j = 0; j < half; j++) lane[j] += lane[j + half];
  }
  return lane[0];
}

float expected(const Part& p, int32_t n, const float* x, bool round) {
  const float* w = &p.plain[static_cast<size_t>(n) * p.cols];
  const int32_t block = p.scale_block ? p.scale_block : p.cols;
  const float* scales = &p.scales[static_cast<size_t>(n) * (up(p.cols, block) / block)];
  const bool integer = round && p.layout != RYZ_F16 && p.layout != RYZ_F32;
  float a = 1e-5f;
  for (int32_t k = 0; k < p.cols; k++) a = std::fmax(a, std::fabs(x[k]));
  const float inverse = a / 127.0f;

  float acc = 0;
  for (int32_t first = 0; first < p.cols; first += block) {
    const int32_t count = std::min(block, p.cols - first);
    float sum;
    if (integer) {
      int64_t exact = 0;
      for (int32_t k = first; k < first + count; k++) {
        exact += static_cast<int64_t>(std::nearbyint(x[k] * (127.0f / a))) * static_cast<int64_t>(w[k]);
      }
      sum = static_cast<float>(exact);
    } else {
      sum = sum_16_lanes(x + first, w + first, count);
    }
    if (p.layout == RYZ_F16 || p.layout == RYZ_F32) return sum;
    if (!p.scale_block) return integer ? sum * (scales[0] * inverse) : sum * scales[0];
    acc += sum * scales[first / block];
  }
  return integer ? acc * inverse : acc;
}

void run(const std::vector<Part>& parts, int32_t count, bool round) {
  Random random{90};
  const int32_t cols = parts[0].cols;
  const int32_t padded = up(cols, 64);
  std::vector<int8_t> q(static_cast<size_t>(count) * padded);
  std::vector<float> x_padded(q.size());
  std::vector<float> inv(count);
  std::vector<int32_t> sums(count);
  std::vector<int32_t> tile_sums(q.size() / 64);
  std::vector<uint8_t> lookup(8 * LOOKUP_BYTES);
  ryz_setup(q.data(), x_padded.data(), inv.data(), sums.data(), tile_sums.data(), lookup.data());

  std::vector<uint64_t> memory((sizeof(RyzLinear) + parts.size() * sizeof(RyzMatrix)) / 8 + 1);
  auto* w = reinterpret_cast<RyzLinear*>(memory.data());
  w->n_parts = static_cast<int32_t>(parts.size());
  w->cols = cols;
  for (size_t i = 0; i < parts.size(); i++) {
    const Part& p = parts[i];
    (&w->parts[0])[i] = {p.layout, p.rows, p.cols, p.scale_block, p.bytes.data(), p.scales.data()};
    w->outputs += p.rows;
    w->units += up(p.rows, 4) / 4;
  }
  const auto x = random.floats(static_cast<size_t>(count) * cols);
  std::vector<float> y(static_cast<size_t>(count) * w->outputs, NAN);
  CHECK(ryz_linear(y.data(), x.data(), w, count, round) == RYZ_OK);
  pool_native_settle();

  size_t at = 0;
  for (int32_t t = 0; t < count; t++) {
    for (const Part& p : parts) {
      for (int32_t n = 0; n < p.rows; n++, at++) {
        const float want = expected(p, n, &x[static_cast<size_t>(t) * cols], round);
        CHECK(same_bits(y[at], want), "layout %d, %d x %d, block %d, round %d: row %d is %.9g, want %.9g",
              p.layout, p.rows, p.cols, p.scale_block, round, n, y[at], want);
      }
    }
  }
}

}  // namespace

void test_linear() {
  Random random{91};
  const int32_t shapes[][2] = {{1, 192}, {33, 192}, {5, 50}, {6, 1536}, {3, 6912}, {2, 8640}};
  for (const auto& shape : shapes) {
    for (const int32_t block : {0, 64, 128, 256}) {
      const Part p = make_part(random, RYZ_T2, shape[0], shape[1], block);
      for (const bool round : {true, false}) {
        run({p}, 1, round);
        run({p}, 5, round);
      }
    }
    for (const int32_t layout : {RYZ_I8, RYZ_I4, RYZ_F16, RYZ_F32}) {
      const Part p = make_part(random, layout, shape[0], shape[1], 0);
      run({p}, 3, true);
      run({p}, 3, false);
    }
  }
  run({make_part(random, RYZ_I8, 32002, 16, 0)}, 1, true);
  run({make_part(random, RYZ_T2, 33, 100, 0), make_part(random, RYZ_T2, 1, 100, 64),
       make_part(random, RYZ_F16, 6, 100, 0), make_part(random, RYZ_I8, 18, 100, 0)},
      6, true);
}
