// linear_t2_tile: ternary matrix times many rounded rows (prefill), tiles of 32 matrix rows x 32 rows of q.
// An invocation has 4 matrix rows x 4 rows of q in named sums; a step of 64 columns is 256 dot products of
// four bytes on 64 words of q and 16 of weights. Same sums, bindings and parameters as linear_t2.wgsl.
// Dispatch: (ceil(n / 32), ceil(rows / 32)), in x and z.
// Reads n * tiles * 16 bytes of w for each 32 rows, and tiles * 2048 bytes of q for each 32 matrix rows.
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
override BLOCKED: bool = false;

const CODE = vec4<u32>(0x03030303u);
const ONES = vec4<u32>(0x01010101u);
// 5 vec4 a row: with 4, all rows would begin in the same bank.
var<workgroup> tile_q: array<vec4<u32>, 160>;
var<workgroup> tile_w: array<vec4<u32>, 32>;

fn dots(row: u32, k: u32, c0: vec4<u32>, c1: vec4<u32>, c2: vec4<u32>, c3: vec4<u32>) -> vec4<i32> {
  let x = tile_q[row * 5u + k];
  return vec4<i32>(dot16(c0, x), dot16(c1, x), dot16(c2, x), dot16(c3, x));
}

fn row_sum(row: u32) -> vec4<i32> {
  let at = row * 5u;
  return vec4<i32>(dot16(ONES, tile_q[at]) + dot16(ONES, tile_q[at + 1u])
    + dot16(ONES, tile_q[at + 2u]) + dot16(ONES, tile_q[at + 3u]));
}

fn scales4(n: u32, b: u32) -> vec4<f32> {
  let last = p.n - 1u;
  return vec4<f32>(scales[min(n, last) * p.blocks + b], scales[min(n + 1u, last) * p.blocks + b],
    scales[min(n + 2u, last) * p.blocks + b], scales[min(n + 3u, last) * p.blocks + b]);
}

fn write(m: u32, rows: u32, n: u32, s: vec4<i32>, f: vec4<f32>) {
  if (m >= rows) { return; }
  let mark = marks[m];
  let inverse = bitcast<f32>(mark.x);
  for (var r = 0u; r < 4u; r++) {
    if (n + r >= p.n) { return; }
    var y = 0.0;
    if (BLOCKED) {
      y = f[r] * inverse;
    } else {
      y = f32(s[r] - bitcast<i32>(mark.y)) * (scales[n + r] * inverse);
    }
    let to = m * p.stride + p.first + n + r;
    out[to] = y;
    if (p.add > 0u) { residual[to] += y; }
  }
}

@compute @workgroup_size(64)
fn linear_t2_tile(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) t: u32) {
  let rows = block[p.at];
  let m0 = group.z * 32u;
  if (m0 >= rows) { return; }
  let n0 = (group.x + group.y * GRID) * 32u;
  let tile_n = t % 8u * 4u;
  let n = n0 + tile_n;
  let tile_m = t / 8u;
  let padded = (p.n + 3u) / 4u * 4u;
  var s0 = vec4<i32>(0);
  var s1 = vec4<i32>(0);
  var s2 = vec4<i32>(0);
  var s3 = vec4<i32>(0);
  var f0 = vec4<f32>(0.0);
  var f1 = vec4<f32>(0.0);
  var f2 = vec4<f32>(0.0);
  var f3 = vec4<f32>(0.0);
  for (var c = 0u; c < p.tiles; c++) {
    workgroupBarrier(); // the tiles before were read
    for (var i = t; i < 128u; i += 64u) {
      let m = m0 + i / 4u;
      var x = vec4<u32>(0u);
      if (m < rows) { x = q[(m * p.tiles + c) * 4u + i % 4u]; }
      tile_q[i / 4u * 5u + i % 4u] = x;
    }
    if (t < 32u) {
      let row = n0 + t;
      var codes = vec4<u32>(0u);
      if (row < padded) { codes = w[(row / 4u * p.tiles + c) * 4u + row % 4u]; }
      tile_w[t] = codes;
    }
    workgroupBarrier(); // both tiles are there
    for (var k = 0u; k < 4u; k++) {
      let bits = vec4<u32>(2u * k);
      let c0 = (tile_w[tile_n] >> bits) & CODE;
      let c1 = (tile_w[tile_n + 1u] >> bits) & CODE;
      let c2 = (tile_w[tile_n + 2u] >> bits) & CODE;
      let c3 = (tile_w[tile_n + 3u] >> bits) & CODE;
      s0 += dots(tile_m, k, c0, c1, c2, c3);
      s1 += dots(tile_m + 8u, k, c0, c1, c2, c3);
      s2 += dots(tile_m + 16u, k, c0, c1, c2, c3);
      s3 += dots(tile_m + 24u, k, c0, c1, c2, c3);
    }
    if (BLOCKED) {
      let scale = scales4(n, c >> p.shift);
      f0 += vec4<f32>(s0 - row_sum(tile_m)) * scale;
      f1 += vec4<f32>(s1 - row_sum(tile_m + 8u)) * scale;
      f2 += vec4<f32>(s2 - row_sum(tile_m + 16u)) * scale;
      f3 += vec4<f32>(s3 - row_sum(tile_m + 24u)) * scale;
      s0 = vec4<i32>(0);
      s1 = vec4<i32>(0);
      s2 = vec4<i32>(0);
      s3 = vec4<i32>(0);
    }
  }
  write(m0 + tile_m, rows, n, s0, f0);
  write(m0 + tile_m + 8u, rows, n, s1, f1);
  write(m0 + tile_m + 16u, rows, n, s2, f2);
  write(m0 + tile_m + 24u, rows, n, s3, f3);
}
