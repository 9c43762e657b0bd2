// routed_float: of each pair (expert, row), its row of f32 times its expert's matrix of any layout
// (parts/values_*.wgsl); sums as in linear_float.wgsl. Pairs, experts and dispatch as in routed_t2.wgsl, with
// groups of WG / LANES * 2 matrix rows; a workgroup has one pair.
//   block: pairs   x f32 [rows or pairs][cols]   w, scales of all experts   routes f32 [pairs][3]
//   out f32 [pairs][stride]
// Reads the matrix of each pair's expert.
struct Params {
  at: u32, rows: u32, n: u32, row: u32, stride: u32, first: u32, blocks: u32, shift: u32,
  by_pair: u32, expert: u32, experts: u32, expert_rows: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> block: array<u32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read> w: array<u32>;
@group(0) @binding(4) var<storage, read> scales: array<f32>;
@group(0) @binding(5) var<storage, read> routes: array<f32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;
override GRID: u32 = 8192u; // workgroups in x; more go on in y
override WG: u32 = 64u;
override LANES: u32 = 16u;
override SCALED: bool = false;

// Two sums of a lane side by side.
var<workgroup> lane_sums: array<vec2<f32>, WG>;

@compute @workgroup_size(WG)
fn routed_float(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) t: u32) {
  let pair = group.z;
  if (pair >= block[p.at]) { return; }
  let e = u32(routes[3u * pair]) - p.expert;
  if (e >= p.experts) { return; }
  let m = select(u32(routes[3u * pair + 1u]), pair, p.by_pair > 0u);
  let n = ((group.x + group.y * GRID) * (WG / LANES) + t / LANES) * 2u;
  var s = vec2<f32>(0.0);
  if (n < p.rows) {
    let next = min(n + 1u, p.rows - 1u);
    for (var j = t % LANES; 4u * j < p.n; j += LANES) {
      var w0 = values4(e * p.expert_rows + n, j, p.row);
      var w1 = values4(e * p.expert_rows + next, j, p.row);
      if (SCALED) {
        w0 *= scales[(e * p.rows + n) * p.blocks + (j >> p.shift)];
        w1 *= scales[(e * p.rows + next) * p.blocks + (j >> p.shift)];
      }
      let v = x4(m, j);
      s += vec2<f32>(dot(w0, v), dot(w1, v));
    }
  }
  lane_sums[t] = s;
  workgroupBarrier(); // all lanes are in
  for (var half = LANES / 2u; half > 0u; half >>= 1u) {
    if (t % LANES < half) { lane_sums[t] += lane_sums[t + half]; }
    workgroupBarrier(); // half as many are left
  }
  // Lane i writes matrix row n + i.
  let column = t % LANES;
  if (column >= 2u || n + column >= p.rows) { return; }
  out[pair * p.stride + p.first + n + column] = lane_sums[t - column][column];
}
