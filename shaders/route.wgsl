// route: which experts compute each row, and with what weight; see "routing" at the head of backend/backend.ts.
// Dispatch: one workgroup. An invocation finds the last chosen expert of every 256th row: an expert is chosen where
// its key is larger, or the same at a lower index. Then each has every 256th expert, counts its rows, and
// writes its pairs in ascending order of rows, behind those of the experts before.
//   block: rows   logits f32 [rows][experts]   bias f32 [experts] (where has_bias)
//   routes f32 [rows * used][3]: expert, row, weight   cuts u32 [rows][4]: last chosen, its key, largest logit, sum
//   uses u32 [..]: rows that each expert computed so far, from `uses_at` on
struct Params {
  at: u32, experts: u32, used: u32, sigmoid: u32, normalise: u32, scale: f32, has_bias: u32, uses_at: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> block: array<u32>;
@group(0) @binding(2) var<storage, read> logits: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> routes: array<f32>;
@group(0) @binding(5) var<storage, read_write> cuts: array<vec4<u32>>;
@group(0) @binding(6) var<storage, read_write> uses: array<u32>;

const WG = 256u;
const NONE = 0xffffffffu;
const INFINITE = 0x7f800000u;
const LEAST_SUM = 0.00006103515625; // 2^-14: sigmoids may all be next to 0
/** Sum of a row with a logit that is not finite. */
const BROKEN = 0x7fc00000u;
// Pairs of an invocation's experts, of experts e, e + 256, ... one loop after the other.
var<workgroup> counts: array<u32, WG>;

/** Softmax before the division, or sigmoid. */
fn score(row: u32, e: u32, most: f32) -> f32 {
  let z = logits[row * p.experts + e];
  if (p.sigmoid > 0u) { return 1.0 / (1.0 + exp(clamp(-z, -87.0, 88.0))); }
  return exp(max(z - most, -87.0));
}

/** What the choice goes by. Without a bias, logits: two that differ may have one score, next to 0. */
fn key(row: u32, e: u32, most: f32, sum: f32) -> f32 {
  if (p.has_bias > 0u) {
    return select(score(row, e, most) / sum, score(row, e, most), p.sigmoid > 0u) + bias[e];
  }
  if (p.sigmoid > 0u) { return score(row, e, most); }
  return logits[row * p.experts + e];
}

fn is_chosen(row: u32, e: u32, cut: vec4<u32>) -> bool {
  if (cut.w == BROKEN) { return e < p.used; }
  let last = bitcast<f32>(cut.y);
  let k = key(row, e, bitcast<f32>(cut.z), bitcast<f32>(cut.w));
  return k > last || (k == last && e <= cut.x);
}

fn cut_of(row: u32) -> vec4<u32> {
  var most = logits[row * p.experts];
  for (var e = 0u; e < p.experts; e++) {
    let z = logits[row * p.experts + e];
    if ((bitcast<u32>(z) & INFINITE) == INFINITE) { return vec4<u32>(0u, 0u, 0u, BROKEN); }
    most = max(most, z);
  }
  var sum = 0.0;
  for (var e = 0u; e < p.experts; e++) { sum += score(row, e, most); }
  var last = NONE;
  var last_key = 0.0;
  for (var j = 0u; j < p.used; j++) {
    var best = NONE;
    var best_key = 0.0;
    for (var e = 0u; e < p.experts; e++) {
      let k = key(row, e, most, sum);
      let after = last == NONE || k < last_key || (k == last_key && e > last);
      if (after && (best == NONE || k > best_key)) {
        best = e;
        best_key = k;
      }
    }
    last = best;
    last_key = best_key;
  }
  return vec4<u32>(last, bitcast<u32>(last_key), bitcast<u32>(most), bitcast<u32>(sum));
}

/** Of a chosen expert. */
fn weight(row: u32, e: u32, cut: vec4<u32>) -> f32 {
  if (cut.w == BROKEN) { return bitcast<f32>(cut.w); }
  let most = bitcast<f32>(cut.z);
  let by = select(bitcast<f32>(cut.w), 1.0, p.sigmoid > 0u);
  let w = score(row, e, most) / by;
  if (p.normalise == 0u) { return w * p.scale; }
  var sum = 0.0;
  for (var i = 0u; i < p.experts; i++) {
    if (is_chosen(row, i, cut)) { sum += score(row, i, most) / by; }
  }
  return w / max(sum, LEAST_SUM) * p.scale;
}

@compute @workgroup_size(256)
fn route(@builtin(local_invocation_index) t: u32) {
  let rows = block[p.at];
  for (var r = t; r < rows; r += WG) { cuts[r] = cut_of(r); }
  storageBarrier(); // every row has its cut
  workgroupBarrier();
  var before = 0u;
  for (var first = 0u; first < p.experts; first += WG) {
    let e = first + t;
    var mine = 0u;
    if (e < p.experts) {
      for (var r = 0u; r < rows; r++) { mine += u32(is_chosen(r, e, cuts[r])); }
      uses[p.uses_at + e] += mine;
    }
    workgroupBarrier(); // the counts before were read
    counts[t] = mine;
    workgroupBarrier(); // all counts are there
    var at = before;
    for (var i = 0u; i < t; i++) { at += counts[i]; }
    if (mine > 0u) {
      for (var r = 0u; r < rows; r++) {
        let cut = cuts[r];
        if (!is_chosen(r, e, cut)) { continue; }
        routes[3u * at] = f32(e);
        routes[3u * at + 1u] = f32(r);
        routes[3u * at + 2u] = weight(r, e, cut);
        at++;
      }
    }
    for (var i = 0u; i < WG; i++) { before += counts[i]; }
  }
}
