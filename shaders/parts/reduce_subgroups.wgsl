// Sums and maxima over a workgroup of WG invocations (a power of two) with subgroups of any size. Integer sums and
// maxima take one atomic a subgroup, and are exact. Sums of floats are those of the subgroups in the order of their
// first invocations: the same in every run on a device, but not the bits of reduce_tree.wgsl. Call from uniform
// control flow.
var<workgroup> reduce_parts: array<u32, WG>;
var<workgroup> reduce_one: atomic<u32>;

fn sum_all(value: f32, t: u32) -> f32 {
  workgroupBarrier(); // the last result was read
  reduce_parts[t] = 0u;
  if (t == 0u) { atomicStore(&reduce_one, 0u); }
  let sum = lanes_sum(value, t);
  let is_first = lanes_first(t);
  workgroupBarrier(); // all is zero
  if (is_first) {
    reduce_parts[t] = bitcast<u32>(sum);
    atomicOr(&reduce_one, t);
  }
  workgroupBarrier(); // all subgroups are in
  // Their first invocations stand at multiples of the lowest bit that one of them has: most often the size.
  let firsts = atomicLoad(&reduce_one);
  let stride = select(firsts & (~firsts + 1u), WG, firsts == 0u);
  var total = 0.0;
  for (var i = 0u; i < WG; i += stride) { total += bitcast<f32>(reduce_parts[i]); }
  return total;
}

fn sum_all_i32(value: i32, t: u32) -> i32 {
  workgroupBarrier(); // the last result was read
  if (t == 0u) { atomicStore(&reduce_one, 0u); }
  let sum = lanes_sum4(vec4<i32>(value, 0, 0, 0), t).x;
  let is_first = lanes_first(t);
  workgroupBarrier(); // it is zero
  if (is_first) { atomicAdd(&reduce_one, bitcast<u32>(sum)); }
  workgroupBarrier(); // all subgroups are in
  return bitcast<i32>(atomicLoad(&reduce_one));
}

fn max_all(value: u32, t: u32) -> u32 {
  workgroupBarrier(); // the last result was read
  if (t == 0u) { atomicStore(&reduce_one, 0u); }
  let largest = lanes_max(value, t);
  let is_first = lanes_first(t);
  workgroupBarrier(); // it is zero
  if (is_first) { atomicMax(&reduce_one, largest); }
  workgroupBarrier(); // all subgroups are in
  return atomicLoad(&reduce_one);
}
