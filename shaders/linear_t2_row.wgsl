// linear_t2_row: norm or gate, rounding and a ternary matrix in one dispatch, for one row (decode): every workgroup makes
// the rounded row for itself, in its own memory. Same bits as rows.wgsl and linear_t2.wgsl one after the other, unless
// the sum of squares comes from the dispatch that made the row (SUMMED), which adds in another order.
// Dispatch: groups of WG / LANES * 4 matrix rows in x and y.
//   add: 0 out alone, 1 residual too, 2 residual alone, as out is where x is
//   x f32 [cols] or [2 cols], gain f32 [cols]: as rows.wgsl   w, scales, out, residual: as linear_t2.wgsl
//   partials f32: sums of squares of the row, `sums` of them (SUMMED); or one a group of what the residual became,
//   from `to` on (SQUARES)
// Reads n * tiles * 16 bytes of w, and for each 64 matrix rows the row of f32 two or three times.
struct Params {
  at: u32, n: u32, tiles: u32, stride: u32, first: u32, blocks: u32, shift: u32, add: u32,
  cols: u32, eps: f32, sums: u32, to: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> block: array<u32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read> gain: array<f32>;
@group(0) @binding(4) var<storage, read> w: array<vec4<u32>>;
@group(0) @binding(5) var<storage, read> scales: array<f32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;
@group(0) @binding(7) var<storage, read_write> residual: array<f32>;
@group(0) @binding(8) var<storage, read_write> partials: array<f32>;
override GRID: u32 = 8192u; // workgroups in x; more go on in y
override WG: u32 = 256u;
override LANES: u32 = 16u;
override ROOM: u32 = 64u; // 4 * tiles or more
override SOURCE: u32 = 0u;
override NORM: bool = false;
override SUMMED: bool = false;
override SQUARES: bool = false;

const QUIET_NAN = 0x7fc00000u;
const INFINITE = 0x7f800000u;
var<workgroup> row_q: array<vec4<u32>, ROOM>;
// Four sums of a lane side by side; those of blocks are f32, all others i32, as bits.
var<workgroup> lane_sums: array<vec4<u32>, WG>;

fn source(i: u32) -> f32 {
  if (SOURCE == 0u) { return x[i]; }
  let g = x[i];
  let up = x[p.cols + i];
  if (SOURCE == 1u) { return g / (1.0 + exp(clamp(-g, -87.0, 88.0))) * up; }
  let positive = select(0.0, g, g > 0.0);
  return positive * positive * up;
}

fn column(i: u32, r: f32) -> f32 {
  if (NORM) { return source(i) * r * gain[i]; }
  return source(i);
}

/** One over the root of the mean square. */
fn norm_of(t: u32) -> f32 {
  if (!NORM) { return 1.0; }
  var squares = 0.0;
  if (SUMMED) {
    for (var i = t; i < p.sums; i += WG) { squares += partials[i]; }
  } else {
    // An invocation has the columns that it has in rows.wgsl.
    for (var word = t; word < (p.cols + 3u) / 4u; word += WG) {
      for (var i = 4u * word; i < min(4u * word + 4u, p.cols); i++) {
        let v = source(i);
        squares += v * v;
      }
    }
  }
  return 1.0 / sqrt(sum_all(squares, t) / f32(p.cols) + p.eps);
}

fn scales4(n: u32, b: u32) -> vec4<f32> {
  let last = p.n - 1u;
  return vec4<f32>(scales[min(n, last) * p.blocks + b], scales[min(n + 1u, last) * p.blocks + b],
    scales[min(n + 2u, last) * p.blocks + b], scales[min(n + 3u, last) * p.blocks + b]);
}

@compute @workgroup_size(WG)
fn linear_t2_row(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) t: u32) {
  let index = group.x + group.y * GRID;
  // The last groups in y may be behind the matrix.
  if (block[p.at] == 0u || index * (WG / LANES) * 4u >= p.n) { return; }

  let r = norm_of(t);
  // Magnitudes compare as integers, and NaN above infinity above all numbers.
  var largest = 0u;
  for (var i = t; i < p.cols; i += WG) {
    largest = max(largest, bitcast<u32>(column(i, r)) & 0x7fffffffu);
  }
  let bits = max(max_all(largest, t), bitcast<u32>(1e-5));
  let is_finite = bits < INFINITE;
  let scale = 127.0 / bitcast<f32>(bits);
  var sum = 0;
  for (var unit = t; unit < p.tiles * 4u; unit += WG) {
    var packed = vec4<u32>(0u);
    for (var k = 0u; k < 16u; k++) {
      let i = 16u * unit + k;
      if (i >= p.cols || !is_finite) { continue; }
      let v = i32(clamp(round(column(i, r) * scale), -128.0, 127.0));
      sum += v;
      packed[k / 4u] |= (u32(v) & 0xffu) << (8u * (k % 4u));
    }
    row_q[unit] = packed;
  }
  let total = sum_all_i32(sum, t); // its barriers show the whole row
  let inverse = bitcast<f32>(select(QUIET_NAN, bitcast<u32>(bitcast<f32>(bits) / 127.0), is_finite));

  let tile_row = index * (WG / LANES) + t / LANES;
  let n = tile_row * 4u;
  var s = vec4<u32>(0u);
  if (n < p.n) {
    for (var c = t % LANES; c < p.tiles; c += LANES) {
      let at = (tile_row * p.tiles + c) * 4u;
      let w0 = w[at];
      let w1 = w[at + 1u];
      let w2 = w[at + 2u];
      let w3 = w[at + 3u];
      var d = vec4<i32>(0);
      for (var k = 0u; k < 4u; k++) {
        let shift = vec4<u32>(2u * k);
        d += dots((w0 >> shift) & CODE, (w1 >> shift) & CODE, (w2 >> shift) & CODE, (w3 >> shift) & CODE,
          row_q[c * 4u + k]);
      }
      if (BLOCKED) {
        s = joined(s, bitcast<vec4<u32>>(vec4<f32>(d) * scales4(n, c >> p.shift)));
      } else {
        s = joined(s, bitcast<vec4<u32>>(d));
      }
    }
  }
  lane_sums[t] = s;
  workgroupBarrier(); // all lanes are in
  for (var half = LANES / 2u; half > 0u; half >>= 1u) {
    if (t % LANES < half) { lane_sums[t] = joined(lane_sums[t], lane_sums[t + half]); }
    workgroupBarrier(); // half as many are left
  }
  // Lanes 0 to 3 write a matrix row each.
  let column_at = t % LANES;
  var square = 0.0;
  if (column_at < 4u && n + column_at < p.n) {
    let bits_of_sum = lane_sums[t - column_at][column_at];
    var y = 0.0;
    if (BLOCKED) {
      y = bitcast<f32>(bits_of_sum) * inverse;
    } else {
      y = f32(bitcast<i32>(bits_of_sum) - total) * (scales[n + column_at] * inverse);
    }
    let to = p.first + n + column_at;
    if (p.add < 2u) { out[to] = y; }
    if (p.add > 0u) {
      let v = residual[to] + y;
      residual[to] = v;
      square = v * v;
    }
  }
  if (SQUARES) {
    let squares = sum_all(square, t);
    if (t == 0u) { partials[p.to + index] = squares; }
  }
}
