// Sums and maxima over a workgroup of WG invocations (a power of two), by halves through workgroup memory:
// no lane count is assumed. The plain path; twin: reduce_subgroups.wgsl. Call from uniform control flow.
var<workgroup> reduce_parts: array<u32, WG>;

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
  reduce_parts[t] = bitcast<u32>(value);
  workgroupBarrier(); // all values are there
  for (var half = WG / 2u; half > 0u; half >>= 1u) {
    if (t < half) { reduce_parts[t] += reduce_parts[t + half]; }
    workgroupBarrier(); // half as many are left
  }
  return bitcast<i32>(reduce_parts[0]);
}

fn max_all(value: u32, t: u32) -> u32 {
  workgroupBarrier(); // the last result was read
  reduce_parts[t] = value;
  workgroupBarrier(); // all values are there
  for (var half = WG / 2u; half > 0u; half >>= 1u) {
    if (t < half) { reduce_parts[t] = max(reduce_parts[t], reduce_parts[t + half]); }
    workgroupBarrier(); // half as many are left
  }
  return reduce_parts[0];
}
