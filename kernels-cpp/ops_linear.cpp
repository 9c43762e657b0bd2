// The op of a stack of matrices: activations are rounded once, then each part goes through the kernel of
// its layout, many tokens through lookup tables. See ops.cpp.
#include "ops.h"

namespace {

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
  int32_t stride;  // of its rows
  const RyzLinear* w;
  ActsI8 x_i8;
  ActsF32 x_f32;
  bool round;
};

bool takes_i8(const RyzMatrix& w, bool round) {
  return round && (w.layout == RYZ_T2 || w.layout == RYZ_I8 || w.layout == RYZ_I4);
}

// All parts or none: they share tables. Parts of a stack are of one kind (load-weights.ts sees to it).
bool by_lookup(const RyzLinear& w, bool round, int32_t count) {
  if (!round || count < lookup_from() || w.n_parts > LOOKUP_PARTS) return false;
  for (int32_t p = 0; p < w.n_parts; p++) {
    if (w.parts[p].layout != RYZ_T2 || w.parts[p].scale_block != w.parts[0].scale_block) return false;
  }
  return true;
}

void linear_part(const LinearArgs& a, const RyzMatrix& w, float* y, int32_t begin, int32_t end,
                 int32_t thread) {
  if (takes_i8(w, a.round)) {
    LinearI8* kernel = w.layout == RYZ_I8   ? linear_i8_i8
                       : w.layout == RYZ_I4 ? linear_i4_i8
                       : w.scale_block      ? linear_t2b_i8
                                            : linear_t2_i8;
    kernel(a.x_i8, w, y, a.stride, begin, end, scratch_of(thread));
    return;
  }
  LinearF32* kernel = w.layout == RYZ_T2    ? linear_t2_f32
                      : w.layout == RYZ_I8  ? linear_i8_f32
                      : w.layout == RYZ_I4  ? linear_i4_f32
                      : w.layout == RYZ_F16 ? linear_f16_f32
                                            : linear_f32_f32;
  kernel(a.x_f32, w, y, a.stride, begin, end);
}

// Of all units: whatever takes longer, reading the weights or multiplying.
int64_t linear_ns(const LinearArgs& a) {
  int64_t ns = 0;
  for (int32_t p = 0; p < a.w->n_parts; p++) {
    const RyzMatrix& w = a.w->parts[p];
    const int64_t weights = static_cast<int64_t>(w.rows) * w.cols;
    const int64_t products = weights * a.x_i8.count;
    if (!takes_i8(w, a.round)) {
      ns += products / 8;
    } else if (w.layout == RYZ_T2) {
      ns += weights / 40 > products / 60 ? weights / 40 : products / 60;
    } else {
      const int64_t reading = w.layout == RYZ_I8 ? weights / 10 : weights / 18;
      ns += reading > products / 35 ? reading : products / 35;
    }
  }
  return ns;
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
    if (first < last) linear_part(a, w, y, first, last, thread);
    begin -= units;
    end -= units;
    y += w.rows;
  }
}

// ---- Pieces that can be taken back: their results go to the end of the thread's scratch, see OwnPlace ----

constexpr int32_t OWN_BYTES = 16384;

struct OwnLinear {
  LinearArgs args;
  RyzLinear w;  // the experts of a row are another matrix in the next step
  RyzMatrix more[LOOKUP_PARTS - 1];
};
static_assert(sizeof(OwnLinear) <= OWN_ARGS, "pool.h has less room");

// At most LOOKUP_PARTS parts.
void copy_stack(RyzLinear* to, const RyzLinear& w) {
  __builtin_memcpy(to, &w, sizeof(RyzLinear) + (w.n_parts - 1) * sizeof(RyzMatrix));
}

float* own_place(int32_t thread) {
  return reinterpret_cast<float*>(scratch_of(thread) + LOOKUP_BYTES - OWN_BYTES);
}

