// The smallest test harness that names what failed: a test is a function, CHECK counts, and main (in
// main.cpp) prints `N passed, 0 failed`. Buffers are exact-size heap blocks, so that ASan sees any
// access past the bytes a contract promises.
#pragma once
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <vector>

extern int checks_passed;
extern int checks_failed;

#define CHECK(condition, ...)                     \
  do {                                            \
    if (condition) {                              \
      checks_passed++;                            \
    } else if (++checks_failed < 20) {            \
      std::printf("%s:%d: %s", __FILE__, __LINE__, #condition); \
      std::printf(" " __VA_ARGS__);                \
      std::printf("\n");                          \
    }                                             \
  } while (0)

inline bool same_bits(float a, float b) { return (a != a && b != b) || std::memcmp(&a, &b, 4) == 0; }

// xorshift32, seeded by each test.
struct Random {
  uint32_t state;
  uint32_t next() {
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state;
  }
  int32_t below(int32_t n) { return static_cast<int32_t>(next() % static_cast<uint32_t>(n)); }
  // In [-1, 1).
  float unit() { return static_cast<float>(static_cast<int32_t>(next() >> 8) - (1 << 23)) / (1 << 23); }
  std::vector<float> floats(size_t n) {
    std::vector<float> v(n);
    for (auto& x : v) x = below(50) == 0 ? 30 * unit() : unit();
    return v;
  }
};

void test_math();
void test_rows();
void test_linear();
void test_attend();
void test_pour();

extern "C" {
void ryz_setup(int8_t*, float*, float*, int32_t*, int32_t*, uint8_t*);
int32_t ryz_embed(float*, int32_t, const uint8_t*, const float*, int32_t, int32_t, const int32_t*, int32_t);
int32_t ryz_norm(float*, const float*, const float*, float, int32_t, int32_t);
int32_t ryz_gate(float*, const float*, int32_t, int32_t, int32_t);
int32_t ryz_add(float*, const float*, int32_t);
int32_t ryz_pour(int32_t, int32_t, const uint8_t*, int32_t, int32_t, int32_t, uint8_t*, float*, int32_t*);
}
