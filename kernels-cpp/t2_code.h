// Where code w + 1 of (row, col) stands in a t2 matrix: the scalar twin of the tile order in backend.ts.
#pragma once
#include "ryz.h"

// @param tiles  ceil(K / 64)
inline int32_t t2_code(const uint8_t* w, int32_t tiles, int32_t row, int32_t col) {
  const int32_t tile = (row / TILE_ROWS) * tiles + col / TILE_COLS;
  const int32_t byte = (row % TILE_ROWS) * 16 + col % 16;
  return (w[static_cast<size_t>(tile) * TILE_BYTES + byte] >> (col % TILE_COLS / 16 * 2)) & 3;
}

inline int32_t div_up(int32_t a, int32_t b) { return (a + b - 1) / b; }

// One past the last row of units ..end-1.
inline int32_t rows_end(const RyzMatrix& w, int32_t end) {
  return end * TILE_ROWS < w.rows ? end * TILE_ROWS : w.rows;
}
