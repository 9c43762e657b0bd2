// routed_flat: of each pair (expert, row), its rounded row times its expert's int8 or int4 matrix
// (parts/flat_*.wgsl); sums as in linear_flat.wgsl. Pairs, experts and dispatch as in routed_t2.wgsl; a workgroup
// has one pair.
//   block: pairs   q int8 [rows or pairs][padded to 64]   marks [..][2]   w, scales of all experts
//   routes f32 [pairs][3]   out f32 [pairs][stride]
// Reads the matrix of each pair's expert.
struct Params {
  at: u32, n: u32, units: u32, stride: u32, first: u32, row: u32, q_row: u32,
  by_pair: u32, expert: u32, experts: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> block: array<u32>;
@group(0) @binding(2) var<storage, read> q: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> marks: array<vec2<u32>>;
@group(0) @binding(4) var<storage, read> w: array<vec4<u32>>;
@group(0) @binding(5) var<storage, read> scales: array<f32>;
@group(0) @binding(6) var<storage, read> routes: array<f32>;
@group(0) @binding(7) var<storage, read_write> out: array<f32>;
override GRID: u32 = 8192u; // workgroups in x; more go on in y

@compute @workgroup_size(WG)
fn routed_flat(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) t: u32) {
  let pair = group.z;
  if (pair >= block[p.at]) { return; }
  let e = u32(routes[3u * pair]) - p.expert;
  if (e >= p.experts) { return; }
  let m = select(u32(routes[3u * pair + 1u]), pair, p.by_pair > 0u);
  let n = ((group.x + group.y * GRID) * (WG / LANES) + t / LANES) * 4u;
  var s = vec4<i32>(0);
  if (n < p.n) {
    let last = p.n - 1u;
    let base = e * p.n;
    for (var j = t % LANES; j < p.units; j += LANES) {
      let v = q[m * p.q_row + j];
      s += vec4<i32>(flat_dot(base + n, j, p.row, v), flat_dot(base + min(n + 1u, last), j, p.row, v),
        flat_dot(base + min(n + 2u, last), j, p.row, v), flat_dot(base + min(n + 3u, last), j, p.row, v));
    }
  }
  let sums = bitcast<vec4<u32>>(s);
  join_lanes(t, 1u, sums, sums, sums, sums);
  // Lane i writes matrix row n + i.
  let column = t % LANES;
  if (column >= 4u || n + column >= p.n) { return; }
  let sum = bitcast<i32>(lane_sums[t - column][column]);
  out[pair * p.stride + p.first + n + column] =
    f32(sum) * (scales[e * p.n + n + column] * bitcast<f32>(marks[m].x));
}
