// linear_t2: ternary matrix times one rounded row, or up to 4 (decode). y = (sum q*code - sum q) * scale, codes
// 0, 1, 2; with BLOCKED scales per 2^shift tiles of 64 columns, summed up in f32.
// Dispatch: (groups of WG / LANES * 4 matrix rows, ceil(rows / 4)); LANES invocations share 4 rows, each
// takes every LANES-th tile of 4 x 64 weights (64 bytes) and 64 bytes of q.
//   q int8 [rows][tiles * 64]   marks [rows][2]: inverse scale, sum   w t2 (format/layout.ts)
//   scales f32 [n] or [n][blocks]   out f32 [rows][stride]   residual f32 [rows][stride] += (where add)
// Reads n * tiles * 16 bytes of w, and for each group tiles * 64 bytes of q a row. Integer sums are exact.
struct Params {
  at: u32, n: u32, tiles: u32, stride: u32, first: u32, blocks: u32, shift: u32, add: u32,
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

fn scales4(n: u32, b: u32) -> vec4<f32> {
  let last = p.n - 1u;
  return vec4<f32>(scales[min(n, last) * p.blocks + b], scales[min(n + 1u, last) * p.blocks + b],
    scales[min(n + 2u, last) * p.blocks + b], scales[min(n + 3u, last) * p.blocks + b]);
}

@compute @workgroup_size(WG)
fn linear_t2(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) t: u32) {
  let rows = block[p.at];
  let m = group.z * 4u;
  // The last groups in y may be behind the matrix.
  let tile = (group.x + group.y * GRID) * (WG / LANES);
  if (m >= rows || tile * 4u >= p.n) { return; }
  let tile_row = tile + t / LANES;
  let n = tile_row * 4u;
  let more = min(4u, rows - m);
  var s0 = vec4<u32>(0u);
  var s1 = vec4<u32>(0u);
  var s2 = vec4<u32>(0u);
  var s3 = vec4<u32>(0u);
  if (n < p.n) {
    for (var c = t % LANES; c < p.tiles; c += LANES) {
      let at = (tile_row * p.tiles + c) * 4u;
      let w0 = w[at];
      let w1 = w[at + 1u];
      let w2 = w[at + 2u];
      let w3 = w[at + 3u];
      var scale = vec4<f32>(0.0);
      if (BLOCKED) { scale = scales4(n, c >> p.shift); }
      var d0 = vec4<i32>(0);
      var d1 = vec4<i32>(0);
      var d2 = vec4<i32>(0);
      var d3 = vec4<i32>(0);
      for (var k = 0u; k < 4u; k++) {
        let bits = vec4<u32>(2u * k);
        let c0 = (w0 >> bits) & CODE;
        let c1 = (w1 >> bits) & CODE;
        let c2 = (w2 >> bits) & CODE;
        let c3 = (w3 >> bits) & CODE;
        let x = (m * p.tiles + c) * 4u + k;
        let row = p.tiles * 4u;
        d0 += dots(c0, c1, c2, c3, q[x]);
        if (MANY) {
          if (more > 1u) { d1 += dots(c0, c1, c2, c3, q[x + row]); }
          if (more > 2u) { d2 += dots(c0, c1, c2, c3, q[x + 2u * row]); }
          if (more > 3u) { d3 += dots(c0, c1, c2, c3, q[x + 3u * row]); }
        }
      }
      s0 = added(s0, d0, scale);
      if (MANY) {
        s1 = added(s1, d1, scale);
        s2 = added(s2, d2, scale);
        s3 = added(s3, d3, scale);
      }
    }
  }
  join_lanes(t, more, s0, s1, s2, s3);
  // Lane 4r + i writes matrix row n + i of row m + r.
  let r = t % LANES / 4u;
  let column = t % 4u;
  if (r >= more || n + column >= p.n) { return; }
  let sum = lane_sums[r * WG + t - t % LANES][column];
  let mark = marks[m + r];
  let inverse = bitcast<f32>(mark.x);
  var y = 0.0;
  if (BLOCKED) {
    y = bitcast<f32>(sum) * inverse;
  } else {
    y = f32(bitcast<i32>(sum) - bitcast<i32>(mark.y)) * (scales[n + column] * inverse);
  }
  let to = (m + r) * p.stride + p.first + n + column;
  out[to] = y;
  if (p.add > 0u) { residual[to] += y; }
}
