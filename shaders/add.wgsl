// add: out f32 [count] += x f32 [count]. Dispatch: groups of 256, in x and y.
struct Params { at: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> block: array<u32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;
override GRID: u32 = 8192u; // workgroups in x; more go on in y

@compute @workgroup_size(256)
fn add(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) t: u32) {
  let i = (group.x + group.y * GRID) * 256u + t;
  if (i >= block[p.at]) { return; }
  out[i] += x[i];
}
