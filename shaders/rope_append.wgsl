// rope_append: QK-norm and RoPE of the q and k heads of a row, in place; q is scaled; k and v are rounded to
// the type of the cache and put into the row's KV block. Dispatch: (heads + 2 * part_heads, rows).
//   block: rows, splits, table stride, where the tables begin, positions; tables, blocks of a row's sequence
//   qkv f32 [rows][heads + 2 * kv_heads][head_dim]   cosines, sines f32 [positions][rope_half]
//   q_gain, k_gain f32 [head_dim]   kv [part_heads][blocks][head_words], backend.ts kvHeadBytes
// Neighbours share words of the cache, so bits are put in by atomics. Same formulas as backend/reference.
struct Params {
  at: u32, heads: u32, kv_heads: u32, head_dim: u32, rope_half: u32, neox: u32, q_norm: u32, k_norm: u32,
  eps: f32, q_scale: f32, part_first: u32, part_heads: u32, blocks: u32, head_words: u32, width: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> block: array<u32>;
@group(0) @binding(2) var<storage, read> cosines: array<f32>;
@group(0) @binding(3) var<storage, read> sines: array<f32>;
@group(0) @binding(4) var<storage, read> q_gain: array<f32>;
@group(0) @binding(5) var<storage, read> k_gain: array<f32>;
@group(0) @binding(6) var<storage, read_write> qkv: array<f32>;
@group(0) @binding(7) var<storage, read_write> kv: array<atomic<u32>>;
override WG: u32 = 64u;
override DIM: u32 = 128u; // head_dim or more
override KV: u32 = 0u; // 0 f32, 1 f16, 2 int8, 3 int4

const INFINITE = 0x7f800000u;
const QUIET_NAN = 0x7fc00000u;
var<workgroup> head: array<f32, DIM>;
var<workgroup> group_scales: array<u32, DIM / 32u>;

/** f32 to IEEE half, half to even, saturating; as toF16 of backend/reference/math.ts. */
fn half_bits(x: f32) -> u32 {
  let u = bitcast<u32>(x);
  let sign = (u >> 16u) & 0x8000u;
  let magnitude = u & 0x7fffffffu;
  if (magnitude >= 0x477ff000u) { return sign | 0x7bffu; }
  if (magnitude < 0x38800000u) {
    return sign | (bitcast<u32>(bitcast<f32>(magnitude) + 0.5) - 0x3f000000u);
  }
  return sign | ((magnitude + 0xfffu + ((magnitude >> 13u) & 1u) - 0x38000000u) >> 13u);
}

/** Puts `bits` bits of `value` at bit `shift` of a word that others write to as well. */
fn put(word: u32, shift: u32, bits: u32, value: u32) {
  let mask = ((1u << bits) - 1u) << shift;
  atomicAnd(&kv[word], ~mask);
  atomicOr(&kv[word], (value << shift) & mask);
}

fn put16(base: u32, index: u32, value: u32) {
  put(base + index / 2u, index % 2u * 16u, 16u, value);
}

fn append_float(base: u32, slot: u32, is_key: bool, t: u32) {
  for (var d = t; d < p.head_dim; d += WG) {
    let element = select(32u * p.head_dim + slot * p.head_dim + d, d * 32u + slot, is_key);
    if (KV == 0u) {
      atomicStore(&kv[base + element], bitcast<u32>(head[d]));
    } else {
      put16(base, element, half_bits(head[d]));
    }
  }
}

fn append_int8(base: u32, slot: u32, is_key: bool, t: u32) {
  let dim = (p.head_dim + 7u) / 8u * 8u;
  var largest = 0u;
  for (var d = t; d < p.head_dim; d += WG) {
    largest = max(largest, bitcast<u32>(head[d]) & 0x7fffffffu);
  }
  let bits = max(max_all(largest, t), bitcast<u32>(1e-5));
  let scale = 127.0 / bitcast<f32>(bits);
  for (var d = t; d < p.head_dim; d += WG) {
    var v = 0;
    if (bits < INFINITE) { v = i32(clamp(round(head[d] * scale), -128.0, 127.0)); }
    var byte = ((d >> 1u) * 32u + slot) * 2u + (d & 1u);
    if (!is_key) { byte = 32u * dim + ((slot >> 1u) * dim + d) * 2u + (slot & 1u); }
    put(base + byte / 4u, byte % 4u * 8u, 8u, bitcast<u32>(v));
  }
  if (t == 0u) {
    let inverse = select(QUIET_NAN, bitcast<u32>(bitcast<f32>(bits) / 127.0), bits < INFINITE);
    atomicStore(&kv[base + 16u * dim + select(32u, 0u, is_key) + slot], inverse);
  }
}

fn append_int4(base: u32, slot: u32, is_key: bool, t: u32) {
  let dim = (p.head_dim + 15u) / 16u * 16u;
  let groups = (p.head_dim + 31u) / 32u;
  for (var g = t; g < groups; g += WG) {
    var bits = bitcast<u32>(1e-5);
    for (var d = g * 32u; d < min(p.head_dim, g * 32u + 32u); d++) {
      bits = max(bits, bitcast<u32>(head[d]) & 0x7fffffffu);
    }
    var half = 0x7fc0u;
    if (bits < INFINITE) { half = (bitcast<u32>(bitcast<f32>(bits) / 7.0) + 0xffffu) >> 16u; }
    group_scales[g] = half;
    put16(base, 16u * dim + select(groups * 32u, 0u, is_key) + g * 32u + slot, half);
  }
  workgroupBarrier(); // the scales of the groups are there
  for (var d = t; d < p.head_dim; d += WG) {
    let half = group_scales[d / 32u];
    var v = 0;
    if (half < 0x7f80u) { v = i32(clamp(round(head[d] * (1.0 / bitcast<f32>(half << 16u))), -7.0, 7.0)); }
    var word = ((d >> 3u) * 32u + slot) * 2u + (d & 1u);
    var shift = 4u * ((d >> 1u) & 3u);
    if (!is_key) {
      word = 8u * dim + (((slot >> 1u) * (dim / 16u) + (d >> 4u)) * 4u + (d & 3u)) * 2u + (slot & 1u);
      shift = 4u * ((d >> 2u) & 3u);
    }
    put(base + word / 2u, word % 2u * 16u + shift, 4u, bitcast<u32>(v + 8));
  }
}

@compute @workgroup_size(WG)
fn rope_append(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) t: u32) {
  let row = group.y;
  if (row >= block[p.at]) { return; }
  let is_query = group.x < p.heads;
  let kv_index = select(0u, group.x - p.heads, !is_query);
  let is_key = !is_query && kv_index < p.part_heads;
  let in_part = select(kv_index, kv_index - p.part_heads, !is_query && !is_key);
  if (is_query) {
    let kv_head = group.x * p.kv_heads / p.heads;
    if (kv_head < p.part_first || kv_head >= p.part_first + p.part_heads) { return; }
  }
  var start = group.x * p.head_dim;
  if (!is_query) {
    start = (p.heads + select(p.kv_heads, 0u, is_key) + p.part_first + in_part) * p.head_dim;
  }
  start += row * p.width;
  let position = block[p.at + 4u + row];

  var squares = 0.0;
  for (var d = t; d < p.head_dim; d += WG) {
    let v = qkv[start + d];
    head[d] = v;
    squares += v * v;
  }
  let normed = (is_query && p.q_norm > 0u) || (is_key && p.k_norm > 0u);
  if (normed) {
    let r = 1.0 / sqrt(sum_all(squares, t) / f32(p.head_dim) + p.eps);
    for (var d = t; d < p.head_dim; d += WG) {
      head[d] = head[d] * r * select(k_gain[d], q_gain[d], is_query);
    }
  }
  workgroupBarrier(); // the whole head is there
  if (is_query || is_key) {
    for (var i = t; i < p.rope_half; i += WG) {
      let a = select(2u * i, i, p.neox > 0u);
      let b = select(2u * i + 1u, i + p.rope_half, p.neox > 0u);
      let c = cosines[position * p.rope_half + i];
      let s = sines[position * p.rope_half + i];
      let x = head[a];
      let y = head[b];
      head[a] = x * c - y * s;
      head[b] = y * c + x * s;
    }
    workgroupBarrier(); // all pairs are turned
  }
  if (is_query) {
    for (var d = t; d < p.head_dim; d += WG) { qkv[start + d] = head[d] * p.q_scale; }
    return;
  }
  let table = block[p.at + 3u] + row * block[p.at + 2u];
  let base = (in_part * p.blocks + block[table + position / 32u]) * p.head_words;
  let slot = position % 32u;
  if (KV < 2u) {
    append_float(base, slot, is_key, t);
  } else if (KV == 2u) {
    append_int8(base, slot, is_key, t);
  } else {
    append_int4(base, slot, is_key, t);
  }
}
