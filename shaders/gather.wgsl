// gather: copies rows of x f32 [..][n] to out f32 [rows][n]. Dispatch: (ceil(n / 256), rows), in x and y.
//   block: rows, then which rows of x
struct Params { at: u32, n: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> block: array<u32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(256)
fn gather(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) t: u32) {
  let r = group.y;
  let i = group.x * 256u + t;
  if (r >= block[p.at] || i >= p.n) { return; }
  out[r * p.n + i] = x[block[p.at + 1u + r] * p.n + i];
}
