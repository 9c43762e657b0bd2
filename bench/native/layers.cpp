// The ternary matrices of three layers of the 0.7B shape, once through: 21 MB of weights, more than the
// simulated last-level cache holds, so that every pass reads them from memory as a whole model does.
// Run under cachegrind by cachegrind.ts. layers KERNEL TOKENS; KERNEL 'none' only sets up, to be subtracted.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "lookup_t2_i8.h"
#include "ryz.h"
#include "t2_code.h"

// The original's processor has no dots of 32 bits.
bool dots_in_i32() { return false; }

namespace {

constexpr int32_t LAYERS = 3;
constexpr int32_t HIDDEN = 1536;
constexpr int32_t FFN = 4096;

struct Shape {
  int32_t rows, cols;
};
// q, k and v; o; gate and up; down.
constexpr Shape SHAPES[] = {{3 * HIDDEN, HIDDEN}, {HIDDEN, HIDDEN}, {2 * FFN, HIDDEN}, {HIDDEN, FFN}};

uint32_t state = 1;
uint32_t next() {
  state = state * 1664525u + 1013904223u;
  return state >> 8;
}

void* aligned(size_t bytes) { return std::aligned_alloc(64, (bytes + 63) / 64 * 64); }

RyzMatrix matrix(Shape shape, const float* scales) {
  const size_t bytes = static_cast<size_t>(shape.rows) * shape.cols / 4;
  auto* weights = static_cast<uint8_t*>(aligned(bytes));
  for (size_t i = 0; i < bytes; i++) {
    const uint32_t r = next();
    weights[i] = static_cast<uint8_t>(r % 3 | r / 3 % 3 << 2 | r / 9 % 3 << 4 | r / 27 % 3 << 6);
  }
  return {RYZ_T2, shape.rows, shape.cols, 0, weights, scales};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const bool lookup = std::strcmp(argv[1], "lookup") == 0;
  const bool multiply = std::strcmp(argv[1], "multiply") == 0;
  const int32_t tokens = std::atoi(argv[2]);

  std::vector<float> scales(2 * FFN, 0.5f);
  std::vector<RyzMatrix> matrices;
  for (int32_t layer = 0; layer < LAYERS; layer++) {
    for (const Shape& shape : SHAPES) matrices.push_back(matrix(shape, scales.data()));
  }
  auto* q = static_cast<int8_t*>(aligned(static_cast<size_t>(LOOKUP_TOKENS) * FFN));
  for (int32_t i = 0; i < LOOKUP_TOKENS * FFN; i++) q[i] = static_cast<int8_t>(next() % 255 - 127);
  std::vector<float> inv(LOOKUP_TOKENS, 1.0f);
  std::vector<int32_t> sums(LOOKUP_TOKENS, 0);  // of the matrix at hand
  std::vector<int32_t> tile_sums(LOOKUP_TOKENS * FFN / TILE_COLS, 0);
  auto* y = static_cast<float*>(aligned(sizeof(float) * LOOKUP_TOKENS * 2 * FFN));
  auto* scratch = static_cast<uint8_t*>(aligned(LOOKUP_BYTES));
  std::memset(scratch, 0, LOOKUP_BYTES);

  for (const RyzMatrix& w : matrices) {
    for (int32_t t = 0; t < tokens; t++) {
      sums[t] = 0;
      for (int32_t k = 0; k < w.cols; k++) sums[t] += q[t * w.cols + k];
    }
    const ActsI8 x = {q, w.cols, inv.data(), sums.data(), tile_sums.data(), tokens};
    const int32_t units = w.rows / TILE_ROWS;
    for (int32_t begin = 0; begin < units; begin += LOOKUP_UNITS) {
      const int32_t end = begin + LOOKUP_UNITS < units ? begin + LOOKUP_UNITS : units;
      const LookupPart part{&w, y, begin, end};
      if (lookup) {
        lookup_t2_i8(x, &part, 1, scratch);
        lookup_write(x, &part, 1, w.rows, scratch);
      }
      if (multiply) linear_t2_i8(x, w, y, w.rows, begin, end, scratch);
    }
  }
  // Of the last matrix: both kernels must print the same.
  double checksum = 0;
  for (int32_t i = 0; i < tokens * HIDDEN; i++) checksum += y[i];
  std::printf("%.0f\n", checksum);
  return 0;
}
