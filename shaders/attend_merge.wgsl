// attend_merge: the runs of attend.wgsl put together, in their order. Dispatch: (heads, rows).
//   runs f32 [rows][heads][splits][2 + head_dim]: maximum, sum, weighted values
//   out f32 [rows][heads][head_dim]
struct Params { at: u32, heads: u32, head_dim: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> block: array<u32>;
@group(0) @binding(2) var<storage, read> runs: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn attend_merge(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) t: u32) {
  let splits = block[p.at + 1u];
  if (group.y >= block[p.at] || splits < 2u) { return; }
  let vector = group.y * p.heads + group.x;
  let size = p.head_dim + 2u;
  let base = vector * splits * size;
  var most = runs[base];
  for (var s = 1u; s < splits; s++) { most = max(most, runs[base + s * size]); }
  var total = 0.0;
  for (var s = 0u; s < splits; s++) {
    total += runs[base + s * size + 1u] * exp(runs[base + s * size] - most);
  }
  for (var d = t; d < p.head_dim; d += 64u) {
    var o = 0.0;
    for (var s = 0u; s < splits; s++) {
      o += runs[base + s * size + 2u + d] * exp(runs[base + s * size] - most);
    }
    out[vector * p.head_dim + d] = o / total;
  }
}
