// Loading: shapes and padding under the sanitizers; the values are compared with TypeScript's in
// test/backend/row-mover.test.ts.
#include "check.h"
#include "lookup_t2_i8.h"
#include "pool.h"
#include "ryz.h"

void test_pour() {
  std::vector<uint64_t> scratch(static_cast<size_t>(pool_threads()) * LOOKUP_BYTES / 8);
  ryz_setup(nullptr, nullptr, nullptr, nullptr, nullptr, reinterpret_cast<uint8_t*>(scratch.data()));
  const int32_t cols = 512;
  const int32_t rows = 7;
  int32_t bad = 7;

  // Every code 2, every scale 1 (f16 0x3c00), but 0 in row 6.
  std::vector<uint8_t> tq(rows * 2 * 66, 0xaa);
  for (size_t b = 0; b < rows * 2; b++) {
    tq[66 * b + 64] = 0;
    tq[66 * b + 65] = b < 12 ? 0x3c : 0;
  }
  std::vector<uint8_t> tiles(2 * (cols / TILE_COLS) * TILE_BYTES);
  std::vector<float> scales(rows * 2, 9.0f);
  CHECK(ryz_pour(RYZ_FROM_TQ2_0, RYZ_T2, tq.data(), 2 * 66, cols, rows, tiles.data(), scales.data(), &bad) == RYZ_OK);
  CHECK(bad == 0);
  for (int32_t r = 0; r < 8; r++) {
    if (r < 7) CHECK(scales[2 * r] == (r < 6 ? 1.0f : 0.0f), "scale of row %d", r);
    for (int32_t t = 0; t < cols / TILE_COLS; t++) {
      const uint8_t code = tiles[(r / 4 * (cols / TILE_COLS) + t) * TILE_BYTES + r % 4 * 16];
      CHECK(code == (r < 6 ? 0xaa : 0x55), "row %d tile %d", r, t);
    }
  }
  tq[3] = 0xff;
  ryz_pour(RYZ_FROM_TQ2_0, RYZ_T2, tq.data(), 2 * 66, cols, rows, tiles.data(), scales.data(), &bad);
  CHECK(bad == 1);

  // f16 1.0 and one 0.5: int8 127 and 64.
  std::vector<uint8_t> halves(rows * cols * 2);
  for (size_t i = 1; i < halves.size(); i += 2) halves[i] = 0x3c;
  halves[3] = 0x38;
  std::vector<uint8_t> i8(rows * cols);
  CHECK(ryz_pour(RYZ_FROM_F16, RYZ_I8, halves.data(), 2 * cols, cols, rows, i8.data(), scales.data(), &bad) == RYZ_OK);
  CHECK(bad == 0 && i8[0] == 127 && i8[1] == 64 && i8[rows * cols - 1] == 127);
  // Each group's largest value becomes code 0 (-8), a half of it code 4, zeros code 8; the scale is max / 8 / 127.
  std::vector<uint8_t> i4(rows * 288);
  for (size_t i = 65; i < 128; i += 2) halves[i] = 0;  // columns 32 to 63
  CHECK(ryz_pour(RYZ_FROM_F16, RYZ_I4, halves.data(), 2 * cols, cols, rows, i4.data(), scales.data(), &bad) == RYZ_OK);
  CHECK(bad == 0 && i4[0] == 0x00 && i4[1] == 0x04 && i4[16] == 0x88 && i4[32] == 0x00 && i4[288] == 0x00);
  CHECK(scales[0] == 1.0f / 8.0f / 127.0f && static_cast<int8_t>(i4[256]) == -127);
  halves[3] = 0x7c;
  ryz_pour(RYZ_FROM_F16, RYZ_I8, halves.data(), 2 * cols, cols, rows, i8.data(), scales.data(), &bad);
  CHECK(bad == 1);
}
