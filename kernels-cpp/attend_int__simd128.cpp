// Attention of queries over KV blocks of int8 or int4 in exact integers: pmaddwd on pairs of elements of
// K (lanes are tokens) and on pairs of tokens of V (lanes are elements). For few queries the bytes are
// widened on the way, for many a block is widened once and two queries share each load. Same bits as
// __scalar.
#include "attend_kv__simd128.h"
#include "ryz.h"
#include "touch.h"

namespace {

// ---- Many queries ----

// A block widened to i16: K [width/2][32][2], V [16][width][2], as int8 has them.
void widen(int16_t* wide, const Int8&, const uint8_t* head, int32_t width) {
  for (int32_t i = 0; i < 2 * KV_BLOCK * width; i += 8) wasm_v128_store(wide + i, wasm_i16x8_load8x8(head + i));
}

inline v128_t below_8(v128_t nibbles) { return wasm_i16x8_sub(nibbles, wasm_i16x8_splat(8)); }

// Four rows of 8 words, `stride` words apart.
inline void store_nibbles(int16_t* to, v128_t words, int32_t stride) {
  wasm_v128_store(to, below_8(nibble<0>(words)));
  wasm_v128_store(to + stride, below_8(nibble<1>(words)));
  wasm_v128_store(to + 2 * stride, below_8(nibble<2>(words)));
  wasm_v128_store(to + 3 * stride, below_8(nibble<3>(words)));
}

void widen(int16_t* wide, const Int4&, const uint8_t* head, int32_t width) {
  for (int32_t d = 0; d < width; d += 8) {
    for (int32_t t = 0; t < KV_BLOCK; t += 4, head += 16) {
      store_nibbles(wide + (d / 2 * KV_BLOCK + t) * 2, wasm_v128_load(head), 2 * KV_BLOCK);
    }
  }
  wide += KV_BLOCK * width;
  for (int32_t i = 0; i < KV_BLOCK / 2 * width; i += 16, head += 16, wide += 32) {
    store_nibbles(wide, wasm_v128_load(head), 8);
  }
}

template <int N>
struct Vectors {
  static constexpr int value = N;
};

// Queries whose part of a block is computed together.
struct Row {
  Running* run;
  float* out;
  const int16_t* q;
  int32_t n;  // tokens of the block
};

template <class Kv, int Q>
__attribute__((noinline)) void add_wide(const Row* rows, const int16_t* wide, const uint8_t* head,
                                        int32_t width, bool is_first) {
  alignas(16) float p[Q][KV_BLOCK];
  const int32_t group = Kv::group_of(width);
  for (int32_t first = 0; first < width; first += group) {
    const int32_t end = first + group < width ? first + group : width;
    // 16 tokens at a time: 4 vectors of K and 4 sums a query fit the registers.
    for (int32_t t = 0; t < KV_BLOCK; t += 16) {
      v128_t sums[Q][4] = {};
      const int16_t* k = wide + first * KV_BLOCK + 2 * t;
      for (int32_t d = first; d < end; d += 2, k += 2 * KV_BLOCK) {
        const v128_t k0 = wasm_v128_load(k);
        const v128_t k1 = wasm_v128_load(k + 8);
        const v128_t k2 = wasm_v128_load(k + 16);
        const v128_t k3 = wasm_v128_load(k + 24);
        for (int j = 0; j < Q; j++) {
          const v128_t q_pair = wasm_v128_load32_splat(rows[j].q + d);
          sums[j][0] = add_pairs(sums[j][0], q_pair, k0);
          sums[j][1] = add_pairs(sums[j][1], q_pair, k1);
          sums[j][2] = add_pairs(sums[j][2], q_pair, k2);
          sums[j][3] = add_pairs(sums[j][3], q_pair, k3);
        }
      }
      for (int j = 0; j < Q; j++) {
        for (int i = 0; i < 4; i++) {
          Kv::put_score(p[j] + t + 4 * i, sums[j][i], head, width, first, t + 4 * i, rows[j].run->scale);
        }
      }
    }
  }

  Merge merges[Q];
  int32_t n = 0;
  for (int j = 0; j < Q; j++) {
    Kv::end_scores(p[j], rows[j].run->scale);
    merges[j] = softmax(*rows[j].run, p[j], rows[j].n, is_first);
    if (rows[j].n > n) n = rows[j].n;
  }

  for (int32_t first = 0; first < width; first += group) {
    alignas(16) int16_t words[Q][KV_BLOCK];
    float scales[Q];
    for (int j = 0; j < Q; j++) scales[j] = Kv::value_words(words[j], p[j], head, width, first, rows[j].n);
    const int32_t end = first + group < width ? first + group : width;
    const auto add = [&](int32_t d, auto vectors) {
      constexpr int N = decltype(vectors)::value;
      v128_t sums[Q][N] = {};
      const int16_t* v = wide + KV_BLOCK * width + 2 * d;
      for (int32_t t = 0; t < n; t += 2, v += 2 * width) {
        v128_t pairs[N];
        for (int i = 0; i < N; i++) pairs[i] = wasm_v128_load(v + 8 * i);
        for (int j = 0; j < Q; j++) {
          const v128_t w_pair = wasm_v128_load32_splat(words[j] + t);
          for (int i = 0; i < N; i++) sums[j][i] = add_pairs(sums[j][i], w_pair, pairs[i]);
        }
      }
      for (int j = 0; j < Q; j++) merge_sums<N>(rows[j].out + d, sums[j], is_first, scales[j], merges[j]);
    };
    int32_t d = first;
    for (; d + 16 <= end; d += 16) add(d, Vectors<4>{});
    for (; d < end; d += 8) add(d, Vectors<2>{});
  }
}

// ---- Any number of queries ----

// Below this, widening beforehand costs more than it saves (4 queries, heads of 128: 15.6 ns, not 13.4).
constexpr int32_t WIDE_FROM = 8;

// What the first of the queries touches while it computes a block: the second half of the block and the first half
// of the next, a quarter at a time. V is read in columns, which no prefetcher follows.
struct BlockAhead {
  const uint8_t* head;  // null: nothing
  const uint8_t* next;  // the block itself again where it is the last
  int32_t quarter;

