// finite: looks whether values are finite. Dispatch: groups of 256, in x and y.
//   block: values, where they begin   x f32   status u32 [4]: [1] becomes the step's number where one is not
struct Params { at: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> block: array<u32>;
@group(0) @binding(2) var<storage, read> x: array<u32>;
@group(0) @binding(3) var<storage, read_write> status: array<atomic<u32>>;
override GRID: u32 = 8192u; // workgroups in x; more go on in y

@compute @workgroup_size(256)
fn finite(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) t: u32) {
  let count = block[p.at];
  let i = (group.x + group.y * GRID) * 256u + t;
  if (i >= count) { return; }
  if ((x[block[p.at + 1u] + i] & 0x7f800000u) == 0x7f800000u) { atomicStore(&status[1], block[0]); }
}
