// The C ABI of the kernels and every contract between them: the structs that TypeScript writes, the
// exported ops (ops.cpp), and the kernels that the build picks one variant of (<kernel>__<arch>.cpp).
// Called by src/backend/wasm; numerics and layouts are defined in src/backend/backend.ts.
//
// Rules for every kernel: pointers and a range come in, nothing is allocated, printed or locked, and
// any thread may call it on a range that nobody else has. Every float product and sum is rounded on
// its own (-ffp-contract=off), in the order of backend.ts, so all variants give the same bits.
#pragma once
#include <stddef.h>
#include <stdint.h>

// Where emscripten's wasm-ld needs a symbol kept; elsewhere a plain C function.
#if defined(__wasm__)
#define RYZ_EXPORT(name) extern "C" __attribute__((export_name(#name), noinline))
#else
#define RYZ_EXPORT(name) extern "C" __attribute__((noinline))
#endif

constexpr int32_t TILE_ROWS = 4;   // rows of a t2 tile; also the unit in which rows are shared out
constexpr int32_t TILE_COLS = 64;  // columns of a t2 tile
constexpr int32_t TILE_BYTES = 64; // TILE_ROWS * TILE_COLS * 2 bits
constexpr int32_t FLAT_COLS = 16;  // columns of i8, f16 and f32 rows are padded to this
constexpr int32_t KV_BLOCK = 32;   // tokens of one KV block

enum RyzStatus : int32_t { RYZ_OK = 0, RYZ_WORKER_TRAPPED = 1, RYZ_WORKER_SILENT = 2 };
enum RyzLayout : int32_t { RYZ_T2 = 0, RYZ_I8 = 1, RYZ_F16 = 2, RYZ_F32 = 3, RYZ_I4 = 4 };
enum RyzKvType : int32_t { RYZ_KV_F32 = 0, RYZ_KV_F16 = 1, RYZ_KV_INT8 = 2, RYZ_KV_INT4 = 3 };

// ---- Structs written by src/backend/wasm/descriptors.ts, word by word (wasm32: 4 bytes a field) ----

struct RyzMatrix {
  int32_t layout;       // RyzLayout
  int32_t rows;         // N
  int32_t cols;         // K, without padding
  int32_t scale_block;  // 0: one scale a row; 64, 128, 256: columns per scale (t2 only)
  const uint8_t* weights;
  const float* scales;  // [N] or [N][ceil(K / scale_block)]; null for f16 and f32
};

struct RyzLinear {
  int32_t n_parts;
  int32_t cols;
  int32_t outputs;      // stride of an output row: the sum of the parts' rows, or more
  int32_t units;        // sum over parts of ceil(rows / TILE_ROWS)
  RyzMatrix parts[1];   // n_parts of them
};

struct RyzAttend {
  uint8_t* kv;          // this layer's part of the cache: [kv_head][block][block_bytes]
  int32_t block_bytes;  // of one head; layout: kv_layout.h
  int32_t head_bytes;   // all blocks of a head
  int32_t kv_type;      // RyzKvType
  int32_t heads, kv_heads, head_dim;
  int32_t rope_dim;
  int32_t rope_norm;    // 1: pairs (2i, 2i+1); 0: pairs (i, i + rope_dim/2)
  const float* rope_cos;  // [context][rope_dim/2]
  const float* rope_sin;
  const float* q_gain;  // [head_dim], or null: no QK-norm
  const float* k_gain;
  float eps;
  float q_scale;        // f32(1 / sqrt(head_dim))
  const int32_t* positions;  // [count]
  const int32_t* tables;     // [count][max_blocks]
  int32_t max_blocks;
};

// Scratch that quantise and pad write; sized by scratchBytes() in arena.ts for maxRows and maxCols.
struct RyzScratch {
  int8_t* q;           // i8 [maxRows][maxCols padded to 64]
  float* x;            // f32, same shape
  float* inv;          // f32 [maxRows]
  int32_t* sums;       // i32 [maxRows]
  int32_t* tile_sums;  // i32 [maxRows][maxCols / 64, rounded up]
  uint8_t* lookup;     // [threads][LOOKUP_BYTES], see lookup_t2_i8.h
};

