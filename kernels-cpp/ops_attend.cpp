// The attention op: RoPE, the step's K and V into the cache, then each KV head over its blocks. See ops.cpp.
#include "ops.h"

namespace {

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
  uint8_t* space = scratch_of(thread);
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

// Of an item on average: every query over the tokens before it, 10 elements a nanosecond. Rows may be of
// sequences of any length.
int32_t attend_ns(const RyzAttend& a, int32_t count, int32_t items_a_head) {
  int64_t tokens = 0;
  for (int32_t r = 0; r < count; r++) tokens += a.positions[r] + 1;
  return ns_of(tokens * (a.heads / a.kv_heads) * a.head_dim / items_a_head, 10);
}

}  // namespace

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
    const int32_t status = pool_run(prepare_task, &args, heads, 2, ns_of(5 * spec->head_dim * (spec->heads / spec->kv_heads), 1));
    if (status != RYZ_OK) return status;
  }
  return pool_run(attend_task, &args, pieces * spec->kv_heads * splits, 1, attend_ns(*spec, count, pieces * splits));
}
