// top: the best of a piece of 2,048 logits of a row, and the sum of their weights. The k best are found by the
// bits of their threshold, from the highest on: 32 counts, whatever the logits are. Dispatch: (pieces, rows).
//   block: rows, then for each row k, temperature, top-p, min-p, random number (5 words)
//   logits f32 [rows][vocab]
//   parts u32 [rows][pieces][2 + 2 * 64]: largest key, sum of exp((x - largest) / temperature), then k pairs of
//   key and id in no order; a key is a float whose bits compare like the number, 0 none, all ones not finite
// Reads 4 * vocab bytes a row.
struct Params { at: u32, vocab: u32, pieces: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> block: array<u32>;
@group(0) @binding(2) var<storage, read> logits: array<u32>;
@group(0) @binding(3) var<storage, read_write> parts: array<u32>;

const WG = 256u;
const PIECE = 2048u;
const STRIDE = 130u;
var<workgroup> keys: array<u32, PIECE>;
var<workgroup> sums: array<f32, WG>;
// One for each bit, then the largest key, and how many pairs were written.
var<workgroup> counts: array<atomic<u32>, 34>;

/** Bits of a float that compare like the number; both zeros are one. */
fn key_of(bits: u32) -> u32 {
  if ((bits & 0x7f800000u) == 0x7f800000u) { return 0xffffffffu; }
  if (bits == 0x80000000u) { return 0x80000000u; }
  if (bits >= 0x80000000u) { return ~bits; }
  return bits | 0x80000000u;
}

fn value_of(key: u32) -> f32 {
  if (key >= 0x80000000u) { return bitcast<f32>(key & 0x7fffffffu); }
  return bitcast<f32>(~key);
}

/** exp((x - largest) / temperature), 0 where that is no normal number. */
fn weight_of(key: u32, largest: u32, temperature: f32) -> f32 {
  let x = (value_of(key) - value_of(largest)) / temperature;
  return select(0.0, exp(max(x, -87.0)), x > -87.0);
}

@compute @workgroup_size(WG)
fn top(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) t: u32) {
  let row = group.y;
  if (row >= block[p.at]) { return; }
  let settings = p.at + 1u + 5u * row;
  let k = block[settings] & 0x7fffffffu;
  let temperature = bitcast<f32>(block[settings + 1u]);
  let first = group.x * PIECE;
  if (t < 34u) { atomicStore(&counts[t], 0u); }
  workgroupBarrier(); // all counts are zero
  for (var i = t; i < PIECE; i += WG) {
    var key = 0u;
    if (first + i < p.vocab) { key = key_of(logits[row * p.vocab + first + i]); }
    keys[i] = key;
    atomicMax(&counts[32], key);
  }
  workgroupBarrier(); // all keys are there, and the largest
  let largest = atomicLoad(&counts[32]);

  var sum = 0.0;
  if (temperature > 0.0) {
    for (var i = t; i < PIECE; i += WG) {
      if (keys[i] > 0u) { sum += weight_of(keys[i], largest, temperature); }
    }
  }
  sums[t] = sum;
  workgroupBarrier(); // all sums are there
  for (var half = WG / 2u; half > 0u; half >>= 1u) {
    if (t < half) { sums[t] += sums[t + half]; }
    workgroupBarrier(); // half as many are left
  }

  var threshold = largest;
  if (k > 1u) {
    threshold = 0u;
    for (var bit = 0u; bit < 32u; bit++) {
      let higher = threshold | (0x80000000u >> bit);
      var count = 0u;
      for (var i = t; i < PIECE; i += WG) { if (keys[i] >= higher) { count++; } }
      if (count > 0u) { atomicAdd(&counts[bit], count); }
      workgroupBarrier(); // all have counted
      if (atomicLoad(&counts[bit]) >= k) { threshold = higher; }
    }
  }

  let out = (row * p.pieces + group.x) * STRIDE;
  if (t == 0u) {
    parts[out] = largest;
    parts[out + 1u] = bitcast<u32>(sums[0]);
  }
  // Those above the threshold, which are fewer than k.
  for (var i = t; i < PIECE; i += WG) {
    if (keys[i] <= threshold) { continue; }
    let at = out + 2u + 2u * atomicAdd(&counts[33], 1u);
    parts[at] = keys[i];
    parts[at + 1u] = first + i;
  }
  workgroupBarrier(); // it is known how many
  let above = atomicLoad(&counts[33]);
  // Of equals those with the lowest ids fill the rest.
  for (var i = t; i < PIECE; i += WG) {
    if (keys[i] != threshold) { continue; }
    var rank = above;
    for (var j = 0u; j < i && rank < k; j++) { if (keys[j] == threshold) { rank++; } }
    if (rank >= k) { continue; }
    parts[out + 2u + 2u * rank] = threshold;
    parts[out + 3u + 2u * rank] = first + i;
  }
}
