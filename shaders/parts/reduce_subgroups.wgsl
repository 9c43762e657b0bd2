// Sums and maxima over a workgroup of WG invocations (a power of two) with subgroups of any size: what is
// exact in any order (integer sums, maxima) takes one atomic a subgroup. Sums of floats keep the tree of
// reduce_tree.wgsl, so that their bits do not depend on the size of a subgroup. Call from uniform control
// flow.
var<workgroup> reduce_parts: array<u32, WG>;
var<workgroup> reduce_one: atomic<u32>;

fn sum_all(value: f32, t: u32) -> f32 {
  workgroupBarrier(); // the last result was read
  reduce_parts[t] = bitcast<u32>(value);
  workgroupBarrier(); // all values are there
  for (var half = WG / 2u; half > 0u; half >>= 1u) {
    if (t < half) {
      reduce_parts[t] = bitcast<u32>(bitcast<f32>(reduce_parts[t]) + bitcast<f32>(reduce_parts[t + half]));
    }
    workgroupBarrier(); // half as many are left
  }
  return bitcast<f32>(reduce_parts[0]);
}

fn sum_all_i32(value: i32, t: u32) -> i32 {
  workgroupBarrier(); // the last result was read
  if (t == 0u) { atomicStore(&reduce_one, 0u); }
  let sum = bitcast<u32>(subgroupAdd(value));
  workgroupBarrier(); // it is zero
  if (subgroupElect()) { atomicAdd(&reduce_one, sum); }
  workgroupBarrier(); // all subgroups are in
  return bitcast<i32>(atomicLoad(&reduce_one));
}

fn max_all(value: u32, t: u32) -> u32 {
  workgroupBarrier(); // the last result was read
  if (t == 0u) { atomicStore(&reduce_one, 0u); }
  let largest = subgroupMax(value);
  workgroupBarrier(); // it is zero
  if (subgroupElect()) { atomicMax(&reduce_one, largest); }
  workgroupBarrier(); // all subgroups are in
  return atomicLoad(&reduce_one);
}
