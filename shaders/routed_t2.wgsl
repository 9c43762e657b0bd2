// routed_t2: of each pair (expert, row), its rounded row times its expert's ternary matrix; sums as in
// linear_t2.wgsl. The matrices of `experts` experts from `expert` on stand one behind the other; pairs of others are
// left alone. Dispatch: (groups of WG / LANES * 4 matrix rows in x and y, pairs in z, or pairs / 4 where MANY).
// Where MANY, four pairs go together, and those of one expert share what is read of it: pairs are in order.
//   block: pairs   q int8 [rows or pairs][tiles * 64]   marks [..][2]   w t2 of all experts   scales f32 of all
//   routes f32 [pairs][3]: expert, row, weight   out f32 [pairs][stride]
// Reads n * tiles * 16 bytes of each chosen expert, and of no other.
struct Params {
  at: u32, n: u32, tiles: u32, stride: u32, first: u32, blocks: u32, shift: u32,
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

/** Among the experts here; one that is not is larger than all of them. */
fn expert_of(pair: u32) -> u32 { return u32(routes[3u * pair]) - p.expert; }

fn row_of(pair: u32) -> u32 {
  if (p.by_pair > 0u) { return pair; }
  return u32(routes[3u * pair + 1u]);
}

fn scale_at(e: u32, n: u32, b: u32) -> f32 {
  return scales[(e * p.n + min(n, p.n - 1u)) * p.blocks + b];
}

@compute @workgroup_size(WG)
fn routed_t2(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) t: u32) {
  let pairs = block[p.at];
  let together = select(1u, 4u, MANY);
  let m = group.z * together;
  if (m >= pairs) { return; }
  let more = min(together, pairs - m);
  let tile_row = (group.x + group.y * GRID) * (WG / LANES) + t / LANES;
  let n = tile_row * 4u;
  let expert_tiles = (p.n + 3u) / 4u * p.tiles;
  var s0 = vec4<u32>(0u);
  var s1 = vec4<u32>(0u);
  var s2 = vec4<u32>(0u);
  var s3 = vec4<u32>(0u);
  for (var begin = 0u; begin < more && n < p.n;) {
    let e = expert_of(m + begin);
    var end = begin + 1u;
    while (end < more && expert_of(m + end) == e) { end++; }
    if (e < p.experts) {
      let x0 = row_of(m) * p.tiles * 4u;
      let x1 = row_of(m + min(1u, more - 1u)) * p.tiles * 4u;
      let x2 = row_of(m + min(2u, more - 1u)) * p.tiles * 4u;
      let x3 = row_of(m + min(3u, more - 1u)) * p.tiles * 4u;
      for (var c = t % LANES; c < p.tiles; c += LANES) {
        let at = (e * expert_tiles + tile_row * p.tiles + c) * 4u;
        let w0 = w[at];
        let w1 = w[at + 1u];
        let w2 = w[at + 2u];
        let w3 = w[at + 3u];
        var scale = vec4<f32>(0.0);
        if (BLOCKED) {
          let b = c >> p.shift;
          scale = vec4<f32>(scale_at(e, n, b), scale_at(e, n + 1u, b), scale_at(e, n + 2u, b),
            scale_at(e, n + 3u, b));
        }
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
          let x = c * 4u + k;
          if (begin == 0u) { d0 += dots(c0, c1, c2, c3, q[x0 + x]); }
          if (MANY) {
            if (begin <= 1u && end > 1u) { d1 += dots(c0, c1, c2, c3, q[x1 + x]); }
            if (begin <= 2u && end > 2u) { d2 += dots(c0, c1, c2, c3, q[x2 + x]); }
            if (end > 3u) { d3 += dots(c0, c1, c2, c3, q[x3 + x]); }
          }
        }
        // Not 0 times the scale of another expert: that may be no number.
        if (begin == 0u) { s0 = added(s0, d0, scale); }
        if (MANY) {
          if (begin <= 1u && end > 1u) { s1 = added(s1, d1, scale); }
          if (begin <= 2u && end > 2u) { s2 = added(s2, d2, scale); }
          if (end > 3u) { s3 = added(s3, d3, scale); }
        }
      }
    }
    begin = end;
  }
  join_lanes(t, more, s0, s1, s2, s3);
  // Lane 4r + i writes matrix row n + i of pair m + r.
  let r = t % LANES / 4u;
  let column = t % 4u;
  if (r >= more || n + column >= p.n) { return; }
  let e = expert_of(m + r);
  if (e >= p.experts) { return; }
  let sum = lane_sums[r * WG + t - t % LANES][column];
  let mark = marks[row_of(m + r)];
  let inverse = bitcast<f32>(mark.x);
  var y = 0.0;
  if (BLOCKED) {
    y = bitcast<f32>(sum) * inverse;
  } else {
    y = f32(bitcast<i32>(sum) - bitcast<i32>(mark.y)) * (scale_at(e, n + column, 0u) * inverse);
  }
  out[(m + r) * p.stride + p.first + n + column] = y;
}
