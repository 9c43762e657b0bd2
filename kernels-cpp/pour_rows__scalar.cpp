// Rows of a file's blocks on their way to the layouts, while a model loads; twins of the codecs in
// src/format, which name the errors. Plain loops over words and lanes that clang turns into SIMD where the
// build has it: bound by memory in all builds. Called by ryz_pour (ops.cpp).
#include "i4.h"
#include "math.h"
#include "ryz.h"

namespace {

constexpr uint32_t ALL_ONES = 0x55555555u;  // four codes 1 in every byte
constexpr int32_t ROW_BYTES = TILE_COLS / 4;

struct Words {
  uint32_t w[4];
};

inline Words load16(const uint8_t* from) {
  Words v;
  memcpy(v.w, from, 16);
  return v;
}

// Both bits of some code are set.
inline uint32_t threes(uint32_t w) { return w & (w >> 1) & ALL_ONES; }

// 128 codes in 32 bytes, byte k holds columns k, 32 + k, 64 + k, 96 + k, lowest bits first, to two tiles.
uint32_t half_tq2(const uint8_t* from, uint8_t* to) {
  const Words a = load16(from);
  const Words b = load16(from + 16);
  Words first, second;
  uint32_t bad = 0;
  for (int32_t i = 0; i < 4; i++) {
    const uint32_t x = a.w[i];
    const uint32_t y = b.w[i];
    bad |= threes(x) | threes(y);
    first.w[i] = (x & 0x03030303u) | ((y & 0x03030303u) << 2) | ((x & 0x0c0c0c0cu) << 2) |
                 ((y & 0x0c0c0c0cu) << 4);
    second.w[i] = ((x >> 4) & 0x03030303u) | ((y >> 2) & 0x0c0c0c0cu) | ((x >> 2) & 0x30303030u) |
                  (y & 0xc0c0c0c0u);
  }
  memcpy(to, first.w, 16);
  memcpy(to + TILE_BYTES, second.w, 16);
  return bad;
}

// The same with the first columns in the highest bits.
uint32_t block_i2s(const uint8_t* from, uint8_t* to) {
  const Words a = load16(from);
  const Words b = load16(from + 16);
  Words first, second;
  uint32_t bad = 0;
  for (int32_t i = 0; i < 4; i++) {
    const uint32_t x = a.w[i];
    const uint32_t y = b.w[i];
    bad |= threes(x) | threes(y);
    first.w[i] = ((x >> 6) & 0x03030303u) | ((y >> 4) & 0x0c0c0c0cu) | (x & 0x30303030u) |
                 ((y << 2) & 0xc0c0c0c0u);
    second.w[i] = ((x >> 2) & 0x03030303u) | (y & 0x0c0c0c0cu) | ((x << 4) & 0x30303030u) |
                  ((y << 6) & 0xc0c0c0c0u);
  }
  memcpy(to, first.w, 16);
  memcpy(to + TILE_BYTES, second.w, 16);
  return bad;
}

inline float load_f16(const uint8_t* from) {
  uint16_t half;
  memcpy(&half, from, 2);
  return f32_from_f16(half);
}

inline bool is_finite(float x) { return (f32_bits(x) & 0x7f800000u) != 0x7f800000u; }

// f16 d, int8 q[32].
void decode_q8_0(const uint8_t* from, int32_t cols, float* out) {
  for (int32_t c = 0; c < cols; c += 32, from += 34) {
    const float d = load_f16(from);
    const int8_t* q = reinterpret_cast<const int8_t*>(from) + 2;
    for (int32_t i = 0; i < 32; i++) out[c + i] = d * static_cast<float>(q[i]);
  }
}

void decode_f16(const uint8_t* from, int32_t cols, float* out) {
  for (int32_t c = 0; c < cols; c++) out[c] = load_f16(from + 2 * c);
}

// ql[128], qh[64], int8 scales[16], f16 d. Products have at most 24 bits: exact in any order.
void decode_q6_k(const uint8_t* from, int32_t cols, float* out) {
  for (int32_t c = 0; c < cols; c += 256, from += 210) {
    const float d = load_f16(from + 208);
    const int8_t* scales = reinterpret_cast<const int8_t*>(from) + 192;
    for (int32_t part = 0; part < 16; part++) {
      const int32_t half = part >> 3;
      const int32_t quarter = (part >> 1) & 3;
      const uint8_t* low = from + half * 64 + (quarter & 1) * 32 + (part & 1) * 16;
      const uint8_t* high = from + 128 + half * 32 + (part & 1) * 16;
      const int32_t low_shift = quarter >> 1 << 2;
      const int32_t high_shift = 2 * quarter;
      const float factor = d * static_cast<float>(scales[part]);
      float* to = out + c + 16 * part;
      for (int32_t i = 0; i < 16; i++) {
        const int32_t q = ((low[i] >> low_shift) & 15) | (((high[i] >> high_shift) & 3) << 4);
        to[i] = factor * static_cast<float>(q - 32);
      }
    }
  }
}

// The largest of the bits without sign, which order like the magnitudes.
uint32_t most_bits(const float* x, int32_t n) {
  uint32_t max = 0;
  for (int32_t i = 0; i < n; i++) {
    const uint32_t bits = f32_bits(x[i]) & 0x7fffffffu;
    max = bits > max ? bits : max;
  }
  return max;
}

// x to the next integer from `least` to `most`, half to even.
float round_within(float x, float least, float most) {
  x = x > most ? most : x;
  return round_even(x < least ? least : x);
}

// scale = max|w| / 127, q = round-half-even(w / scale); false when a value is not finite.
bool row_to_i8(const float* x, int32_t n, int8_t* q, float* scale_out) {
  const uint32_t max = most_bits(x, n);
  if (max >= 0x7f800000u) return false;
  const float scale = f32_from_bits(max) / 127.0f;
  *scale_out = scale;
  if (scale == 0.0f) {
    memset(q, 0, n);
    return true;
  }
  // A subnormal scale may round far off: hence the limits.
  for (int32_t i = 0; i < n; i++) {
    q[i] = static_cast<int8_t>(static_cast<int32_t>(round_within(x[i] / scale, -127.0f, 127.0f)));
  }
  return true;
}

// One block of 64 columns to codes; `scales` are those of its groups, `scale` the row's.
void block_to_i4(const float* x, const int8_t scales[I4_GROUPS], float scale, uint8_t* to) {
  float steps[16];
  for (int32_t c = 0; c < 16; c++) steps[c] = static_cast<float>(scales[c / 4]) * scale;
  const auto code = [&](int32_t c, int32_t col) {
    // Of a group without a scale the quotient is infinite or NaN.
    const float v = steps[c] == 0.0f ? 0.0f : round_within(x[col] / steps[c], -8.0f, 7.0f);
    return static_cast<uint8_t>(static_cast<int32_t>(v) + I4_ZERO);
  };
  for (int32_t half = 0; half < 2; half++) {
    for (int32_t c = 0; c < 16; c++) {
      const int32_t col = 32 * half + c;
      to[16 * half + c] = static_cast<uint8_t>(code(c, col) | code(c, col + 16) << 4);
    }
  }
}

// Of each group, the value p that is largest in size becomes code -8: its step is p / -8. scale = max|step| / 127,
// the group's scale = round-half-even(step / scale), code = round-half-even(w / (the group's scale * scale)). False
// when a value is not finite.
bool row_to_i4(const float* x, int32_t n, uint8_t* to, float* scale_out) {
  const uint32_t max = most_bits(x, n);
  if (max >= 0x7f800000u) return false;
  const float scale = f32_from_bits(max) / 8.0f / 127.0f;
  const int32_t blocks = i4_blocks(n);
  *scale_out = scale;
  memset(to, 0, i4_row_bytes(n));
  auto* scales = reinterpret_cast<int8_t*>(to) + blocks * I4_BLOCK_BYTES;
  for (int32_t b = 0; b < blocks; b++) {
    float block[I4_COLS] = {};
    const int32_t count = n - b * I4_COLS < I4_COLS ? n - b * I4_COLS : I4_COLS;
    memcpy(block, x + b * I4_COLS, count * sizeof(float));
    float peaks[16] = {};
    for (int32_t k = 0; k < I4_COLS; k++) {
      float& peak = peaks[k % 16];
      if (__builtin_fabsf(block[k]) > __builtin_fabsf(peak)) peak = block[k];
    }
    for (int32_t g = 0; g < I4_GROUPS; g++) {
      float peak = peaks[4 * g];
      for (int32_t c = 1; c < 4; c++) {
        if (__builtin_fabsf(peaks[4 * g + c]) > __builtin_fabsf(peak)) peak = peaks[4 * g + c];
      }
      const float rounded = scale == 0.0f ? 0.0f : round_within(peak / -8.0f / scale, -127.0f, 127.0f);
      scales[b * I4_GROUPS + g] = static_cast<int8_t>(static_cast<int32_t>(rounded));
    }
    block_to_i4(block, scales + b * I4_GROUPS, scale, to + b * I4_BLOCK_BYTES);
  }
  return true;
}

void decode_row(int32_t source, const uint8_t* from, int32_t cols, float* row) {
  const auto decode = source == RYZ_FROM_Q6_K ? decode_q6_k : source == RYZ_FROM_Q8_0 ? decode_q8_0 : decode_f16;
  decode(from, cols, row);
}

}  // namespace