// The output where a unit of all parts laid end to end begins.
int32_t output_of(const RyzLinear& w, int32_t unit) {
  int32_t outputs = 0;
  for (int32_t p = 0; p < w.n_parts; p++) {
    const int32_t units = div_up(w.parts[p].rows, TILE_ROWS);
    if (unit < units) return outputs + unit * TILE_ROWS;
    unit -= units;
    outputs += w.parts[p].rows;
  }
  return outputs;
}

void copy_linear(void* to, const void* args, int32_t begin, int32_t end, int32_t thread) {
  const auto& a = *static_cast<const LinearArgs*>(args);
  auto& own = *static_cast<OwnLinear*>(to);
  own.args = a;
  own.args.w = &own.w;
  copy_stack(&own.w, *a.w);
  const int32_t first = output_of(*a.w, begin);
  own.args.stride = output_of(*a.w, end) - first;
  // linear_task adds `first` again.
  own.args.out = reinterpret_cast<float*>(reinterpret_cast<uintptr_t>(own_place(thread)) - first * sizeof(float));
}

void bring_linear(const void* args, int32_t begin, int32_t end, int32_t thread) {
  const auto& a = *static_cast<const LinearArgs*>(args);
  const int32_t first = output_of(*a.w, begin);
  const int32_t outputs = output_of(*a.w, end) - first;
  const float* from = own_place(thread);
  for (int32_t t = 0; t < a.x_i8.count; t++, from += outputs) {
    __builtin_memcpy(a.out + static_cast<size_t>(t) * a.stride + first, from, outputs * sizeof(float));
  }
}

// Units of a piece that can be taken back; 0 where there is no room.
int32_t own_units(const RyzLinear& w, int32_t count, int32_t stride) {
  // What the kernels themselves take of the scratch at most: all rows in int16 (linear_i8_i8.h), or all in bytes and three
  // in int16 (t2_dots__simd128.h).
  const int64_t taken = static_cast<int64_t>(2 * count + 3 * 2) * stride;
  if (w.n_parts > LOOKUP_PARTS || taken > LOOKUP_BYTES - OWN_BYTES) return 0;
  return OWN_BYTES / static_cast<int32_t>(sizeof(float)) / TILE_ROWS / count;
}

// A stack that goes through tables, cut into (units of all parts laid end to end, group of tokens).
struct LookupArgs {
  LinearArgs linear;
  int32_t cuts;    // see lookup_cuts
  int32_t groups;  // of LOOKUP_TOKENS tokens
};

// What a unit takes for a group of tokens.
int32_t lookup_ns(int32_t cols) { return ns_of(static_cast<int64_t>(TILE_ROWS) * cols * LOOKUP_TOKENS, 110); }

// Units of a call at most.
int32_t lookup_most(int32_t cols) {
  if (pool_threads() == 1 || !pool_is_late()) return LOOKUP_UNITS;
  const int32_t most = FINER_NS / lookup_ns(cols);
  return most < FINER_UNITS ? FINER_UNITS : most < LOOKUP_UNITS ? most : LOOKUP_UNITS;
}

// As few cuts as the kernel can take, times the least that gives every thread the same number of items, or
// four and more: every cut pays for tables of its own.
int32_t lookup_cuts(int32_t units, int32_t cols, int32_t groups) {
  const int32_t threads = pool_threads();
  const int32_t least = div_up(units, lookup_most(cols));
  int32_t splits = 1;
  for (; splits < 4 * threads; splits++) {
    const int32_t items = least * splits * groups;
    if (items % threads == 0 || items >= 4 * threads) break;
  }
  return least * splits < units ? least * splits : units;
}

// One item: a cut, for one group of tokens. Tokens vary fastest: they share weights.
struct LookupItem {
  ActsI8 x;
  LookupPart parts[LOOKUP_PARTS];
  int32_t n_parts;
};

