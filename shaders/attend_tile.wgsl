// attend_tile: up to 8 consecutive rows of a prompt and one head against the KV cache that they share (prefill):
// a key or a value is read once for all of them. 128 tokens at a time: an invocation scores one token for each
// row, then sums its channels over all of them. Same runs, and for each row the same order of sums as
// attend.wgsl. Dispatch: (heads, tiles, splits).
//   block: as attend.wgsl; at `tiles`: how many, then for each its first row and, in the upper half, its rows.
//   The rows of a tile have consecutive positions, and their tables agree as sums1 as they go
//   qkv, kv, out, runs: as attend.wgsl; head_dim 256 at most, for 16 KiB of workgroup memory
// Reads 2 * context * head_dim elements of the cache a head for 8 rows: 16 products an element.
struct Params {
  at: u32, heads: u32, kv_heads: u32, head_dim: u32, part_first: u32, part_heads: u32, blocks: u32,
  head_words: u32, width: u32, tiles: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> block: array<u32>;
@group(0) @binding(2) var<storage, read> qkv: array<f32>;
@group(0) @binding(3) var<storage, read> kv: array<u32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;
@group(0) @binding(5) var<storage, read_write> runs: array<f32>;
override DIM: u32 = 128u; // head_dim or more, 256 at most
override QUERY: u32 = 256u; // 2 * DIM

const WG = 128u;
const NONE = -3.0e38;
/** A number of each of 8 rows. */
struct Eight { a: vec4<f32>, b: vec4<f32> }
/** How many tokens each of them sees. */
struct Limits { a: vec4<u32>, b: vec4<u32> }
// Two vec4 an element, token or invocation: rows 0 to 3 and rows 4 to 7.
var<workgroup> query: array<vec4<f32>, QUERY>;
var<workgroup> weights: array<vec4<f32>, 256>;
var<workgroup> folded: array<vec4<f32>, 256>;

fn fold_max(value: Eight, t: u32) -> Eight {
  workgroupBarrier(); // the last result was read
  folded[2u * t] = value.a;
  folded[2u * t + 1u] = value.b;
  workgroupBarrier(); // all values are there
  for (var half = WG / 2u; half > 0u; half >>= 1u) {
    if (t < half) {
      folded[2u * t] = max(folded[2u * t], folded[2u * (t + half)]);
      folded[2u * t + 1u] = max(folded[2u * t + 1u], folded[2u * (t + half) + 1u]);
    }
    workgroupBarrier(); // half as many are left
  }
  return Eight(folded[0], folded[1]);
}

fn fold_sum(value: Eight, t: u32) -> Eight {
  workgroupBarrier(); // the last result was read
  folded[2u * t] = value.a;
  folded[2u * t + 1u] = value.b;
  workgroupBarrier(); // all values are there
  for (var half = WG / 2u; half > 0u; half >>= 1u) {
    if (t < half) {
      folded[2u * t] += folded[2u * (t + half)];
      folded[2u * t + 1u] += folded[2u * (t + half) + 1u];
    }
    workgroupBarrier(); // half as many are left
  }
  return Eight(folded[0], folded[1]);
}

fn score(base: u32, t: u32) -> Eight {
  var s = Eight(vec4<f32>(0.0), vec4<f32>(0.0));
  for (var first = 0u; first < p.head_dim; first += KEY_GROUP) {
    var a = vec4<f32>(0.0);
    var b = vec4<f32>(0.0);
    let end = min(first + KEY_GROUP, p.head_dim);
    for (var d = first; d < end; d += 2u) {
      let k = key2(base, t, d);
      a += query[2u * d] * k.x;
      b += query[2u * d + 1u] * k.x;
      if (d + 1u < end) {
        a += query[2u * d + 2u] * k.y;
        b += query[2u * d + 3u] * k.y;
      }
    }
    let scale = key_scale(base, t, first);
    s.a += a * scale;
    s.b += b * scale;
  }
  return s;
}

/** Element d of the values of tokens first .. last - 1, weighted; a row takes those below its limit. */
fn values(sums: Eight, d: u32, first: u32, last: u32, table: u32, heads_at: u32, limits: Limits) -> Eight {
  var o = sums;
  for (var b = first; b < last; b += 32u) {
    let base = (heads_at + block[table + b / 32u]) * p.head_words;
    let end = min(32u, last - b);
    for (var i = 0u; i < end; i++) {
      let v = value(base, i, d);
      let at = 2u * (b - first + i);
      // No product for a row that does not see the token, as its value may be no number.
      if (b + i < limits.a.x) {
        o.a += weights[at] * v;
        o.b += weights[at + 1u] * v;
      } else {
        o.a += select(vec4<f32>(0.0), weights[at] * v, vec4<u32>(b + i) < limits.a);
        o.b += select(vec4<f32>(0.0), weights[at + 1u] * v, vec4<u32>(b + i) < limits.b);
      }
    }
  }
  return o;
}

/** Element d of row r of a tile. */
fn store(row: u32, rows: u32, r: u32, h: u32, run: u32, splits: u32, d: u32, sum: f32, total: f32) {
  if (r >= rows) { return; }
  let vector = (row + r) * p.heads + h;
  if (splits == 1u) {
    out[vector * p.head_dim + d] = sum / total;
  } else {
    runs[(vector * splits + run) * (p.head_dim + 2u) + 2u + d] = sum;
  }
}

fn store8(row: u32, rows: u32, h: u32, run: u32, splits: u32, d: u32, sum: Eight, total: Eight) {
  for (var r = 0u; r < 4u; r++) {
    store(row, rows, r, h, run, splits, d, sum.a[r], total.a[r]);
    store(row, rows, r + 4u, h, run, splits, d, sum.b[r], total.b[r]);
  }
}

@compute @workgroup_size(WG)
fn attend_tile(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) t: u32) {
  let h = group.x;
  let splits = block[p.at + 1u];
  if (group.y >= block[p.tiles] || group.z >= splits) { return; }
  let kv_head = h * p.kv_heads / p.heads;
  if (kv_head < p.part_first || kv_head >= p.part_first + p.part_heads) { return; }
  let tile = block[p.tiles + 1u + group.y];
  let row = tile & 0xffffu;
  let rows = tile >> 16u;
  let lowest = block[p.at + 4u + row] + 1u;
  let tokens = lowest + rows - 1u;
  // What a row sees ends at its limit; rows that are not there see nothing.
  let r0 = vec4<u32>(0u, 1u, 2u, 3u);
  let r4 = vec4<u32>(4u, 5u, 6u, 7u);
  let limits = Limits(
    select(vec4<u32>(0u), lowest + r0, r0 < vec4<u32>(rows)),
    select(vec4<u32>(0u), lowest + r4, r4 < vec4<u32>(rows)));
  let table = block[p.at + 3u] + (row + rows - 1u) * block[p.at + 2u];
  let heads_at = (kv_head - p.part_first) * p.blocks;
  for (var i = t; i < 2u * p.head_dim; i += WG) {
    let d = i % p.head_dim;
    let quad = i / p.head_dim;
    var q = vec4<f32>(0.0);
    for (var r = 0u; r < 4u; r++) {
      if (4u * quad + r < rows) {
        q[r] = qkv[(row + 4u * quad + r) * p.width + h * p.head_dim + d];
      }
    }
    query[2u * d + quad] = q;
  }
  workgroupBarrier(); // q of all rows is there

  var most = Eight(vec4<f32>(NONE), vec4<f32>(NONE));
  var total = Eight(vec4<f32>(0.0), vec4<f32>(0.0));
  // Channels t and t + 128.
  var sums0 = Eight(vec4<f32>(0.0), vec4<f32>(0.0));
  var sums1 = Eight(vec4<f32>(0.0), vec4<f32>(0.0));
  for (var first = group.z * WG; first < tokens; first += splits * WG) {
    let token = first + t;
    var s = Eight(vec4<f32>(NONE), vec4<f32>(NONE));
    if (token < tokens) {
      let all = score((heads_at + block[table + token / 32u]) * p.head_words, token % 32u);
      s.a = select(vec4<f32>(NONE), all.a, vec4<u32>(token) < limits.a);
      s.b = select(vec4<f32>(NONE), all.b, vec4<u32>(token) < limits.b);
    }
    let highest = fold_max(s, t);
    let merged = Eight(max(most.a, highest.a), max(most.b, highest.b));
    let weight = Eight(
      select(vec4<f32>(0.0), exp(s.a - merged.a), vec4<u32>(token) < limits.a),
      select(vec4<f32>(0.0), exp(s.b - merged.b), vec4<u32>(token) < limits.b));
    weights[2u * t] = weight.a;
    weights[2u * t + 1u] = weight.b;
    let before = Eight(exp(most.a - merged.a), exp(most.b - merged.b));
    let sum = fold_sum(weight, t); // its barriers show all weights
    total = Eight(total.a * before.a + sum.a, total.b * before.b + sum.b);
    most = merged;
    let last = min(first + WG, tokens);
    if (t < p.head_dim) {
      sums0 = values(Eight(sums0.a * before.a, sums0.b * before.b), t, first, last, table, heads_at, limits);
    }
    if (DIM > WG && t + WG < p.head_dim) {
      sums1 = values(Eight(sums1.a * before.a, sums1.b * before.b), t + WG, first, last, table, heads_at, limits);
    }
  }
  if (t < p.head_dim) { store8(row, rows, h, group.z, splits, t, sums0, total); }
  if (DIM > WG && t + WG < p.head_dim) { store8(row, rows, h, group.z, splits, t + WG, sums1, total); }
  if (splits > 1u && t < rows) {
    let run = (((row + t) * p.heads + h) * splits + group.z) * (p.head_dim + 2u);
    runs[run] = select(most.b[t % 4u], most.a[t % 4u], t < 4u);
    runs[run + 1u] = select(total.b[t % 4u], total.a[t % 4u], t < 4u);
  }
}