bool pour_tq2_0(const uint8_t* from, int32_t cols, int32_t rows, uint8_t* to, float* scales) {
  const int32_t blocks = cols / 256;
  uint32_t bad = 0;
  for (int32_t r = 0; r < TILE_ROWS; r++) {
    for (int32_t b = 0; b < blocks; b++) {
      uint8_t* tiles = to + b * 4 * TILE_BYTES + r * ROW_BYTES;
      const uint8_t* block = from + (static_cast<size_t>(r) * blocks + b) * 66;
      const float scale = r < rows ? load_f16(block + 64) : 0.0f;
      if (r < rows) scales[r * blocks + b] = scale;
      if (scale == 0.0f) {
        for (int32_t t = 0; t < 4; t++) memset(tiles + t * TILE_BYTES, 0x55, ROW_BYTES);
        continue;
      }
      bad |= half_tq2(block, tiles) | half_tq2(block + 32, tiles + 2 * TILE_BYTES);
      bad |= !is_finite(scale);
    }
  }
  return bad == 0;
}

bool pour_i2_s(const uint8_t* from, int32_t cols, int32_t rows, uint8_t* to, float*) {
  const int32_t blocks = cols / 128;
  uint32_t bad = 0;
  for (int32_t r = 0; r < TILE_ROWS; r++) {
    for (int32_t b = 0; b < blocks; b++) {
      uint8_t* tiles = to + b * 2 * TILE_BYTES + r * ROW_BYTES;
      if (r < rows) {
        bad |= block_i2s(from + (static_cast<size_t>(r) * blocks + b) * 32, tiles);
      } else {
        for (int32_t t = 0; t < 2; t++) memset(tiles + t * TILE_BYTES, 0x55, ROW_BYTES);
      }
    }
  }
  return bad == 0;
}

bool pour_i8(int32_t source, const uint8_t* from, int32_t cols, uint8_t* to, float* scale, float* row) {
  decode_row(source, from, cols, row);
  return row_to_i8(row, cols, reinterpret_cast<int8_t*>(to), scale);
}

bool pour_i4(int32_t source, const uint8_t* from, int32_t cols, uint8_t* to, float* scale, float* row) {
  decode_row(source, from, cols, row);
  return row_to_i4(row, cols, to, scale);
}