// ---- Kernels ----

// Rounded rows: the input of every kernel that ends in _i8.
struct ActsI8 {
  const int8_t* q;           // [count][stride], columns past K are 0
  int32_t stride;            // K padded to 64
  const float* inv;          // [count] a / 127
  const int32_t* sums;       // [count] sum of a row of q
  const int32_t* tile_sums;  // [count][stride / 64] sum of each 64 columns
  int32_t count;
};

// Float rows: the input of every kernel that ends in _f32.
struct ActsF32 {
  const float* x;  // [count][stride]; where stride > K, columns past K are 0
  int32_t stride;
  int32_t count;
};

// Rounds row r: q, inv, sums, tile_sums of backend.ts "activation rounding"; pads q to `stride` with 0.
void quantize_row(const float* x, int32_t n, int8_t* q, int32_t stride, float* inv, int32_t* sum,
                  int32_t* tile_sums);

// out[i] = (x[i] * r) * gain[i], r = 1 / sqrt(sum16(x * x) / n + eps); out may be x.
void norm_row(float* out, const float* x, const float* gain, float eps, int32_t n);

// out[i] = w[i] * scale (i8, i4), w[i] (f16, f32); n elements of one table row. t2: row `row` of a matrix.
void embed_row_t2(float* out, const RyzMatrix& w, int32_t row);
void embed_row_i8(float* out, const int8_t* w, float scale, int32_t n);
void embed_row_i4(float* out, const uint8_t* row, float scale, int32_t n);
void embed_row_f16(float* out, const uint16_t* w, int32_t n);
void embed_row_f32(float* out, const float* w, int32_t n);

// y[t][n] for units begin..end-1 of TILE_ROWS rows each and all t < x.count; y[t] is y + t * y_stride.
// Rows at or past w.rows are never written.
//   t2_i8   y = f32(sum q*w) * (row_scale * inv), sums exact int32
//   t2b_i8  acc += f32(sum of the block) * scale per block in column order; y = acc * inv
//   t2_f32  sum16 of x, -x or +0 in a block; acc += sum * scale (one scale a row: y = sum * scale)
//   i8_i8   y = f32(sum q*w) * (row_scale * inv); i4_i8 with w = (code - 8) * scale of the group
//   *_f32   y = sum16(x * w), i8 and i4: * row_scale
// scratch: LOOKUP_BYTES (lookup_t2_i8.h) that no other thread uses, aligned to 64.
using LinearI8 = void(const ActsI8& x, const RyzMatrix& w, float* y, int32_t y_stride, int32_t begin,
                      int32_t end, void* scratch);
using LinearF32 = void(const ActsF32& x, const RyzMatrix& w, float* y, int32_t y_stride,
                       int32_t begin, int32_t end);
LinearI8 linear_t2_i8, linear_t2b_i8, linear_i8_i8, linear_i4_i8;
// The same as linear_t2_i8 and linear_t2b_i8 for many tokens, by tables of activation sums, which the parts of a
// stack share: units begin..end-1 of each, all of one width and one kind of scale.
//   x.count at most LOOKUP_TOKENS, n_parts at most LOOKUP_PARTS, units of all at most LOOKUP_UNITS
struct LookupPart {
  const RyzMatrix* w;
  float* y;
  int32_t begin, end;
};
// The results stay in scratch, in a form of the build's own, until lookup_write brings them to y with the same arguments:
// between the two a piece can be taken back from its thread (OwnPlace in pool.h).
void lookup_t2_i8(const ActsI8& x, const LookupPart* parts, int32_t n_parts, void* scratch);
void lookup_write(const ActsI8& x, const LookupPart* parts, int32_t n_parts, int32_t y_stride, const void* scratch);
// Tokens from which lookup_t2_i8 beats linear_t2_i8; measured, one value per build.
int32_t lookup_from();
// What ryz_dots chose for few tokens, of builds that have both kinds of dot.
bool dots_in_i32();
LinearF32 linear_t2_f32, linear_i8_f32, linear_i4_f32, linear_f16_f32, linear_f32_f32;