  void touch(int32_t step) const {
    if (head == nullptr) return;
    touch_range(step < 2 ? head + (2 + step) * quarter : next + (step - 2) * quarter, quarter);
  }
};

// The pages of blocks begin..end-1 of a sequence, together: see PAGES in touch.h.
void touch_pages(const uint8_t* kv, const int32_t* table, int32_t block_bytes, int32_t begin, int32_t end) {
  for (int32_t b = begin; b < end; b++) {
    const uint8_t* const block = kv + static_cast<size_t>(table[b]) * block_bytes;
    touch_lines<2>(block);
    const size_t in_page = reinterpret_cast<size_t>(block) % PAGE_BYTES;
    for (size_t at = PAGE_BYTES - in_page; at + 2 * LINE_BYTES <= static_cast<size_t>(block_bytes); at += PAGE_BYTES) {
      touch_lines<2>(block + at);
    }
  }
}

template <class Kv>
__attribute__((noinline)) void add_block(Running& run, float* out, const int16_t* q, const uint8_t* head,
                                         int32_t n, int32_t width, bool is_first, const BlockAhead& ahead) {
  alignas(16) float p[KV_BLOCK];
  ahead.touch(0);
  Kv::scores(p, q, head, width, run.scale);
  ahead.touch(1);
  const Merge merge = softmax(run, p, n, is_first);
  ahead.touch(2);
  Kv::values(out, p, head, width, n, is_first, merge);
  ahead.touch(3);
}

template <class Kv>
void attend(const AttendQueries& queries, const uint8_t* kv, const int32_t* table, int32_t block_bytes,
            int32_t head_dim) {
  const int32_t width = Kv::width_of(head_dim);
  const int32_t count = queries.count;
  auto* outs = reinterpret_cast<float*>(queries.scratch);           // f32 [count][width]
  auto* words = reinterpret_cast<int16_t*>(outs + count * width);   // i16 [count][width]
  int16_t* wide = words + count * width;                            // i16 [2][KV_BLOCK][width]
  Running runs[ATTEND_QUERIES];
  int32_t last = 0;
  for (int32_t i = 0; i < count; i++) {
    if (queries.tokens[i] > last) last = queries.tokens[i];
    float* padded = outs + i * width;
    for (int32_t d = 0; d < width; d++) padded[d] = d < head_dim ? queries.q[i][d] : 0.0f;
    runs[i].scale = query_words(words + i * width, padded, width, query_max(head_dim));
  }
  for (int32_t first = 0; first < last; first += KV_BLOCK) {
    const uint8_t* head = kv + static_cast<size_t>(table[first / KV_BLOCK]) * block_bytes;
    if (count < WIDE_FROM) {
      const int32_t blocks = (last + KV_BLOCK - 1) / KV_BLOCK;
      const int32_t block = first / KV_BLOCK;
      if (block % PAGES == 0 && block + 2 < blocks) {
        const int32_t end = block + 2 + PAGES < blocks ? block + 2 + PAGES : blocks;
        touch_pages(kv, table, block_bytes, block + 2, end);
      }
      const int32_t next = first + KV_BLOCK < last ? first / KV_BLOCK + 1 : first / KV_BLOCK;
      BlockAhead ahead{head, kv + static_cast<size_t>(table[next]) * block_bytes, block_bytes / 4};
      for (int32_t i = 0; i < count; i++) {
        const int32_t left = queries.tokens[i] - first;
        if (left <= 0) continue;
        const int32_t n = left < KV_BLOCK ? left : KV_BLOCK;
        add_block<Kv>(runs[i], outs + i * width, words + i * width, head, n, width, first == 0, ahead);
        ahead.head = nullptr;
      }
      continue;
    }
    widen(wide, Kv{}, head, width);
    Row rows[2];
    int32_t held = 0;
    for (int32_t i = 0; i < count; i++) {
      const int32_t left = queries.tokens[i] - first;
      if (left <= 0) continue;
      rows[held++] = {runs + i, outs + i * width, words + i * width, left < KV_BLOCK ? left : KV_BLOCK};
      if (held < 2) continue;
      add_wide<Kv, 2>(rows, wide, head, width, first == 0);
      held = 0;
    }
    if (held > 0) add_wide<Kv, 1>(rows, wide, head, width, first == 0);
  }
  for (int32_t i = 0; i < count; i++) {
    for (int32_t d = 0; d < head_dim; d++) queries.out[i][d] = outs[i * width + d] / runs[i].sum;
  }
}

}  // namespace

void attend_int8(const AttendQueries& queries, const uint8_t* kv, const int32_t* table,
                 int32_t block_bytes, int32_t head_dim) {
  attend<Int8>(queries, kv, table, block_bytes, head_dim);
}

void attend_int4(const AttendQueries& queries, const uint8_t* kv, const int32_t* table,
                 int32_t block_bytes, int32_t head_dim) {
  attend<Int4>(queries, kv, table, block_bytes, head_dim);
}
