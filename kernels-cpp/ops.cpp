// The exported ops: each takes one call from TypeScript, shares its rows out over the pool and returns
// a RyzStatus. Knows which kernel serves which layout; the arithmetic is in the kernel files.
// Called by src/backend/wasm/wasm-backend.ts.
#include "lookup_t2_i8.h"
#include "pool.h"
#include "ryz.h"
#include "t2_code.h"

namespace {

RyzScratch scratch;

// Pieces a thread takes at a time: about 4 claims a thread, so that a slow core does not hold up the rest.
int32_t grain_of(int32_t items, int32_t at_least) {
  const int32_t even = div_up(items, 4 * pool_threads());
  return even > at_least ? even : at_least;
}

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

// ---- linear ----

struct Rows {
  const float* x;
  int32_t n;
  int32_t stride;
};

void quantize_task(const void* args, int32_t begin, int32_t end, int32_t) {
  const auto& a = *static_cast<const Rows*>(args);
  for (int32_t r = begin; r < end; r++) {
    quantize_row(a.x + static_cast<size_t>(r) * a.n, a.n,
                 scratch.q + static_cast<size_t>(r) * a.stride, a.stride, scratch.inv + r,
                 scratch.sums + r, scratch.tile_sums + static_cast<size_t>(r) * (a.stride / TILE_COLS));
  }
}

void pad_task(const void* args, int32_t begin, int32_t end, int32_t) {
  const auto& a = *static_cast<const Rows*>(args);
  for (int32_t r = begin; r < end; r++) {
    float* to = scratch.x + static_cast<size_t>(r) * a.stride;
    const float* from = a.x + static_cast<size_t>(r) * a.n;
    for (int32_t i = 0; i < a.stride; i++) to[i] = i < a.n ? from[i] : 0.0f;
  }
}

struct LinearArgs {
  float* out;
  const RyzLinear* w;
  ActsI8 x_i8;
  ActsF32 x_f32;
  bool round;
};

bool takes_i8(const RyzMatrix& w, bool round) {
  return round && (w.layout == RYZ_T2 || w.layout == RYZ_I8);
}

bool by_lookup(const RyzMatrix& w, bool round, int32_t count) {
  return round && w.layout == RYZ_T2 && count >= lookup_from();
}

// Bytes that only this thread uses during an op.
void* scratch_of(int32_t thread) { return scratch.lookup + static_cast<size_t>(thread) * LOOKUP_BYTES; }

void linear_part(const LinearArgs& a, const RyzMatrix& w, float* y, int32_t begin, int32_t end,
                 int32_t thread) {
  const int32_t stride = a.w->outputs;
  if (takes_i8(w, a.round)) {
    LinearI8* kernel = w.layout == RYZ_I8 ? linear_i8_i8 : w.scale_block ? linear_t2b_i8 : linear_t2_i8;
    kernel(a.x_i8, w, y, stride, begin, end, scratch_of(thread));
    return;
  }
  LinearF32* kernel = w.layout == RYZ_T2    ? linear_t2_f32
                      : w.layout == RYZ_I8  ? linear_i8_f32
                      : w.layout == RYZ_F16 ? linear_f16_f32
                                            : linear_f32_f32;
  kernel(a.x_f32, w, y, stride, begin, end);
}

// Units begin..end-1 of all parts laid end to end.
void linear_task(const void* args, int32_t begin, int32_t end, int32_t thread) {
  const auto& a = *static_cast<const LinearArgs*>(args);
  float* y = a.out;
  for (int32_t p = 0; p < a.w->n_parts; p++) {
    const RyzMatrix& w = a.w->parts[p];
    const int32_t units = div_up(w.rows, TILE_ROWS);
    const int32_t first = begin > 0 ? begin : 0;
    const int32_t last = end < units ? end : units;
    const bool done = by_lookup(w, a.round, a.x_i8.count);
    if (first < last && !done) linear_part(a, w, y, first, last, thread);
    begin -= units;
    end -= units;
    y += w.rows;
  }
}

// The matrices of a stack that go through tables, cut into (rows, group of tokens).
struct LookupArgs {
  const LinearArgs* linear;
  int32_t splits;  // see lookup_cuts
  int32_t groups;  // of LOOKUP_TOKENS tokens
};

// Cuts of one part, of equal size: as few as the kernel can take, times `splits`.
int32_t lookup_cuts(const RyzMatrix& w, int32_t count, int32_t splits) {
  if (!by_lookup(w, true, count)) return 0;
  const int32_t units = div_up(w.rows, TILE_ROWS);
  const int32_t cuts = div_up(units, LOOKUP_UNITS) * splits;
  return cuts < units ? cuts : units;
}

// Items of all parts.
int32_t lookup_items(const RyzLinear& w, int32_t count, int32_t groups, int32_t splits) {
  int32_t cuts = 0;
  for (int32_t p = 0; p < w.n_parts; p++) cuts += lookup_cuts(w.parts[p], count, splits);
  return cuts * groups;
}

// The least that gives every thread the same number of items, or four and more: small cuts pay more
// for their tables.
int32_t lookup_splits(const RyzLinear& w, int32_t count, int32_t groups) {
  const int32_t threads = pool_threads();
  int32_t splits = 1;
  for (; splits < 4 * threads; splits++) {
    const int32_t items = lookup_items(w, count, groups, splits);
    if (items % threads == 0 || items >= 4 * threads) break;
  }
  return splits;
}

// One item: a cut of rows of one part, for one group of tokens. Tokens vary fastest: they share weights.
void lookup_task(const void* args, int32_t begin, int32_t end, int32_t thread) {
  const auto& job = *static_cast<const LookupArgs*>(args);
  const LinearArgs& a = *job.linear;
  for (int32_t item = begin; item < end; item++) {
    const int32_t t = item % job.groups * LOOKUP_TOKENS;
    int32_t cut = item / job.groups;
    const ActsI8& all = a.x_i8;
    const int32_t left = all.count - t;
    const ActsI8 x{all.q + static_cast<size_t>(t) * all.stride, all.stride, all.inv + t, all.sums + t,
                   all.tile_sums + static_cast<size_t>(t) * (all.stride / TILE_COLS),
                   left < LOOKUP_TOKENS ? left : LOOKUP_TOKENS};
    float* y = a.out + static_cast<size_t>(t) * a.w->outputs;
    for (int32_t p = 0; p < a.w->n_parts; p++) {
      const RyzMatrix& w = a.w->parts[p];
      const int32_t units = div_up(w.rows, TILE_ROWS);
      const int32_t cuts = lookup_cuts(w, all.count, job.splits);
      if (cut >= 0 && cut < cuts) {
        const int32_t first = static_cast<int32_t>(static_cast<int64_t>(units) * cut / cuts);
        const int32_t last = static_cast<int32_t>(static_cast<int64_t>(units) * (cut + 1) / cuts);
        lookup_t2_i8(x, w, y, a.w->outputs, first, last, scratch_of(thread));
      }
      cut -= cuts;
      y += w.rows;
    }
  }
}

// ---- attend ----

struct AttendArgs {
  float* out;
  float* qkv;
  const RyzAttend* spec;
  int32_t count;
  int32_t piece;   // rows of an item
  int32_t splits;  // items that share a KV head and its rows: each has some of the query heads
  bool prepares;   // items prepare their own rows: there is one piece, and nobody shares
};

uint8_t* kv_head(const RyzAttend& a, int32_t g) { return a.kv + static_cast<size_t>(g) * a.head_bytes; }

// The pairs (x0[i * stride], x1[i * stride]); no two of the four overlap.
inline void rotate_pairs(float* __restrict x0, float* __restrict x1, const float* __restrict cos,
                         const float* __restrict sin, int32_t half, int32_t stride) {
  for (int32_t i = 0; i < half; i++) {
    const float before0 = x0[i * stride];
    const float before1 = x1[i * stride];
    x0[i * stride] = before0 * cos[i] - before1 * sin[i];
    x1[i * stride] = before1 * cos[i] + before0 * sin[i];
  }
}

void rotate(float* x, const RyzAttend& a, int32_t position) {
  const int32_t half = a.rope_dim / 2;
  const float* cos = a.rope_cos + static_cast<size_t>(position) * half;
  const float* sin = a.rope_sin + static_cast<size_t>(position) * half;
  // Two calls, so that the compiler knows the stride and makes vectors of the first.
  if (a.rope_norm) {
    rotate_pairs(x, x + 1, cos, sin, half, 2);
  } else {
    rotate_pairs(x, x + half, cos, sin, half, 1);
  }
}

// QK-norm and RoPE in place, q scaled, K and V appended, for KV head g of row r and its query heads.
void prepare(const AttendArgs& job, int32_t r, int32_t g) {
  const RyzAttend& a = *job.spec;
  const int32_t d = a.head_dim;
  const int32_t position = a.positions[r];
  const int32_t group = a.heads / a.kv_heads;
  float* row = job.qkv + static_cast<size_t>(r) * (a.heads + 2 * a.kv_heads) * d;
  for (int32_t h = g * group; h < (g + 1) * group; h++) {
    float* q = row + h * d;
    if (a.q_gain) norm_row(q, q, a.q_gain, a.eps, d);
    rotate(q, a, position);
    for (int32_t i = 0; i < d; i++) q[i] = q[i] * a.q_scale;
  }
  float* k = row + (a.heads + g) * d;
  const float* v = k + a.kv_heads * d;
  if (a.k_gain) norm_row(k, k, a.k_gain, a.eps, d);
  rotate(k, a, position);
  const int32_t block = a.tables[static_cast<size_t>(r) * a.max_blocks + position / KV_BLOCK];
  const auto append = a.kv_type == RYZ_KV_F32    ? kv_append_f32
                      : a.kv_type == RYZ_KV_F16  ? kv_append_f16
                      : a.kv_type == RYZ_KV_INT8 ? kv_append_int8
                                                 : kv_append_int4;
  append(kv_head(a, g) + static_cast<size_t>(block) * a.block_bytes, d, position % KV_BLOCK, k, v);
}

// Items are (row, KV head).
void prepare_task(const void* args, int32_t begin, int32_t end, int32_t) {
  const auto& job = *static_cast<const AttendArgs*>(args);
  for (int32_t item = begin; item < end; item++) {
    prepare(job, item / job.spec->kv_heads, item % job.spec->kv_heads);
  }
}

// True when row r + 1 is the next token of row r's sequence.
bool continues(const RyzAttend& a, int32_t r) {
  if (a.positions[r + 1] != a.positions[r] + 1) return false;
  const int32_t* table = a.tables + static_cast<size_t>(r) * a.max_blocks;
  for (int32_t b = a.positions[r] / KV_BLOCK; b >= 0; b--) {
    if (table[b] != table[a.max_blocks + b]) return false;
  }
  return true;
}

// Rows first..last-1, all of one sequence, with part `split` of the heads that share KV head g.
void attend_run(const AttendArgs& job, int32_t g, int32_t split, int32_t first, int32_t last, uint8_t* space) {
  const RyzAttend& a = *job.spec;
  const int32_t d = a.head_dim;
  const int32_t group = a.heads / a.kv_heads;
  AttendHead* kernel = a.kv_type == RYZ_KV_F32    ? attend_f32
                       : a.kv_type == RYZ_KV_F16  ? attend_f16
                       : a.kv_type == RYZ_KV_INT8 ? attend_int8
                                                  : attend_int4;
  const float* q[ATTEND_QUERIES];
  float* out[ATTEND_QUERIES];
  int32_t tokens[ATTEND_QUERIES];
  int32_t n = 0;
  const auto flush = [&] {
    if (n == 0) return;
    // The last row's table holds every block of the rows before it.
    kernel({q, out, tokens, n, space}, kv_head(a, g),
           a.tables + static_cast<size_t>(last - 1) * a.max_blocks, a.block_bytes, d);
    n = 0;
  };
  for (int32_t r = first; r < last; r++) {
    for (int32_t h = group * split / job.splits; h < group * (split + 1) / job.splits; h++) {
      const int32_t head = g * group + h;
      q[n] = job.qkv + (static_cast<size_t>(r) * (a.heads + 2 * a.kv_heads) + head) * d;
      out[n] = job.out + (static_cast<size_t>(r) * a.heads + head) * d;
      tokens[n] = a.positions[r] + 1;
      if (++n == ATTEND_QUERIES) flush();
    }
  }
  flush();
}

// Items are (piece of rows, KV head, split); pieces vary slowest.
void attend_task(const void* args, int32_t begin, int32_t end, int32_t thread) {
  const auto& job = *static_cast<const AttendArgs*>(args);
  const RyzAttend& a = *job.spec;
  uint8_t* space = scratch.lookup + static_cast<size_t>(thread) * LOOKUP_BYTES;
  for (int32_t item = begin; item < end; item++) {
    const int32_t split = item % job.splits;
    const int32_t g = item / job.splits % a.kv_heads;
    const int32_t from = item / job.splits / a.kv_heads * job.piece;
    const int32_t to = from + job.piece < job.count ? from + job.piece : job.count;
    if (job.prepares) {
      for (int32_t r = from; r < to; r++) prepare(job, r, g);
    }
    for (int32_t first = from; first < to;) {
      int32_t last = first + 1;
      while (last < to && continues(a, last - 1)) last++;
      attend_run(job, g, split, first, last, space);
      first = last;
    }
  }
}

// The fewest parts of a group of query heads that give every thread the same number of items, or four
// and more: parts read the same blocks.
int32_t attend_splits(const RyzAttend& a, int32_t pieces) {
  const int32_t threads = pool_threads();
  const int32_t group = a.heads / a.kv_heads;
  int32_t splits = 1;
  for (; splits < group; splits++) {
    const int32_t items = pieces * a.kv_heads * splits;
    if (items % threads == 0 || items >= 4 * threads) break;
  }
  return splits;
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
  if (a.source > RYZ_FROM_I2_S) {
    // The caller lays the file's bytes into the front of this scratch; see mover.ts.
    auto* row = reinterpret_cast<float*>(scratch.lookup + static_cast<size_t>(thread) * LOOKUP_BYTES + POUR_ROW);
    for (int32_t r = begin; r < end; r++) {
      auto* to = reinterpret_cast<int8_t*>(a.to) + static_cast<size_t>(r) * a.cols;
      const uint8_t* from = a.from + static_cast<size_t>(r) * a.row_bytes;
      if (!pour_i8(a.source, from, a.cols, to, a.scales + r, row)) *a.bad = 1;
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

// The table is given by its parts, as it needs no descriptor: weights, scales (t2, i8).
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
      case RYZ_F16: embed_row_f16(out, reinterpret_cast<const uint16_t*>(weights) + at, cols); break;
      default: embed_row_f32(out, reinterpret_cast<const float*>(weights) + at, cols); break;
    }
  }
  return RYZ_OK;
}

RYZ_EXPORT(ryz_norm)
int32_t ryz_norm(float* out, const float* x, const float* gain, float eps, int32_t count, int32_t n) {
  const Norm args{out, x, gain, eps, n};
  return pool_run(norm_task, &args, count, grain_of(count, 2));
}

RYZ_EXPORT(ryz_linear)
int32_t ryz_linear(float* out, const float* x, const RyzLinear* w, int32_t count, int32_t round) {
  const int32_t stride = div_up(w->cols, TILE_COLS) * TILE_COLS;
  const Rows rows{x, w->cols, stride};
  bool any_i8 = false;
  bool any_f32 = false;
  for (int32_t p = 0; p < w->n_parts; p++) {
    (takes_i8(w->parts[p], round != 0) ? any_i8 : any_f32) = true;
  }
  if (any_i8) {
    const int32_t status = pool_run(quantize_task, &rows, count, grain_of(count, 2));
    if (status != RYZ_OK) return status;
  }
  const bool pad = any_f32 && stride != w->cols;
  if (pad) {
    const int32_t status = pool_run(pad_task, &rows, count, grain_of(count, 8));
    if (status != RYZ_OK) return status;
  }

  const LinearArgs args{out,
                        w,
                        {scratch.q, stride, scratch.inv, scratch.sums, scratch.tile_sums, count},
                        {pad ? scratch.x : x, stride, count},
                        round != 0};
  int32_t looked_up = 0;
  for (int32_t p = 0; p < w->n_parts; p++) looked_up += by_lookup(w->parts[p], args.round, count);
  if (looked_up > 0) {
    const int32_t groups = div_up(count, LOOKUP_TOKENS);
    const int32_t splits = lookup_splits(*w, count, groups);
    const LookupArgs lookup{&args, splits, groups};
    const int32_t status = pool_run(lookup_task, &lookup, lookup_items(*w, count, groups, splits), 1);
    if (status != RYZ_OK || looked_up == w->n_parts) return status;
  }
  // 8 units = 32 rows: below that a claim costs more than it shares out.
  return pool_run(linear_task, &args, w->units, grain_of(w->units, 8));
}

RYZ_EXPORT(ryz_attend)
int32_t ryz_attend(float* out, float* qkv, const RyzAttend* spec, int32_t count) {
  // Rows of an item: as many queries as the kernel takes, fewer where threads would go without.
  int32_t piece = ATTEND_QUERIES * spec->kv_heads / spec->heads;
  if (piece < 1) piece = 1;
  while (piece > 4 && div_up(count, piece) * spec->kv_heads < 4 * pool_threads()) piece /= 2;
  const int32_t pieces = div_up(count, piece);
  const int32_t splits = attend_splits(*spec, pieces);
  const bool prepares = pieces == 1 && splits == 1;
  const AttendArgs args{out, qkv, spec, count, piece, splits, prepares};
  if (!prepares) {
    const int32_t heads = count * spec->kv_heads;
    const int32_t status = pool_run(prepare_task, &args, heads, grain_of(heads, 4));
    if (status != RYZ_OK) return status;
  }
  return pool_run(attend_task, &args, pieces * spec->kv_heads * splits, 1);
}

RYZ_EXPORT(ryz_gate)
int32_t ryz_gate(float* out, const float* x, int32_t relu2, int32_t count, int32_t n) {
  const Gate args{out, x, relu2 != 0, n};
  const int32_t items = count * div_up(n, GATE_PIECE);
  return pool_run(gate_task, &args, items, grain_of(items, 8));
}

// Bandwidth-bound and small: not worth a hand-over.
RYZ_EXPORT(ryz_add)
int32_t ryz_add(float* out, const float* x, int32_t count) {
  add_f32(out, x, count);
  return RYZ_OK;
}

// While loading: `rows` rows of a file to their place in a matrix, from row `to` on; *bad becomes 1 when a
// value is impossible. See pour_rows__scalar.cpp.
RYZ_EXPORT(ryz_pour)
int32_t ryz_pour(int32_t source, const uint8_t* from, int32_t row_bytes, int32_t cols, int32_t rows, uint8_t* to,
                 float* scales, int32_t* bad) {
  *bad = 0;
  const Pour args{source, from, row_bytes, cols, rows, to, scales, bad};
  const int32_t items = source > RYZ_FROM_I2_S ? rows : div_up(rows, TILE_ROWS);
  return pool_run(pour_task, &args, items, grain_of(items, 4));
}
