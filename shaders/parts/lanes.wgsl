// The sums of all lanes, for up to four rows, joined by halves. Read by lanes_tree.wgsl and lanes_subgroups.wgsl, one of
// which follows. Call from uniform control flow.
override WG: u32 = 64u;
override LANES: u32 = 16u;
override MANY: bool = false; // up to four rows, else one
override SUMS: u32 = 64u; // WG, or 4 * WG where MANY
var<workgroup> lane_sums: array<vec4<u32>, SUMS>;

/** Joins the sums of a group of lanes in its first: row r's are in lane_sums[r * WG + t - t % LANES] then. */
fn join_halves(t: u32, rows: u32, s0: vec4<u32>, s1: vec4<u32>, s2: vec4<u32>, s3: vec4<u32>) {
  lane_sums[t] = s0;
  if (MANY) {
    lane_sums[WG + t] = s1;
    lane_sums[2u * WG + t] = s2;
    lane_sums[3u * WG + t] = s3;
  }
  workgroupBarrier(); // all lanes are in
  for (var half = LANES / 2u; half > 0u; half >>= 1u) {
    if (t % LANES < half) {
      for (var r = 0u; r < rows; r++) {
        lane_sums[r * WG + t] = joined(lane_sums[r * WG + t], lane_sums[r * WG + t + half]);
      }
    }
    workgroupBarrier(); // half as many are left
  }
}
