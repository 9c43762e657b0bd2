// linear_flat: int8 or int4 matrix (parts/flat_*.wgsl) times one rounded row, or up to 4; most often the head.
// y = sum q*w * (scale * inverse scale of the row). Dispatch: groups of WG / LANES * 4 matrix rows in x and
// y (a vocabulary may need both), ceil(rows / 4) in z; LANES invocations share 4 matrix rows, each takes
// every LANES-th unit of 16 columns.
//   q int8 [rows][padded to 64]   marks [rows][2]: inverse scale, sum   w (format/layout.ts)
//   scales f32 [n]   out f32 [rows][stride]   residual f32 [rows][stride] += (where add)
// Reads all of w once, and for each group the row of q. Integer sums are exact.
struct Params {
  at: u32, n: u32, units: u32, stride: u32, first: u32, row: u32, q_row: u32, add: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> block: array<u32>;
@group(0) @binding(2) var<storage, read> q: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> marks: array<vec2<u32>>;
@group(0) @binding(4) var<storage, read> w: array<vec4<u32>>;
@group(0) @binding(5) var<storage, read> scales: array<f32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;
@group(0) @binding(7) var<storage, read_write> residual: array<f32>;
override GRID: u32 = 8192u; // workgroups in x; more go on in y

@compute @workgroup_size(WG)
fn linear_flat(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) t: u32) {
  let rows = block[p.at];
  let m = group.z * 4u;
  // The last groups in y may be behind the matrix.
  let tile = (group.x + group.y * GRID) * (WG / LANES);
  if (m >= rows || tile * 4u >= p.n) { return; }
  let n = (tile + t / LANES) * 4u;
  let more = min(4u, rows - m);
  var s0 = vec4<i32>(0);
  var s1 = vec4<i32>(0);
  var s2 = vec4<i32>(0);
  var s3 = vec4<i32>(0);
  if (n < p.n) {
    let last = p.n - 1u;
    for (var j = t % LANES; j < p.units; j += LANES) {
      let x = m * p.q_row + j;
      for (var r = 0u; r < more; r++) {
        let v = q[x + r * p.q_row];
        let s = vec4<i32>(flat_dot(n, j, p.row, v), flat_dot(min(n + 1u, last), j, p.row, v),
          flat_dot(min(n + 2u, last), j, p.row, v), flat_dot(min(n + 3u, last), j, p.row, v));
        if (!MANY || r == 0u) { s0 += s; }
        if (MANY) {
          if (r == 1u) { s1 += s; }
          if (r == 2u) { s2 += s; }
          if (r == 3u) { s3 += s; }
        }
      }
    }
  }
  join_lanes(t, more, bitcast<vec4<u32>>(s0), bitcast<vec4<u32>>(s1), bitcast<vec4<u32>>(s2), bitcast<vec4<u32>>(s3));
  // Lane 4r + i writes matrix row n + i of row m + r.
  let r = t % LANES / 4u;
  let column = t % 4u;
  if (r >= more || n + column >= p.n) { return; }
  let sum = bitcast<i32>(lane_sums[r * WG + t - t % LANES][column]);
  let y = f32(sum) * (scales[n + column] * bitcast<f32>(marks[m + r].x));
  let to = (m + r) * p.stride + p.first + n + column;
  out[to] = y;
  if (p.add > 0u) { residual[to] += y; }
}