// ---- Loading: rows of a file's blocks to the layouts; numbered as MOVER_CODES in exports.ts ----

enum RyzSource : int32_t {
  RYZ_FROM_TQ2_0 = 0,
  RYZ_FROM_I2_S = 1,  // the 128-interleave ('x86'), without the scale at the end of the tensor
  RYZ_FROM_Q6_K = 2,
  RYZ_FROM_Q8_0 = 3,
  RYZ_FROM_F16 = 4
};

// `rows` (at most TILE_ROWS, the rest is padding) rows of whole blocks to one row of t2 tiles. scales f32
// [rows][cols / 256]: TQ2_0 only; codes of a block of scale 0 become 1. False for a code 3 or a scale that
// is not finite.
bool pour_tq2_0(const uint8_t* from, int32_t cols, int32_t rows, uint8_t* to, float* scales);
bool pour_i2_s(const uint8_t* from, int32_t cols, int32_t rows, uint8_t* to, float* scales);
// One row of whole blocks to int8 or i4 with a scale; row: f32 [cols] of scratch. False when a value is not finite.
bool pour_i8(int32_t source, const uint8_t* from, int32_t cols, uint8_t* to, float* scale, float* row);
bool pour_i4(int32_t source, const uint8_t* from, int32_t cols, uint8_t* to, float* scale, float* row);
// Where `row` stands in a thread's lookup scratch; mover.ts uses thread 0's in front of it.
constexpr int32_t POUR_ROW = 491520;

// Stores one head's K and V vector (f32 [head_dim]) as token `slot` of a KV block of one head.
void kv_append_f32(uint8_t* head, int32_t head_dim, int32_t slot, const float* k, const float* v);
void kv_append_f16(uint8_t* head, int32_t head_dim, int32_t slot, const float* k, const float* v);
void kv_append_int8(uint8_t* head, int32_t head_dim, int32_t slot, const float* k, const float* v);
void kv_append_int4(uint8_t* head, int32_t head_dim, int32_t slot, const float* k, const float* v);

// Queries that share one KV head and one sequence: rows of a prompt, heads of a group, or both.
struct AttendQueries {
  const float* const* q;   // [count] scaled, rotated, f32 [head_dim]
  float* const* out;       // [count] f32 [head_dim]
  const int32_t* tokens;   // [count] query i sees tokens 0..tokens[i]-1
  int32_t count;           // at most ATTEND_QUERIES
  uint8_t* scratch;        // attend_scratch(head_dim) bytes, 16-byte aligned
};
constexpr int32_t ATTEND_QUERIES = 32;
// A block of K and V widened to f32; or outputs f32 and words i16 of the queries and a block widened to i16.
constexpr int32_t attend_scratch(int32_t head_dim) {
  return (ATTEND_QUERIES * 6 + 2 * KV_BLOCK * 2) * (head_dim + 15);
}

// out = attention of every query over its tokens of one KV head.
//   kv     address of this head in block 0; block b of the sequence is kv + table[b] * block_bytes
//   Per block of 32 tokens: scores, their maximum m, p = exp(s - m), l = sum p, o = sum p * V; blocks
//   merge in order (online softmax: Milakov & Gimelshein 2018; FlashAttention, Dao et al. 2022).
//   int8 and int4 sum in integers, see "word rounding" in backend.ts.
using AttendHead = void(const AttendQueries& queries, const uint8_t* kv, const int32_t* table,
                        int32_t block_bytes, int32_t head_dim);
AttendHead attend_f32, attend_f16, attend_int8, attend_int4;

// out[i] = act(g[i]) * u[i]
void gate_silu(float* out, const float* g, const float* u, int32_t n);
void gate_relu2(float* out, const float* g, const float* u, int32_t n);

// out[i] += x[i]
void add_f32(float* out, const float* x, int32_t n);
