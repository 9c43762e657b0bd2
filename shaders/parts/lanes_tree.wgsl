// The sums of all lanes by halves: linear_t2, linear_flat, routed_t2, routed_flat. The plain path, after lanes.wgsl; twin:
// lanes_subgroups.wgsl. Call from uniform control flow.
fn join_lanes(t: u32, rows: u32, s0: vec4<u32>, s1: vec4<u32>, s2: vec4<u32>, s3: vec4<u32>) {
  join_halves(t, rows, s0, s1, s2, s3);
}
