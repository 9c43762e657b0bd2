// norm_columns: RMSNorm of some columns of each row, in place. Dispatch: a workgroup a row.
//   block: rows   gain f32 [n]   x f32 [rows][stride], columns first..first+n-1
struct Params { at: u32, n: u32, stride: u32, first: u32, eps: f32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> block: array<u32>;
@group(0) @binding(2) var<storage, read> gain: array<f32>;
@group(0) @binding(3) var<storage, read_write> x: array<f32>;
override GRID: u32 = 8192u; // workgroups in x; more go on in y
override WG: u32 = 256u;

@compute @workgroup_size(WG)
fn norm_columns(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) t: u32) {
  let row = group.x + group.y * GRID;
  if (row >= block[p.at]) { return; }
  let at = row * p.stride + p.first;
  var squares = 0.0;
  for (var i = t; i < p.n; i += WG) { squares += x[at + i] * x[at + i]; }
  let r = 1.0 / sqrt(sum_all(squares, t) / f32(p.n) + p.eps);
  for (var i = t; i < p.n; i += WG) { x[at + i] = x[at + i] * r * gain[i]; }
}
