// The i4 layout (src/format/layouts/layout.ts): where code and scale of (row, column) stand. Scalar.
#pragma once
#include "ryz.h"
#include "t2_code.h"

constexpr int32_t I4_COLS = TILE_COLS;       // columns of a block
constexpr int32_t I4_BLOCK_BYTES = 32;       // their codes
constexpr int32_t I4_GROUPS = 4;             // scales of a block: column c of it belongs to group c % 16 / 4
constexpr int32_t I4_ZERO = 8;               // the code of 0
constexpr int32_t I4_MAX_COLS = 16384;       // wider rows could overflow int32; src/format/layouts/layout.ts repeats it

inline int32_t i4_blocks(int32_t cols) { return div_up(cols, I4_COLS); }

// Codes of all blocks, then their scales (int8, four a block), then zeros up to 16.
inline int32_t i4_row_bytes(int32_t cols) {
  return div_up(i4_blocks(cols) * (I4_BLOCK_BYTES + I4_GROUPS), 16) * 16;
}

inline const uint8_t* i4_row(const RyzMatrix& w, int32_t row) {
  return w.weights + static_cast<size_t>(row) * i4_row_bytes(w.cols);
}

inline const int8_t* i4_scales(const uint8_t* row, int32_t cols) {
  return reinterpret_cast<const int8_t*>(row) + i4_blocks(cols) * I4_BLOCK_BYTES;
}

// Of 16 columns each: the lower halves of 16 bytes, their upper halves, the same of the next 16 bytes.
inline int32_t i4_code(const uint8_t* row, int32_t col) {
  const int32_t c = col % I4_COLS;
  const uint8_t byte = row[col / I4_COLS * I4_BLOCK_BYTES + c / 32 * 16 + c % 16];
  return c / 16 % 2 ? byte >> 4 : byte & 15;
}

// The weight over the row's scale: an integer of at most 8 * 127 in size.
inline int32_t i4_weight(const uint8_t* row, const int8_t* scales, int32_t col) {
  return (i4_code(row, col) - I4_ZERO) * scales[col / I4_COLS * I4_GROUPS + col % 16 / 4];
}