LookupItem lookup_item(const LookupArgs& job, int32_t item) {
  const LinearArgs& a = job.linear;
  const ActsI8& all = a.x_i8;
  const int32_t t = item % job.groups * LOOKUP_TOKENS;
  const int32_t cut = item / job.groups;
  const int32_t left = all.count - t;
  LookupItem found{{all.q + static_cast<size_t>(t) * all.stride, all.stride, all.inv + t, all.sums + t,
                    all.tile_sums + static_cast<size_t>(t) * (all.stride / TILE_COLS),
                    left < LOOKUP_TOKENS ? left : LOOKUP_TOKENS},
                   {},
                   0};
  float* y = a.out + static_cast<size_t>(t) * a.stride;
  int32_t first = static_cast<int32_t>(static_cast<int64_t>(a.w->units) * cut / job.cuts);
  int32_t last = static_cast<int32_t>(static_cast<int64_t>(a.w->units) * (cut + 1) / job.cuts);
  for (int32_t p = 0; p < a.w->n_parts && last > 0; p++) {
    const RyzMatrix& w = a.w->parts[p];
    const int32_t units = div_up(w.rows, TILE_ROWS);
    if (first < units) found.parts[found.n_parts++] = {&w, y, first > 0 ? first : 0, last < units ? last : units};
    first -= units;
    last -= units;
    y += w.rows;
  }
  return found;
}

// The results stay in the thread's scratch.
void lookup_own_task(const void* args, int32_t begin, int32_t, int32_t thread) {
  const LookupItem item = lookup_item(*static_cast<const LookupArgs*>(args), begin);
  lookup_t2_i8(item.x, item.parts, item.n_parts, scratch_of(thread));
}

void bring_lookup(const void* args, int32_t begin, int32_t, int32_t thread) {
  const auto& job = *static_cast<const LookupArgs*>(args);
  const LookupItem item = lookup_item(job, begin);
  lookup_write(item.x, item.parts, item.n_parts, job.linear.stride, scratch_of(thread));
}

void lookup_task(const void* args, int32_t begin, int32_t end, int32_t thread) {
  for (int32_t item = begin; item < end; item++) {
    lookup_own_task(args, item, item + 1, thread);
    bring_lookup(args, item, item + 1, thread);
  }
}

struct OwnLookup {
  LookupArgs args;
  RyzLinear w;
  RyzMatrix more[LOOKUP_PARTS - 1];
};
static_assert(sizeof(OwnLookup) <= OWN_ARGS, "pool.h has less room");

void copy_lookup(void* to, const void* args, int32_t, int32_t, int32_t) {
  const auto& a = *static_cast<const LookupArgs*>(args);
  auto& own = *static_cast<OwnLookup*>(to);
  own.args = a;
  own.args.linear.w = &own.w;
  copy_stack(&own.w, *a.linear.w);
}

}  // namespace

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
    const int32_t status = pool_run(quantize_task, &rows, count, 2, ns_of(w->cols, 4));
    if (status != RYZ_OK) return status;
  }
  const bool pad = any_f32 && stride != w->cols;
  if (pad) {
    const int32_t status = pool_run(pad_task, &rows, count, 8, ns_of(w->cols, 8));
    if (status != RYZ_OK) return status;
  }

  const LinearArgs args{out,
                        w->outputs,
                        w,
                        {scratch.q, stride, scratch.inv, scratch.sums, scratch.tile_sums, count},
                        {pad ? scratch.x : x, stride, count},
                        round != 0};
  if (by_lookup(*w, args.round, count)) {
    const int32_t groups = div_up(count, LOOKUP_TOKENS);
    const LookupArgs lookup{args, lookup_cuts(w->units, w->cols, groups), groups};
    const int64_t products = static_cast<int64_t>(TILE_ROWS) * w->units * w->cols * count;
    const int32_t items = lookup.cuts * groups;
    const OwnPlace own{copy_lookup, lookup_own_task, bring_lookup, 1, 1};
    return pool_run(lookup_task, &lookup, items, 1, ns_of(products / items, 110), &own);
  }
  constexpr int32_t LEAST_UNITS = 4;
  const OwnPlace own{copy_linear, linear_task, bring_linear, own_units(*w, count, stride), 0};
  return pool_run(linear_task, &args, w->units, LEAST_UNITS, static_cast<int32_t>(linear_ns(args) / w->units),
                  own.at_most < LEAST_UNITS ? nullptr : &own);
}
