// draw: the token of a row from the best of its pieces (top.wgsl), as engine/sampling/sampler.ts draws it:
// the k best in order, of equals the lowest id first; as many of them as hold top-p of the mass; of these the
// ones of at least min-p of the likeliest; then a walk to the random number's share. Dispatch: a workgroup a row.
//   block: as in top.wgsl, its top bit of k set where the mass is that of the whole row
//   parts: as in top.wgsl   drawn u32 [rows]: ids; all ones where a logit is not finite or the mass is not
//   in the k best, so that somebody has to look at all of them
struct Params { at: u32, pieces: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> block: array<u32>;
@group(0) @binding(2) var<storage, read> parts: array<u32>;
@group(0) @binding(3) var<storage, read_write> drawn: array<u32>;
override GRID: u32 = 8192u; // workgroups in x; more go on in y

const WG = 256u;
const MOST = 64u;
const STRIDE = 130u;
const UNDRAWN = 0xffffffffu;
var<workgroup> best_keys: array<u32, MOST>;
var<workgroup> best_ids: array<u32, MOST>;
var<workgroup> ids: array<u32, MOST>;
var<workgroup> weights: array<f32, MOST>;
// One for each bit, then the largest key, and how many were found.
var<workgroup> counts: array<atomic<u32>, 34>;

fn value_of(key: u32) -> f32 {
  if (key >= 0x80000000u) { return bitcast<f32>(key & 0x7fffffffu); }
  return bitcast<f32>(~key);
}

/** exp((x - largest) / temperature), 0 where that is no normal number. */
fn weight_of(key: u32, largest: u32, temperature: f32) -> f32 {
  let x = (value_of(key) - value_of(largest)) / temperature;
  return select(0.0, exp(max(x, -87.0)), x > -87.0);
}

/** Where pair i of the row stands. */
fn pair(base: u32, k: u32, i: u32) -> u32 {
  return base + i / k * STRIDE + 2u + 2u * (i % k);
}

@compute @workgroup_size(WG)
fn draw(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) t: u32) {
  let row = group.x + group.y * GRID;
  if (row >= block[p.at]) { return; }
  let settings = p.at + 1u + 5u * row;
  let k = block[settings] & 0x7fffffffu;
  let whole = block[settings] > 0x7fffffffu;
  let base = row * p.pieces * STRIDE;
  let total_pairs = p.pieces * k;
  if (t < 34u) { atomicStore(&counts[t], 0u); }
  if (t < MOST) {
    best_keys[t] = 0u;
    best_ids[t] = 0u;
    ids[t] = 0u;
    weights[t] = 0.0;
  }
  workgroupBarrier(); // all counts are zero
  for (var i = t; i < p.pieces; i += WG) { atomicMax(&counts[32], parts[base + i * STRIDE]); }
  workgroupBarrier(); // the largest is known
  let largest = atomicLoad(&counts[32]);

  var threshold = largest;
  if (k > 1u) {
    threshold = 0u;
    for (var bit = 0u; bit < 32u; bit++) {
      let higher = threshold | (0x80000000u >> bit);
      var count = 0u;
      for (var i = t; i < total_pairs; i += WG) { if (parts[pair(base, k, i)] >= higher) { count++; } }
      if (count > 0u) { atomicAdd(&counts[bit], count); }
      workgroupBarrier(); // all have counted
      if (atomicLoad(&counts[bit]) >= k) { threshold = higher; }
    }
  }
  for (var i = t; i < total_pairs; i += WG) {
    let at = pair(base, k, i);
    if (parts[at] <= threshold) { continue; }
    let to = atomicAdd(&counts[33], 1u);
    best_keys[to] = parts[at];
    best_ids[to] = parts[at + 1u];
  }
  workgroupBarrier(); // it is known how many
  let above = atomicLoad(&counts[33]);
  for (var i = t; i < total_pairs; i += WG) {
    let at = pair(base, k, i);
    if (parts[at] != threshold) { continue; }
    var rank = above;
    for (var j = 0u; j < total_pairs && rank < k; j++) {
      let other = pair(base, k, j);
      if (parts[other] == threshold && parts[other + 1u] < parts[at + 1u]) { rank++; }
    }
    if (rank >= k) { continue; }
    best_keys[rank] = threshold;
    best_ids[rank] = parts[at + 1u];
  }
  workgroupBarrier(); // the k best are there

  let temperature = bitcast<f32>(block[settings + 1u]);
  if (t < k) {
    var rank = 0u;
    for (var j = 0u; j < k; j++) {
      let ahead = best_keys[j] > best_keys[t] || (best_keys[j] == best_keys[t] && best_ids[j] < best_ids[t]);
      if (ahead) { rank++; }
    }
    ids[rank] = best_ids[t];
    if (temperature > 0.0 && best_keys[t] > 0u) {
      weights[rank] = weight_of(best_keys[t], largest, temperature);
    }
  }
  workgroupBarrier(); // they are in order
  if (t > 0u) { return; }
  if (largest == UNDRAWN) {
    drawn[row] = UNDRAWN;
    return;
  }
  if (temperature == 0.0) {
    drawn[row] = ids[0];
    return;
  }
  let top_p = bitcast<f32>(block[settings + 2u]);
  let min_p = bitcast<f32>(block[settings + 3u]);
  var total = 0.0;
  if (whole) {
    for (var i = 0u; i < p.pieces; i++) {
      let at = base + i * STRIDE;
      let shift = weight_of(parts[at], largest, temperature);
      total += bitcast<f32>(parts[at + 1u]) * shift;
    }
  } else {
    for (var i = 0u; i < k; i++) { total += weights[i]; }
  }
  var count = k;
  if (top_p < 1.0) {
    var mass = weights[0];
    count = 1u;
    while (count < k && mass < top_p * total) {
      mass += weights[count];
      count++;
    }
    if (whole && mass < top_p * total) {
      drawn[row] = UNDRAWN;
      return;
    }
  }
  var kept = 0.0;
  for (var i = 0u; i < count; i++) { if (weights[i] >= min_p) { kept += weights[i]; } }
  var left = bitcast<f32>(block[settings + 4u]) * kept;
  var last = ids[0];
  for (var i = 0u; i < count; i++) {
    if (weights[i] == 0.0 || weights[i] < min_p) { continue; }
    last = ids[i];
    left -= weights[i];
    if (left < 0.0) { break; }
  }
  drawn[row] = last;
}
