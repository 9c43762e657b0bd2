// attend: one row and head against its KV cache, or one of several runs of it (flash decoding). 128 tokens
// at a time: an invocation scores one token, then sums its channels over all of them; runs of tiles are merged
// by an online softmax. Dispatch: (heads, rows, splits); `splits` runs, each of every splits-th tile.
//   block: rows, splits, table stride, where the tables begin, positions
//   qkv f32 [rows][width], q rotated and scaled   kv [part_heads][blocks][head_words] (parts/kv_*.wgsl)
//   out f32 [rows][heads][head_dim], where there is one run
//   runs f32 [rows][heads][splits][2 + head_dim]: maximum, sum, weighted values, where there are more
// Reads 2 * context * head_dim elements of the cache a head. Twin for the rows of a prompt: attend_tile.wgsl.
struct Params {
  at: u32, heads: u32, kv_heads: u32, head_dim: u32, part_first: u32, part_heads: u32, blocks: u32,
  head_words: u32, width: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> block: array<u32>;
@group(0) @binding(2) var<storage, read> qkv: array<f32>;
@group(0) @binding(3) var<storage, read> kv: array<u32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;
@group(0) @binding(5) var<storage, read_write> runs: array<f32>;
override WG: u32 = 128u;
override DIM: u32 = 128u; // head_dim or more

const NONE = -3.0e38;
var<workgroup> query: array<f32, DIM>;
var<workgroup> sums: array<f32, DIM>;
var<workgroup> weights: array<f32, WG>;

fn score(base: u32, t: u32) -> f32 {
  var s = 0.0;
  for (var first = 0u; first < p.head_dim; first += KEY_GROUP) {
    var sum = 0.0;
    let end = min(first + KEY_GROUP, p.head_dim);
    for (var d = first; d < end; d += 2u) {
      let k = key2(base, t, d);
      sum += query[d] * k.x;
      if (d + 1u < end) { sum += query[d + 1u] * k.y; }
    }
    s += sum * key_scale(base, t, first);
  }
  return s;
}

/** A number as a whole one of the same order, and back. */
fn ordered(x: f32) -> u32 {
  let bits = bitcast<u32>(x);
  return select(bits | 0x80000000u, ~bits, bits > 0x7fffffffu);
}

fn number(order: u32) -> f32 {
  return bitcast<f32>(select(~order, order & 0x7fffffffu, order > 0x7fffffffu));
}

@compute @workgroup_size(WG)
fn attend(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) t: u32) {
  let h = group.x;
  let row = group.y;
  let splits = block[p.at + 1u];
  if (row >= block[p.at] || group.z >= splits) { return; }
  let kv_head = h * p.kv_heads / p.heads;
  if (kv_head < p.part_first || kv_head >= p.part_first + p.part_heads) { return; }
  let tokens = block[p.at + 4u + row] + 1u;
  let table = block[p.at + 3u] + row * block[p.at + 2u];
  let first_base = (kv_head - p.part_first) * p.blocks;
  for (var d = t; d < p.head_dim; d += WG) {
    query[d] = qkv[row * p.width + h * p.head_dim + d];
    sums[d] = 0.0;
  }
  workgroupBarrier(); // q is there

  var most = NONE;
  var total = 0.0;
  for (var first = group.z * WG; first < tokens; first += splits * WG) {
    let token = first + t;
    var s = NONE;
    if (token < tokens) {
      s = score((first_base + block[table + token / 32u]) * p.head_words, token % 32u);
    }
    let merged = max(most, number(max_all(ordered(s), t)));
    var weight = 0.0;
    if (token < tokens) { weight = exp(s - merged); }
    weights[t] = weight;
    let before = exp(most - merged);
    total = total * before + sum_all(weight, t); // its barriers show all weights
    most = merged;
    let last = min(WG, tokens - first);
    for (var d = t; d < p.head_dim; d += WG) {
      var o = sums[d] * before;
      for (var b = 0u; b < last; b += 32u) {
        let base = (first_base + block[table + (first + b) / 32u]) * p.head_words;
        let end = min(32u, last - b);
        for (var i = 0u; i < end; i++) { o += weights[b + i] * value(base, i, d); }
      }
      sums[d] = o;
    }
  }
  if (splits == 1u) {
    for (var d = t; d < p.head_dim; d += WG) {
      out[(row * p.heads + h) * p.head_dim + d] = sums[d] / total;
    }
    return;
  }
  let run = ((row * p.heads + h) * splits + group.z) * (p.head_dim + 2u);
  if (t == 0u) {
    runs[run] = most;
    runs[run + 1u] = total;
  }
  for (var d = t; d < p.head_dim; d += WG) { runs[run + 2u + d] = sums[d]; }
}
