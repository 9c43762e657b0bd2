// bias: x f32 [rows][n] += b f32 [n], to each row. Dispatch: (ceil(n / 256), rows), in x and y.
struct Params { at: u32, n: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> block: array<u32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> x: array<f32>;

@compute @workgroup_size(256)
fn bias(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) t: u32) {
  let row = group.y;
  let i = group.x * 256u + t;
  if (row >= block[p.at] || i >= p.n) { return; }
  x[row * p.n + i] += b[i];
}
