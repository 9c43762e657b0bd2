// The sums of all lanes with subgroups of any size, after lanes.wgsl: each adds what it has of a group of lanes by
// atomics, so integer sums have the bits of lanes_tree.wgsl. Sums of floats (BLOCKED) are joined by halves, as there.
// Call from uniform control flow.
/** Four sums of each row of each group of lanes. */
var<workgroup> group_sums: array<atomic<u32>, 16u * WG / LANES>;

fn add_row(t: u32, group: u32, r: u32, s: vec4<u32>) {
  let of_group = select(vec4<i32>(0), bitcast<vec4<i32>>(s), t / LANES == group);
  let sum = bitcast<vec4<u32>>(lanes_sum4(of_group, t));
  if (lanes_first(t)) {
    let at = (r * (WG / LANES) + group) * 4u;
    atomicAdd(&group_sums[at], sum.x);
    atomicAdd(&group_sums[at + 1u], sum.y);
    atomicAdd(&group_sums[at + 2u], sum.z);
    atomicAdd(&group_sums[at + 3u], sum.w);
  }
}

fn join_exact(t: u32, s0: vec4<u32>, s1: vec4<u32>, s2: vec4<u32>, s3: vec4<u32>) {
  let groups = WG / LANES;
  for (var i = t; i < 16u * groups; i += WG) { atomicStore(&group_sums[i], 0u); }
  workgroupBarrier(); // all are zero
  for (var group = 0u; group < groups; group++) {
    add_row(t, group, 0u, s0);
    if (MANY) {
      add_row(t, group, 1u, s1);
      add_row(t, group, 2u, s2);
      add_row(t, group, 3u, s3);
    }
  }
  workgroupBarrier(); // all subgroups are in
  let last = select(1u, 4u, MANY);
  for (var r = 0u; r < last; r++) {
    if (t % LANES == 0u) {
      let at = (r * groups + t / LANES) * 4u;
      lane_sums[r * WG + t] = vec4<u32>(atomicLoad(&group_sums[at]), atomicLoad(&group_sums[at + 1u]),
        atomicLoad(&group_sums[at + 2u]), atomicLoad(&group_sums[at + 3u]));
    }
  }
  workgroupBarrier(); // the first lane of each group has its sums
}

/** Joins the sums of a group of lanes in its first: row r's are in lane_sums[r * WG + t - t % LANES] then. */
fn join_lanes(t: u32, rows: u32, s0: vec4<u32>, s1: vec4<u32>, s2: vec4<u32>, s3: vec4<u32>) {
  if (BLOCKED) {
    join_halves(t, rows, s0, s1, s2, s3);
  } else {
    join_exact(t, s0, s1, s2, s3);
  }
}
