// mix: adds the results of a row's experts to it, each times its weight, in ascending order of expert.
// Dispatch: (ceil(n / 256), rows), in x and y; rows that no pair has are left alone.
//   block: rows, pairs   y f32 [pairs][n]   routes f32 [pairs][3]: expert, row, weight   out f32 [rows][n] +=
struct Params { at: u32, n: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> block: array<u32>;
@group(0) @binding(2) var<storage, read> y: array<f32>;
@group(0) @binding(3) var<storage, read> routes: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

const WG = 256u;
// Looks at 256 pairs at a time: 1 where one is of this row.
var<workgroup> mine: array<u32, WG>;

@compute @workgroup_size(256)
fn mix(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) t: u32) {
  let row = group.y;
  let rows = block[p.at];
  let pairs = block[p.at + 1u];
  if (row >= rows) { return; }
  let i = group.x * WG + t;
  var v = 0.0;
  if (i < p.n) { v = out[row * p.n + i]; }
  for (var first = 0u; first < pairs; first += WG) {
    let pair = first + t;
    workgroupBarrier(); // those before were read
    mine[t] = 0u;
    if (pair < pairs) { mine[t] = u32(u32(routes[3u * pair + 1u]) == row); }
    workgroupBarrier(); // all are there
    if (i < p.n) {
      for (var k = 0u; k < min(WG, pairs - first); k++) {
        if (mine[k] == 0u) { continue; }
        v += routes[3u * (first + k) + 2u] * y[(first + k) * p.n + i];
      }
    }
  }
  if (i < p.n) { out[row * p.n + i] = v; }
}
