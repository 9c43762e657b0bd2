// Ternary matrix times many int8 rows by table lookup: the idea of T-MAC (Wei et al. 2024) with tokens
// in the lanes. A byte of a t2 tile row holds four weights of one matrix row; for every position the
// sums of its four activations under all 81 codes are made once, as int16 and so without rounding, and
// every matrix row then costs one load and one add a byte for 8 tokens: 4 multiply-adds a lane, which
// pmaddubsw and an add take four instructions for. Exact, so equal to linear_t2_i8 bit for bit.
#include "lookup_t2_i8.h"
#include "simd.h"
#include "t2_code.h"
#include "touch.h"

namespace {

// 4 tiles of 64 columns: 256 * 127 = 32512 is the most that fits an int16 sum.
constexpr int32_t SUM_TILES = 4;
// Units whose tiles are touched together: 18 % for 16 tokens, 8 % for 32.
constexpr int32_t AHEAD = 8;

// Bytes of a tile row that have tables at the same time. For 8 tokens half of them: 14 kB of lines leave room in a first
// cache of 32 kB for weights and sums (a step of 8 rows 5 to 12 % faster; a quarter is no better, nor is a half for 16).
constexpr int32_t bytes_at_once(int32_t tokens) { return tokens == 8 ? 8 : 16; }

// x_t[c][t] = column c of one tile of token t, as 16x16 transposes; missing tokens are 0.
template <int T>
__attribute__((noinline)) void transpose_tile(int8_t* x_t, const ActsI8& x, int32_t tile) {
#pragma clang loop unroll(disable)
  for (int32_t quarter = 0; quarter < TILE_COLS; quarter += 16) {
#pragma clang loop unroll(disable)
    for (int32_t first = 0; first < T; first += T < 16 ? 8 : 16) {
      v128_t a[16];
      v128_t b[16];
      for (int t = 0; t < 16; t++) {
        const int8_t* row = x.q + static_cast<size_t>(first + t) * x.stride + tile * TILE_COLS + quarter;
        a[t] = first + t < x.count ? wasm_v128_load(row) : wasm_i8x16_splat(0);
      }
      // Four rounds of interleaving row t with row t + 8 transpose 16 rows.
      v128_t* from = a;
      v128_t* to = b;
      for (int round = 0; round < 4; round++) {
        for (int t = 0; t < 8; t++) {
          to[2 * t] = wasm_i8x16_shuffle(from[t], from[t + 8], 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21,
                                         6, 22, 7, 23);
          to[2 * t + 1] = wasm_i8x16_shuffle(from[t], from[t + 8], 8, 24, 9, 25, 10, 26, 11, 27, 12, 28,
                                             13, 29, 14, 30, 15, 31);
        }
        v128_t* const swap = from;
        from = to;
        to = swap;
      }
      for (int c = 0; c < 16; c++) {
        int8_t* at = x_t + (quarter + c) * T + first;
        if (T < 16) {
          wasm_v128_store64_lane(at, from[c], 0);
        } else {
          wasm_v128_store(at, from[c]);
        }
      }
    }
  }
}

// Tables of the 16 bytes of a tile row: entry e = minus the sum of (code - 1) * x over the four columns
// whose codes are the bits of e. Minus, as the rows are added up by subtraction; see add_byte.
template <int T>
__attribute__((noinline)) void build_tables(int16_t* tables, const int8_t* x_t, int32_t first) {
#pragma clang loop unroll(disable)
  for (int32_t b = first; b < first + bytes_at_once(T); b++) {
    int16_t* table = tables + (b - first) * LOOKUP_ENTRIES * T;
#pragma clang loop unroll(disable)
    for (int32_t t = 0; t < T; t += 8) {
      const int8_t* x = x_t + b * T + t;
      const v128_t x0 = wasm_i16x8_load8x8(x);
      const v128_t x1 = wasm_i16x8_load8x8(x + 16 * T);
      const v128_t x2 = wasm_i16x8_load8x8(x + 32 * T);
      const v128_t x3 = wasm_i16x8_load8x8(x + 48 * T);
      const v128_t zero = wasm_i16x8_splat(0);
      const v128_t low[9] = {wasm_i16x8_add(x1, x0), x1, wasm_i16x8_sub(x1, x0),
                             x0, zero, wasm_i16x8_neg(x0),
                             wasm_i16x8_sub(x0, x1), wasm_i16x8_neg(x1),
                             wasm_i16x8_neg(wasm_i16x8_add(x0, x1))};
      const v128_t high[9] = {wasm_i16x8_add(x3, x2), x3, wasm_i16x8_sub(x3, x2),
                              x2, zero, wasm_i16x8_neg(x2),
                              wasm_i16x8_sub(x2, x3), wasm_i16x8_neg(x3),
                              wasm_i16x8_neg(wasm_i16x8_add(x2, x3))};
#pragma clang loop unroll(disable)
      for (int32_t h = 0; h < 9; h++) {
        int16_t* at = table + (h / 3 * 64 + h % 3 * 16) * T + t;
#pragma unroll
        for (int32_t l = 0; l < 9; l++) {
          wasm_v128_store(at + (l / 3 * 4 + l % 3) * T, wasm_i16x8_add(high[h], low[l]));
        }
      }
    }
  }
}

// sums -= the 16 table entries that the bytes of one tile row name.
template <int T>
inline void add_row(v128_t sums[T / 8], const int16_t* tables, const uint8_t* w) {
  // Four bytes a pass, not sixteen: the compiler would keep every address and spill (-15 %). The
  // saturating subtraction never saturates; unlike an add it is not reordered into one tree of loads.
#pragma clang loop unroll(disable)
  for (int32_t b = 0; b < bytes_at_once(T); b += 4) {
#pragma unroll
    for (int32_t i = 0; i < 4; i++) {
      const int16_t* entry = tables + w[i] * T + i * LOOKUP_ENTRIES * T;
#pragma unroll
      for (int32_t v = 0; v < T / 8; v++) {
        sums[v] = wasm_i16x8_sub_sat(sums[v], wasm_v128_load(entry + 8 * v));
      }
    }
    w += 4;
    tables += 4 * LOOKUP_ENTRIES * T;
  }
}

// Closes the int16 sums of a row: totals += sums (int32), or f32(sums) * scale where blocks have scales.
template <int T>
inline void close_sums(v128_t* totals, const v128_t sums[T / 8], bool has_blocks, float scale,
                       bool is_first) {
#pragma unroll
  for (int32_t v = 0; v < T / 8; v++) {
    v128_t lo = wasm_i32x4_extend_low_i16x8(sums[v]);
    v128_t hi = wasm_i32x4_extend_high_i16x8(sums[v]);
    if (has_blocks) {
      lo = wasm_f32x4_mul(wasm_f32x4_convert_i32x4(lo), wasm_f32x4_splat(scale));
      hi = wasm_f32x4_mul(wasm_f32x4_convert_i32x4(hi), wasm_f32x4_splat(scale));
      const v128_t zero = wasm_f32x4_const_splat(0.0f);
      lo = wasm_f32x4_add(is_first ? zero : totals[2 * v], lo);
      hi = wasm_f32x4_add(is_first ? zero : totals[2 * v + 1], hi);
    } else if (!is_first) {
      lo = wasm_i32x4_add(totals[2 * v], lo);
      hi = wasm_i32x4_add(totals[2 * v + 1], hi);
    }
    totals[2 * v] = lo;
    totals[2 * v + 1] = hi;
  }
}

// y[t][row..row+3] from the totals of four rows; rows past the last are not written.
template <int T>
__attribute__((noinline)) void write_unit(const ActsI8& x, const RyzMatrix& w, float* y, int32_t y_stride, int32_t row,
                const v128_t* totals) {
  const bool has_blocks = w.scale_block != 0;
  const int32_t rows = w.rows - row < TILE_ROWS ? w.rows - row : TILE_ROWS;
  float scales[TILE_ROWS] = {};
  for (int32_t r = 0; !has_blocks && r < rows; r++) scales[r] = w.scales[row + r];
  const v128_t scales_x4 = wasm_v128_load(scales);
  for (int32_t t = 0; t < x.count; t += 4) {
    const v128_t a = totals[t / 4];
    const v128_t b = totals[T / 4 + t / 4];
    const v128_t c = totals[2 * (T / 4) + t / 4];
    const v128_t d = totals[3 * (T / 4) + t / 4];
    const v128_t ab_lo = wasm_i32x4_shuffle(a, b, 0, 4, 1, 5);
    const v128_t ab_hi = wasm_i32x4_shuffle(a, b, 2, 6, 3, 7);
    const v128_t cd_lo = wasm_i32x4_shuffle(c, d, 0, 4, 1, 5);
    const v128_t cd_hi = wasm_i32x4_shuffle(c, d, 2, 6, 3, 7);
    const v128_t tokens[4] = {wasm_i64x2_shuffle(ab_lo, cd_lo, 0, 2), wasm_i64x2_shuffle(ab_lo, cd_lo, 1, 3),
                              wasm_i64x2_shuffle(ab_hi, cd_hi, 0, 2), wasm_i64x2_shuffle(ab_hi, cd_hi, 1, 3)};
    for (int32_t i = 0; i < 4 && t + i < x.count; i++) {
      const v128_t inv = wasm_v128_load32_splat(x.inv + t + i);
      const v128_t out = has_blocks ? wasm_f32x4_mul(tokens[i], inv)
                                : wasm_f32x4_mul(wasm_f32x4_convert_i32x4(tokens[i]),
                                                 wasm_f32x4_mul(scales_x4, inv));
      float* to = y + static_cast<size_t>(t + i) * y_stride + row;
      if (rows == TILE_ROWS) {
        wasm_v128_store(to, out);
      } else {
        float values[TILE_ROWS];
        wasm_v128_store(values, out);
        for (int32_t r = 0; r < rows; r++) to[r] = values[r];
      }
    }
  }
}

// sums -= the tables' entries for the four rows of each unit of a tile column; OPENS: from 0.
template <int T, bool OPENS>
inline void add_units(v128_t* sums_of_rows, const int16_t* tables, const uint8_t* tile_w, size_t unit_bytes,
                      int32_t units) {
  for (int32_t unit = 0; unit < units; unit++, tile_w += unit_bytes) {
    // Tiles of the units to come: the stride defeats the prefetcher.
    if (unit % AHEAD == 0 && unit + 2 * AHEAD <= units) {
#pragma unroll
      for (int32_t i = 0; i < AHEAD; i++) touch_lines<1>(tile_w + (AHEAD + i) * unit_bytes);
    }
    const uint8_t* const stop = tile_w + TILE_BYTES;
#pragma clang loop unroll(disable)
    for (const uint8_t* w = tile_w; w != stop; w += 16, sums_of_rows += T / 8) {
      v128_t sums[T / 8];
#pragma unroll
      for (int32_t v = 0; v < T / 8; v++) sums[v] = OPENS ? wasm_i16x8_splat(0) : sums_of_rows[v];
      add_row<T>(sums, tables, w);
#pragma unroll
      for (int32_t v = 0; v < T / 8; v++) sums_of_rows[v] = sums[v];
    }
  }
}

// A tile column of a part: sums -= the tables' entries for each of its rows; full sums go to the totals.
template <int T>
inline void add_part(v128_t*& kept, v128_t*& totals, const LookupPart& part, const int16_t* tables, int32_t tile,
                     int32_t first, int32_t tiles, int32_t close_tiles) {
  const RyzMatrix& w = *part.w;
  const size_t unit_bytes = static_cast<size_t>(tiles) * TILE_BYTES;
  const uint8_t* tile_w = w.weights + part.begin * unit_bytes + tile * TILE_BYTES + first;
  const int32_t units = part.end - part.begin;
  if (tile % close_tiles == 0 && first == 0) {
    add_units<T, true>(kept, tables, tile_w, unit_bytes, units);
  } else {
    add_units<T, false>(kept, tables, tile_w, unit_bytes, units);
  }
  const int32_t rows = units * TILE_ROWS;
  const bool is_whole = first + bytes_at_once(T) == 16;
  if (is_whole && (tile % close_tiles == close_tiles - 1 || tile == tiles - 1)) {
    const bool has_blocks = w.scale_block != 0;
    const int32_t blocks = div_up(tiles, close_tiles);
    const int32_t block = tile / close_tiles;
    for (int32_t i = 0; i < rows; i++) {
      const int32_t row = part.begin * TILE_ROWS + i;
      const float scale = has_blocks && row < w.rows ? w.scales[static_cast<size_t>(row) * blocks + block] : 0.0f;
      close_sums<T>(totals + i * (T / 4), kept + i * (T / 8), has_blocks, scale, block == 0);
    }
  }
  kept += rows * (T / 8);
  totals += rows * (T / 4);
}

constexpr int32_t TOTALS = LOOKUP_TABLE_BYTES + LOOKUP_SUMS_BYTES;

template <int T>
void lookup(const ActsI8& x, const LookupPart* parts, int32_t n_parts, uint8_t* scratch) {
  const RyzMatrix& w = *parts[0].w;
  const int32_t tiles = div_up(w.cols, TILE_COLS);
  const int32_t close_tiles = w.scale_block != 0 ? w.scale_block / TILE_COLS : SUM_TILES;
  auto* tables = reinterpret_cast<int16_t*>(scratch);
  auto* all_sums = reinterpret_cast<v128_t*>(scratch + LOOKUP_TABLE_BYTES);
  auto* all_totals = reinterpret_cast<v128_t*>(scratch + TOTALS);

  for (int32_t tile = 0; tile < tiles; tile++) {
    alignas(16) int8_t x_t[TILE_COLS * T];
    transpose_tile<T>(x_t, x, tile);
    for (int32_t first = 0; first < 16; first += bytes_at_once(T)) {
      build_tables<T>(tables, x_t, first);
      v128_t* kept = all_sums;
      v128_t* totals = all_totals;
      for (int32_t p = 0; p < n_parts; p++) add_part<T>(kept, totals, parts[p], tables, tile, first, tiles, close_tiles);
    }
  }
}

template <int T>
void write_parts(const ActsI8& x, const LookupPart* parts, int32_t n_parts, int32_t y_stride, const uint8_t* scratch) {
  auto* totals = reinterpret_cast<const v128_t*>(scratch + TOTALS);
  for (int32_t p = 0; p < n_parts; p++) {
    for (int32_t unit = parts[p].begin; unit < parts[p].end; unit++, totals += TILE_ROWS * (T / 4)) {
      write_unit<T>(x, *parts[p].w, parts[p].y, y_stride, unit * TILE_ROWS, totals);
    }
  }
}

}  // namespace

void lookup_t2_i8(const ActsI8& x, const LookupPart* parts, int32_t n_parts, void* scratch) {
  auto* kernel = x.count <= 8 ? lookup<8> : x.count <= 16 ? lookup<16> : lookup<LOOKUP_TOKENS>;
  kernel(x, parts, n_parts, static_cast<uint8_t*>(scratch));
}

void lookup_write(const ActsI8& x, const LookupPart* parts, int32_t n_parts, int32_t y_stride, const void* scratch) {
  auto* kernel = x.count <= 8 ? write_parts<8> : x.count <= 16 ? write_parts<16> : write_parts<LOOKUP_TOKENS>;
  kernel(x, parts, n_parts, y_stride, static_cast<const uint8_t*>(scratch));
}
