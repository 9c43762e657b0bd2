// The exported ops: each takes one call from TypeScript, shares its rows out over the pool and returns
// a RyzStatus. Knows which kernel serves which layout; the arithmetic is in the kernel files.
// The two large ones have files of their own, ops_linear.cpp and ops_attend.cpp. Called by
// src/backend/wasm/wasm-backend.ts.
#include "i4.h"
#include "ops.h"

RyzScratch scratch;

namespace {

// ---- norm ----

struct Norm {
  float* out;
  const float* x;
  const float* gain;
  float eps;
  int32_t n;
};

void norm_task(const void* args, int32_t begin, int32_t end, int32_t) {
  const auto& a = *static_cast<const Norm*>(args);
  for (int32_t r = begin; r < end; r++) {
    const size_t at = static_cast<size_t>(r) * a.n;
    norm_row(a.out + at, a.x + at, a.gain, a.eps, a.n);
  }
}

// ---- gate, add ----

struct Gate {
  float* out;
  const float* x;
  bool relu2;
  int32_t n;
};

// Columns are cut into pieces, so that a single row is shared out too: items are (row, piece).
constexpr int32_t GATE_PIECE = 512;

void gate_task(const void* args, int32_t begin, int32_t end, int32_t) {
  const auto& a = *static_cast<const Gate*>(args);
  const int32_t pieces = div_up(a.n, GATE_PIECE);
  for (int32_t item = begin; item < end; item++) {
    const size_t r = static_cast<size_t>(item / pieces);
    const int32_t at = item % pieces * GATE_PIECE;
    const int32_t n = a.n - at < GATE_PIECE ? a.n - at : GATE_PIECE;
    const float* g = a.x + r * 2 * a.n + at;
    (a.relu2 ? gate_relu2 : gate_silu)(a.out + r * a.n + at, g, g + a.n, n);
  }
}

// ---- pour ----

struct Pour {
  int32_t source;
  int32_t layout;
  const uint8_t* from;
  int32_t row_bytes;  // of the file
  int32_t cols;
  int32_t rows;
  uint8_t* to;
  float* scales;
  int32_t* bad;
};

// Items are rows of tiles, or rows.
void pour_task(const void* args, int32_t begin, int32_t end, int32_t thread) {
  const auto& a = *static_cast<const Pour*>(args);
  if (a.layout != RYZ_T2) {
    // The caller lays the file's bytes into the front of this scratch; see mover.ts.
    auto* row = reinterpret_cast<float*>(scratch_of(thread) + POUR_ROW);
    const auto pour = a.layout == RYZ_I4 ? pour_i4 : pour_i8;
    const size_t stride = static_cast<size_t>(a.layout == RYZ_I4 ? i4_row_bytes(a.cols) : a.cols);
    for (int32_t r = begin; r < end; r++) {
      const uint8_t* from = a.from + static_cast<size_t>(r) * a.row_bytes;
      if (!pour(a.source, from, a.cols, a.to + r * stride, a.scales + r, row)) *a.bad = 1;
    }
    return;
  }
  const auto pour = a.source == RYZ_FROM_TQ2_0 ? pour_tq2_0 : pour_i2_s;
  for (int32_t g = begin; g < end; g++) {
    const int32_t first = g * TILE_ROWS;
    const int32_t rows = a.rows - first < TILE_ROWS ? a.rows - first : TILE_ROWS;
    uint8_t* to = a.to + static_cast<size_t>(g) * (a.cols / TILE_COLS) * TILE_BYTES;
    const uint8_t* from = a.from + static_cast<size_t>(first) * a.row_bytes;
    if (!pour(from, a.cols, rows, to, a.scales + static_cast<size_t>(first) * (a.cols / 256))) *a.bad = 1;
  }
}

}  // namespace

static bool use_dots_i32 = false;
bool dots_in_i32() { return use_dots_i32; }

RYZ_EXPORT(ryz_dots)
void ryz_dots(int32_t in_i32) { use_dots_i32 = in_i32 != 0; }

RYZ_EXPORT(ryz_setup)
void ryz_setup(int8_t* q, float* x, float* inv, int32_t* sums, int32_t* tile_sums, uint8_t* lookup) {
  scratch = {q, x, inv, sums, tile_sums, lookup};
}

// The table is given by its parts, as it needs no descriptor: weights, scales (t2, i8, i4).
RYZ_EXPORT(ryz_embed)
int32_t ryz_embed(float* out, int32_t layout, const uint8_t* weights, const float* scales, int32_t cols,
                  int32_t scale_block, const int32_t* ids, int32_t count) {
  const size_t stride = static_cast<size_t>(div_up(cols, FLAT_COLS)) * FLAT_COLS;
  const RyzMatrix table{layout, 0, cols, scale_block, weights, scales};
  for (int32_t r = 0; r < count; r++, out += cols) {
    const size_t at = static_cast<size_t>(ids[r]) * stride;
    switch (layout) {
      case RYZ_T2: embed_row_t2(out, table, ids[r]); break;
      case RYZ_I8: embed_row_i8(out, reinterpret_cast<const int8_t*>(weights) + at, scales[ids[r]], cols); break;
      case RYZ_I4: embed_row_i4(out, i4_row(table, ids[r]), scales[ids[r]], cols); break;
      case RYZ_F16: embed_row_f16(out, reinterpret_cast<const uint16_t*>(weights) + at, cols); break;
      default: embed_row_f32(out, reinterpret_cast<const float*>(weights) + at, cols); break;
    }
  }
  return RYZ_OK;
}

RYZ_EXPORT(ryz_norm)
int32_t ryz_norm(float* out, const float* x, const float* gain, float eps, int32_t count, int32_t n) {
  const Norm args{out, x, gain, eps, n};
  return pool_run(norm_task, &args, count, 2, ns_of(n, 4));
}

RYZ_EXPORT(ryz_gate)
int32_t ryz_gate(float* out, const float* x, int32_t relu2, int32_t count, int32_t n) {
  const Gate args{out, x, relu2 != 0, n};
  const int32_t items = count * div_up(n, GATE_PIECE);
  return pool_run(gate_task, &args, items, 2, GATE_PIECE);
}

// Bandwidth-bound and small: not worth a hand-over.
RYZ_EXPORT(ryz_add)
int32_t ryz_add(float* out, const float* x, int32_t count) {
  add_f32(out, x, count);
  return RYZ_OK;
}

// While loading: `rows` rows of a file to their place in a matrix of a layout (ternary types: t2, others: i8 or
// i4), from row `to` on; *bad becomes 1 when a value is impossible. See pour_rows__scalar.cpp.
RYZ_EXPORT(ryz_pour)
int32_t ryz_pour(int32_t source, int32_t layout, const uint8_t* from, int32_t row_bytes, int32_t cols, int32_t rows,
                 uint8_t* to, float* scales, int32_t* bad) {
  *bad = 0;
  const Pour args{source, layout, from, row_bytes, cols, rows, to, scales, bad};
  const int32_t items = layout == RYZ_T2 ? div_up(rows, TILE_ROWS) : rows;
  return pool_run(pour_task, &args, items, 4, ns_of(2 * cols, 1));
}
