// linear_float: a matrix of any layout (parts/values_*.wgsl) times one row of f32 activations, or up to 4.
// Dispatch: groups of WG / LANES * 2 matrix rows in x and y, ceil(rows / 4) in z; LANES invocations share 2
// matrix rows, each takes every LANES-th unit of 4 columns.
//   x f32 [rows][cols]   w, scales (format/layout.ts)   out f32 [rows][stride]
//   residual f32 [rows][stride] += (where add)
// Reads all of w for each 4 rows, and 4 * cols bytes of x a row for each group. Sums are f32.
struct Params {
  at: u32, rows: u32, n: u32, row: u32, stride: u32, first: u32, blocks: u32, shift: u32, add: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> block: array<u32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read> w: array<u32>;
@group(0) @binding(4) var<storage, read> scales: array<f32>;
@group(0) @binding(5) var<storage, read_write> out: array<f32>;
@group(0) @binding(6) var<storage, read_write> residual: array<f32>;
override GRID: u32 = 8192u; // workgroups in x; more go on in y
override WG: u32 = 64u;
override LANES: u32 = 16u;
override SCALED: bool = false;
override MANY: bool = false; // more than one row
override SUMS: u32 = 64u; // WG, or 4 * WG where MANY

// Two sums of a lane side by side, for up to four rows.
var<workgroup> lane_sums: array<vec2<f32>, SUMS>;

@compute @workgroup_size(WG)
fn linear_float(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) t: u32) {
  let rows = block[p.at];
  let m = group.z * 4u;
  // The last groups in y may be behind the matrix.
  let tile = (group.x + group.y * GRID) * (WG / LANES);
  if (m >= rows || tile * 2u >= p.rows) { return; }
  let n = (tile + t / LANES) * 2u;
  let more = min(4u, rows - m);
  var s0 = vec2<f32>(0.0);
  var s1 = vec2<f32>(0.0);
  var s2 = vec2<f32>(0.0);
  var s3 = vec2<f32>(0.0);
  if (n < p.rows) {
    let next = min(n + 1u, p.rows - 1u);
    for (var j = t % LANES; 4u * j < p.n; j += LANES) {
      var w0 = values4(n, j, p.row);
      var w1 = values4(next, j, p.row);
      if (SCALED) {
        w0 *= scales[n * p.blocks + (j >> p.shift)];
        w1 *= scales[next * p.blocks + (j >> p.shift)];
      }
      let v0 = x4(m, j);
      s0 += vec2<f32>(dot(w0, v0), dot(w1, v0));
      if (MANY && more > 1u) {
        let v = x4(m + 1u, j);
        s1 += vec2<f32>(dot(w0, v), dot(w1, v));
      }
      if (MANY && more > 2u) {
        let v = x4(m + 2u, j);
        s2 += vec2<f32>(dot(w0, v), dot(w1, v));
      }
      if (MANY && more > 3u) {
        let v = x4(m + 3u, j);
        s3 += vec2<f32>(dot(w0, v), dot(w1, v));
      }
    }
  }
  lane_sums[t] = s0;
  if (MANY) {
    lane_sums[WG + t] = s1;
    lane_sums[2u * WG + t] = s2;
    lane_sums[3u * WG + t] = s3;
  }
  workgroupBarrier(); // all lanes are in
  for (var half = LANES / 2u; half > 0u; half >>= 1u) {
    if (t % LANES < half) {
      for (var r = 0u; r < more; r++) { lane_sums[r * WG + t] += lane_sums[r * WG + t + half]; }
    }
    workgroupBarrier(); // half as many are left
  }
  // Lane 2r + i writes matrix row n + i of row m + r.
  let r = t % LANES / 2u;
  let column = t % 2u;
  if (r >= more || n + column >= p.rows) { return; }
  let y = lane_sums[r * WG + t - t % LANES][column];
  let to = (m + r) * p.stride + p.first + n + column;
  out[to] = y;
  if (p.add > 0u) { residual[to] += y; }
}
