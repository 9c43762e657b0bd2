// rows: what happens to rows between two linears, in one dispatch. Each row is
//   v = x, or act(gate) * up of x [2n]   SOURCE: 0 x, 1 silu, 2 relu2
//   y = v / rms(v) * gain                 where NORM
//   q = y rounded to int8, its inverse scale and its sum    where ROUND
// Dispatch: a workgroup a row. Same formulas as norm, gate and quantizeRow of backend/reference.
//   x f32 [rows][n] or [rows][2n]   gain f32 [n]   out f32 [rows][n], or x itself (IN_PLACE)
//   q int8 [rows][n padded to 64, with zeros], as words   marks u32 [rows][2]: inverse scale, sum of q
// Reads 4n bytes a row (8n with a gate) and writes 5n.
struct Params { at: u32, n: u32, units: u32, eps: f32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> block: array<u32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read> gain: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;
@group(0) @binding(5) var<storage, read_write> q: array<u32>;
@group(0) @binding(6) var<storage, read_write> marks: array<u32>;
override GRID: u32 = 8192u; // workgroups in x; more go on in y
override WG: u32 = 256u;
override SOURCE: u32 = 0u;
override NORM: bool = false;
override ROUND: bool = false;
override IN_PLACE: bool = false;

const QUIET_NAN = 0x7fc00000u;
const INFINITE = 0x7f800000u;

fn source(row: u32, i: u32) -> f32 {
  if (SOURCE == 0u) {
    if (IN_PLACE) { return out[row * p.n + i]; }
    return x[row * p.n + i];
  }
  let g = x[2u * row * p.n + i];
  let up = x[2u * row * p.n + p.n + i];
  if (SOURCE == 1u) { return g / (1.0 + exp(clamp(-g, -87.0, 88.0))) * up; }
  let positive = select(0.0, g, g > 0.0);
  return positive * positive * up;
}

/** A column after the gate or the norm that went before: out, where there was one. */
fn column(row: u32, i: u32, written: bool) -> f32 {
  if (written) { return out[row * p.n + i]; }
  return source(row, i);
}

@compute @workgroup_size(WG)
fn rows(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) t: u32) {
  let row = group.x + group.y * GRID;
  if (row >= block[p.at]) { return; }
  // An invocation has the same columns in each loop, so that it reads again only what it wrote itself.
  let words = (p.n + 3u) / 4u;

  var squares = 0.0;
  if (SOURCE > 0u || NORM) {
    for (var word = t; word < words; word += WG) {
      for (var i = 4u * word; i < min(4u * word + 4u, p.n); i++) {
        let v = source(row, i);
        squares += v * v;
        if (SOURCE > 0u) { out[row * p.n + i] = v; }
      }
    }
  }
  if (NORM) {
    let r = 1.0 / sqrt(sum_all(squares, t) / f32(p.n) + p.eps);
    for (var word = t; word < words; word += WG) {
      for (var i = 4u * word; i < min(4u * word + 4u, p.n); i++) {
        out[row * p.n + i] = column(row, i, SOURCE > 0u) * r * gain[i];
      }
    }
  }
  if (!ROUND) { return; }

  // Magnitudes compare as integers, and NaN above infinity above all numbers.
  var largest = 0u;
  for (var word = t; word < words; word += WG) {
    for (var i = 4u * word; i < min(4u * word + 4u, p.n); i++) {
      largest = max(largest, bitcast<u32>(column(row, i, SOURCE > 0u || NORM)) & 0x7fffffffu);
    }
  }
  let bits = max(max_all(largest, t), bitcast<u32>(1e-5));
  let is_finite = bits < INFINITE;
  let scale = 127.0 / bitcast<f32>(bits);
  var sum = 0;
  for (var word = t; word < p.units * 16u; word += WG) {
    var packed = 0u;
    for (var k = 0u; k < 4u; k++) {
      let i = 4u * word + k;
      if (i >= p.n || !is_finite) { continue; }
      let v = i32(clamp(round(column(row, i, SOURCE > 0u || NORM) * scale), -128.0, 127.0));
      sum += v;
      packed |= (u32(v) & 0xffu) << (8u * k);
    }
    q[row * p.units * 16u + word] = packed;
  }
  let total = sum_all_i32(sum, t);
  if (t == 0u) {
    marks[2u * row] = select(QUIET_NAN, bitcast<u32>(bitcast<f32>(bits) / 127.0), is_finite);
    marks[2u * row + 1u] = bitcast<u32>(total);
  }
}
